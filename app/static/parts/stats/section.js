/** A section of the stats. It loads its own data and fails on its own. */

import { asApiError } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { createNotice } from "../notice.js";

/** @import { ApiError } from "../../lib/api.js" */

/**
 * @typedef {object} Selection which predictions are counted
 * @property {{since?: string | null, until?: string | null, last?: string}} period parameters of the API
 * @property {string} bucket
 * @property {string} version empty for all model versions
 */

/**
 * @typedef {object} Section
 * @property {HTMLElement} element
 * @property {(selection: Selection) => Promise<ApiError | null>} load returns the error of a failed load
 * @property {() => void} stop gives up loading
 * @property {() => void} clear removes what is shown from the screen
 */

/**
 * Whether an error concerns all sections, so that the view shows it once.
 *
 * @param {ApiError} error
 */
export function concernsAllSections(error) {
  return error.needsKey || ["offline", "limited"].includes(error.kind);
}

/**
 * Make a section. What it shows stays until newer data is there.
 *
 * @template Data
 * @param {string} title
 * @param {object} options
 * @param {(selection: Selection, signal: AbortSignal) => Promise<Data>} options.load
 * @param {(data: Data) => void} options.show
 * @param {Node[]} options.children
 * @returns {Section}
 */
export function createSection(title, { load: loadData, show, children }) {
  const notice = createNotice();
  const placeholder = el("p", { class: "quiet" }, "Loading …");
  const content = el("div", { class: "content", hidden: true }, children);
  const id = `stats-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  const heading = el("h2", { id }, title);
  const element = el("section", { class: "card stats-section", "aria-labelledby": id }, heading, notice.element, placeholder, content);
  /** @type {AbortController | null} */
  let running = null;

  /**
   * @param {Selection} selection
   * @param {boolean} [isRetry] whether the section alone is loaded, and says itself what went wrong
   * @returns {Promise<ApiError | null>}
   */
  async function load(selection, isRetry = false) {
    running?.abort();
    const mine = (running = new AbortController());
    element.setAttribute("aria-busy", "true");
    try {
      const data = await loadData(selection, mine.signal);
      if (mine !== running) return null;
      notice.clear();
      placeholder.hidden = true;
      content.hidden = false;
      show(data);
    } catch (caught) {
      if (mine !== running) return null;
      const error = asApiError(caught);
      placeholder.textContent = "Not loaded.";
      const keeps = content.hidden ? "" : "The values below are older.";
      // An invalid request stays invalid.
      const retry = error.kind === "invalid" ? undefined : () => loadAgain(selection);
      if (isRetry || !concernsAllSections(error)) notice.show(error, { retry, keeps });
      else notice.clear();
      return error;
    } finally {
      if (mine === running) element.removeAttribute("aria-busy");
    }
    return null;
  }

  /**
   * Resolves to false if a newer load goes on, which says itself how it ends.
   *
   * @param {Selection} selection
   */
  async function loadAgain(selection) {
    await load(selection, true);
    return !element.hasAttribute("aria-busy");
  }

  function stop() {
    running?.abort();
    running = null;
    notice.clear();
    element.removeAttribute("aria-busy");
  }

  function clear() {
    placeholder.hidden = false;
    content.hidden = true;
  }

  return { element, load, stop, clear };
}
