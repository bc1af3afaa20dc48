/** Labels given in the list or in the view of one result. Both share one outbox, so a label is sent whichever is open. */

import { el } from "../../lib/dom.js";
import { labelName } from "../../lib/labels.js";
import { createOutbox, storeLabel } from "../../lib/outbox.js";
import { announceResultChange } from "../../lib/results.js";
import { STORED } from "../../lib/storage.js";
import { createNotice } from "../notice.js";

/** @import { ApiError } from "../../lib/api.js" */
/** @import { Label } from "../../lib/outbox.js" */
/** @import { Result } from "../../lib/types.js" */

/** @type {ReturnType<typeof createLabelOutbox> | null} */
let shared = null;

/** Return the outbox; the first call makes it and sends what an earlier visit of this tab left. */
export function labelOutbox() {
  return (shared ??= createLabelOutbox());
}

function createLabelOutbox() {
  const notice = createNotice();
  const status = el("p", { class: "sr-only", role: "status" });
  const outbox = createOutbox({ name: STORED.resultLabels, store: storeLabel, onstored, onfailed });

  /**
   * @param {Result | null} result
   * @param {Label} label
   */
  function onstored(result, { id }) {
    notice.clear();
    status.textContent = result?.label
      ? `Label stored: prediction ${id} is ${labelName(result.label)}.`
      : `Prediction ${id} was deleted, so its label was not stored.`;
    announceResultChange(id, result);
  }

  /**
   * @param {ApiError} error
   * @param {number} count
   */
  function onfailed(error, count) {
    const keeps = count > 1 ? `Your ${count} labels are kept and will be stored.` : "Your label is kept and will be stored.";
    notice.show(error, { retry: outbox.send, keeps });
  }

  outbox.send();
  return {
    /** What was stored or could not be; the view that is open contains it. */
    element: el("div", { class: "label-outbox" }, notice.element, status),
    /**
     * Label a drawing.
     *
     * @param {number} id
     * @param {string} label
     */
    add(id, label) {
      outbox.add({ id, label });
    },
  };
}
