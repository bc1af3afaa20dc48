/** Warns before the page is closed while something is not stored. */

/** @type {Set<string>} */
const unsaved = new Set();

/** @param {BeforeUnloadEvent} event */
function warn(event) {
  event.preventDefault();
  // Chrome before version 119 looks at this alone.
  event.returnValue = "unsaved";
}

/**
 * Note whether something is not stored. Without anything unsaved no listener is left: it would keep browsers from
 * restoring the page quickly when the reader comes back.
 *
 * @param {string} what
 * @param {boolean} isUnsaved
 */
export function setUnsaved(what, isUnsaved) {
  if (isUnsaved) unsaved.add(what);
  else unsaved.delete(what);
  if (unsaved.size) window.addEventListener("beforeunload", warn);
  else window.removeEventListener("beforeunload", warn);
}
