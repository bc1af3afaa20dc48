/**
 * What people said about predictions in the history, on its way to the service: kept until it is stored, whichever of the
 * views is open by then.
 */

import { labelName } from "../labeller.js";
import { el } from "../../lib/dom.js";
import { createNotice } from "../notice.js";
import { createOutbox, storeLabel } from "../../lib/outbox.js";
import { tellChanged } from "./result_fields.js";

const notice = createNotice();
const said = el("p", { class: "sr-only", role: "status" });
const outbox = createOutbox({ name: "pixelwise-corrections", store: storeLabel, onstored, onfailed });

/** Where it says what was stored and what could not be yet. The view that is shown has it. */
export const correctionState = el("div", { class: "correction-state" }, notice.element, said);

/** Store a person's word on a prediction. */
export function correct(id, label) {
  outbox.add({ id, label });
}

function onstored(record, { id }) {
  notice.clear();
  said.textContent = record ? `Stored: prediction ${id} is ${labelName(record.label)}.` : `Prediction ${id} is gone.`;
  tellChanged(id, record);
}

function onfailed(error, count) {
  const keeps = count > 1 ? `Your ${count} corrections are kept and will be stored.` : "Your correction is kept and will be stored.";
  notice.show(error, { retry: outbox.send, keeps });
}

// What an earlier visit of this tab could not send.
outbox.send();
