/** Fields of a result as the list and the view of one result show them. */

import { el } from "../../lib/dom.js";
import { exactUtc, localTime } from "../../lib/format.js";
import { labelName, NOT_A_DIGIT } from "../../lib/labels.js";

/**
 * Show a time in the reader's time zone, with UTC as its tooltip.
 *
 * @param {string | null} time
 */
export function timeElement(time) {
  if (!time) return el("span", {}, "unknown time");
  return el("time", { datetime: time, title: exactUtc(time) }, localTime(time));
}

/**
 * Say whether the label confirms the prediction.
 *
 * @param {{prediction: string, label: string | null}} result
 */
export function verdictElement({ prediction, label }) {
  if (!label) return el("span", { class: "verdict quiet" }, "unlabelled");
  if (label === prediction) return el("span", { class: "verdict good" }, "✓ right");
  return el("span", { class: "verdict bad" }, label === NOT_A_DIGIT ? `✗ ${labelName(label)}` : `✗ was a ${label}`);
}
