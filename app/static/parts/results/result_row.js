/** One prediction in the history, correctable in place. What few rows ever need is made when it is asked for. */

import { createLabeller, DIGITS, NONE, percent } from "../labeller.js";
import { el } from "../../lib/dom.js";
import { createNotesEditor, hasDraft } from "./notes_editor.js";
import { timeOf, verdictOf } from "./result_fields.js";

/** Make a row of the list. `onlabel(id, label)` is called with a person's word. Returns {element, image, show}. */
export function createRow(summary, onlabel) {
  const { id } = summary;
  const image = el("img", { class: "drawing", alt: "", width: "48", height: "48" });
  const digit = el("b", {}, summary.prediction);
  const fill = el("span", { class: "fill" });
  const link = el(
    "a",
    { class: "opens", href: `#/results/${id}` },
    el("span", { class: "drawing frame" }, image),
    digit,
    el("span", {}, percent(summary.confidence)),
    el("span", { class: "track" }, fill),
  );
  const verdict = el("span", { class: "said" });
  const notes = el("span", { class: "notes", dir: "auto" });
  const correct = el("button", { type: "button", "aria-expanded": "false", onclick: () => toggle(correct) }, "Correct");
  const annotate = el("button", { type: "button", "aria-expanded": "false", onclick: () => toggle(annotate) }, "Notes");
  const element = el(
    "li",
    { class: "row" },
    link,
    verdict,
    notes,
    el("span", { class: "quiet" }, timeOf(summary.created_at), el("span", { class: "version" }, summary.model_version)),
    el("span", { class: "does" }, correct, annotate),
  );
  link.setAttribute("aria-label", `Prediction ${id}: ${summary.prediction}, ${percent(summary.confidence)}`);
  correct.setAttribute("aria-label", `Correct prediction ${id}`);
  annotate.setAttribute("aria-label", `Notes on prediction ${id}`);
  fill.style.transform = `scaleX(${summary.confidence})`;
  let panel = null;
  let labeller = null;

  /** Show what is known now. */
  function show(record) {
    summary = record;
    verdict.replaceChildren(verdictOf(record));
    notes.textContent = record.notes ?? "";
    labeller?.show(record);
  }

  function toggle(button) {
    const wasOpen = button.getAttribute("aria-expanded") === "true";
    close();
    if (wasOpen) return;
    const inside = button === correct ? corrections() : createNotesEditor(summary, close);
    open(button, inside);
    inside.focus();
  }

  function open(button, inside) {
    panel = el("div", { class: "panel" }, inside.element);
    button.setAttribute("aria-expanded", "true");
    element.append(panel);
  }

  function close() {
    const focused = panel?.contains(document.activeElement);
    for (const button of [correct, annotate]) {
      if (focused && button.getAttribute("aria-expanded") === "true") button.focus();
      button.setAttribute("aria-expanded", "false");
    }
    panel?.remove();
    panel = labeller = null;
  }

  function corrections() {
    labeller = createLabeller((label) => onlabel(id, label));
    labeller.show(summary);
    labeller.element.addEventListener("keydown", (event) => {
      const label = labelOfKey(event, summary.prediction);
      if (label) onlabel(id, label);
      else if (event.key === "Escape") close();
    });
    return { element: labeller.element, focus: () => labeller.element.querySelector("button").focus() };
  }

  show(summary);
  // What somebody had begun to write is in front of them again.
  if (hasDraft(id)) open(annotate, createNotesEditor(summary, close));
  return { element, image, show };
}

/** Return the label that a key stands for, as in the other views: 0 to 9, N for not a digit, Y for right. */
export function labelOfKey({ key, ctrlKey, altKey, metaKey }, prediction) {
  if (ctrlKey || altKey || metaKey) return null;
  if (DIGITS.includes(key)) return key;
  return { n: NONE, y: prediction }[key.toLowerCase()] ?? null;
}
