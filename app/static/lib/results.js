/** Reads a result, and announces to every view that one has changed. */

import { request } from "./api.js";
import { getKey, lacks } from "./key.js";

/** @import { ApiError, RequestOptions } from "./api.js" */
/** @import { Result } from "./types.js" */

/** @typedef {{id: number, result: Result | null}} ResultChange `result` is null when the prediction was deleted */

const EVENT = "resultchange";

/** The address of the list as it was last shown, for the way back to it. */
export const lastResults = { address: "#/results" };

/**
 * Read one result, and the ETag of its state.
 *
 * @param {number} id
 * @param {RequestOptions} [options]
 * @returns {Promise<{result: Result, etag: string}>}
 */
export async function readResult(id, options) {
  const { body, headers } = await request(`results/${id}`, options);
  // A proxy that compresses makes it weak; If-Match needs the strong one.
  return { result: body, etag: (headers.get("ETag") ?? "").replace(/^W\//, "") };
}

/**
 * Announce that a result has changed.
 *
 * @param {number} id
 * @param {Result | null} result null when it was deleted
 */
export function announceResultChange(id, result) {
  window.dispatchEvent(new CustomEvent(EVENT, { detail: { id, result } }));
}

/**
 * Call a function whenever a result has changed. Returns a function that ends this.
 *
 * @param {(change: ResultChange) => void} onchange
 * @returns {() => void}
 */
export function onResultChange(onchange) {
  const listener = (/** @type {Event} */ event) => event instanceof CustomEvent && onchange(event.detail);
  window.addEventListener(EVENT, listener);
  return () => window.removeEventListener(EVENT, listener);
}

/**
 * Say why drawings cannot be seen.
 *
 * @param {ApiError} [error] the answer to a request for one
 */
export function whyUnseen(error) {
  if (!getKey()) return "You need the API key to see drawings and to label them.";
  return error?.kind === "key" ? error.message : "This key may not see drawings.";
}

/**
 * Call a function whenever the key was changed for none, or for one that may not see drawings. Returns a function that ends
 * this.
 *
 * @param {() => unknown} onlost
 * @returns {() => void}
 */
export function onSightLost(onlost) {
  let isOtherKey = false;
  const onkeychange = () => {
    isOtherKey = true;
    if (!getKey()) onlost();
  };
  // What a key may do is known later.
  const onscopeschange = () => isOtherKey && lacks("read") && onlost();
  window.addEventListener("keychange", onkeychange);
  window.addEventListener("scopeschange", onscopeschange);
  return () => {
    window.removeEventListener("keychange", onkeychange);
    window.removeEventListener("scopeschange", onscopeschange);
  };
}
