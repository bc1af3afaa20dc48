/**
 * The API key, kept for this tab alone, and what it may do. `window` gets the event "keychange" when the key changes, and
 * "scopeschange" when it is known what the key may do. Elements with `data-needs` are hidden if the key lacks that scope.
 */

import { readText, STORED, writeText } from "./storage.js";

/** @typedef {"classify" | "read" | "label" | "admin"} Scope */

/** @type {Scope[]} */
const SCOPES = ["classify", "read", "label", "admin"];

/** @type {string | null} null before it is first read */
let key = null;

/** Return the key, or an empty text. */
export function getKey() {
  return (key ??= readText(STORED.key));
}

/** Return a few bits of the key. They show that it is another one, and are too few to find it. */
export function keyMark() {
  let hash = 0x811c9dc5;
  for (const char of getKey()) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return hash & 0xffff;
}

/**
 * Keep another key.
 *
 * @param {string} value empty to forget the key
 */
export function setKey(value) {
  key = value.trim();
  writeText(STORED.key, key);
  setScopes(SCOPES);
  window.dispatchEvent(new Event("keychange"));
}

/** @param {string[]} scopes what the key may do */
export function setScopes(scopes) {
  document.documentElement.dataset.lacks = SCOPES.filter((scope) => !scopes.includes(scope)).join(" ");
  window.dispatchEvent(new Event("scopeschange"));
}

/**
 * Whether the key is known not to have a scope.
 *
 * @param {Scope} scope
 */
export function lacks(scope) {
  return (document.documentElement.dataset.lacks ?? "").split(" ").includes(scope);
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
