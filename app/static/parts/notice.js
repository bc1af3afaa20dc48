/** Says what went wrong, and offers what can be done about it. */

import { DEFAULT_WAIT_S } from "../lib/api.js";
import { button, el, focusView } from "../lib/dom.js";
import { askForKey } from "./key_dialog.js";

/** @import { ApiError } from "../lib/api.js" */

export function createNotice() {
  const element = el("div", { class: "notice", role: "alert", hidden: true });
  const left = el("span", { class: "countdown", "aria-hidden": "true" });
  /** @type {number | undefined} */
  let timer;
  /** @type {(() => unknown) | null} */
  let retry = null;
  /** @type {object | null} the retry that runs */
  let trial = null;
  /** @type {Record<string, () => unknown>} */
  let offered = {};
  // What the notice says and offers.
  let shown = "";

  function stop() {
    clearInterval(timer);
    retry = trial = null;
    window.removeEventListener("online", tryAgain);
    window.removeEventListener("keychange", tryAgain);
  }

  function clear() {
    stop();
    shown = "";
    if (element.contains(document.activeElement)) focusView();
    element.hidden = true;
    element.replaceChildren();
  }

  /** Try again. The notice stays meanwhile: screen readers would read it out anew, and its buttons may have the focus. */
  async function tryAgain() {
    if (!retry) return;
    const action = retry;
    stop();
    sayLeft("Trying again …");
    const mine = (trial = {});
    const hasEnded = (await action()) !== false;
    if (hasEnded && mine === trial) clear();
  }

  /** @param {string} text */
  function sayLeft(text) {
    left.textContent = text;
    left.hidden = !text;
  }

  /**
   * Count down to the next try, hidden from screen readers, which would read out every second.
   *
   * @param {number} seconds
   */
  function countdown(seconds) {
    const end = Date.now() + seconds * 1000;
    const tick = () => {
      const rest = Math.ceil((end - Date.now()) / 1000);
      if (rest <= 0) tryAgain();
      else sayLeft(`Trying again in ${rest} s.`);
    };
    timer = setInterval(tick, 250);
    tick();
  }

  /**
   * Show an error. A temporary one is retried after a countdown, a missing key is asked for.
   *
   * @param {ApiError} error
   * @param {object} [options]
   * @param {() => unknown} [options.retry] resolves when it has ended; to false if another one goes on
   * @param {string} [options.keeps] a sentence that says what is not lost
   * @param {Record<string, () => unknown>} [options.choices] other buttons, and what they do
   */
  function show(error, { retry: action, keeps = "", choices = {} } = {}) {
    stop();
    sayLeft("");
    // The service's own description helps with these two alone.
    const detail = error.kind === "invalid" || error.kind === "failed" ? error.detail : "";
    const texts = [error.message, keeps && ` ${keeps}`, detail];
    const asked = error.needsKey ? "key" : action ? "retry" : "";
    offered = choices;
    const content = JSON.stringify([texts, asked, Object.keys(choices)]);
    if (content !== shown) fill(texts, asked);
    shown = content;
    if (!action) return;
    retry = action;
    // Only while there is something to retry: a view makes many notices in its life.
    window.addEventListener("online", tryAgain);
    window.addEventListener("keychange", tryAgain);
    if (error.isTemporary) countdown(error.retryAfter ?? DEFAULT_WAIT_S);
  }

  /**
   * @param {string[]} texts
   * @param {string} asked "key" to ask for one, "retry" to offer a retry
   */
  function fill([message, keeps, detail], asked) {
    const focused = element.contains(document.activeElement) && document.activeElement?.textContent;
    const actions = el("p", { class: "actions" });
    if (asked === "key") actions.append(button("Enter a key", askForKey, { class: "primary" }));
    if (asked === "retry") actions.append(left, button("Try again now", tryAgain));
    for (const text of Object.keys(offered)) {
      const choose = () => {
        const act = offered[text];
        clear();
        act();
      };
      actions.append(button(text, choose));
    }
    element.replaceChildren(el("p", {}, el("strong", {}, message), keeps));
    if (detail) element.append(el("p", {}, detail));
    if (actions.childNodes.length) element.append(actions);
    element.hidden = false;
    for (const one of actions.querySelectorAll("button")) if (one.textContent === focused) one.focus();
  }

  return { element, show, clear };
}

/** @typedef {ReturnType<typeof createNotice>} Notice */
