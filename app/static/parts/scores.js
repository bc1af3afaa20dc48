/** The scores of the ten digits as bars. */

import { el } from "../lib/dom.js";
import { percent } from "../lib/format.js";
import { DIGITS } from "../lib/labels.js";

/** @import { Scores } from "../lib/types.js" */

/** Make ten bars, empty until `show(scores)`. */
export function createScores() {
  const bars = DIGITS.map((digit) => {
    const fill = el("span", { class: "fill" });
    const value = el("span", { class: "value" });
    const item = el("li", {}, el("span", { class: "digit" }, digit), el("span", { class: "track" }, fill), value);
    return { digit, item, fill, value };
  });
  const element = el("ol", { class: "bars", "aria-label": "Score of each digit" }, bars.map(({ item }) => item));

  /** @param {Scores | null} scores */
  function show(scores) {
    const best = scores && DIGITS.reduce((a, b) => (scores[b] > scores[a] ? b : a));
    for (const { digit, item, fill, value } of bars) {
      fill.style.transform = `scaleX(${scores?.[digit] ?? 0})`;
      value.textContent = scores ? percent(scores[digit], 1) : "";
      item.classList.toggle("best", digit === best);
    }
  }

  show(null);
  return { element, show };
}
