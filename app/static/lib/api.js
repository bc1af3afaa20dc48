/** Sends requests to the service and describes failures for people. `window` gets "keyrefused" when the key is wrong. */

import { getKey, setScopes } from "./key.js";

/** @import { Result } from "./types.js" */

/** @typedef {"offline" | "key" | "forbidden" | "proxy" | "large" | "limited" | "unavailable" | "busy" | "full" | "gone" | "changed" | "waiting" | "invalid" | "old" | "rekeyed" | "failed"} ErrorKind */

/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {unknown} [json] sent as the body
 * @property {FormData} [form] sent as the body
 * @property {Record<string, unknown>} [params] sent as the query; empty ones are left out
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {"json" | "text" | "blob"} [kind] how the response body is read
 */

const TIMEOUT_MS = 20000;
// A photograph of 8 MiB takes this long at half a megabit in a second.
const UPLOAD_TIMEOUT_MS = 140000;

/** @type {Record<ErrorKind, string>} */
const MESSAGES = {
  offline: "PixelWise cannot be reached.",
  key: "This needs the API key.",
  forbidden: "This key may not do that.",
  proxy: "A proxy in front of PixelWise refuses this. Open PixelWise in another tab: it may ask for a password.",
  large: "This is too large for PixelWise.",
  limited: "Too many requests in a short time.",
  unavailable: "PixelWise cannot store anything at the moment.",
  busy: "PixelWise cannot answer this at the moment.",
  full: "The disk of PixelWise is full. An operator has to free some space.",
  gone: "This prediction does not exist. It may have been deleted.",
  changed: "Somebody else has changed this in the meantime.",
  waiting: "PixelWise is still storing this.",
  invalid: "PixelWise rejected this as invalid.",
  old: "This has waited for more than a day, and may be stored already.",
  rekeyed: "This was sent with another key, and may be stored already.",
  failed: "Something went wrong inside PixelWise.",
};

export const WRONG_KEY = "This API key is wrong.";

/** @type {Record<number, ErrorKind>} */
const KINDS = {
  401: "key",
  403: "forbidden",
  404: "gone",
  408: "offline",
  409: "waiting",
  412: "changed",
  413: "large",
  422: "invalid",
  429: "limited",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
  507: "full",
};

/**
 * What a proxy in front answers by itself; its "not found" says nothing about a prediction.
 *
 * @type {Record<number, ErrorKind>}
 */
const KINDS_OF_PROXY = { 401: "proxy", 403: "proxy", 404: "unavailable" };

/** The wait before another try, if the service names none. */
export const DEFAULT_WAIT_S = 5;

/** A failed request. `message` is for people. */
export class ApiError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {object} [details]
   * @param {string} [details.detail] the service's own description
   * @param {number | null} [details.retryAfter] in seconds
   * @param {false} [details.stored] false when the service guarantees that nothing was stored; unknown otherwise
   */
  constructor(kind, { detail = "", retryAfter = null, stored } = {}) {
    super(kind === "key" && getKey() ? WRONG_KEY : MESSAGES[kind]);
    this.kind = kind;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.stored = stored;
  }

  /** Whether another key would help. */
  get needsKey() {
    return this.kind === "key" || this.kind === "forbidden";
  }

  /** Whether the same request may succeed later, without anybody doing anything. */
  get isTemporary() {
    return ["offline", "limited", "waiting", "unavailable", "busy", "full"].includes(this.kind);
  }
}

/**
 * Return what was caught if it is a failed request; throw it again if it is a fault of the page.
 *
 * @param {unknown} error
 */
export function asApiError(error) {
  if (error instanceof ApiError) return error;
  throw error;
}

/**
 * @param {Response} response
 * @param {string} method
 */
async function failure(response, method) {
  const { status, headers } = response;
  const isProblem = (headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const wait = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  const byProxy = KINDS_OF_PROXY[status] ?? (status >= 500 && "unavailable");
  const kind = (!isProblem && byProxy) || KINDS[status] || "failed";
  return new ApiError(kind === "unavailable" && method === "GET" ? "busy" : kind, {
    detail: typeof problem.detail === "string" ? problem.detail : "",
    retryAfter: Number.isFinite(wait) ? wait : null,
    // The service's own errors roll back, unless they say that the outcome is unknown. A gateway's error says nothing.
    stored: isProblem && ![409, 500, 502, 504].includes(status) && !problem.stored ? false : undefined,
  });
}

/**
 * Call the API and return the whole response.
 *
 * @param {string} path without /api/
 * @param {RequestOptions} [options]
 * @returns {Promise<{body: any, headers: Headers}>}
 * @throws {ApiError} when the request fails, unless `signal` was aborted
 */
export async function request(path, { method = "GET", json, form, params = {}, headers = {}, signal, kind = "json" } = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = String(new URLSearchParams(given.map(([name, value]) => [name, String(value)])));
  // Safari has AbortSignal.any since version 17.4.
  const controller = new AbortController();
  const key = getKey();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, form ? UPLOAD_TIMEOUT_MS : TIMEOUT_MS);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    const response = await fetch(`api/${path}${query && `?${query}`}`, {
      method,
      headers: {
        ...(key && { "X-API-Key": headerText(key) }),
        ...(json !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? form : JSON.stringify(json),
      signal: controller.signal,
      // With the password that a proxy in front may ask for.
      credentials: "same-origin",
      cache: "no-cache",
    });
    if (!response.ok) {
      const error = await failure(response, method);
      if (error.kind === "key" && key === getKey() && !headers["X-API-Key"]) window.dispatchEvent(new Event("keyrefused"));
      // Refused with a key that was replaced since. The outbox notes the new one before it repeats what has an Idempotency-Key.
      const isRepeated = error.needsKey && key !== getKey() && !headers["Idempotency-Key"];
      if (isRepeated) return await request(path, { method, json, form, params, headers, signal, kind });
      throw error;
    }
    return { body: await response[kind](), headers: response.headers };
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError("offline");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * A header holds bytes; the service reads those of a key as UTF-8.
 *
 * @param {string} text
 */
function headerText(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/**
 * Check a key.
 *
 * @param {string} key
 * @throws {ApiError} of kind "key" when the service refuses it
 */
export async function checkKey(key) {
  await request("keys/current", { headers: { "X-API-Key": headerText(key) } });
}

/**
 * Ask what the key may do. Until the answer arrives, the page shows everything.
 *
 * @throws {ApiError}
 */
export async function loadScopes() {
  const key = getKey();
  if (!key) return;
  const { scopes } = await read("keys/current");
  if (key === getKey()) setScopes(scopes);
}

/**
 * Read JSON from the API.
 *
 * @param {string} path
 * @param {Record<string, unknown>} [params]
 * @param {RequestOptions} [options]
 */
export async function read(path, params, options) {
  return (await request(path, { ...options, params })).body;
}

/**
 * Load a drawing and return an object URL for an <img>, which could not send the key itself. The caller revokes it.
 *
 * @param {number} id
 * @param {object} [options]
 * @param {boolean} [options.normalised] as the network sees it
 * @param {AbortSignal} [options.signal]
 */
export async function drawingUrl(id, { normalised = false, signal } = {}) {
  const params = { normalised: normalised || "" };
  return URL.createObjectURL((await request(`results/${id}/drawing.png`, { params, signal, kind: "blob" })).body);
}

/**
 * Label a drawing; returns the result.
 *
 * @param {number} id
 * @param {string} label
 * @param {string} [source] the reviewer's name
 * @returns {Promise<Result>}
 */
export async function putLabel(id, label, source) {
  const body = source ? { label, source } : { label };
  return (await request(`results/${id}/label`, { method: "PUT", json: body })).body;
}
