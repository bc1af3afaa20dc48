/** The view of one prediction with all that is known of it. */

import { createBars, createLabeller, inWords, labelName, percent } from "../parts/labeller.js";
import { drawingUrl, read } from "../lib/api.js";
import { correct, correctionState } from "../parts/results/label_outbox.js";
import { createDeletion } from "../parts/results/deletion.js";
import { el } from "../lib/dom.js";
import { getKey } from "../lib/key.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotesEditor, hasDraft } from "../parts/results/notes_editor.js";
import { createNotice } from "../parts/notice.js";
import { inUtc, lastHistory, readRecord, timeOf, verdictOf } from "../parts/results/result_fields.js";
import { labelOfKey } from "../parts/results/result_row.js";

/** Make the view. */
export function create() {
  const notice = createNotice();
  const content = el("div", {});
  const back = el("a", {}, "← History");
  const element = el("div", { class: "record" }, el("p", {}, back), notice.element, content);
  let open = null;

  async function load(id) {
    close();
    const mine = (open = createOpen(id, notice));
    content.replaceChildren(el("p", { class: "quiet", role: "status" }, "Loading …"));
    try {
      await mine.load();
      if (mine !== open) return;
      notice.clear();
      content.replaceChildren(mine.element);
    } catch (error) {
      if (mine !== open) return;
      // An id that no prediction can have is one that no prediction has.
      const isNone = error.kind === "gone" || error.kind === "invalid";
      content.replaceChildren(isNone ? el("p", { class: "card" }, "There is no such prediction; somebody may have deleted it.") : "");
      if (!isNone) notice.show(error, { retry: () => load(id) });
    }
  }

  function close() {
    open?.close();
    open = null;
    notice.clear();
  }

  function onkey(event) {
    if (document.querySelector("dialog[open]") || event.target.matches?.("input, textarea, select")) return;
    open?.onkey(event);
  }

  return {
    element,
    show(_, id) {
      back.href = lastHistory.address;
      element.prepend(correctionState);
      document.addEventListener("keydown", onkey);
      load(/^\d{1,10}$/.test(id) ? Number(id) : 0);
    },
    hide() {
      document.removeEventListener("keydown", onkey);
      close();
    },
  };
}

/** One prediction, as long as it is open. */
function createOpen(id, notice) {
  const labeller = createLabeller((label) => correct(id, label));
  const state = el("p", { class: "state", role: "status" });
  const drawings = createDrawings(id);
  // Back must not lead to what is gone.
  const deletion = createDeletion(id, { notice, ondeleted: () => location.replace(lastHistory.address) });
  const notes = el("section", { class: "card", "aria-label": "Notes" });
  const labels = el("ul", { class: "labels" });
  const element = el("article", {});
  let record = null;

  async function load() {
    ({ record } = await readRecord(id));
    element.append(...sections());
    show(record);
    drawings.load();
    showLabels();
  }

  function sections() {
    const bars = createBars();
    bars.show(record.scores);
    return [
      el("h1", {}, `Prediction ${id}`),
      el(
        "div",
        { class: "columns" },
        el("section", { class: "card", "aria-label": "Drawing" }, drawings.element),
        el(
          "section",
          { class: "card answer", "aria-label": "Answer" },
          el("p", { class: "read" }, el("b", { class: "digit-read" }, record.prediction), ` ${inWords(record.confidence)}, ${percent(record.confidence, 1)}`),
          record.scores ? bars.element : el("p", { class: "quiet" }, "The scores of the digits were not remembered then."),
          labeller.element,
          state,
        ),
        el("div", { class: "words-of-people" }, notes, el("section", { class: "card" }, el("h2", {}, "What people said"), labels)),
      ),
      detailsOf(record),
      el("p", { class: "actions" }, el("button", { type: "button", class: "bad", onclick: deletion.ask }, "Delete …")),
      deletion.element,
    ];
  }

  function show(changed) {
    record = changed;
    labeller.show(record);
    state.replaceChildren(verdictOf(record));
    if (!notes.querySelector("form")) showNotes();
  }

  function showNotes() {
    const edit = el("button", { type: "button", onclick: editNotes }, record.notes ? "Edit the notes" : "Write notes");
    const text = record.notes
      ? el("p", { class: "written", dir: "auto" }, record.notes)
      : el("p", { class: "quiet" }, "None yet.");
    notes.replaceChildren(el("h2", {}, "Notes"), text, edit);
    if (hasDraft(id)) editNotes();
  }

  function editNotes() {
    const editor = createNotesEditor(record, () => {
      showNotes();
      notes.querySelector("button").focus();
    });
    notes.replaceChildren(el("h2", {}, "Notes"), editor.element);
    editor.focus();
  }

  /** The list of labels is the less important part of the view: without it the rest stands. */
  async function showLabels() {
    try {
      const said = (await read(`results/${id}/labels`)).labels;
      const lines = said.map(({ label, source, created_at }) =>
        el("li", {}, el("b", {}, labelName(label)), " by ", el("bdi", {}, source), ", ", timeOf(created_at)),
      );
      labels.replaceChildren(...(lines.length ? lines : [el("li", { class: "quiet" }, "Nothing yet.")]));
    } catch {
      labels.replaceChildren(el("li", { class: "quiet" }, "This could not be fetched."));
    }
  }

  function onkey(event) {
    const label = record && labelOfKey(event, record.prediction);
    if (!label) return;
    event.preventDefault();
    correct(id, label);
  }

  function onchange({ detail }) {
    if (detail.id !== id || !detail.record) return;
    show(detail.record);
    showLabels();
  }

  window.addEventListener("predictionchange", onchange);
  window.addEventListener("keychange", drawings.load);

  function close() {
    window.removeEventListener("predictionchange", onchange);
    window.removeEventListener("keychange", drawings.load);
    drawings.forget();
  }

  return { element, load, close, onkey };
}

/** Both pictures of a drawing: as it was sent, and as the network sees it. */
function createDrawings(id) {
  const pictures = [
    { caption: "As it was sent", normalised: false },
    { caption: "As the network sees it", normalised: true },
  ].map(({ caption, normalised }) => {
    const image = el("img", { class: "drawing", alt: "", width: "196", height: "196" });
    return { image, normalised, figure: el("figure", {}, el("span", { class: "drawing frame" }, image), el("figcaption", {}, caption)), caption };
  });
  const said = el("p", { class: "quiet" });
  const element = el("div", { class: "pictures" }, pictures.map(({ figure }) => figure), said);
  let urls = [];
  let closed = false;

  async function load() {
    said.replaceChildren();
    if (!getKey()) {
      lock();
      return;
    }
    try {
      const fetched = await Promise.all(pictures.map(({ normalised }) => drawingUrl(id, { normalised })));
      forgetUrls();
      urls = fetched;
      if (closed) {
        forgetUrls();
        return;
      }
      pictures.forEach(({ image, caption }, index) => {
        image.src = urls[index];
        image.alt = `The drawing of prediction ${id}. ${caption}.`;
      });
    } catch (error) {
      if (error.kind === "key") lock();
      else said.textContent = error.kind === "gone" ? "The drawing was not remembered then." : "The drawing could not be fetched.";
    }
  }

  function lock() {
    said.replaceChildren("Drawings are shown with the API key. ", el("button", { type: "button", onclick: askForKey }, "Enter the key"));
  }

  function forgetUrls() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
  }

  function forget() {
    closed = true;
    forgetUrls();
  }

  return { element, load, forget };
}

function detailsOf({ created_at, model_version, request_id }) {
  return el(
    "dl",
    { class: "details" },
    el("div", {}, el("dt", {}, "Remembered"), el("dd", {}, timeOf(created_at))),
    el("div", {}, el("dt", {}, "In UTC"), el("dd", {}, created_at ? inUtc(created_at) : "not remembered")),
    el("div", {}, el("dt", {}, "Model version"), el("dd", {}, model_version)),
    el("div", {}, el("dt", {}, "Request"), el("dd", {}, request_id ?? "not remembered")),
  );
}
