/** The view in which a person labels drawings, one key for each. */

import { button, el } from "../lib/dom.js";
import { answerText, claimOf, DIGITS, isNoDigit, labelName, labelPhrase, NOT_A_DIGIT } from "../lib/format.js";
import { getKey, lacks } from "../lib/key.js";
import { addShortcuts, labelShortcuts, letGoOfChosen, letGoOfClicked } from "../lib/keyboard.js";
import { outboxes } from "../lib/outbox.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotice } from "../parts/notice.js";
import { createLabeller, createScores } from "../parts/prediction.js";
import { createElements } from "../parts/review/elements.js";
import { createQueue } from "../parts/review/queue.js";
import { createReviewerName } from "../parts/review/reviewer_name.js";
import { createSession } from "../parts/review/session.js";

/** @import { ApiError } from "../lib/api.js" */
/** @import { QueueItem } from "../parts/review/queue.js" */
/** @import { Entry } from "../parts/review/session.js" */

// From this score on it would be wrong to say that the model hesitates.
const LITTLE_DOUBT = 0.9;

/** Make the view. */
export function create() {
  const elements = createElements({ skip, goBack });
  const { state } = elements;
  const name = createReviewerName();
  const scores = createScores();
  const labeller = createLabeller(label, Infinity);
  const notice = createNotice();
  const outbox = outboxes().labels;
  const queue = createQueue({ reviewer: name.get, which: () => which, unsent: outbox.all, onchange: render, onloaded, onfailed });
  const session = createSession(select);

  let which = "";
  /** @type {Entry | null} the entry whose label is being changed; the queue waits */
  let selected = null;
  /** @type {() => void} */
  let removeShortcuts = () => undefined;

  /** The drawing on the screen. */
  function current() {
    return mayReview() ? (selected?.item ?? queue.first) : null;
  }

  /** @param {string} value */
  function label(value) {
    const item = current();
    if (!item) return;
    if (selected?.label === value) {
      skip();
      return;
    }
    outbox.add({ id: item.id, label: value, source: name.get() });
    queue.onlabelled(item.id);
    if (selected) session.relabel(selected, value);
    else {
      queue.take();
      session.add(item, value);
    }
    selected = null;
    state.textContent = labelInWords(item, value);
    render();
  }

  function skip() {
    if (selected) state.textContent = `Number ${selected.item.id} is unchanged.`;
    else if (queue.first) {
      const item = queue.first;
      queue.skip();
      session.add(item, null);
      state.textContent = `Number ${item.id} is skipped.`;
    }
    selected = null;
    render();
  }

  function agree() {
    const item = current();
    if (!item) return;
    const claim = visibleClaim(item);
    if (claim) label(claim);
    else state.textContent = "No prediction is shown. Choose what you see.";
  }

  /** Go back to the last drawing, or from there to the one before it. */
  function goBack() {
    const entry = session.before(selected);
    if (entry) select(entry);
  }

  /** @param {Entry} entry */
  function select(entry) {
    selected = entry;
    const { item, label: given } = entry;
    state.textContent = given ? `Back to number ${item.id}. A new label replaces yours.` : `Back to number ${item.id}.`;
    render();
  }

  /**
   * Whether the prediction is hidden. The random sample measures the model, and reviewers who see the prediction tend to
   * agree with it.
   *
   * @param {QueueItem} item
   */
  function isBlind(item) {
    return item.reason === "random" && !selected?.label;
  }

  /**
   * What a reviewer can agree with: a digit, "not a digit", or null.
   *
   * @param {QueueItem} item
   */
  function visibleClaim(item) {
    const claim = isBlind(item) ? null : claimOf(item);
    return claim && [...DIGITS, NOT_A_DIGIT].includes(claim) ? claim : null;
  }

  function render() {
    const item = current();
    const { activeElement: focused } = document;
    const hadFocus = elements.element.contains(focused);
    elements.offered.hidden = !item;
    elements.panel.hidden = Boolean(item);
    elements.aside.hidden = !mayReview();
    elements.progress.textContent = `${session.labelled} labelled in this session, ${queue.left} left in this batch`;
    elements.back.disabled = !session.before(selected);
    if (item) showItem(item);
    else showPanel();
    session.show(selected);
    // What is hidden or disabled now has lost the focus.
    if (hadFocus && (!focused?.getClientRects().length || focused.matches(":disabled"))) {
      (item ? elements.skip : (elements.panel.querySelector("button") ?? elements.panel)).focus({ preventScroll: true });
    }
  }

  /** @param {QueueItem} item */
  function showItem(item) {
    const blind = isBlind(item);
    elements.sent.replaceChildren(...(item.pictures ? [item.pictures.sent] : []));
    elements.seen.replaceChildren(...(item.pictures ? [item.pictures.seen] : []));
    elements.digit.textContent = blind ? "?" : isNoDigit(item) ? "" : item.prediction;
    elements.certainty.textContent = blind ? "hidden until you have labelled it" : answerText(item);
    elements.reason.textContent = reasonInWords(item, blind);
    elements.link.textContent = `Number ${item.id}`;
    elements.link.setAttribute("href", `#/results/${item.id}`);
    elements.offered.classList.toggle("blind", blind);
    scores.show(blind ? null : item.scores);
    labeller.show({ prediction: visibleClaim(item), label: selected?.label });
  }

  function showPanel() {
    const { title, text, actions } = panelContent();
    elements.panel.replaceChildren(
      el("div", {}, title && el("h2", {}, title), el("p", {}, text), actions.length > 0 && el("p", { class: "actions" }, actions)),
    );
  }

  /** @returns {{title: string, text: string, actions: HTMLElement[]}} */
  function panelContent() {
    const primary = { class: "primary" };
    if (!mayReview()) {
      const need = getKey() ? "This key may not do that." : "This needs the API key.";
      return {
        title: "Label uncertain predictions",
        text: `Here you see one drawing after the other and say which digit it is. ${need}`,
        actions: [button("Enter a key", askForKey, primary)],
      };
    }
    if (queue.isExpired) {
      return {
        title: "You were away",
        text: "A drawing is reserved for you for ten minutes. This time is over. Your labels are kept.",
        actions: [button("Go on with others", queue.resume, primary)],
      };
    }
    if (!queue.isEmpty) return { title: "", text: "Loading drawings …", actions: [] };
    const skipped = queue.skipped > 0 ? [button(`Show what I skipped (${queue.skipped})`, queue.offerSkipped)] : [];
    return {
      title: "Nothing to review",
      text: "Every such drawing has a label or is reserved for another reviewer. Draw some more, or look again in ten minutes.",
      actions: [button("Look again", queue.resume, primary), ...skipped, el("a", { class: "button", href: "#/draw" }, "Draw")],
    };
  }

  function onloaded() {
    notice.clear();
    if (outbox.count) outbox.send();
  }

  outbox.listen({
    onstored(result, { id }) {
      if (!result) state.textContent = `Number ${id} was deleted, so its label was not stored.`;
      if (!queue.isExpired) resume();
    },
    // The page says why labels cannot be stored; it need not be said twice.
    onfailed: notice.clear,
  });

  /** @param {ApiError} error */
  function onfailed(error) {
    if (outbox.count) outbox.send();
    else if (mayReview()) notice.show(error, { retry: resume });
  }

  /** Load drawings, unless the reviewer is not looking: what is loaded is reserved. */
  async function resume() {
    if (mayReview() && elements.element.isConnected && document.visibilityState === "visible") await queue.resume();
  }

  function onkeychange() {
    if (mayReview()) {
      resume();
      return;
    }
    // Without a key that may see it no drawing stays on the screen.
    selected = null;
    notice.clear();
    session.clear();
    queue.clear();
  }

  elements.which.addEventListener("change", () => (location.hash = `#/review${elements.which.value && `?queue=${elements.which.value}`}`));
  letGoOfChosen(elements.which);
  elements.scores.append(scores.element);
  elements.controls.prepend(labeller.element);
  letGoOfClicked(elements.element);
  elements.aside.append(session.element, name.element);
  elements.notices.append(notice.element);
  window.addEventListener("keychange", onkeychange);
  window.addEventListener("scopeschange", () => !mayReview() && onkeychange());

  return {
    element: elements.element,
    notices: elements.notices,
    /** @param {URLSearchParams} params */
    show(params) {
      const chosen = params.get("queue") === "not_a_digit" ? "not_a_digit" : "";
      if (which !== chosen) {
        which = chosen;
        selected = null;
        queue.clear();
      }
      elements.which.value = which;
      removeShortcuts();
      removeShortcuts = addShortcuts(document, {
        ...labelShortcuts(label, agree),
        Enter: agree,
        s: skip,
        ArrowRight: skip,
        z: goBack,
        "Ctrl+z": goBack,
      });
      document.addEventListener("visibilitychange", resume);
      render();
      resume();
    },
    hide() {
      removeShortcuts();
      document.removeEventListener("visibilitychange", resume);
    },
  };
}

/** Whether the key may label and see drawings. */
function mayReview() {
  return Boolean(getKey()) && !lacks("label") && !lacks("read");
}

/**
 * @param {QueueItem} item
 * @param {string} label
 */
function labelInWords(item, label) {
  const claim = claimOf(item) ?? item.prediction;
  const comparison = claim === label ? "and so it was predicted" : `the prediction was ${labelName(claim)}`;
  return `Number ${item.id} is labelled as ${labelPhrase(label)}; ${comparison}.`;
}

/**
 * Say why a drawing is offered.
 *
 * @param {QueueItem} item
 * @param {boolean} blind
 */
function reasonInWords({ reason, scores, ...claim }, blind) {
  if (blind) return "Random sample: say what you see.";
  if (reason === "random") return "Random sample: it measures the model.";
  if (reason === "not a digit" || isNoDigit(claim)) return "The model sees no digit here.";
  if (!scores) return "Its scores are not stored.";
  const [first, second] = [...DIGITS].sort((a, b) => scores[b] - scores[a]);
  if (scores[first] >= LITTLE_DOUBT) return "Nothing less certain is left to label.";
  return `The model hesitates between ${first} and ${second}.`;
}
