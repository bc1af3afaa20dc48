/** Tells when a field of a form has a new value that is whole. */

import { addShortcuts } from "./keyboard.js";

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

const PAUSE_MS = 800;

// A year of four digits is whole; while 2026 is typed, it is 2, 20 and 202.
export const FIRST_DAY = "1970-01-01";
export const LAST_DAY = "9999-12-31";

/** @type {WeakSet<Field>} fields whose value is still being typed */
const pending = new WeakSet();

/**
 * Call a function when what was typed or chosen is whole: at once for a choice, and otherwise on Enter, when the field is
 * left, or after a pause. While a date is typed, every key makes another valid date.
 *
 * @param {Field} field
 * @param {(value: string, isContinued: boolean) => void} onsettled `isContinued`: called before, since the field has the focus
 */
export function onSettled(field, onsettled) {
  const isChoice = field instanceof HTMLSelectElement;
  /** @type {number | undefined} */
  let timer;
  let isContinued = false;
  let view = "";

  /** @param {boolean} isFinished whether the reader has finished, and sees what is wrong */
  function settle(isFinished) {
    clearTimeout(timer);
    // A view that is left takes its fields with it, which lose the focus.
    if (viewInAddress() !== view) {
      pending.delete(field);
      return;
    }
    const isValid = field.checkValidity();
    if (isValid || isFinished) mark(field, field.validationMessage);
    if (!isValid && isFinished) pending.add(field);
    if (!isValid || !pending.has(field)) return;
    pending.delete(field);
    onsettled(field.value, isContinued);
    isContinued = true;
  }

  function onfocus() {
    view = viewInAddress();
  }

  function onchange() {
    onfocus();
    pending.add(field);
    clearTimeout(timer);
    if (isChoice) settle(true);
    else timer = setTimeout(settle, PAUSE_MS, false);
  }

  function onblur() {
    settle(true);
    isContinued = false;
  }

  function onenter() {
    settle(true);
    // Not when the field is left: this takes the focus back.
    field.reportValidity();
  }

  field.addEventListener(isChoice ? "change" : "input", onchange);
  field.addEventListener("focus", onfocus);
  field.addEventListener("blur", onblur);
  if (!isChoice) addShortcuts(field, { Enter: onenter }, { inFields: true });
}

function viewInAddress() {
  return location.hash.split("?")[0];
}

/**
 * @param {Field} field
 * @param {string} problem what is wrong with its value; empty if nothing is
 */
function mark(field, problem) {
  field.setAttribute("aria-invalid", String(problem !== ""));
  field.title = problem;
}

/**
 * Let `showValue` replace what is being typed.
 *
 * @param {Field} field
 */
export function forgetTyped(field) {
  pending.delete(field);
}

/**
 * Show a value in a field, unless another one is being typed there.
 *
 * @param {Field} field
 * @param {string} value
 */
export function showValue(field, value) {
  if (pending.has(field)) return;
  // The value of a field is empty while what is typed there is no number or time.
  if (field.value !== value || field.title) field.value = value;
  mark(field, "");
}
