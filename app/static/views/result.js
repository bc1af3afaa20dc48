/** The view of one result with everything that is known of it. */

import { asApiError, drawingUrl, read } from "../lib/api.js";
import { button, el } from "../lib/dom.js";
import { answerText, claimOf, exactUtc, isNoDigit, labelName, percent } from "../lib/format.js";
import { getKey } from "../lib/key.js";
import { addShortcuts, labelShortcuts } from "../lib/keyboard.js";
import { outboxes } from "../lib/outbox.js";
import { announceResultChange, lastResults, onResultChange, onSightLost, readResult, whyUnseen } from "../lib/results.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotice } from "../parts/notice.js";
import { createLabeller, createScores } from "../parts/prediction.js";
import { createDeletion } from "../parts/results/deletion.js";
import { labelStatus } from "../parts/results/label_status.js";
import { allDrafts, createNotesEditor, hasDraft } from "../parts/results/notes_editor.js";
import { timeElement, verdictElement } from "../parts/results/result_fields.js";

/** @import { LabelHistory, Result } from "../lib/types.js" */
/** @import { Notice } from "../parts/notice.js" */

/** Make the view. */
export function create() {
  const notice = createNotice();
  const content = el("div");
  const back = el("a", {}, "← Results");
  const notices = el("div", { class: "overlay" }, notice.element);
  const element = el("div", { class: "result" }, el("p", {}, back), content, notices);
  /** @type {OpenResult | null} */
  let open = null;

  /** @param {number} id */
  async function load(id) {
    open?.close();
    const mine = (open = openResult(id, { notice, reload: () => load(id), ondeleted: () => showMissing(id) }));
    // A retry is not read out.
    if (notice.element.hidden) content.replaceChildren(el("p", { class: "quiet", role: "status" }, "Loading …"));
    try {
      const loaded = await mine.load();
      if (mine !== open) return;
      notice.clear();
      content.replaceChildren(loaded);
    } catch (caught) {
      if (mine !== open) return;
      const error = asApiError(caught);
      // An id that is invalid belongs to no prediction either.
      if (error.kind === "gone" || error.kind === "invalid") {
        // With the notes of an earlier visit.
        allDrafts();
        announceResultChange(id, null);
        return;
      }
      content.replaceChildren();
      notice.show(error, { retry: () => load(id) });
    }
  }

  /** @param {number} id */
  function showMissing(id) {
    const hadFocus = content.contains(document.activeElement);
    const text = allDrafts().get(id)?.text;
    notice.clear();
    content.replaceChildren(el("p", { class: "card" }, "This prediction does not exist. It may have been deleted."));
    if (text) content.append(el("p", {}, "Your unsaved notes were:"), el("blockquote", { dir: "auto" }, text));
    if (hadFocus) back.focus();
  }

  function close() {
    open?.close();
    open = null;
    notice.clear();
  }

  return {
    element,
    notices,
    /**
     * @param {URLSearchParams} _
     * @param {string} id
     */
    show(_, id) {
      close();
      back.href = lastResults.address;
      element.prepend(labelStatus());
      // Longer ones are no exact numbers here.
      load(/^\d{1,15}$/.test(id) ? Number(id) : 0);
    },
    hide: close,
  };
}

/** @typedef {ReturnType<typeof openResult>} OpenResult */

/**
 * One result while it is shown.
 *
 * @param {number} id
 * @param {object} options
 * @param {Notice} options.notice
 * @param {() => void} options.reload
 * @param {() => void} options.ondeleted called when it is deleted, here or by somebody else
 */
function openResult(id, { notice, reload, ondeleted }) {
  /** @type {Result | null} null until it is loaded */
  let result = null;
  const label = (/** @type {string} */ value) => {
    if (!result) return;
    labeller.show({ ...result, label: value });
    outboxes().labels.add({ id, label: value });
  };
  const labeller = createLabeller(label);
  const state = el("p", { class: "state", role: "status" });
  const drawings = createDrawings(id);
  let isOpen = true;
  // Replaced, so that the browser's Back does not lead to the deleted result.
  const deletion = createDeletion(id, { notice, ondeleted: () => isOpen && location.replace(lastResults.address) });
  const notesCard = el("section", { class: "card", "aria-label": "Notes" });
  const labelList = el("ul", { class: "labels" });
  const removeShortcuts = addShortcuts(document, {
    ...labelShortcuts(label, () => {
      const claim = result && claimOf(result);
      if (claim) label(claim);
    }),
    Escape: () => void (location.hash = lastResults.address),
  });
  const removeListener = onResultChange((change) => {
    if (change.id !== id) return;
    if (!change.result) {
      result = null;
      ondeleted();
      return;
    }
    showResult(change.result);
    showLabels();
  });
  const removeSight = onSightLost(() => result && reload());
  window.addEventListener("keychange", drawings.load);

  /** Load the result and return its element. */
  async function load() {
    const loaded = (await readResult(id)).result;
    const element = el("article", {}, sectionsOf(loaded));
    showResult(loaded);
    drawings.load();
    showLabels();
    return element;
  }

  /** @param {Result} result */
  function sectionsOf(result) {
    const { prediction, scores } = result;
    const bars = createScores();
    bars.show(scores);
    return [
      el("h1", {}, `Prediction ${id}`),
      el(
        "div",
        { class: "columns" },
        el("section", { class: "card", "aria-label": "Drawing" }, drawings.element),
        el(
          "section",
          { class: "card answer", "aria-label": "Prediction" },
          el("p", { class: "read" }, el("b", { class: "digit-read" }, isNoDigit(result) ? "" : prediction), ` ${answerText(result)}`),
          labeller.element,
          state,
          scores ? bars.element : el("p", { class: "quiet" }, "The scores of this prediction are not stored."),
        ),
        el("div", { class: "notes-and-labels" }, notesCard, el("section", { class: "card" }, el("h2", {}, "Labels"), labelList)),
      ),
      detailsOf(result),
      el("p", { class: "actions" }, button("Delete …", deletion.ask, { class: "bad", "data-needs": "admin" })),
      deletion.element,
    ];
  }

  /** @param {Result} loaded */
  function showResult(loaded) {
    result = loaded;
    labeller.show(result);
    state.replaceChildren(verdictElement(result));
    // An open editor keeps what was typed.
    if (!notesCard.querySelector("form")) showNotes();
  }

  function showNotes() {
    const notes = result?.notes;
    const edit = button(notes ? "Edit the notes" : "Write notes", editNotes, { "data-needs": "label" });
    const text = notes ? el("p", { class: "notes-text", dir: "auto" }, notes) : el("p", { class: "quiet" }, "No notes yet.");
    notesCard.replaceChildren(el("h2", {}, "Notes"), text, edit);
    if (hasDraft(id)) editNotes();
  }

  function editNotes() {
    const editor = createNotesEditor({ id, notes: result?.notes ?? null }, () => {
      showNotes();
      notesCard.querySelector("button")?.focus();
    });
    notesCard.replaceChildren(el("h2", {}, "Notes"), editor.element);
    editor.focus();
  }

  /** Load the labels. The rest of the view works without them. */
  async function showLabels() {
    try {
      const { labels } = /** @type {LabelHistory} */ (await read(`results/${id}/labels`));
      const items = labels.map((one) =>
        el("li", {}, el("b", {}, labelName(one.label)), " by ", el("bdi", {}, one.source), ", ", timeElement(one.created_at)),
      );
      labelList.replaceChildren(...(items.length ? items : [el("li", { class: "quiet" }, "No labels yet.")]));
    } catch {
      labelList.replaceChildren(el("li", { class: "quiet" }, "The labels could not be loaded."));
    }
  }

  function close() {
    isOpen = false;
    removeShortcuts();
    removeListener();
    removeSight();
    window.removeEventListener("keychange", drawings.load);
    drawings.close();
  }

  return { load, close };
}

/**
 * Both pictures of a drawing: as it was sent, and as the network sees it.
 *
 * @param {number} id
 */
function createDrawings(id) {
  const pictures = [
    { caption: "As it was sent", normalised: false },
    { caption: "As the network sees it", normalised: true },
  ].map((picture) => ({ ...picture, image: el("img", { class: "drawing", alt: "", width: "196", height: "196" }) }));
  const figures = pictures.map(({ image, caption }) =>
    el("figure", {}, el("span", { class: "drawing frame" }, image), el("figcaption", {}, caption)),
  );
  const message = el("p", { class: "quiet" });
  const element = el("div", { class: "pictures" }, figures, message);
  /** @type {string[]} */
  let urls = [];
  let isClosed = false;

  async function load() {
    message.replaceChildren();
    if (!getKey()) {
      showLock(whyUnseen());
      return;
    }
    try {
      const loaded = await Promise.all(pictures.map(({ normalised }) => drawingUrl(id, { normalised })));
      revokeUrls();
      urls = loaded;
      if (isClosed) {
        revokeUrls();
        return;
      }
      pictures.forEach(({ image, caption }, index) => {
        image.src = urls[index];
        image.alt = `The drawing of prediction ${id}. ${caption}.`;
      });
    } catch (caught) {
      const error = asApiError(caught);
      if (error.needsKey) showLock(whyUnseen(error));
      else message.textContent = error.kind === "gone" ? "The drawing is not stored." : "The drawing could not be loaded.";
    }
  }

  /** @param {string} why */
  function showLock(why) {
    message.replaceChildren(`${why} `, button("Enter a key", askForKey));
  }

  function revokeUrls() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
  }

  function close() {
    isClosed = true;
    revokeUrls();
  }

  return { element, load, close };
}

/** @param {Result} result */
function detailsOf({ created_at: time, model_version: version, request_id: request, not_a_digit: share, hint }) {
  return el(
    "dl",
    { class: "details" },
    el("div", {}, el("dt", {}, "Stored"), el("dd", {}, timeElement(time))),
    el("div", {}, el("dt", {}, "Stored, in UTC"), el("dd", {}, time ? exactUtc(time) : "unknown")),
    el("div", {}, el("dt", {}, "Model version"), el("dd", {}, version)),
    el("div", {}, el("dt", {}, "Request ID"), el("dd", {}, request ?? "unknown")),
    typeof share === "number" && el("div", {}, el("dt", {}, "Not a digit"), el("dd", {}, percent(share, 1))),
    hint ? el("div", {}, el("dt", {}, "Hint"), el("dd", {}, hint)) : "",
  );
}
