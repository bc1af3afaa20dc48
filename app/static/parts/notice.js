/** What a person is told when something goes wrong, and what can be done about it. */

import { isPassing } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { askForKey } from "./key_dialog.js";

const WAIT_S = 5;

/**
 * Make a place for notices. `show(error, {retry, keeps, discard})` says what happened, `keeps` what is not lost by it;
 * for what passes it counts down and then calls `retry`, for a missing key it offers to enter one, for what never will
 * pass it offers to `discard` it. `clear()` takes it away.
 */
export function createNotice() {
  const element = el("div", { class: "notice", role: "alert", hidden: true });
  let timer = null;
  let again = null;

  function clear() {
    clearInterval(timer);
    timer = again = null;
    window.removeEventListener("online", tryAgain);
    window.removeEventListener("keychange", tryAgain);
    element.hidden = true;
    element.replaceChildren();
  }

  function tryAgain() {
    const retry = again;
    clear();
    retry?.();
  }

  /** Count down where no screen reader follows each second: the sentence before it was read out already. */
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

  function show(error, { retry, keeps = "", discard } = {}) {
    clear();
    again = retry ?? null;
    if (again) {
      // Only while there is something to retry: views make notices for as long as the page is open.
      window.addEventListener("online", tryAgain);
      window.addEventListener("keychange", tryAgain);
    }
    // The field's name helps whoever calls with a wrong value; the rest of the service's words is for programs.
    const detail = error.kind === "invalid" || error.kind === "failed" ? error.detail : "";
    element.append(el("p", {}, el("strong", {}, error.message), keeps && ` ${keeps}`), detail && el("p", {}, detail));
    const actions = el("p", { class: "actions" });
    if (error.kind === "key") {
      actions.append(el("button", { type: "button", class: "primary", onclick: askForKey }, "Enter the key"));
    } else if (retry) {
      if (isPassing(error)) actions.append(countdown(error.retryAfter ?? WAIT_S));
      actions.append(el("button", { type: "button", onclick: tryAgain }, "Try again now"));
    }
    if (discard) {
      const drop = () => {
        clear();
        discard();
      };
      actions.append(el("button", { type: "button", onclick: drop }, "Discard it"));
    }
    if (actions.childNodes.length) element.append(actions);
    element.hidden = false;
  }

  return { element, show, clear };
}
