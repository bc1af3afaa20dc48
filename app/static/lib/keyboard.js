/**
 * Keyboard shortcuts. A key is named by what it types, letters in lower case, with "Ctrl+" before it where Ctrl or Cmd is
 * held: "z", "7", "Escape", "Ctrl+Enter".
 */

import { lacks } from "./key.js";
import { DIGITS, NOT_A_DIGIT } from "./format.js";

/** @typedef {(event: KeyboardEvent) => unknown} Action returns `false` to leave the key to the browser */
/** @typedef {Record<string, Action>} Shortcuts */

const TEXT_FIELDS = 'textarea, select, [contenteditable], input:not([type="radio"], [type="checkbox"], [type="button"])';
// Enter presses these.
const PRESSABLE = "button, a, input, summary";

const DIGIT_KEY = /^(?:Digit|Numpad)(\d)$/;
const LETTER_KEY = /^Key([A-Z])$/;
const OTHER_ALPHABET = /^(?!\p{Script=Latin})\p{L}/u;

/**
 * What a key types. The place of the key counts where the layout types no digit or Latin letter there: the upper row of
 * AZERTY, the letters of a Cyrillic layout.
 *
 * @param {KeyboardEvent} event
 */
function typedBy({ key, code, shiftKey }) {
  if (/^[0-9a-z]$/i.test(key)) return key.toLowerCase();
  if (key.length > 1 && key !== "Dead") return key;
  const digit = DIGIT_KEY.exec(code);
  if (digit && !shiftKey) return digit[1];
  const letter = LETTER_KEY.exec(code);
  return letter && OTHER_ALPHABET.test(key) ? letter[1].toLowerCase() : key;
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const typed = typedBy(event);
  if (!event.ctrlKey && !event.metaKey) return typed;
  return event.shiftKey ? `Ctrl+Shift+${typed}` : `Ctrl+${typed}`;
}

/**
 * Whether a key writes a character or belongs to the browser's menus.
 *
 * @param {KeyboardEvent} event
 */
function isNoShortcut(event) {
  return event.altKey || event.getModifierState("AltGraph") || event.isComposing || event.key === "Process";
}

/** @param {KeyboardEvent} event */
function belongsToControl({ key, target }) {
  return target instanceof Element && Boolean(target.closest(TEXT_FIELDS) || (key === "Enter" && target.closest(PRESSABLE)));
}

/**
 * Run an action when its key is pressed in `target`. Keys in a text field, Enter on a button or link, and keys in a dialog
 * stay the browser's. Returns a function that removes the shortcuts.
 *
 * @param {Document | HTMLElement} target
 * @param {Shortcuts} shortcuts
 * @param {object} [options]
 * @param {boolean} [options.repeats] run again while a key is held down: right for moving the focus alone
 * @param {boolean} [options.inFields] also take keys pressed in a text field
 * @returns {() => void}
 */
export function addShortcuts(target, shortcuts, { repeats = false, inFields = false } = {}) {
  /** @param {Event} event */
  function onkeydown(event) {
    if (!(event instanceof KeyboardEvent) || event.defaultPrevented || isNoShortcut(event)) return;
    if (document.querySelector("dialog[open]") || (!inFields && belongsToControl(event))) return;
    const name = nameOf(event);
    if (!Object.hasOwn(shortcuts, name)) return;
    const isIgnored = event.repeat && !repeats;
    if (isIgnored || shortcuts[name](event) !== false) event.preventDefault();
  }

  target.addEventListener("keydown", onkeydown);
  return () => target.removeEventListener("keydown", onkeydown);
}

/**
 * Take the focus from what is clicked in a view where Enter means something: it would press that again.
 *
 * @param {HTMLElement} view
 */
export function letGoOfClicked(view) {
  view.addEventListener("click", ({ detail }) => {
    const { activeElement: focused } = document;
    // A keyboard clicks with 0. A dialog gives the focus back to what opened it.
    if (detail > 0 && focused instanceof HTMLElement && focused.matches("button:not([aria-haspopup]), summary, [type=radio]")) focused.blur();
  });
}

/**
 * Take the focus from a list after a choice with a pointer: keys would choose again.
 *
 * @param {HTMLSelectElement} list
 */
export function letGoOfChosen(list) {
  let isByPointer = false;
  list.addEventListener("pointerdown", () => (isByPointer = true));
  list.addEventListener("keydown", () => (isByPointer = false));
  list.addEventListener("change", () => isByPointer && list.blur());
}

/** Press a button or link once while Enter is held down on it; browsers click again and again. */
export function pressOnce() {
  document.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter" && event.target instanceof Element && event.target.closest(PRESSABLE)) event.preventDefault();
  });
}

/**
 * The keys that label a drawing, the same in every view: 0 to 9, N for not a digit, Y to agree with the prediction.
 *
 * @param {(label: string) => unknown} onlabel
 * @param {() => unknown} onagree
 * @returns {Shortcuts}
 */
export function labelShortcuts(onlabel, onagree) {
  const digits = Object.fromEntries(DIGITS.map((digit) => [digit, () => onlabel(digit)]));
  const shortcuts = { ...digits, n: () => onlabel(NOT_A_DIGIT), y: onagree };
  return Object.fromEntries(Object.entries(shortcuts).map(([key, act]) => [key, () => void (lacks("label") || act())]));
}
