/** The field for the reviewer's name, which is stored with the labels. */

import { el } from "../../lib/dom.js";
import { addShortcuts } from "../../lib/keyboard.js";
import { readText, STORED, writeText } from "../../lib/storage.js";

/** Make the field; `get()` returns the name, or an empty text. */
export function createReviewerName() {
  const input = el("input", { type: "text", id: "reviewer", maxlength: "64", autocomplete: "nickname", "aria-describedby": "reviewer-help" });
  const element = el(
    "p",
    { class: "reviewer" },
    el("label", { for: "reviewer" }, "Your name"),
    input,
    el("span", { class: "quiet", id: "reviewer-help" }, "Optional. It is stored with your labels."),
  );
  const get = () => input.value.trim();
  input.value = readText(STORED.reviewer);
  input.addEventListener("change", () => writeText(STORED.reviewer, get()));
  // Enter leaves the field, so that the next key labels the drawing.
  addShortcuts(input, { Enter: () => input.blur() }, { inFields: true });
  return { element, get };
}
