/** Tables of the stats. */

import { el } from "../../lib/dom.js";
import { counted, percent } from "../../lib/format.js";

// An accuracy from fewer labels says little: its interval is wider than twenty points.
export const MIN_LABELS = 30;

/** @import { LabelledAccuracy, Interval } from "../../lib/types.js" */

/**
 * Make a table that scrolls on its own where it is too wide.
 *
 * @param {string} title
 * @param {string[]} columns
 * @param {string[][]} rows
 */
export function createTable(title, columns, rows) {
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
      el("tbody", {}, rows.map(([first, ...rest]) =>
        el("tr", {}, el("th", { scope: "row" }, first), rest.map((cell) => el("td", {}, cell))),
      )),
    ),
  );
}

/**
 * Write an interval.
 *
 * @param {Interval} interval
 */
export function intervalText([low, high]) {
  return `${percent(low, 1)} to ${percent(high, 1)}`;
}

/**
 * Write a share that may be unknown.
 *
 * @param {number | null} share
 */
export function shareText(share) {
  return share === null ? "–" : percent(share, 1);
}

/**
 * Write a p-value as the command line does: never as zero.
 *
 * @param {number} p
 */
export function pValueText(p) {
  if (p < 0.001) return "p < 0.001";
  return `p = ${p.toFixed(p < 0.1 ? 3 : 2)}`;
}

/**
 * The cells of an accuracy: labelled, accuracy, interval.
 *
 * @param {LabelledAccuracy} accuracy
 */
export function accuracyCells({ labelled, accuracy, interval }) {
  return [counted(labelled), shareText(accuracy), interval ? intervalText(interval) : "–"];
}

/**
 * Say how many labels an accuracy lacks, or return an empty text when it has enough.
 *
 * @param {LabelledAccuracy} accuracy
 */
export function missingLabels({ labelled, correct }) {
  if (labelled >= MIN_LABELS) return "";
  const right = labelled ? `${counted(correct)} of ${counted(labelled)} right` : "no labels yet";
  return `${right}; ${counted(MIN_LABELS - labelled)} more needed`;
}
