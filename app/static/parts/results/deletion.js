/** Deletes a prediction, after saying what is lost by it. */

import { read, request } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { readRecord, tellChanged } from "./result_fields.js";

/** Make the dialog. `ask()` opens it; `ondeleted()` is called when the prediction is gone. */
export function createDeletion(id, { notice, ondeleted }) {
  const changed = el("p", { class: "problem", role: "alert" });
  const losses = el("p", { id: "deletion-losses" });
  const confirm = el("button", { type: "button", class: "dangerous", onclick: remove }, "Delete for good");
  const element = el(
    "dialog",
    { "aria-labelledby": "deletion-title", "aria-describedby": "deletion-losses" },
    el("h2", { id: "deletion-title" }, `Delete prediction ${id}?`),
    changed,
    losses,
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => element.close() }, "Keep it"), confirm),
  );
  let tag = null;

  async function ask() {
    changed.textContent = "";
    try {
      await look();
      element.showModal();
    } catch (error) {
      notice.show(error, { retry: ask });
    }
  }

  /** See what would be lost now, and remember which state of the prediction that was. */
  async function look() {
    const [current, { labels }] = await Promise.all([readRecord(id), read(`results/${id}/labels`)]);
    tag = current.tag;
    const parts = [
      "Its drawing",
      "the answer",
      labels.length === 1 && "what a person said about it",
      labels.length > 1 && `what people said about it (${labels.length} times)`,
      current.record.notes && "its notes",
    ].filter(Boolean);
    const last = parts.pop();
    losses.textContent = `${parts.join(", ")} and ${last} will be gone. Nobody can bring them back.`;
  }

  async function remove() {
    confirm.disabled = true;
    try {
      await request(`results/${id}`, { method: "DELETE", headers: { "If-Match": tag }, kind: "text" });
      gone();
    } catch (error) {
      if (error.kind === "changed") await lookAgain();
      else if (error.kind === "gone") gone();
      else {
        element.close();
        notice.show(error, { retry: ask, keeps: "Nothing was deleted." });
      }
    } finally {
      confirm.disabled = false;
    }
  }

  async function lookAgain() {
    try {
      await look();
      changed.textContent = "Somebody has changed it since you were asked. Look again at what would be lost.";
    } catch (error) {
      element.close();
      notice.show(error, { retry: ask, keeps: "Nothing was deleted." });
    }
  }

  function gone() {
    element.close();
    tellChanged(id, null);
    ondeleted();
  }

  return { element, ask };
}
