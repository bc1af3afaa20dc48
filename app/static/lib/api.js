/** Speaks HTTP with the service, and says in a person's words what went wrong. */

import { getKey } from "./key.js";

const TIMEOUT_MS = 20000;

const WORDS = {
  offline: "PixelWise cannot be reached.",
  key: "This needs the API key.",
  large: "This is too large for PixelWise.",
  limited: "That was fast: more than PixelWise takes from one person.",
  unavailable: "PixelWise cannot store anything at the moment.",
  full: "The disk of PixelWise is full; somebody has to make room.",
  gone: "There is no such prediction; somebody may have deleted it.",
  changed: "Somebody else has changed this meanwhile.",
  waiting: "PixelWise is still storing this.",
  invalid: "PixelWise did not understand this.",
  failed: "Something went wrong inside PixelWise.",
};

/** What is said of a key that the service refuses. */
export const WRONG_KEY = "PixelWise does not know this key.";

const KINDS = {
  401: "key",
  404: "gone",
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
 * What a call failed with. `kind` is a key of WORDS, `message` is for people, `detail` is the service's own word,
 * `retryAfter` is in seconds or null, `stored` is false where the service promises that nothing was stored and
 * undefined where nobody knows.
 */
export class ApiError extends Error {
  constructor(kind, { status = 0, detail = "", retryAfter = null, requestId = "", stored } = {}) {
    super(kind === "key" && getKey() ? WRONG_KEY : WORDS[kind]);
    Object.assign(this, { kind, status, detail, retryAfter, requestId, stored });
  }
}

/** Whether trying the same again may help, without anybody doing anything. */
export function isPassing(error) {
  return ["offline", "limited", "waiting", "unavailable", "full"].includes(error.kind);
}

async function failure(response) {
  const isProblem = (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError(KINDS[response.status] ?? "failed", {
    status: response.status,
    detail: typeof problem.detail === "string" ? problem.detail : "",
    requestId: problem.request_id ?? "",
    retryAfter: Number.isFinite(wait) ? wait : null,
    // An error of the service's own undid its transaction, unless it says that it cannot tell. A gateway's, or none at
    // all, says nothing of the kind.
    stored: isProblem && ![409, 500, 502, 504].includes(response.status) && !problem.stored ? false : undefined,
  });
}

/**
 * Call the API at `path` (without /api/) and return {body, headers} of the answer, once all of it is there; throw ApiError
 * for anything but success. `json` becomes the body, `params` the query, without what is empty; `kind` is what the answer's
 * body is read as.
 */
export async function request(path, { method = "GET", json, params, headers = {}, signal, kind = "json" } = {}) {
  const query = new URLSearchParams(Object.entries(params ?? {}).filter(([, value]) => value !== "" && value != null));
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(`api/${path}${query.size ? `?${query}` : ""}`, {
      method,
      headers: {
        ...(getKey() && { "X-API-Key": headerText(getKey()) }),
        ...(json !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? undefined : JSON.stringify(json),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      credentials: "omit",
    });
    if (!response.ok) throw await failure(response);
    return { body: await response[kind](), headers: response.headers };
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError("offline");
  }
}

// A header holds bytes; the service reads those of a key as UTF-8.
function headerText(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Ask the service whether it knows a key; throws ApiError when it does not. */
export async function checkKey(key) {
  try {
    await request("results/1/drawing.png", { headers: { "X-API-Key": headerText(key) }, kind: "blob" });
  } catch (error) {
    // The key is looked at first, so this is a key that would have been shown the drawing.
    if (error.kind !== "gone") throw error;
  }
}

/** Read JSON from the API. */
export async function read(path, params, options) {
  return (await request(path, { ...options, params })).body;
}

/** Return an id for X-Request-ID; `crypto.randomUUID` exists on https and localhost alone. */
export function newRequestId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return the address of a prediction's drawing as a picture that an <img> can show: the key cannot go with an <img>. */
export async function drawingUrl(id, { normalised = false, signal } = {}) {
  const params = { normalised: normalised || "" };
  return URL.createObjectURL((await request(`results/${id}/drawing.png`, { params, signal, kind: "blob" })).body);
}

/** Say what a drawing shows; returns the record. */
export async function putLabel(id, label, source) {
  const body = source ? { label, source } : { label };
  return (await request(`results/${id}/label`, { method: "PUT", json: body })).body;
}
