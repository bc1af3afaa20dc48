/** The elements of the view in which a digit is drawn. */

import { button, el, isRoomy } from "../../lib/dom.js";
import { PENS } from "../../lib/drawing.js";
import { askForKey } from "../key_dialog.js";
import { createPicture } from "./images.js";

/** @typedef {Record<"undo" | "clear" | "store" | "remove" | "choose" | "photograph", () => unknown>} Actions */

/** @param {Actions} actions */
export function createElements(actions) {
  const canvas = el("canvas", {
    class: "pad",
    tabindex: "0",
    role: "img",
    "aria-label": "Drawing area. Draw a digit here with mouse, pen or finger.",
    "aria-describedby": "pad-keys",
  });
  const hint = el("p", { class: "hint", "aria-hidden": "true" }, el("b", {}, "Draw a digit here"), "0 to 9, as large as you like");
  const picture = createPicture();
  const undo = button("Undo", actions.undo);
  const clear = button("Clear", actions.clear);
  const store = button("Store", actions.store);
  const remove = button("Delete", actions.remove, { "data-needs": "admin", "aria-haspopup": "dialog" });
  const photo = button("Photo", actions.photograph, { class: "camera", "aria-label": "Take a photo" });
  const choose = button("Use an image", actions.choose);
  const radios = Object.keys(PENS).map((pen) =>
    el("label", {}, el("input", { type: "radio", name: "pen", value: pen, checked: pen === "normal" }), pen),
  );
  const pens = foldable("Pen", { class: "pens" }, el("fieldset", { "aria-label": "Pen" }, radios));
  const digit = el("span", { class: "digit-read" });
  const certainty = el("span", { class: "certainty" });
  const spoken = el("p", { class: "sr-only", "aria-live": "polite" });
  const state = el("p", { class: "state", role: "status" });
  const seenCanvas = el("canvas", { class: "seen", width: "28", height: "28", role: "img", "aria-label": "Your drawing as the network sees it" });
  const seen = el("figure", { hidden: true }, seenCanvas, el("figcaption", {}, "What the network sees"));
  const lock = el("span");
  const locked = el("p", { class: "locked", hidden: true }, lock, " ", button("Enter a key", askForKey, { class: "primary" }));
  const notices = el("div", { class: "notices" });
  const more = foldable("Details", { class: "more" });
  const answer = el(
    "section",
    { class: "answer", "aria-label": "Prediction" },
    createIntroduction(locked),
    el("p", { class: "headline" }, digit, certainty),
    spoken,
  );
  const tools = el("div", { class: "tools" }, undo, clear, store, remove, photo, choose, pens);
  const surface = el("section", { class: "surface", "aria-label": "Drawing" }, el("div", { class: "paper" }, canvas, picture.element, hint), tools, createKeyHelp());
  const element = el("div", { class: "draw fresh" }, el("h1", { class: "sr-only" }, "Draw a digit"), surface, answer);
  return { element, canvas, hint, picture, undo, clear, store, remove, photo, choose, pens, digit, certainty, spoken, state, seen, seenCanvas, lock, locked, notices, more, answer };
}

/**
 * @param {string} title
 * @param {Record<string, string>} properties
 * @param {...HTMLElement} children
 */
function foldable(title, properties, ...children) {
  return el("details", { ...properties, open: isRoomy() }, el("summary", {}, title), children);
}

/** @param {HTMLElement} locked */
function createIntroduction(locked) {
  return el(
    "div",
    { class: "introduction" },
    el("p", {}, "PixelWise reads the digit that you draw, and keeps every drawing with its answer."),
    locked,
    el(
      "p",
      { class: "quiet" },
      el("span", { "data-needs": "label" }, "Say whether the answer is right: that is how the next model learns. "),
      el("span", { "data-needs": "admin" }, "What you drew by mistake, you can delete."),
    ),
    el("p", { class: "quiet keys" }, "You can also paste an image, or drop one here."),
  );
}

function createKeyHelp() {
  return el(
    "p",
    { class: "keys", id: "pad-keys" },
    "Keys: ", el("kbd", {}, "Z"), " undo, ", el("kbd", {}, "Esc"), " clear, ", el("kbd", {}, "Enter"), " store; then ",
    el("kbd", {}, "Y"), " right, ", el("kbd", {}, "0"), "–", el("kbd", {}, "9"), " another digit, ", el("kbd", {}, "N"), " not a digit.",
  );
}
