/** A row of the list of results. Its panels are made when they are first opened. */

import { button, el } from "../../lib/dom.js";
import { claimOf, isNoDigit, onOneLine, percent } from "../../lib/format.js";
import { addShortcuts, labelShortcuts } from "../../lib/keyboard.js";
import { createLabeller } from "../prediction.js";
import { createNotesEditor, hasDraft } from "./notes_editor.js";
import { timeElement, verdictElement } from "./result_fields.js";

/** @import { ResultSummary } from "../../lib/types.js" */

/**
 * Make a row.
 *
 * @param {ResultSummary} result
 * @param {(id: number, label: string) => unknown} onlabel
 */
export function createResultRow(result, onlabel) {
  const { id } = result;
  const image = el("img", { class: "drawing", alt: "", width: "48", height: "48" });
  const fill = el("span", { class: "fill" });
  const link = el(
    "a",
    { class: "result-link", href: `#/results/${id}` },
    el("span", { class: "drawing frame" }, image),
    el("b", { class: isNoDigit(result) && "guess" }, result.prediction),
    el("span", {}, onOneLine(percent(result.confidence, 1))),
    el("span", { class: "track" }, fill),
  );
  const verdict = el("span", { class: "row-verdict" });
  const notes = el("span", { class: "notes", dir: "auto" });
  const labelButton = button("Label", () => toggle(labelButton), { "aria-expanded": "false" });
  const notesButton = button("Notes", () => toggle(notesButton), { "aria-expanded": "false" });
  const element = el(
    "li",
    { class: "result-row" },
    link,
    verdict,
    notes,
    el("span", { class: "quiet" }, timeElement(result.created_at), el("span", { class: "version" }, result.model_version)),
    el("span", { class: "row-actions", "data-needs": "label" }, labelButton, notesButton),
  );
  const guess = isNoDigit(result) ? "not a digit, best guess " : "";
  link.setAttribute("aria-label", `Prediction ${id}: ${guess}${result.prediction}, ${percent(result.confidence, 1)}`);
  labelButton.setAttribute("aria-label", `Label prediction ${id}`);
  notesButton.setAttribute("aria-label", `Notes on prediction ${id}`);
  fill.style.transform = `scaleX(${result.confidence})`;
  /** @type {HTMLElement | null} */
  let panel = null;
  /** @type {ReturnType<typeof createLabeller> | null} */
  let labeller = null;
  /** @type {ReturnType<typeof createNotesEditor> | null} */
  let editor = null;

  /**
   * Show the result as it is now.
   *
   * @param {ResultSummary} changed
   */
  function show(changed) {
    result = changed;
    verdict.replaceChildren(verdictElement(result));
    notes.textContent = result.notes ?? "";
    labeller?.show(result);
  }

  /** @param {HTMLButtonElement} opener */
  function toggle(opener) {
    const wasOpen = opener.getAttribute("aria-expanded") === "true";
    close();
    if (wasOpen) return;
    const content = opener === labelButton ? openLabeller() : openEditor();
    open(opener, content.element);
    content.focus();
  }

  /**
   * @param {HTMLButtonElement} opener
   * @param {HTMLElement} content
   */
  function open(opener, content) {
    panel = el("div", { class: "panel" }, content);
    opener.setAttribute("aria-expanded", "true");
    element.append(panel);
  }

  function close() {
    const hadFocus = panel?.contains(document.activeElement);
    for (const opener of [labelButton, notesButton]) {
      if (hadFocus && opener.getAttribute("aria-expanded") === "true") opener.focus();
      opener.setAttribute("aria-expanded", "false");
    }
    panel?.remove();
    panel = labeller = editor = null;
  }

  function openEditor() {
    // A save may end when another panel is open.
    const mine = createNotesEditor(result, () => mine === editor && close());
    return (editor = mine);
  }

  /** Show notes as they were typed in another view in the meantime. */
  function refresh() {
    if (hasDraft(id)) editor?.refresh();
    else if (editor) close();
  }

  function openLabeller() {
    const label = (/** @type {string} */ value) => {
      labeller?.show({ ...result, label: value });
      onlabel(id, value);
    };
    labeller = createLabeller(label);
    labeller.show(result);
    addShortcuts(labeller.element, { ...labelShortcuts(label, () => label(claimOf(result) ?? result.prediction)), Escape: close });
    return labeller;
  }

  show(result);
  if (hasDraft(id)) open(notesButton, openEditor().element);
  return { element, image, show, refresh };
}
