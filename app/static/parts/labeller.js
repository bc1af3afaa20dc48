/** The buttons that label a drawing. */

import { button, el } from "../lib/dom.js";
import { claimOf, DIGITS, labelName, labelPhrase, NOT_A_DIGIT } from "../lib/labels.js";

/** @import { Claim } from "../lib/labels.js" */

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
