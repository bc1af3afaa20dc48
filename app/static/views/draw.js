/** The view in which a digit is drawn, read, stored and labelled. */

import { ApiError } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { PENS, isBlank, paintPixels, toPixels } from "../lib/drawing.js";
import { answerText, claimOf, isNoDigit, labelPhrase } from "../lib/format.js";
import { getKey, lacks } from "../lib/key.js";
import { addShortcuts, labelShortcuts, letGoOfClicked } from "../lib/keyboard.js";
import { outboxes } from "../lib/outbox.js";
import { createPreview } from "../lib/preview.js";
import { setUnsaved } from "../lib/unsent.js";
import { createElements } from "../parts/draw/elements.js";
import { createImageInput } from "../parts/draw/images.js";
import { createNotice } from "../parts/notice.js";
import { outboxStatus } from "../parts/outbox_status.js";
import { createPad } from "../parts/pad.js";
import { createLabeller, createScores } from "../parts/prediction.js";

/** @import { Claim } from "../lib/format.js" */
/** @import { Outboxes } from "../lib/outbox.js" */
/** @import { ClassifyResponse, PreviewResponse, Scores } from "../lib/types.js" */

// A drawing is finished when the pen has rested this long; a digit of two strokes needs a moment between them.
const PAUSE_MS = 1000;

/** Make the view. */
export function create() {
  const images = createImageInput({ onimage: useImage, onrefused: (message) => (state.textContent = message) });
  const elements = createElements({ undo, clear: reset, store: finish, remove, choose: images.choose, photograph: images.photograph });
  const { canvas, digit, certainty, spoken, state, seen, picture } = elements;
  const pad = createPad(canvas, { onstart: beginStroke, onmove: () => preview.soon(pad.strokes), onend: endStroke });
  const { drawings, labels } = outboxes();
  const scores = createScores();
  const labeller = createLabeller(label);
  const notice = createNotice();
  const preview = createPreview(showPreview, dropPreview);

  /** @type {Outboxes["drawings"]["items"][number] | null} the finished drawing; null while it is being drawn */
  let item = null;
  /** @type {ClassifyResponse | null} */
  let answer = null;
  /** @type {Claim | null} the prediction on the screen */
  let shown = null;
  /** @type {{label: string, isAgreement: boolean} | null} a label given before the drawing is stored */
  let early = null;
  let pause = 0;
  /** @type {() => void} */
  let removeShortcuts = () => undefined;

  /** Begin a stroke; on a finished drawing it is the first of the next one. */
  function beginStroke() {
    clearTimeout(pause);
    if (item) reset();
    elements.hint.hidden = true;
    canvas.classList.remove("resting");
    setUnsaved("pad", true);
  }

  /** Show the prediction, and store the drawing unless another stroke follows soon. */
  function endStroke() {
    if (isBlank(pad.strokes)) {
      reset();
      state.textContent = "That is only a dot. Draw a digit, as large as you like.";
      return;
    }
    // They agreed to the prediction of another drawing.
    if (early?.isAgreement) early = null;
    preview.now(pad.strokes);
    showEarlyState();
    showControls();
    canvas.classList.add("resting");
    clearTimeout(pause);
    pause = setTimeout(finish, PAUSE_MS);
  }

  function showEarlyState() {
    const label = early && `, labelled as ${labelPhrase(early.label)}`;
    state.textContent = `This will be stored in a moment${label ?? ". Draw on to add to it"}.`;
  }

  /** Store the drawing now. */
  function finish() {
    // Enter during a stroke would store half of it.
    if (pad.isDrawing) return;
    clearTimeout(pause);
    canvas.classList.remove("resting");
    if (item) return;
    if (isBlank(pad.strokes)) {
      state.textContent = "Draw something first.";
      return;
    }
    state.textContent = "Storing …";
    setUnsaved("pad", false);
    item = drawings.add({ pixels: toPixels(pad.strokes), ...(early && { label: early.label }) });
    showControls();
  }

  /** Finish before something else is shown: a hidden page may be ended at any time. */
  function finishUnseen() {
    pad.end();
    if (!item && !isBlank(pad.strokes)) finish();
  }

  /**
   * Store an image in place of a drawing. What is on the pad is stored before it.
   *
   * @param {File} image
   * @param {number} others
   */
  function useImage(image, others) {
    finishUnseen();
    reset();
    picture.show(image);
    elements.hint.hidden = true;
    state.textContent = others ? "Storing the first image; PixelWise takes one at a time …" : "Storing the image …";
    item = drawings.add({ image });
    showControls();
  }

  function reset() {
    clearTimeout(pause);
    item = answer = early = null;
    setUnsaved("pad", false);
    preview.cancel();
    pad.clear();
    picture.hide();
    notice.clear();
    // It says that the drawing is kept.
    if (!drawings.count) outboxStatus().clearDrawingError();
    elements.element.querySelector("dialog")?.remove();
    elements.hint.hidden = false;
    canvas.classList.remove("resting");
    spoken.textContent = state.textContent = "";
    dropPreview();
  }

  /** Show the controls that can be used now. */
  function showControls() {
    const { activeElement: focused } = document;
    const isFresh = !item && isBlank(pad.strokes);
    elements.element.classList.toggle("fresh", isFresh);
    for (const control of [elements.undo, elements.store]) control.hidden = isFresh || item !== null;
    elements.clear.hidden = isFresh;
    elements.remove.hidden = !answer;
    elements.photo.hidden = !isFresh;
    elements.choose.hidden = !isFresh && !answer;
    elements.choose.textContent = isFresh ? "Use an image" : "Image";
    elements.more.hidden = !shown;
    elements.locked.hidden = Boolean(getKey()) && !lacks("classify");
    elements.lock.textContent = getKey() ? "This key may not read drawings." : "Reading needs the API key.";
    labeller.show(isFresh ? null : { prediction: null, ...shown, label: early?.label });
    // A control that is hidden loses the focus.
    if (focused !== canvas && elements.element.contains(focused) && !focused?.getClientRects().length) canvas.focus({ preventScroll: true });
  }

  function undo() {
    if (item || pad.isDrawing || !pad.strokes.length) return;
    clearTimeout(pause);
    pad.undo();
    if (pad.strokes.length) endStroke();
    else reset();
  }

  /** @param {Claim & {prediction: string, confidence: number, scores: Scores} | null} read */
  function showPrediction(read) {
    shown = read;
    digit.textContent = read && !isNoDigit(read) ? read.prediction : "";
    certainty.textContent = read ? answerText(read) : "";
    scores.show(read && read.scores);
    showControls();
  }

  /** @param {PreviewResponse} previewed */
  function showPreview(previewed) {
    paintPixels(elements.seenCanvas, previewed.normalised);
    seen.hidden = false;
    // The stored prediction counts.
    if (!answer) showPrediction(previewed);
  }

  /** @param {ApiError} [error] why these strokes have no prediction; what is shown is that of others */
  function dropPreview(error) {
    if (error?.needsKey) outboxStatus().showDrawingError(error);
    seen.hidden = true;
    if (!answer) showPrediction(null);
  }

  drawings.listen({
    onstored(stored, drawing) {
      // The next drawing may have begun.
      if (drawing !== item) return;
      answer = stored;
      showPrediction(stored);
      if (drawing.image) picture.showNormalised(stored.id);
      // Read out once, when it is final, and not ten times a second while it changes.
      spoken.textContent = isNoDigit(stored) ? `${certainty.textContent}.` : `Read as ${stored.prediction}, ${certainty.textContent}.`;
      state.replaceChildren("Stored as ", el("a", { href: `#/results/${stored.id}` }, `number ${stored.id}`), early || lacks("label") ? "." : ". Is it right?");
    },
    onfailed: () => item && !answer && (state.textContent = "Not stored yet."),
    // A drawing that was discarded.
    onchange: () => item && !answer && !drawings.items.includes(item) && reset(),
  });

  labels.listen({
    onstored(result, { id, label: value }) {
      // The next drawing may be on the pad by now.
      if (!answer || id !== answer.id) return;
      if (!result) return outboxStatus().showLabelError(new ApiError("gone"));
      const isAgreement = value === claimOf(answer);
      early = { label: value, isAgreement };
      showControls();
      state.textContent = isAgreement ? `Confirmed: it is ${labelPhrase(value)}.` : `Thank you. Labelled as ${labelPhrase(value)}.`;
    },
  });

  /**
   * Label the drawing, or note the label until it is stored.
   *
   * @param {string} value
   * @param {boolean} [isAgreement]
   */
  function label(value, isAgreement = false) {
    if (answer) {
      labeller.show({ ...answer, label: value });
      state.textContent = "Storing the label …";
      labels.add({ id: answer.id, label: value });
    } else if (item || !isBlank(pad.strokes)) {
      early = { label: value, isAgreement };
      if (item) drawings.change(item, { label: value });
      else showEarlyState();
      showControls();
    }
  }

  function agree() {
    const claim = shown && claimOf(shown);
    if (claim) label(claim, true);
  }

  /** Ask whether the stored drawing is to be deleted. */
  async function remove() {
    if (!answer) return;
    const { id } = answer;
    try {
      const { createDeletion } = await import("../parts/results/deletion.js");
      if (id !== answer?.id) return;
      const deletion = createDeletion(id, { notice });
      elements.element.querySelector("dialog")?.remove();
      elements.element.append(deletion.element);
      deletion.ask();
    } catch {
      // The file of the dialog could not be loaded.
      notice.show(new ApiError("offline"), { retry: remove, keeps: "Nothing was deleted." });
    }
  }

  // The next drawing may be on the pad by now.
  window.addEventListener("resultchange", (event) => {
    if (!(event instanceof CustomEvent) || event.detail.result || event.detail.id !== answer?.id) return;
    reset();
    state.textContent = "Deleted.";
    canvas.focus({ preventScroll: true });
  });

  elements.pens.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement) pad.width = PENS[target.value];
  });
  elements.notices.append(notice.element);
  elements.more.append(scores.element, seen);
  elements.answer.append(labeller.element, state, elements.notices, elements.more);
  elements.element.append(...images.elements);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && finishUnseen());
  window.addEventListener("pagehide", finishUnseen);
  window.addEventListener("scopeschange", showControls);
  window.addEventListener("keychange", () => {
    if (!item) preview.now(pad.strokes);
  });
  letGoOfClicked(elements.element);
  showControls();

  return {
    element: elements.element,
    // Below everything that is in use: a notice can appear during a stroke, and moves nothing there.
    notices: elements.notices,
    show() {
      removeShortcuts();
      const keys = { z: undo, u: undo, "Ctrl+z": undo, Escape: reset, Enter: finish };
      removeShortcuts = addShortcuts(document, { ...keys, ...labelShortcuts(label, agree) });
      images.start();
      pad.redraw();
    },
    hide() {
      finishUnseen();
      removeShortcuts();
      images.stop();
      elements.element.querySelector("dialog")?.close();
    },
  };
}
