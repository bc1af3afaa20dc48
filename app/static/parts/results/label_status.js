/** Reads out which labels were stored, in the list and in the view of one result. */

import { el } from "../../lib/dom.js";
import { labelName } from "../../lib/labels.js";
import { outboxes } from "../../lib/outbox.js";

/** Make a line for screen readers. */
export function createLabelStatus() {
  const element = el("p", { class: "sr-only", role: "status" });
  outboxes().labels.listen({
    onstored(result, { id }) {
      element.textContent = result?.label
        ? `Label stored: prediction ${id} is ${labelName(result.label)}.`
        : `Prediction ${id} was deleted, so its label was not stored.`;
    },
  });
  return element;
}
