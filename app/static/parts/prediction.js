/** What a prediction consists of in every view: the scores, and the buttons that label it. */

import { button, el } from "../lib/dom.js";
import { claimOf, DIGITS, labelName, labelPhrase, NOT_A_DIGIT, percent } from "../lib/format.js";

/** @import { Claim } from "../lib/format.js" */
/** @import { Scores } from "../lib/types.js" */

/** Make the scores of the ten digits as bars, empty until `show(scores)`. */
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

/**
 * Make the buttons: one that agrees with the model, ten digits, "not a digit".
 *
 * @param {(label: string, isAgreement?: boolean) => unknown} onlabel
 * @param {number} [clicks] how many clicks in a row count; one, unless another drawing is shown after each
 */
export function createLabeller(onlabel, clicks = 1) {
  /** @type {string | null} the label of the button that agrees */
  let claim = null;
  const right = button("Right", ({ detail }) => detail <= clicks && claim !== null && onlabel(claim, true), { class: "right" });
  const choices = [...DIGITS, NOT_A_DIGIT].map((label) => {
    const properties = { "aria-label": `It is ${labelPhrase(label)}` };
    return { label, choice: button(labelName(label), ({ detail }) => detail <= clicks && onlabel(label), properties) };
  });
  const or = el("span", { class: "or" });
  const element = el(
    "div",
    { class: "labeller", "data-needs": "label", role: "group", "aria-label": "What does the drawing show?" },
    right,
    or,
    el("span", { class: "choices" }, choices.map(({ choice }) => choice)),
  );

  /**
   * Show the prediction and the label so far; without an argument nothing can be labelled.
   *
   * @param {Claim & {label?: string | null} | null} result
   */
  function show(result) {
    const label = result?.label ?? null;
    claim = result && claimOf(result);
    right.disabled = !claim;
    // "Right" could be read as agreeing with the best guess.
    right.textContent = claim === NOT_A_DIGIT ? "Not a digit" : "Right";
    or.textContent = claim ? "or it was a" : "Choose what you see:";
    right.classList.toggle("primary", claim !== null && label === null);
    right.setAttribute("aria-pressed", String(label !== null && label === claim));
    for (const { label: own, choice } of choices) {
      choice.disabled = !result;
      choice.setAttribute("aria-pressed", String(label === own));
    }
  }

  show(null);
  return { element, show, focus: () => element.querySelector("button")?.focus() };
}
