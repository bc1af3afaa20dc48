/** Edits the notes of a prediction. Nothing that was typed is lost, and nothing that somebody else wrote is overwritten unseen. */

import { request } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { createNotice } from "../notice.js";
import { readRecord, tellChanged } from "./result_fields.js";

const NAME = "pixelwise-notes";
const LONGEST = 2000;

// What was typed and not saved: {base, text} by prediction. `base` is what the notes were when typing began.
const drafts = restore();

function restore() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(NAME) ?? "[]"));
  } catch {
    return new Map();
  }
}

function keep(id, draft) {
  if (draft) drafts.set(id, draft);
  else drafts.delete(id);
  try {
    sessionStorage.setItem(NAME, JSON.stringify([...drafts]));
  } catch {
    // Without storage a reload loses what is not saved yet, and nothing else does.
  }
}

/** Whether somebody has begun to write notes on this prediction and has not saved them. */
export function hasDraft(id) {
  return drafts.has(id);
}

/**
 * Make an editor for the notes of one prediction. `onclose()` is called when there is nothing more to edit, because the
 * notes were saved or left as they were.
 */
export function createNotesEditor({ id, notes }, onclose) {
  const notice = createNotice();
  let base = drafts.has(id) ? drafts.get(id).base : notes;
  let saving = false;
  const area = el("textarea", { rows: "3", maxlength: String(LONGEST), "aria-label": `Notes on prediction ${id}` });
  const save = el("button", { class: "primary" }, "Save");
  const cancel = el("button", { type: "button", onclick: drop }, "Cancel");
  const theirs = el("div", { class: "theirs", role: "alert", hidden: true });
  const element = el("form", { class: "notes-editor" }, area, theirs, notice.element, el("p", { class: "actions" }, save, cancel));
  area.value = drafts.get(id)?.text ?? notes ?? "";

  function drop() {
    keep(id, null);
    notice.clear();
    onclose();
  }

  async function submit() {
    if (saving) return;
    saving = true;
    save.disabled = true;
    try {
      if (await store(area.value.trim() ? area.value : null)) drop();
    } catch (error) {
      notice.show(error, { retry: submit, keeps: "What you wrote is kept." });
    } finally {
      saving = false;
      save.disabled = false;
    }
  }

  /** Write the notes unless they are no longer what typing began with; return whether they were written. */
  async function store(text) {
    for (;;) {
      const { record, tag } = await readRecord(id);
      if (record.notes !== base) {
        showTheirs(record);
        return false;
      }
      try {
        const { body } = await request(`results/${id}`, { method: "PATCH", json: { notes: text }, headers: { "If-Match": tag } });
        tellChanged(id, body);
        return true;
      } catch (error) {
        // The tag changes with a label, too, which is no reason to trouble a person; the next turn sees which it was.
        if (error.kind !== "changed") throw error;
      }
    }
  }

  function showTheirs(record) {
    base = record.notes;
    if (hasDraft(id)) keep(id, { base, text: area.value });
    theirs.replaceChildren(
      el("p", {}, el("strong", {}, "Somebody else has changed these notes meanwhile."), " They are now:"),
      el("blockquote", { dir: "auto" }, record.notes ?? "(none)"),
      el("p", {}, "Yours are still above. Save replaces theirs with yours, Cancel leaves theirs."),
    );
    theirs.hidden = false;
    tellChanged(id, record);
  }

  area.addEventListener("input", () => keep(id, { base, text: area.value }));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
    // Esc must not throw away what somebody wrote.
    if (event.key === "Escape" && !hasDraft(id)) drop();
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { element, focus: () => area.focus() };
}
