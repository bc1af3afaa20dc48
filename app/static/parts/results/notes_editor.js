/** Edits the notes of a result. What was typed is never lost; what somebody else wrote is never overwritten unseen. */

import { asApiError, request } from "../../lib/api.js";
import { button, el } from "../../lib/dom.js";
import { addShortcuts } from "../../lib/keyboard.js";
import { announceResultChange, readResult } from "../../lib/results.js";
import { readList, STORED, writeList } from "../../lib/storage.js";
import { setUnsaved } from "../../lib/unsent.js";
import { createNotice } from "../notice.js";

/** @import { Result } from "../../lib/types.js" */

/** @typedef {{base: string | null, text: string}} Draft `base`: the notes when typing began */

const MAX_LENGTH = 2000;

/** @type {Map<number, Draft> | null} unsaved notes by result; null before they are first read */
let drafts = null;

function allDrafts() {
  return (drafts ??= new Map(/** @type {[number, Draft][]} */ (readList(STORED.notes))));
}

/**
 * @param {number} id
 * @param {Draft | null} draft null to forget it
 */
function keepDraft(id, draft) {
  if (draft) allDrafts().set(id, draft);
  else allDrafts().delete(id);
  writeList(STORED.notes, [...allDrafts()]);
  setUnsaved("notes", allDrafts().size > 0);
}

/**
 * Whether there are unsaved notes on this result.
 *
 * @param {number} id
 */
export function hasDraft(id) {
  return allDrafts().has(id);
}

/**
 * Make an editor.
 *
 * @param {{id: number, notes: string | null}} result
 * @param {() => void} onclose called when the notes were saved or editing was cancelled
 */
export function createNotesEditor({ id, notes }, onclose) {
  const notice = createNotice();
  const draft = allDrafts().get(id);
  let base = draft ? draft.base : notes;
  let saving = false;
  const area = el("textarea", { rows: "3", maxlength: String(MAX_LENGTH), "aria-label": `Notes on prediction ${id}` });
  const save = el("button", { class: "primary" }, "Save");
  const cancel = button("Cancel", drop);
  const theirs = el("div", { class: "theirs", role: "alert", hidden: true });
  const element = el("form", { class: "notes-editor" }, area, theirs, notice.element, el("p", { class: "actions" }, save, cancel));
  area.value = draft?.text ?? notes ?? "";

  function drop() {
    keepDraft(id, null);
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
      notice.show(asApiError(error), { retry: submit, keeps: "Your text is kept." });
    } finally {
      saving = false;
      save.disabled = false;
    }
  }

  /**
   * Write the notes, unless somebody else has changed them; return whether they were written.
   *
   * @param {string | null} text
   */
  async function store(text) {
    for (;;) {
      const { result, etag } = await readResult(id);
      if (result.notes !== base) {
        showTheirs(result);
        return false;
      }
      try {
        const { body } = await request(`results/${id}`, { method: "PATCH", json: { notes: text }, headers: { "If-Match": etag } });
        announceResultChange(id, body);
        return true;
      } catch (error) {
        // A label changes the ETag too, and concerns nobody here: read again and compare the notes.
        if (asApiError(error).kind !== "changed") throw error;
      }
    }
  }

  /** @param {Result} result */
  function showTheirs(result) {
    base = result.notes;
    if (hasDraft(id)) keepDraft(id, { base, text: area.value });
    theirs.replaceChildren(
      el("p", {}, el("strong", {}, "Somebody else has changed these notes."), " They are now:"),
      el("blockquote", { dir: "auto" }, result.notes ?? "(none)"),
      el("p", {}, "Your text is still above. Save replaces their notes. Cancel keeps their notes."),
    );
    theirs.hidden = false;
    announceResultChange(id, result);
  }

  area.addEventListener("input", () => keepDraft(id, { base, text: area.value }));
  addShortcuts(
    area,
    {
      "Ctrl+Enter": submit,
      // Esc must not discard what was typed.
      Escape: () => !hasDraft(id) && drop(),
    },
    { inFields: true },
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { element, focus: () => area.focus() };
}
