/** Who reviews: a name that goes with the labels, kept for this tab. */

import { el } from "../../lib/dom.js";

const NAME = "pixelwise-reviewer";

/** Make the field; `get()` returns the name, or an empty text. */
export function createName() {
  const input = el("input", { type: "text", id: "reviewer", maxlength: "64", autocomplete: "nickname", "aria-describedby": "reviewer-help" });
  const element = el(
    "p",
    { class: "reviewer" },
    el("label", { for: "reviewer" }, "Your name"),
    input,
    el("span", { class: "quiet", id: "reviewer-help" }, "Not needed. It is stored with your labels, so that people know whose they are."),
  );
  try {
    input.value = sessionStorage.getItem(NAME) ?? "";
  } catch {
    // Where the browser forbids storage the name is given anew after a reload.
  }

  function keep() {
    try {
      sessionStorage.setItem(NAME, input.value.trim());
    } catch {
      // See above.
    }
  }

  input.addEventListener("change", keep);
  // Enter leaves the field, so that the next key is about the drawing again.
  input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
  return { element, get: () => input.value.trim() };
}
