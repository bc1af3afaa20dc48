/** Shows an answer: the digit, how sure in words, ten bars; and takes a person's word on it. */

import { el } from "../lib/dom.js";

export const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
export const NONE = "none";

/** Say in words how sure a confidence of 0 to 1 is. */
export function inWords(confidence) {
  if (confidence >= 0.99) return "almost certain";
  if (confidence >= 0.9) return "confident";
  if (confidence >= 0.7) return "fairly sure";
  if (confidence >= 0.5) return "unsure";
  return "only guessing";
}

/** Return 0 to 1 as a percentage that says 100 % of nothing but certainty. */
export function percent(share, decimals = 0) {
  const factor = 100 * 10 ** decimals;
  const rounded = share < 1 ? Math.min(Math.round(share * factor), factor - 1) : factor;
  return `${(rounded / 10 ** decimals).toFixed(decimals)} %`;
}

/** What a label is called where people read it. */
export function labelName(label) {
  return label === NONE ? "not a digit" : label;
}

/** Make ten bars in the order 0 to 9. `show(scores)` takes {"0": 0.1, …}; without any they are empty. */
export function createBars() {
  const rows = DIGITS.map((digit) => {
    const fill = el("span", { class: "fill" });
    const value = el("span", { class: "value" });
    const row = el("li", {}, el("span", { class: "digit" }, digit), el("span", { class: "track" }, fill), value);
    return { digit, row, fill, value };
  });
  const element = el("ol", { class: "bars", "aria-label": "Score of each digit" }, rows.map(({ row }) => row));

  function show(scores) {
    const best = scores && DIGITS.reduce((a, b) => (scores[b] > scores[a] ? b : a));
    for (const { digit, row, fill, value } of rows) {
      fill.style.transform = `scaleX(${scores?.[digit] ?? 0})`;
      value.textContent = scores ? percent(scores[digit]) : "";
      row.classList.toggle("best", digit === best);
    }
  }

  show(null);
  return { element, show };
}

/** Draw 28 × 28 numbers, white on dark, into a canvas of that size. */
export function paintPixels(canvas, pixels) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(28, 28);
  pixels.flat().forEach((value, index) => image.data.set([value, value, value, 255], index * 4));
  context.putImageData(image, 0, 0);
}

/**
 * Make the buttons with which a person says what a drawing shows: "right", a digit, not a digit. `onlabel(label)` is
 * called with the label; `show({prediction, label})` says what the model and people have said so far.
 */
export function createLabeller(onlabel) {
  let prediction = null;
  const right = el("button", { type: "button", class: "right", onclick: () => onlabel(prediction) }, "Right");
  const buttons = [...DIGITS, NONE].map((label) => {
    const name = label === NONE ? "It is not a digit" : `It is a ${label}`;
    return [label, el("button", { type: "button", "aria-label": name, onclick: () => onlabel(label) }, labelName(label))];
  });
  const element = el(
    "div",
    { class: "labeller", role: "group", "aria-label": "What does the drawing show?" },
    right,
    el("span", { class: "or" }, "or it was a"),
    el("span", { class: "choices" }, buttons.map(([, button]) => button)),
  );

  function show(record) {
    prediction = record?.prediction ?? null;
    right.disabled = !prediction;
    right.setAttribute("aria-pressed", String(Boolean(record?.label) && record.label === prediction));
    for (const [label, button] of buttons) {
      button.disabled = !record;
      button.setAttribute("aria-pressed", String(record?.label === label));
    }
  }

  show(null);
  return { element, show };
}
