/** Asks for the API key. */

import { checkKey, WRONG_KEY } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { getKey, setKey } from "../lib/key.js";

let dialog = null;

/** Open the dialog in which the key is entered, checked and kept, or forgotten. */
export function askForKey() {
  dialog ??= create();
  dialog.prepare();
  dialog.showModal();
}

function create() {
  const input = el("input", {
    type: "password",
    id: "key",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "key-help key-problem",
  });
  const problem = el("p", { id: "key-problem", class: "problem", role: "alert" });
  const forget = el("button", { type: "button", onclick: () => enter("") }, "Forget the key");
  const form = el(
    "form",
    { method: "dialog", class: "keybox" },
    el("h2", { id: "key-title" }, "The API key"),
    el(
      "p",
      { id: "key-help" },
      "Whoever runs PixelWise has it: scripts/serve prints a link with the key in it, and it stands in the file .env as SECRET_API_KEY. ",
      "This tab remembers it until it is closed; nothing else does.",
    ),
    el("label", { for: "key" }, "Key"),
    input,
    problem,
    el(
      "p",
      { class: "actions" },
      el("button", { class: "primary" }, "Use this key"),
      forget,
      el("button", { type: "button", onclick: () => box.close() }, "Cancel"),
    ),
  );
  const box = el("dialog", { "aria-labelledby": "key-title" }, form);

  function enter(value) {
    setKey(value);
    box.close();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) {
      problem.textContent = "Enter the key first.";
      return;
    }
    problem.textContent = "";
    try {
      await checkKey(value);
      enter(value);
    } catch (error) {
      problem.textContent = error.kind === "key" ? WRONG_KEY : error.message;
    }
  });
  box.prepare = () => {
    input.value = "";
    problem.textContent = "";
    forget.hidden = !getKey();
  };
  document.body.append(box);
  return box;
}
