/**
 * Keyboard shortcuts. A key is named as in `KeyboardEvent.key`, letters in lower case, with "Ctrl+" or "Meta+" before it
 * where that key is held: "z", "Escape", "Ctrl+Enter".
 */

import { DIGITS, NOT_A_DIGIT } from "./labels.js";

/** @typedef {(event: KeyboardEvent) => unknown} Action returns `false` to leave the key to the browser */
/** @typedef {Record<string, Action>} Shortcuts */

const TEXT_FIELDS = 'textarea, select, [contenteditable], input:not([type="radio"], [type="checkbox"], [type="button"])';
// Enter presses these.
const PRESSABLE = "button, a, input, summary";

/** @param {KeyboardEvent} event */
function nameOf({ key, ctrlKey, metaKey }) {
  if (ctrlKey) return `Ctrl+${key}`;
  if (metaKey) return `Meta+${key}`;
  return key.length === 1 ? key.toLowerCase() : key;
}

/** @param {KeyboardEvent} event */
function belongsToControl({ key, target }) {
  return target instanceof Element && (target.matches(TEXT_FIELDS) || (key === "Enter" && target.matches(PRESSABLE)));
}

/**
 * Run an action when its key is pressed in `target`. Keys in a text field, Enter on a button or link, and keys in a dialog
 * stay the browser's. Returns a function that removes the shortcuts.
 *
 * @param {Document | HTMLElement} target
 * @param {Shortcuts} shortcuts
 * @param {object} [options]
 * @param {boolean} [options.repeats] run again while a key is held down: right for steps, wrong for labels
 * @param {boolean} [options.inFields] also take keys pressed in a text field
 * @returns {() => void}
 */
export function addShortcuts(target, shortcuts, { repeats = false, inFields = false } = {}) {
  /** @param {Event} event */
  function onkeydown(event) {
    if (!(event instanceof KeyboardEvent) || event.altKey || (event.repeat && !repeats)) return;
    if (document.querySelector("dialog[open]") || (!inFields && belongsToControl(event))) return;
    const name = nameOf(event);
    if (Object.hasOwn(shortcuts, name) && shortcuts[name](event) !== false) event.preventDefault();
  }

  target.addEventListener("keydown", onkeydown);
  return () => target.removeEventListener("keydown", onkeydown);
}

/**
 * The keys that label a drawing, the same in every view: 0 to 9, N for not a digit, Y to agree with the prediction.
 *
 * @param {(label: string) => unknown} onlabel
 * @param {() => unknown} onagree
 * @returns {Shortcuts}
 */
export function labelShortcuts(onlabel, onagree) {
  const digits = Object.fromEntries(DIGITS.map((digit) => [digit, () => void onlabel(digit)]));
  return { ...digits, n: () => void onlabel(NOT_A_DIGIT), y: () => void onagree() };
}
