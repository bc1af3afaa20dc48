/** Announces stored labels: to the views that show results, and to screen readers. */

import { el } from "../../lib/dom.js";
import { labelName } from "../../lib/format.js";
import { outboxes } from "../../lib/outbox.js";
import { announceResultChange } from "../../lib/results.js";

/** @type {HTMLElement | null} */
let shared = null;

/** Return a line for screen readers; the view that is open contains it. */
export function labelStatus() {
  return (shared ??= createLabelStatus());
}

function createLabelStatus() {
  const element = el("p", { class: "sr-only", role: "status" });
  outboxes().labels.listen({
    onstored(result, { id }) {
      element.textContent = result?.label
        ? `Label stored: prediction ${id} is ${labelName(result.label)}.`
        : `Prediction ${id} was deleted, so its label was not stored.`;
      announceResultChange(id, result);
    },
  });
  return element;
}
