/** The view in which a person says what drawings show, one key for each. */

import { createBars, createLabeller, DIGITS, inWords, NONE, percent } from "../parts/labeller.js";
import { el, loadStyle } from "../lib/dom.js";
import { getKey } from "../lib/key.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotice } from "../parts/notice.js";
import { createOutbox, storeLabel } from "../lib/outbox.js";
import { createQueue } from "../parts/review/queue.js";
import { createName } from "../parts/review/reviewer_name.js";
import { createSitting } from "../parts/review/session.js";

await loadStyle("static/views/review.css");

/** Make the view. */
export function create() {
  const parts = createParts({ skip, takeBack });
  const { state } = parts;
  const name = createName();
  const bars = createBars();
  const labeller = createLabeller(label);
  const notice = createNotice();
  const outbox = createOutbox({ name: "pixelwise-labels", store: storeLabel, onstored, onfailed });
  const queue = createQueue({ reviewer: name.get, unsent: () => outbox.items, onchange: render, onfilled, onfailed });
  const sitting = createSitting(correct);

  // The entry of the sitting that is being corrected, while the queue waits.
  let correcting = null;

  /** The drawing that the person looks at. */
  function current() {
    return getKey() ? (correcting?.item ?? queue.first) : null;
  }

  function label(value) {
    const item = current();
    if (!item) return;
    if (correcting?.label === value) return skip();
    outbox.add({ id: item.id, label: value, source: name.get() });
    queue.labelled(item.id);
    if (correcting) sitting.relabel(correcting, value);
    else sitting.add(queue.take(), value);
    correcting = null;
    state.textContent = sayWhat(item, value);
    render();
  }

  function skip() {
    if (correcting) state.textContent = `Number ${correcting.item.id} stays as it is.`;
    else if (queue.first) {
      const item = queue.skip();
      sitting.add(item, null);
      state.textContent = `Number ${item.id} is skipped.`;
    }
    correcting = null;
    render();
  }

  function agree() {
    const item = current();
    if (!item) return;
    if (predictionOf(item)) label(item.prediction);
    else state.textContent = "There is nothing to agree with: say what you see.";
  }

  /** Go back to the last one; once more, to the one before it. */
  function takeBack() {
    const entry = sitting.before(correcting);
    if (entry) correct(entry);
  }

  function correct(entry) {
    correcting = entry;
    const { item, label } = entry;
    state.textContent = label ? `Back to number ${item.id}: another word replaces the one you gave.` : `Back to number ${item.id}.`;
    render();
  }

  /**
   * Whether the person is not to know yet what the model said. Those drawn at random measure the model, and whoever knows
   * its answer tends to see the same.
   */
  function isBlind(item) {
    return item.reason === "random" && !correcting?.label;
  }

  /** What there is to agree with, or null. */
  function predictionOf(item) {
    return !isBlind(item) && DIGITS.includes(item.prediction) ? item.prediction : null;
  }

  function render() {
    const item = current();
    parts.offered.hidden = !item;
    parts.panel.hidden = Boolean(item);
    parts.aside.hidden = !getKey();
    parts.progress.textContent = `${sitting.labelled} labelled in this sitting, ${queue.left} left in this batch`;
    parts.takeBack.disabled = !sitting.before(correcting);
    if (item) showItem(item);
    else showPanel();
    sitting.show(correcting);
  }

  function showItem(item) {
    const prediction = predictionOf(item);
    const blind = isBlind(item);
    parts.sent.replaceChildren(item.pictures.sent);
    parts.seen.replaceChildren(item.pictures.seen);
    parts.read.textContent = blind ? "?" : item.prediction;
    parts.certainty.textContent = blind ? "say what you see" : `${inWords(item.confidence)}, ${percent(item.confidence)}`;
    parts.why.textContent = sayWhy(item, blind);
    parts.link.textContent = `Number ${item.id}`;
    parts.link.setAttribute("href", `#/results/${item.id}`);
    parts.offered.classList.toggle("blind", blind);
    bars.show(blind ? null : item.scores);
    labeller.show({ prediction, label: correcting?.label });
  }

  function showPanel() {
    const { title, text, actions } = panelFor();
    const content = el("div", {}, title && el("h2", {}, title), el("p", {}, text), actions && el("p", { class: "actions" }, actions));
    parts.panel.replaceChildren(content);
  }

  function panelFor() {
    if (!getKey()) {
      return {
        title: "Label what the model doubts",
        text: "Here a person looks at drawings, one after the other, and says what they show. For that the API key is needed.",
        actions: [button("Enter the key", askForKey, "primary")],
      };
    }
    if (queue.isAway) {
      return {
        title: "You were away",
        text: "A drawing is kept for you for ten minutes. These are free for others again; what you have said stays.",
        actions: [button("Go on with others", queue.resume, "primary")],
      };
    }
    if (!queue.isEmpty) return { text: "Waiting for drawings …" };
    return {
      title: "Nothing to review",
      text: "Every drawing has a label, or is before somebody else for the next ten minutes. Draw some more, or look again later.",
      actions: [
        button("Look again", queue.resume, "primary"),
        queue.skipped > 0 && button(`Show what I skipped (${queue.skipped})`, queue.offerSkipped),
        el("a", { class: "button", href: "#/draw" }, "Draw"),
      ],
    };
  }

  function onfilled() {
    if (outbox.count) outbox.send();
    else notice.clear();
  }

  function onstored(record, { id }) {
    if (!record) state.textContent = `Number ${id} was deleted meanwhile, so it needs no label.`;
    notice.clear();
    if (!queue.isAway) resume();
  }

  function onfailed(error) {
    const { count } = outbox;
    const kept = count > 1 ? `Your ${count} labels are kept and will be stored.` : "Your label is kept and will be stored.";
    notice.show(error, { retry: goOn, keeps: count ? kept : "" });
  }

  function goOn() {
    outbox.send();
    resume();
  }

  /** Fetch drawings, unless nobody is here to look at them: what is fetched is kept from others. */
  function resume() {
    if (getKey() && parts.element.isConnected && document.visibilityState === "visible") queue.resume();
  }

  const KEYS = { n: () => label(NONE), y: agree, Enter: agree, s: skip, ArrowRight: skip, z: takeBack };

  function onkey(event) {
    const { key, target } = event;
    // A key that is held down is one word, not a word on every drawing that follows.
    if (event.repeat || event.altKey || event.metaKey || (event.ctrlKey && key !== "z")) return;
    if (document.querySelector("dialog[open]") || target.matches?.("input, textarea, select")) return;
    // Enter on a button or a link presses that.
    if (key === "Enter" && target.matches?.("button, a")) return;
    const action = DIGITS.includes(key) ? () => label(key) : KEYS[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function onkeychange() {
    if (getKey()) return resume();
    // Whoever forgets the key leaves no drawings behind on the screen.
    correcting = null;
    sitting.forget();
    queue.drop(() => true);
  }

  parts.scores.append(bars.element);
  parts.words.prepend(labeller.element);
  parts.aside.append(sitting.element, name.element);
  parts.element.prepend(notice.element);
  window.addEventListener("keychange", onkeychange);

  return {
    element: parts.element,
    show() {
      document.addEventListener("keydown", onkey);
      document.addEventListener("visibilitychange", resume);
      render();
      goOn();
    },
    hide() {
      document.removeEventListener("keydown", onkey);
      document.removeEventListener("visibilitychange", resume);
    },
  };
}

function sayWhat({ id, prediction }, label) {
  const what = label === NONE ? "no digit" : `a ${label}`;
  return `Number ${id} is ${what}; the model said ${prediction === label ? "so, too" : prediction}.`;
}

function sayWhy({ reason, scores }, blind) {
  if (blind) return "Drawn at random, to measure the model. What it said is hidden until you have said what you see.";
  if (reason === "random") return "Drawn at random, to measure the model.";
  const [first, second] = [...DIGITS].sort((a, b) => scores[b] - scores[a]);
  return `Among those the model doubts most: ${first} (${percent(scores[first])}) or ${second} (${percent(scores[second])}).`;
}

function button(text, onclick, style) {
  return el("button", { type: "button", class: style, onclick }, text);
}

/** The elements of the view. */
function createParts({ skip, takeBack }) {
  const progress = el("p", { class: "progress" });
  const panel = el("section", { class: "card", "aria-live": "polite" });
  const sent = el("div");
  const seen = el("div");
  const read = el("output", { class: "digit-read" });
  const certainty = el("span", { class: "certainty" });
  const why = el("p", { class: "quiet" });
  const link = el("a", {});
  const state = el("p", { class: "state", role: "status" });
  const back = button("Take back", takeBack);
  const drawn = el("figure", { class: "drawn" }, sent, el("figcaption", { class: "quiet" }, link));
  const network = el("figure", {}, seen, el("figcaption", {}, "What the network sees"));
  const said = el("section", { class: "headline", "aria-label": "What the model said" }, el("p", {}, read, certainty), network);
  const scores = el("section", { class: "scores", "aria-label": "Why it is offered" }, why);
  const words = el("section", { class: "words", "aria-label": "What you say" }, button("Skip", skip), back, createKeys());
  const aside = el("div", { class: "aside" }, progress, state);
  const offered = el("div", { class: "offered", hidden: true }, drawn, said, scores, words);
  const desk = el("div", { class: "desk" }, offered, aside);
  const element = el("div", {}, el("h1", { class: "sr-only" }, "Review"), panel, desk);
  return { element, panel, offered, progress, sent, seen, read, certainty, scores, why, link, words, takeBack: back, aside, state };
}

function createKeys() {
  return el(
    "p",
    { class: "keys" },
    "Keys: ", el("kbd", {}, "0"), "–", el("kbd", {}, "9"), " what it is, ", el("kbd", {}, "N"), " not a digit, ",
    el("kbd", {}, "Y"), " or ", el("kbd", {}, "Enter"), " right, ", el("kbd", {}, "S"), " or ", el("kbd", {}, "→"), " skip, ",
    el("kbd", {}, "Z"), " take back.",
  );
}
