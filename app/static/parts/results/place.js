/** Where the reader is in the list of results: what is on the screen, and which row has the focus. */

/** @typedef {{row: Element, top: number}} Place a row, and where it is on the screen */

/**
 * Return the first visible row and where it is: rows change their height, so the scroll position alone is not enough.
 *
 * @param {Element} list
 * @returns {Place | null}
 */
export function placeInView(list) {
  const row = [...list.children].find((child) => child.getBoundingClientRect().bottom > 0);
  return row && window.scrollY > 0 ? { row, top: row.getBoundingClientRect().top } : null;
}

/**
 * Return the link to the result of a row.
 *
 * @param {Element | null | undefined} row
 */
export function linkIn(row) {
  return row?.querySelector("a");
}

/**
 * Scroll a row to where it was.
 *
 * @param {Place} place
 */
export function scrollTo({ row, top }) {
  if (row.isConnected) window.scrollBy(0, row.getBoundingClientRect().top - top);
}

/**
 * Move the focus from a row to the next or the one before.
 *
 * @param {KeyboardEvent} event
 * @param {1 | -1} step
 */
export function focusRow({ target }, step) {
  if (!(target instanceof Element) || !target.matches(".result-link")) return false;
  const row = target.closest("li");
  const link = linkIn(step === 1 ? row?.nextElementSibling : row?.previousElementSibling);
  if (!link) return false;
  link.focus({ preventScroll: true });
  link.scrollIntoView({ block: "nearest" });
  return true;
}
