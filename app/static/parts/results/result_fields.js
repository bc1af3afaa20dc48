/** What the history and the view of one prediction share: their style, their words, and word of what has changed. */

import { labelName } from "../labeller.js";
import { request } from "../../lib/api.js";
import { el, loadStyle } from "../../lib/dom.js";

await loadStyle("static/views/results.css");

// Made once: making one takes longer than building a row.
const LOCAL_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show a time as the reader's clock has it, with the exact one in UTC behind it. */
export function timeOf(moment) {
  if (!moment) return el("span", {}, "at an unknown time");
  return el("time", { datetime: moment, title: inUtc(moment) }, LOCAL_TIME.format(new Date(moment)));
}

/** Write a time as exactly as the service remembers it. */
export function inUtc(moment) {
  return `${moment.replace("T", " ").replace("Z", "")} UTC`;
}

/** Say what people said of a prediction, in an element whose class says whether the model was right. */
export function verdictOf({ prediction, label }) {
  if (!label) return el("span", { class: "verdict quiet" }, "unlabelled");
  if (label === prediction) return el("span", { class: "verdict good" }, "✓ right");
  return el("span", { class: "verdict bad" }, label === "none" ? `✗ ${labelName(label)}` : `✗ was a ${label}`);
}

/** Read one prediction, with the tag that says which state of it this is. */
export async function readRecord(id, options) {
  const { body, headers } = await request(`results/${id}`, options);
  return { record: body, tag: headers.get("ETag") };
}

/** Tell every view that a prediction has changed, or that it is gone when `record` is null. */
export function tellChanged(id, record) {
  window.dispatchEvent(new CustomEvent("predictionchange", { detail: { id, record } }));
}

/** The address of the history as it was last shown, so that there is a way back to it. */
export const lastHistory = { address: "#/history" };
