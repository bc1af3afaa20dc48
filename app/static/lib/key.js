/** The API key, kept for this tab alone. `window` gets the event "keychange" when the key changes. */

import { readText, STORED, writeText } from "./storage.js";

/** @type {string | null} null before it is first read */
let key = null;

/** Return the key, or an empty text. */
export function getKey() {
  return (key ??= readText(STORED.key));
}

/**
 * Keep another key.
 *
 * @param {string} value empty to forget the key
 */
export function setKey(value) {
  key = value.trim();
  writeText(STORED.key, key);
  window.dispatchEvent(new Event("keychange"));
}

/** Take the key out of the address (#key=…), so that no bookmark and no shared link contains it. */
export function takeKeyFromAddress() {
  const found = /^#key=([^&]*)/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", location.pathname + location.search + "#/draw");
  try {
    setKey(decodeURIComponent(found[1]));
  } catch {
    setKey(found[1]);
  }
}
