/** The dialog that deletes a result, after it has said what will be lost. */

import { asApiError, read, request } from "../../lib/api.js";
import { button, el } from "../../lib/dom.js";
import { announceResultChange, readResult } from "../../lib/results.js";

/** @import { LabelHistory } from "../../lib/types.js" */
/** @import { Notice } from "../notice.js" */

/**
 * Make the dialog; `ask()` opens it.
 *
 * @param {number} id
 * @param {object} options
 * @param {Notice} options.notice
 * @param {() => void} [options.ondeleted]
 */
export function createDeletion(id, { notice, ondeleted }) {
  const changed = el("p", { class: "problem", role: "alert" });
  const losses = el("p", { id: "deletion-losses" });
  const keep = button("Keep it", close);
  const confirm = button("Delete permanently", remove, { class: "dangerous" });
  const element = el(
    "dialog",
    {
      "aria-labelledby": "deletion-title",
      "aria-describedby": "deletion-losses",
      oncancel: (event) => keep.disabled && event.preventDefault(),
      onclose: reopen,
    },
    el("h2", { id: "deletion-title" }, `Delete prediction ${id}?`),
    changed,
    losses,
    el("p", { class: "actions" }, keep, confirm),
  );
  let etag = "";

  function close() {
    element.close();
  }

  /** Undo the second Esc while the deletion runs: Chromium closes a dialog then, although `cancel` was prevented. */
  function reopen() {
    if (keep.disabled && element.isConnected) element.showModal();
  }

  async function ask() {
    changed.textContent = "";
    try {
      await load();
      // The view may have been left, or the next drawing begun.
      if (element.isConnected) element.showModal();
    } catch (caught) {
      const error = asApiError(caught);
      if (error.kind === "gone") finish();
      else if (element.isConnected) notice.show(error, { retry: ask });
    }
  }

  /** Load what would be lost, and the ETag of that state. */
  async function load() {
    const [current, history] = await Promise.all([readResult(id), read(`results/${id}/labels`)]);
    const { labels } = /** @type {LabelHistory} */ (history);
    etag = current.etag;
    const parts = ["the drawing", "the prediction"];
    // The list ends after 1,000.
    const several = labels.length < 1000 ? `its ${labels.length} labels` : "all its labels";
    if (labels.length) parts.push(labels.length === 1 ? "its label" : several);
    if (current.result.notes) parts.push("its notes");
    const last = parts.pop();
    losses.textContent = `This deletes ${parts.join(", ")} and ${last}. It cannot be undone.`;
  }

  async function remove() {
    confirm.disabled = keep.disabled = true;
    try {
      await request(`results/${id}`, { method: "DELETE", headers: { "If-Match": etag }, kind: "text" });
      finish();
    } catch (caught) {
      const error = asApiError(caught);
      if (error.kind === "changed") await loadAgain();
      else if (error.kind === "gone") finish();
      else {
        close();
        notice.show(error, { retry: ask, keeps: error.stored === false ? "Nothing was deleted." : "It may be deleted." });
      }
    } finally {
      confirm.disabled = keep.disabled = false;
      // A disabled button has lost the focus.
      if (element.open) keep.focus();
    }
  }

  async function loadAgain() {
    try {
      await load();
      changed.textContent = "Somebody has changed this prediction since you opened this dialog. Check again what will be deleted.";
    } catch (caught) {
      const error = asApiError(caught);
      if (error.kind === "gone") {
        finish();
        return;
      }
      close();
      notice.show(error, { retry: ask, keeps: "Nothing was deleted." });
    }
  }

  function finish() {
    close();
    announceResultChange(id, null);
    ondeleted?.();
  }

  return { element, ask };
}
