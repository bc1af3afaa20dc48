/** The view in which a digit is drawn, read, stored and labelled. */

import { ApiError } from "../lib/api.js";
import { button, el } from "../lib/dom.js";
import { isBlank, paintPixels, toPixels } from "../lib/drawing.js";
import { confidenceInWords, percent } from "../lib/format.js";
import { addShortcuts, labelShortcuts } from "../lib/keyboard.js";
import { labelPhrase } from "../lib/labels.js";
import { createOutbox, storeDrawing, storeLabel } from "../lib/outbox.js";
import { createPreview } from "../lib/preview.js";
import { STORED } from "../lib/storage.js";
import { createLabeller } from "../parts/labeller.js";
import { createNotice } from "../parts/notice.js";
import { createPad } from "../parts/pad.js";
import { createScores } from "../parts/scores.js";

/** @import { Drawing, Label } from "../lib/outbox.js" */
/** @import { ClassifyResponse, PreviewResponse, Result, Scores } from "../lib/types.js" */

// A drawing is finished when the pen has rested this long; a digit of two strokes needs a moment between them.
const PAUSE_MS = 1000;

/** @type {Record<string, number>} widths in fractions of the pad's side */
const PENS = { thin: 1 / 28, normal: 1 / 14, thick: 1 / 8 };

/** Make the view. */
export function create() {
  const elements = createElements({ undo, clear: reset, store: finish });
  const { canvas, digit, certainty, spoken, state, seen } = elements;
  const pad = createPad(canvas, { onstart: beginStroke, onmove: () => preview.soon(pad.strokes), onend: endStroke });
  const drawings = createOutbox({ name: STORED.drawings, store: storeDrawing, onstored, onfailed });
  const labels = createOutbox({ name: STORED.drawLabels, store: storeLabel, onstored: onlabelled, onfailed: onlabelfailed });
  const scores = createScores();
  const labeller = createLabeller(label);
  const notice = createNotice();
  // Drawings and labels fail independently, so each has its own notice.
  const labelNotice = createNotice();
  const preview = createPreview(showPreview, (error) => error.kind === "key" && notice.show(error, retryOptions()));

  /** @type {Drawing | null} the stored form of what is on the pad; null while it is being drawn */
  let item = null;
  /** @type {ClassifyResponse | null} */
  let answer = null;
  /** @type {number | undefined} */
  let pause;
  /** @type {() => void} */
  let removeShortcuts = () => undefined;

  /** Begin a stroke; on a finished drawing it is the first of the next one. */
  function beginStroke() {
    clearTimeout(pause);
    if (item) reset();
    elements.hint.hidden = true;
    canvas.classList.remove("resting");
  }

  /** Show the prediction, and store the drawing unless another stroke follows soon. */
  function endStroke() {
    if (isBlank(pad.strokes)) {
      reset();
      state.textContent = "That is only a dot. Draw a digit, as large as you like.";
      return;
    }
    preview.now(pad.strokes);
    state.textContent = "This will be stored in a moment. Draw on to add to it.";
    canvas.classList.add("resting");
    clearTimeout(pause);
    pause = setTimeout(finish, PAUSE_MS);
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
    item = drawings.add({ pixels: toPixels(pad.strokes) });
  }

  function reset() {
    clearTimeout(pause);
    item = answer = null;
    preview.cancel();
    pad.clear();
    elements.hint.hidden = false;
    canvas.classList.remove("resting");
    digit.textContent = certainty.textContent = spoken.textContent = state.textContent = "";
    seen.hidden = true;
    scores.show(null);
    labeller.show(null);
  }

  function undo() {
    if (item || pad.isDrawing || !pad.strokes.length) return;
    clearTimeout(pause);
    pad.undo();
    if (pad.strokes.length) endStroke();
    else reset();
  }

  /** @param {{prediction: string, confidence: number, scores: Scores}} prediction */
  function showPrediction({ prediction, confidence, scores: ofDigits }) {
    digit.textContent = prediction;
    certainty.textContent = `${confidenceInWords(confidence)}, ${percent(confidence)}`;
    scores.show(ofDigits);
  }

  /** @param {PreviewResponse} previewed */
  function showPreview(previewed) {
    paintPixels(elements.seenCanvas, previewed.normalised);
    seen.hidden = false;
    // The stored prediction counts.
    if (!answer) showPrediction(previewed);
  }

  /**
   * @param {ClassifyResponse} stored
   * @param {Drawing} drawing
   */
  function onstored(stored, drawing) {
    notice.clear();
    // The next drawing may have begun.
    if (drawing !== item) return;
    answer = stored;
    showPrediction(stored);
    // Read out once, when it is final, and not ten times a second while it changes.
    spoken.textContent = `Read as ${stored.prediction}, ${certainty.textContent}.`;
    labeller.show(stored);
    state.replaceChildren("Stored as ", el("a", { href: `#/results/${stored.id}` }, `number ${stored.id}`), ". Is it right?");
  }

  /**
   * @param {ApiError} error
   * @param {number} count
   */
  function onfailed(error, count) {
    if (item) state.textContent = "Not stored yet.";
    if (error.kind === "invalid" || error.kind === "large") {
      notice.show(error, { discard: drawings.discard, keeps: "This drawing cannot be stored." });
      return;
    }
    notice.show(error, retryOptions(count));
  }

  function retryOptions(count = drawings.count) {
    const keeps = count > 1 ? `Your ${count} drawings are kept and will be stored.` : "Your drawing is kept and will be stored.";
    return { retry, keeps };
  }

  function retry() {
    drawings.send();
    if (pad.strokes.length && !item) preview.now(pad.strokes);
  }

  /** @param {string} value */
  function label(value) {
    if (answer) labels.add({ id: answer.id, label: value });
  }

  /**
   * @param {Result | null} result
   * @param {Label} stored
   */
  function onlabelled(result, { id, label: value }) {
    labelNotice.clear();
    if (!result) labelNotice.show(new ApiError("gone"));
    // The next drawing may be on the pad by now.
    if (!result || !answer || id !== answer.id) return;
    labeller.show({ prediction: answer.prediction, label: value });
    state.textContent = value === answer.prediction ? `Confirmed: it is a ${value}.` : `Thank you. Labelled as ${labelPhrase(value)}.`;
  }

  /** @param {ApiError} error */
  function onlabelfailed(error) {
    labelNotice.show(error, { retry: labels.send, keeps: "Your label is kept and will be stored." });
  }

  function showShortcuts() {
    const removeSteps = addShortcuts(document, { z: undo, u: undo, "Ctrl+z": undo }, { repeats: true });
    const agree = () => answer && label(answer.prediction);
    const removeOthers = addShortcuts(document, { Escape: reset, Enter: finish, ...labelShortcuts(label, agree) });
    return () => {
      removeSteps();
      removeOthers();
    };
  }

  elements.pens.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement) pad.width = PENS[target.value];
  });
  elements.answer.append(scores.element, labeller.element);
  // Not above the pad: a notice can appear during a stroke, and the pad must not move.
  elements.answer.prepend(notice.element, labelNotice.element);
  // What an earlier visit of this tab could not send.
  drawings.send();
  labels.send();

  return {
    element: elements.element,
    show() {
      removeShortcuts();
      removeShortcuts = showShortcuts();
      pad.redraw();
    },
    hide() {
      removeShortcuts();
    },
  };
}

/**
 * @param {object} actions
 * @param {() => void} actions.undo
 * @param {() => void} actions.clear
 * @param {() => void} actions.store
 */
function createElements(actions) {
  const canvas = el("canvas", {
    class: "pad",
    tabindex: "0",
    role: "img",
    "aria-label": "Drawing area. Draw a digit here with mouse, pen or finger.",
    "aria-describedby": "pad-keys",
  });
  const hint = el("p", { class: "hint", "aria-hidden": "true" }, "Draw a digit");
  const pens = el(
    "fieldset",
    { class: "pens" },
    el("legend", {}, "Pen"),
    Object.keys(PENS).map((pen) =>
      el("label", {}, el("input", { type: "radio", name: "pen", value: pen, checked: pen === "normal" }), pen),
    ),
  );
  const digit = el("span", { class: "digit-read" });
  const certainty = el("span", { class: "certainty" });
  const spoken = el("p", { class: "sr-only", "aria-live": "polite" });
  const state = el("p", { class: "state", role: "status" });
  const seenCanvas = el("canvas", { class: "seen", width: "28", height: "28", role: "img", "aria-label": "Your drawing as the network sees it" });
  const seen = el("figure", { hidden: true }, seenCanvas, el("figcaption", {}, "What the network sees"));
  const answer = el(
    "section",
    { class: "answer", "aria-label": "Prediction" },
    el("div", { class: "headline" }, el("p", {}, digit, certainty), seen),
    spoken,
    state,
  );
  const element = el(
    "div",
    { class: "draw" },
    el("h1", { class: "sr-only" }, "Draw a digit"),
    el(
      "section",
      { class: "surface", "aria-label": "Drawing" },
      el("div", { class: "paper" }, canvas, hint),
      el(
        "div",
        { class: "tools" },
        button("Undo", actions.undo),
        button("Clear", actions.clear),
        button("Store", actions.store, { class: "primary" }),
        pens,
      ),
      el(
        "p",
        { class: "keys", id: "pad-keys" },
        "Keys: ", el("kbd", {}, "Z"), " undo, ", el("kbd", {}, "Esc"), " clear, ", el("kbd", {}, "Enter"), " store; then ",
        el("kbd", {}, "Y"), " right, ", el("kbd", {}, "0"), "–", el("kbd", {}, "9"), " another digit, ", el("kbd", {}, "N"), " not a digit.",
      ),
    ),
    answer,
  );
  return { element, canvas, hint, pens, digit, certainty, spoken, state, seen, seenCanvas, answer };
}
