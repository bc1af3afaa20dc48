/** The elements of the review queue. */

import { button, el } from "../../lib/dom.js";

/**
 * @param {object} actions
 * @param {() => void} actions.skip
 * @param {() => void} actions.goBack
 */
export function createElements({ skip, goBack }) {
  const progress = el("p", { class: "progress" });
  const panel = el("section", { class: "card", "aria-live": "polite", tabindex: "-1" });
  const sent = el("div");
  const seen = el("div");
  const digit = el("output", { class: "digit-read" });
  const certainty = el("span", { class: "certainty" });
  const reason = el("p", { class: "reason" });
  const link = el("a");
  const state = el("p", { class: "state", role: "status" });
  const skipButton = button("Skip", skip);
  const back = button("Back", goBack);
  const drawing = el("figure", { class: "offered-drawing" }, sent, el("figcaption", { class: "quiet" }, link));
  const network = el("figure", {}, seen, el("figcaption", {}, "What the network sees"));
  const prediction = el("section", { class: "headline", "aria-label": "Prediction" }, el("p", {}, digit, certainty));
  const scores = el("section", { class: "scores", "aria-label": "Details" }, network);
  const notices = el("div", { class: "notices" });
  const controls = el("section", { class: "label-controls", "aria-label": "Your label" }, skipButton, back, createKeyHelp());
  const which = el("select", { id: "queue" }, el("option", { value: "" }, "the least certain"), el("option", { value: "not_a_digit" }, "not a digit?"));
  const choice = el("p", { class: "reviewer" }, el("label", { for: "queue" }, "Drawings to review"), which);
  const aside = el("div", { class: "aside" }, progress, state, choice);
  const offered = el("div", { class: "offered", hidden: true }, reason, drawing, prediction, scores, controls);
  const desk = el("div", { class: "desk" }, offered, notices, aside);
  const element = el("div", {}, el("h1", { class: "sr-only" }, "Review"), panel, desk);
  return { element, panel, offered, notices, progress, sent, seen, digit, certainty, scores, reason, link, controls, skip: skipButton, back, aside, state, which };
}

function createKeyHelp() {
  return el(
    "p",
    { class: "keys" },
    "Keys: ", el("kbd", {}, "0"), "–", el("kbd", {}, "9"), " the digit, ", el("kbd", {}, "N"), " not a digit, ",
    el("kbd", {}, "Y"), " or ", el("kbd", {}, "Enter"), " right, ", el("kbd", {}, "S"), " or ", el("kbd", {}, "→"), " skip, ",
    el("kbd", {}, "Z"), " back.",
  );
}
