/** A part of a view that asks the service for something, shows it, and fails by itself. */

import { ApiError } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { createNotice } from "../notice.js";

// These concern the whole view, which says them once.
const EVERYWHERE = ["key", "offline", "limited"];

/** Whether an error of one part is one of them all. */
export function isEverywhere(error) {
  return EVERYWHERE.includes(error.kind);
}

/**
 * Make a part. `ask(query, signal)` returns what `show(answer, query)` puts into `children`. What is shown stays until
 * there is something newer. `load(query)` returns the error it failed with, if it did; `stop()` gives up.
 */
export function createPart(title, { ask, show, children }) {
  const notice = createNotice();
  const waiting = el("p", { class: "quiet" }, "Loading …");
  const content = el("div", { class: "content", hidden: true }, children);
  const id = `part-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  const heading = el("h2", { id }, title);
  const element = el("section", { class: "card part", "aria-labelledby": id }, heading, notice.element, waiting, content);
  let running = null;

  async function load(query) {
    running?.abort();
    const mine = (running = new AbortController());
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(query, mine.signal);
      if (mine !== running) return null;
      notice.clear();
      waiting.hidden = true;
      content.hidden = false;
      show(answer, query);
    } catch (error) {
      if (mine !== running) return null;
      if (!(error instanceof ApiError)) throw error;
      waiting.textContent = "Not loaded.";
      const keeps = content.hidden ? "" : "What stands below is from before.";
      // What was not understood is not understood the second time either.
      const retry = error.kind === "invalid" ? undefined : () => load(query);
      if (!isEverywhere(error)) notice.show(error, { retry, keeps });
      return error;
    } finally {
      if (mine === running) element.removeAttribute("aria-busy");
    }
    return null;
  }

  function stop() {
    running?.abort();
    running = null;
    notice.clear();
    element.removeAttribute("aria-busy");
  }

  return { element, load, stop };
}
