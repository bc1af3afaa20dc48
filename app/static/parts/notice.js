/** Says what went wrong, and offers what can be done about it. */

import { button, el } from "../lib/dom.js";
import { askForKey } from "./key_dialog.js";

/** @import { ApiError } from "../lib/api.js" */

const DEFAULT_WAIT_S = 5;

/** Make a place for one notice. */
export function createNotice() {
  const element = el("div", { class: "notice", role: "alert", hidden: true });
  /** @type {number | undefined} */
  let timer;
  /** @type {(() => unknown) | null} */
  let retry = null;

  function clear() {
    clearInterval(timer);
    retry = null;
    window.removeEventListener("online", tryAgain);
    window.removeEventListener("keychange", tryAgain);
    element.hidden = true;
    element.replaceChildren();
  }

  function tryAgain() {
    const action = retry;
    clear();
    action?.();
  }

  /**
   * Count down to the next try, hidden from screen readers, which would read out every second.
   *
   * @param {number} seconds
   */
  function countdown(seconds) {
    const left = el("span", { class: "countdown", "aria-hidden": "true" });
    const end = Date.now() + seconds * 1000;
    const tick = () => {
      const rest = Math.ceil((end - Date.now()) / 1000);
      if (rest <= 0) tryAgain();
      else left.textContent = `Trying again in ${rest} s.`;
    };
    timer = setInterval(tick, 250);
    tick();
    return left;
  }

  /**
   * Show an error. A temporary one is retried after a countdown, a missing key is asked for.
   *
   * @param {ApiError} error
   * @param {object} [options]
   * @param {() => unknown} [options.retry]
   * @param {string} [options.keeps] a sentence that says what is not lost
   * @param {Record<string, () => unknown>} [options.choices] other buttons, and what they do
   */
  function show(error, { retry: action, keeps = "", choices = {} } = {}) {
    clear();
    // The service's own description helps with these two alone.
    const detail = error.kind === "invalid" || error.kind === "failed" ? error.detail : "";
    element.append(el("p", {}, el("strong", {}, error.message), keeps && ` ${keeps}`));
    if (detail) element.append(el("p", {}, detail));
    const actions = el("p", { class: "actions" });
    if (action) {
      retry = action;
      // Only while there is something to retry: a view makes many notices in its life.
      window.addEventListener("online", tryAgain);
      window.addEventListener("keychange", tryAgain);
    }
    if (error.needsKey) {
      actions.append(button("Enter a key", askForKey, { class: "primary" }));
    } else if (action) {
      if (error.isTemporary) actions.append(countdown(error.retryAfter ?? DEFAULT_WAIT_S));
      actions.append(button("Try again now", tryAgain));
    }
    for (const [text, act] of Object.entries(choices)) {
      const choose = () => {
        clear();
        act();
      };
      actions.append(button(text, choose));
    }
    if (actions.childNodes.length) element.append(actions);
    element.hidden = false;
  }

  return { element, show, clear };
}

/** @typedef {ReturnType<typeof createNotice>} Notice */
