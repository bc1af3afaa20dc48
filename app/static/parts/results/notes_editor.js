/** Edits the notes of a result. What was typed is never lost; what somebody else wrote is never overwritten unseen. */

import { asApiError, request } from "../../lib/api.js";
import { button, el } from "../../lib/dom.js";
import { addShortcuts } from "../../lib/keyboard.js";
import { announceResultChange, onResultChange, readResult } from "../../lib/results.js";
import { readList, STORED, writeList } from "../../lib/storage.js";
import { setUnsaved } from "../../lib/unsent.js";
import { createNotice } from "../notice.js";

/** @import { ApiError } from "../../lib/api.js" */
/** @import { Result } from "../../lib/types.js" */

/** @typedef {{base: string | null, text: string}} Draft `base`: the notes when typing began */

const MAX_LENGTH = 2000;

/** @type {Map<number, Draft> | null} unsaved notes by result; null before they are first read */
let drafts = null;

/** @type {Map<number, string | null>} the notes that this page sent last, by result; finding them is no conflict */
const sentNotes = new Map();

/** Return all drafts. From the first call on, that of a prediction which is deleted is forgotten. */
export function allDrafts() {
  if (drafts) return drafts;
  drafts = new Map(/** @type {[number, Draft][]} */ (readList(STORED.notes)));
  noteUnsaved();
  onResultChange(({ id, result }) => {
    // Last, so that a view can show the text.
    if (!result) queueMicrotask(() => keepDraft(id, null));
  });
  return drafts;
}

function noteUnsaved() {
  setUnsaved("notes", allDrafts().size > 0);
}

/**
 * @param {number} id
 * @param {Draft | null} draft null to forget it
 */
function keepDraft(id, draft) {
  if (draft) allDrafts().set(id, draft);
  else allDrafts().delete(id);
  writeList(STORED.notes, [...allDrafts()]);
  noteUnsaved();
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
  let base = notes;
  let isSaving = false;
  let isDone = false;
  /** @type {ApiError | null} why the last save failed */
  let failed = null;
  let sent = "";
  const area = el("textarea", { rows: "3", maxlength: String(MAX_LENGTH), "aria-label": `Notes on prediction ${id}` });
  const save = el("button", { class: "primary" }, "Save");
  const cancel = button("Cancel", drop);
  const theirs = el("div", { class: "theirs", role: "alert", hidden: true });
  const element = el("form", { class: "notes-editor" }, area, theirs, notice.element, el("p", { class: "actions" }, save, cancel));

  /** Show the draft as another editor may have left it. */
  function refresh() {
    const draft = allDrafts().get(id);
    if (!draft) return;
    ({ base } = draft);
    area.value = draft.text;
    showFailure();
  }

  function drop() {
    isDone = true;
    keepDraft(id, null);
    onclose();
    notice.clear();
  }

  /** @param {boolean} value */
  function setSaving(value) {
    isSaving = value;
    // Not `disabled`, which would take the focus from the button.
    save.setAttribute("aria-disabled", String(value));
  }

  async function submit() {
    // Another editor may have the draft by now: a retry would store what is changed or dropped there.
    if (isSaving || isDone || !element.isConnected) return;
    setSaving(true);
    failed = null;
    sent = area.value;
    try {
      const stored = await store(sent.trim() ? sent : null);
      if (stored && !isDone) finish(stored);
    } catch (error) {
      failed = asApiError(error);
      showFailure();
    } finally {
      setSaving(false);
      if (!failed) notice.clear();
    }
  }

  /**
   * Close, unless somebody has typed on since the notes were sent.
   *
   * @param {Result} stored
   */
  function finish(stored) {
    const text = allDrafts().get(id)?.text ?? sent;
    if (text === sent) {
      drop();
      return;
    }
    base = stored.notes;
    keepDraft(id, { base, text });
    theirs.hidden = true;
  }

  function showFailure() {
    if (!failed || isDone) return;
    const isGone = failed.kind === "gone";
    if (isGone) save.hidden = theirs.hidden = true;
    // A retry by itself would save what is half typed.
    const retry = isGone || document.activeElement === area || area.value !== sent ? undefined : submit;
    notice.show(failed, { retry, keeps: isGone ? "Copy your text before you close." : "Your text is kept." });
  }

  /**
   * Write the notes, unless somebody else has changed them; return the result if they are stored.
   *
   * @param {string | null} text
   * @returns {Promise<Result | null>}
   */
  async function store(text) {
    const hadDraft = hasDraft(id);
    for (let refused = ""; ; ) {
      const { result, etag } = await readResult(id);
      // An earlier save may have lost its answer, or another editor saved this.
      if (result.notes === text) {
        announceResultChange(id, result);
        return result;
      }
      // Cancelled, here or in another editor.
      if (isDone || (hadDraft && !hasDraft(id))) return null;
      if (![base, sentNotes.get(id)].includes(result.notes)) {
        showTheirs(result);
        return null;
      }
      base = result.notes;
      sentNotes.set(id, text);
      try {
        const { body } = await request(`results/${id}`, { method: "PATCH", json: { notes: text }, headers: { "If-Match": etag } });
        announceResultChange(id, body);
        return body;
      } catch (error) {
        // A label changes the ETag too, and concerns nobody here: read again and compare the notes. A proxy may spoil every ETag.
        if (asApiError(error).kind !== "changed" || etag === refused) throw error;
        refused = etag;
      }
    }
  }

  /** @param {Result} result */
  function showTheirs(result) {
    base = result.notes;
    const draft = allDrafts().get(id);
    if (draft) keepDraft(id, { base, text: draft.text });
    theirs.replaceChildren(
      el("p", {}, el("strong", {}, "Somebody else has changed these notes."), " They are now:"),
      el("blockquote", { dir: "auto" }, result.notes ?? "(none)"),
      el("p", {}, "Your text is still above. Save replaces their notes. Cancel keeps their notes."),
    );
    theirs.hidden = false;
    announceResultChange(id, result);
  }

  area.addEventListener("input", () => keepDraft(id, { base, text: area.value }));
  area.addEventListener("focus", showFailure);
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
  area.value = notes ?? "";
  refresh();
  return { element, focus: () => area.focus(), refresh };
}
