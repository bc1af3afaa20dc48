/** The view in which a digit is drawn, read, stored and labelled. */

import { ApiError } from "../lib/api.js";
import { button, el } from "../lib/dom.js";
import { PENS, isBlank, paintPixels, toPixels } from "../lib/drawing.js";
import { confidenceInWords, percent } from "../lib/format.js";
import { addShortcuts, labelShortcuts } from "../lib/keyboard.js";
import { labelPhrase } from "../lib/labels.js";
import { outboxes } from "../lib/outbox.js";
import { createPreview } from "../lib/preview.js";
import { setUnsaved } from "../lib/unsent.js";
import { createLabeller } from "../parts/labeller.js";
import { outboxStatus } from "../parts/outbox_status.js";
import { createPad } from "../parts/pad.js";
import { createScores } from "../parts/scores.js";

/** @import { Outboxes } from "../lib/outbox.js" */
/** @import { ClassifyResponse, PreviewResponse, Scores } from "../lib/types.js" */

// A drawing is finished when the pen has rested this long; a digit of two strokes needs a moment between them.
const PAUSE_MS = 1000;

/** Make the view. */
export function create() {
  const elements = createElements({ undo, clear: reset, store: finish });
  const { canvas, digit, certainty, spoken, state, seen } = elements;
  const pad = createPad(canvas, { onstart: beginStroke, onmove: () => preview.soon(pad.strokes), onend: endStroke });
  const { drawings, labels } = outboxes();
  const scores = createScores();
  const labeller = createLabeller(label);
  const preview = createPreview(showPreview, (error) => error.kind === "key" && outboxStatus().showDrawingError(error));

  /** @type {Outboxes["drawings"]["items"][number] | null} the finished drawing; null while it is being drawn */
  let item = null;
  /** @type {ClassifyResponse | null} */
  let answer = null;
  /** @type {string | null} the prediction on the screen */
  let prediction = null;
  /** @type {{label: string, isAgreement: boolean} | null} a label given before the drawing is stored */
  let early = null;
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
    showLabeller();
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
  }

  /** Finish before the page is closed or hidden, since a hidden page may be ended at any time. */
  function finishUnseen() {
    pad.end();
    if (!item && !isBlank(pad.strokes)) finish();
  }

  function reset() {
    clearTimeout(pause);
    item = answer = prediction = early = null;
    setUnsaved("pad", false);
    preview.cancel();
    pad.clear();
    elements.hint.hidden = false;
    canvas.classList.remove("resting");
    digit.textContent = certainty.textContent = spoken.textContent = state.textContent = "";
    seen.hidden = true;
    scores.show(null);
    showLabeller();
  }

  function showLabeller() {
    labeller.show(isBlank(pad.strokes) ? null : { prediction, label: early?.label });
  }

  function undo() {
    if (item || pad.isDrawing || !pad.strokes.length) return;
    clearTimeout(pause);
    pad.undo();
    if (pad.strokes.length) endStroke();
    else reset();
  }

  /** @param {{prediction: string, confidence: number, scores: Scores}} shown */
  function showPrediction({ prediction: read, confidence, scores: ofDigits }) {
    prediction = digit.textContent = read;
    certainty.textContent = `${confidenceInWords(confidence)}, ${percent(confidence)}`;
    scores.show(ofDigits);
    showLabeller();
  }

  /** @param {PreviewResponse} previewed */
  function showPreview(previewed) {
    paintPixels(elements.seenCanvas, previewed.normalised);
    seen.hidden = false;
    // The stored prediction counts.
    if (!answer) showPrediction(previewed);
  }

  drawings.listen({
    onstored(stored, drawing) {
      // The next drawing may have begun.
      if (drawing !== item) return;
      answer = stored;
      showPrediction(stored);
      // Read out once, when it is final, and not ten times a second while it changes.
      spoken.textContent = `Read as ${stored.prediction}, ${certainty.textContent}.`;
      state.replaceChildren("Stored as ", el("a", { href: `#/results/${stored.id}` }, `number ${stored.id}`), early ? "." : ". Is it right?");
    },
    onfailed: () => item && !answer && (state.textContent = "Not stored yet."),
  });

  labels.listen({
    onstored(result, { id, label: value }) {
      // The next drawing may be on the pad by now.
      if (!answer || id !== answer.id) return;
      if (!result) {
        outboxStatus().showLabelError(new ApiError("gone"));
        return;
      }
      labeller.show({ prediction, label: value });
      state.textContent = value === answer.prediction ? `Confirmed: it is a ${value}.` : `Thank you. Labelled as ${labelPhrase(value)}.`;
    },
  });

  /**
   * Label the drawing, or note the label until it is stored.
   *
   * @param {string} value
   * @param {boolean} [isAgreement]
   */
  function label(value, isAgreement = false) {
    if (answer) labels.add({ id: answer.id, label: value });
    else if (!isBlank(pad.strokes)) {
      early = { label: value, isAgreement };
      if (item) drawings.change(item, { label: value });
      else showEarlyState();
      showLabeller();
    }
  }

  function agree() {
    if (prediction !== null) label(prediction, true);
  }

  elements.pens.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement) pad.width = PENS[target.value];
  });
  elements.answer.append(scores.element, labeller.element);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && finishUnseen());
  window.addEventListener("pagehide", finishUnseen);
  window.addEventListener("keychange", () => !item && preview.now(pad.strokes));

  return {
    element: elements.element,
    // Not above the pad: a notice can appear during a stroke, and the pad must not move.
    notices: elements.answer,
    show() {
      removeShortcuts();
      const keys = { z: undo, u: undo, "Ctrl+z": undo, Escape: reset, Enter: finish };
      removeShortcuts = addShortcuts(document, { ...keys, ...labelShortcuts(label, agree) });
      pad.redraw();
    },
    hide() {
      pad.end();
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
