/** The view in which a digit is drawn, read, stored and corrected. */

import { createBars, createLabeller, DIGITS, inWords, labelName, NONE, paintPixels, percent } from "../parts/labeller.js";
import { ApiError } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { isBlank, toPixels } from "../lib/drawing.js";
import { createNotice } from "../parts/notice.js";
import { createOutbox, storeDrawing, storeLabel } from "../lib/outbox.js";
import { createPad } from "../parts/pad.js";
import { createPreview } from "../lib/preview.js";

// A drawing is finished when the pen has rested for so long; digits of two strokes need a moment between them.
const PAUSE_MS = 1000;

const PENS = { thin: 1 / 28, normal: 1 / 14, thick: 1 / 8 };

/** Make the view. */
export function create() {
  const parts = createParts();
  const { canvas, headline, certainty, spoken, state, seen } = parts;
  const pad = createPad(canvas, { onstart: begin, onmove: previewSoon, onend: rest });
  const outbox = createOutbox({ name: "pixelwise-outbox", store: storeDrawing, onstored, onfailed });
  const words = createOutbox({ name: "pixelwise-words", store: storeLabel, onstored: onlabelled, onfailed: onunlabelled });
  const bars = createBars();
  const labeller = createLabeller(label);
  const notice = createNotice();
  // A correction that waits is told apart from a drawing that waits: what ends one must not end the other.
  const wordNotice = createNotice();
  const preview = createPreview(showPreview, (error) => error.kind === "key" && notice.show(error, whatIsKept()));

  // What is on the pad: null while it is being drawn, then the outbox's item, and the answer once it is stored.
  let item = null;
  let answer = null;
  let pause = null;

  /** A new stroke: on a finished drawing it begins the next one. */
  function begin() {
    clearTimeout(pause);
    if (item) reset();
    parts.hint.hidden = true;
    canvas.classList.remove("resting");
  }

  function previewSoon() {
    preview.soon(pad.strokes);
  }

  /** The pen was lifted: show the answer, and store it if the pen stays up. */
  function rest() {
    if (isBlank(pad.strokes)) {
      reset();
      state.textContent = "That is only a dot. Draw a digit, as large as you like.";
      return;
    }
    preview.now(pad.strokes);
    state.textContent = "Storing it in a moment; draw on to add to it.";
    canvas.classList.add("resting");
    clearTimeout(pause);
    pause = setTimeout(finish, PAUSE_MS);
  }

  function finish() {
    // Enter in the middle of a stroke would store half of it.
    if (pad.drawing) return;
    clearTimeout(pause);
    canvas.classList.remove("resting");
    if (item) return;
    if (isBlank(pad.strokes)) {
      state.textContent = "Draw something first.";
      return;
    }
    state.textContent = "Storing …";
    item = outbox.add({ pixels: toPixels(pad.strokes) });
  }

  function reset() {
    clearTimeout(pause);
    item = answer = null;
    preview.forget();
    pad.clear();
    parts.hint.hidden = false;
    canvas.classList.remove("resting");
    headline.textContent = "";
    certainty.textContent = spoken.textContent = "";
    state.textContent = "";
    seen.hidden = true;
    bars.show(null);
    labeller.show(null);
  }

  function undo() {
    if (item || pad.drawing || !pad.strokes.length) return;
    clearTimeout(pause);
    pad.undo();
    if (pad.strokes.length) rest();
    else reset();
  }

  function showAnswer({ prediction, confidence, scores }) {
    headline.textContent = prediction;
    certainty.textContent = `${inWords(confidence)}, ${percent(confidence)}`;
    bars.show(scores);
  }

  function showPreview(result) {
    paintPixels(parts.seenCanvas, result.normalised);
    seen.hidden = false;
    // What was stored is the answer that counts.
    if (!answer) showAnswer(result);
  }

  function onstored(stored, which) {
    notice.clear();
    // Somebody who draws the next one already is not to be disturbed.
    if (which !== item) return;
    answer = stored;
    showAnswer(stored);
    // Read out once, when it is certain, and not ten times a second while it changes.
    spoken.textContent = `Read as ${stored.prediction}, ${certainty.textContent}.`;
    labeller.show(stored);
    state.replaceChildren("Stored as ", el("a", { href: `#/results/${stored.id}` }, `number ${stored.id}`), ". Is it right?");
  }

  function onfailed(error, count) {
    if (item) state.textContent = "Not stored yet.";
    if (error.kind === "invalid" || error.kind === "large") {
      notice.show(error, { discard: outbox.discard, keeps: "This drawing cannot be stored." });
      return;
    }
    notice.show(error, whatIsKept(count));
  }

  function whatIsKept(count = outbox.count) {
    const keeps = count > 1 ? `Your ${count} drawings are kept and will be stored.` : "Your drawing is kept and will be stored.";
    return { retry: retry, keeps };
  }

  function retry() {
    outbox.send();
    if (pad.strokes.length && !item) preview.now(pad.strokes);
  }

  function label(value) {
    if (answer) words.add({ id: answer.id, label: value });
  }

  function onlabelled(record, { id, label: value }) {
    wordNotice.clear();
    if (!record) wordNotice.show(new ApiError("gone"));
    // By now the next drawing may be on the pad.
    if (!record || id !== answer?.id) return;
    labeller.show({ ...answer, label: value });
    state.textContent =
      value === answer.prediction ? `Confirmed: it is a ${value}.` : `Thank you. Remembered as ${value === NONE ? labelName(value) : `a ${value}`}.`;
  }

  function onunlabelled(error) {
    wordNotice.show(error, { retry: words.send, keeps: "Your correction is kept and will be stored." });
  }

  const KEYS = { z: undo, u: undo, Escape: reset, Enter: finish, n: () => label(NONE), y: () => answer && label(answer.prediction) };

  function onkey(event) {
    const { key, target } = event;
    if (event.altKey || event.metaKey || (event.ctrlKey && key !== "z")) return;
    if (document.querySelector("dialog[open]") || target.matches?.("input[type=text], input[type=password], textarea, select")) return;
    // Enter on a button or a link presses that.
    if (key === "Enter" && target.matches?.("button, a, input")) return;
    const action = DIGITS.includes(key) ? () => label(key) : KEYS[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  parts.pens.addEventListener("change", (event) => {
    pad.width = PENS[event.target.value];
  });
  parts.undo.addEventListener("click", undo);
  parts.clear.addEventListener("click", reset);
  parts.store.addEventListener("click", finish);
  parts.answer.append(bars.element, labeller.element);
  // Beside or below the pad: it comes in the middle of a stroke, too, under which nothing may move.
  parts.answer.prepend(notice.element, wordNotice.element);
  // What an earlier visit of this tab could not send.
  outbox.send();
  words.send();

  return {
    element: parts.element,
    show() {
      document.addEventListener("keydown", onkey);
      pad.redraw();
    },
    hide() {
      document.removeEventListener("keydown", onkey);
    },
  };
}

/** The elements of the view. */
function createParts() {
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
  const undo = el("button", { type: "button" }, "Undo");
  const clear = el("button", { type: "button" }, "Clear");
  const store = el("button", { type: "button", class: "primary" }, "Store");
  const headline = el("span", { class: "digit-read" });
  const certainty = el("span", { class: "certainty" });
  const spoken = el("p", { class: "sr-only", "aria-live": "polite" });
  const state = el("p", { class: "state", role: "status" });
  const seenCanvas = el("canvas", { class: "seen", width: "28", height: "28", role: "img", "aria-label": "Your drawing as the network sees it" });
  const seen = el("figure", { hidden: true }, seenCanvas, el("figcaption", {}, "What the network sees"));
  const answer = el(
    "section",
    { class: "answer", "aria-label": "Answer" },
    el("div", { class: "headline" }, el("p", {}, headline, certainty), seen),
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
      el("div", { class: "tools" }, undo, clear, store, pens),
      el(
        "p",
        { class: "keys", id: "pad-keys" },
        "Keys: ", el("kbd", {}, "Z"), " undo, ", el("kbd", {}, "Esc"), " clear, ", el("kbd", {}, "Enter"), " store; then ",
        el("kbd", {}, "Y"), " right, ", el("kbd", {}, "0"), "–", el("kbd", {}, "9"), " what it was, ", el("kbd", {}, "N"), " not a digit.",
      ),
    ),
    answer,
  );
  return { element, canvas, hint, pens, undo, clear, store, headline, certainty, spoken, state, seen, seenCanvas, answer };
}
