/**
 * The storage of this tab, which a reload keeps, and the storage that all tabs share, which the browser keeps. Where the
 * browser forbids storage, everything reads as missing and writing does nothing.
 */

/** Names in the tab's storage. They do not change: a tab that is open during an upgrade must find its unsent work. */
export const STORED = {
  key: "pixelwise-key",
  notes: "pixelwise-notes",
  reviewer: "pixelwise-reviewer",
  reviewTab: "pixelwise-review-tab",
};

/** Names of shared entries begin with these; the lists are what an older version stored in the tab. */
export const UNSENT = {
  drawings: { prefix: "pixelwise-drawing-", lists: ["pixelwise-outbox"] },
  labels: { prefix: "pixelwise-label-", lists: ["pixelwise-words", "pixelwise-labels", "pixelwise-corrections"] },
};

/**
 * Put the folder of the page before a name: other folders of the host have the same storage.
 *
 * @param {string} name
 */
function ours(name) {
  const { pathname } = new URL(".", document.baseURI);
  return pathname === "/" ? name : pathname + name;
}

/**
 * @param {string} name
 * @returns {string} empty when nothing is stored
 */
export function readText(name) {
  try {
    return sessionStorage.getItem(ours(name)) ?? "";
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
    if (text) sessionStorage.setItem(ours(name), text);
    else sessionStorage.removeItem(ours(name));
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

/**
 * Read one shared entry.
 *
 * @param {string} name
 * @returns {any} null when it is missing
 */
export function readShared(name) {
  try {
    return JSON.parse(localStorage.getItem(ours(name)) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Write one shared entry; returns whether it is stored.
 *
 * @param {string} name
 * @param {unknown} value null to remove it
 */
export function writeShared(name, value) {
  try {
    if (value === null) localStorage.removeItem(ours(name));
    else localStorage.setItem(ours(name), JSON.stringify(value));
    return true;
  } catch {
    // Forbidden or full.
    return false;
  }
}

/**
 * Return the names of shared entries.
 *
 * @param {string} prefix
 */
export function sharedNames(prefix) {
  try {
    const start = ours(prefix);
    return Object.keys(localStorage).flatMap((name) => (name.startsWith(start) ? prefix + name.slice(start.length) : []));
  } catch {
    return [];
  }
}

/**
 * Call a function when another tab changes a shared entry.
 *
 * @param {string} prefix
 * @param {() => void} onchange
 */
export function onSharedChange(prefix, onchange) {
  window.addEventListener("storage", ({ key }) => key?.startsWith(ours(prefix)) && onchange());
}
