/** Fields of a result as the list and the view of one result show them. */

import { el } from "../../lib/dom.js";
import { claimOf, exactUtc, isNoDigit, labelName, labelPhrase, localTime, NOT_A_DIGIT } from "../../lib/format.js";

/** @import { Claim } from "../../lib/format.js" */

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
 * @param {Claim & {label: string | null}} result
 */
export function verdictElement({ label, ...claim }) {
  if (!label) return el("span", { class: "verdict quiet" }, isNoDigit(claim) ? "not a digit?" : "unlabelled");
  if (label === claimOf(claim)) return el("span", { class: "verdict good" }, label === NOT_A_DIGIT ? `✓ ${labelName(label)}` : "✓ right");
  return el("span", { class: "verdict bad" }, label === NOT_A_DIGIT ? `✗ ${labelName(label)}` : `✗ was ${labelPhrase(label)}`);
}
