/** The dialog that asks for the API key. */

import { asApiError, checkKey, WRONG_KEY } from "../lib/api.js";
import { button, el, focusView } from "../lib/dom.js";
import { getKey, setKey } from "../lib/key.js";

/** @type {ReturnType<typeof createKeyDialog> | null} */
let dialog = null;

/** Open the dialog in which the key is entered and checked, or forgotten. */
export function askForKey() {
  dialog ??= createKeyDialog();
  dialog.open();
}

function createKeyDialog() {
  const input = el("input", {
    type: "password",
    id: "key",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "key-help key-problem",
  });
  const problem = el("p", { id: "key-problem", class: "problem", role: "alert" });
  const forget = button("Forget the key", () => enter(""));
  const form = el(
    "form",
    { method: "dialog", class: "key-dialog", onsubmit: submit },
    el("h2", { id: "key-title" }, "The API key"),
    el(
      "p",
      { id: "key-help" },
      "The operator of PixelWise gives you a key. scripts/serve prints a link with the key in it, and the file .env has it as SECRET_API_KEY. ",
      "Only this tab keeps it, until you close the tab.",
    ),
    el("label", { for: "key" }, "Key"),
    input,
    problem,
    el(
      "p",
      { class: "actions" },
      el("button", { class: "primary" }, "Use this key"),
      forget,
      button("Cancel", close),
    ),
  );
  const element = el("dialog", { "aria-labelledby": "key-title", onclose: keepFocus }, form);
  /** @type {{value: string} | null} the check that is running, for this dialog as it was last opened */
  let check = null;
  document.body.append(element);

  /** Give the focus to the view if the button that opened the dialog is hidden now. */
  function keepFocus() {
    const { activeElement: focused } = document;
    if (focused === document.body || element.contains(focused)) focusView();
  }

  function close() {
    element.close();
  }

  /** @param {string} value */
  function enter(value) {
    setKey(value);
    close();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) {
      problem.textContent = "Enter the key first.";
      return;
    }
    // A double click.
    if (check?.value === value) return;
    const mine = (check = { value });
    problem.textContent = "";
    try {
      await checkKey(value);
      // Another key may be entered by now, or the dialog closed.
      if (mine === check && element.open) enter(value);
    } catch (caught) {
      const error = asApiError(caught);
      if (mine === check) problem.textContent = error.kind === "key" ? WRONG_KEY : error.message;
    } finally {
      if (mine === check) check = null;
    }
  }

  function open() {
    check = null;
    input.value = "";
    problem.textContent = "";
    forget.hidden = !getKey();
    element.showModal();
  }

  return { open };
}
