/**
 * The storage of this tab, which a reload keeps. Where the browser forbids storage, everything reads as missing and
 * writing does nothing: what is kept then lives as long as the page.
 */

/** Names in storage. They do not change: a tab that is open during an upgrade must find its unsent work. */
export const STORED = {
  key: "pixelwise-key",
  drawings: "pixelwise-outbox",
  drawLabels: "pixelwise-words",
  reviewLabels: "pixelwise-labels",
  resultLabels: "pixelwise-corrections",
  notes: "pixelwise-notes",
  reviewer: "pixelwise-reviewer",
  reviewTab: "pixelwise-review-tab",
};

/**
 * @param {string} name
 * @returns {string} empty when nothing is stored
 */
export function readText(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} name
 * @param {string} text empty to remove it
 */
export function writeText(name, text) {
  try {
    if (text) sessionStorage.setItem(name, text);
    else sessionStorage.removeItem(name);
  } catch {
    // Forbidden or full.
  }
}

/**
 * Read a list that `writeList` stored.
 *
 * @template Item
 * @param {string} name
 * @returns {Item[]} empty when nothing is stored
 */
export function readList(name) {
  try {
    return JSON.parse(readText(name) || "[]");
  } catch {
    return [];
  }
}

/**
 * @param {string} name
 * @param {unknown[]} items
 */
export function writeList(name, items) {
  writeText(name, JSON.stringify(items));
}
