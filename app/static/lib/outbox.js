/**
 * Drawings and labels on their way to the service: sent in order, each stored once. What is not stored yet is kept for
 * this tab and survives a reload.
 */

import { ApiError, asApiError, newRequestId, putLabel, read, request } from "./api.js";
import { readList, writeList } from "./storage.js";

/** @import { ClassifyResponse, LabelHistory, Result } from "./types.js" */

/** @typedef {{requestId: string, maybeStored?: boolean}} Sending `maybeStored`: sent before, and perhaps stored */
/** @typedef {{pixels: number[][]}} Drawing 28 rows of 28, 0 for background to 255 for ink */
/** @typedef {{id: number, label: string, source?: string}} Label */

/**
 * @template Content
 * @template Answer
 * @typedef {object} OutboxOptions
 * @property {string} name where the outbox is stored
 * @property {(item: Content & Sending) => Promise<Answer>} store sends one item
 * @property {(answer: Answer, item: Content & Sending) => void} onstored called for each item that is stored
 * @property {(error: ApiError, count: number) => void} onfailed called with the number of items that wait
 */

/**
 * Make an outbox. `send()` tries again, `discard()` drops the first item.
 *
 * @template Content
 * @template Answer
 * @param {OutboxOptions<Content, Answer>} options
 */
export function createOutbox({ name, store, onstored, onfailed }) {
  /** @typedef {Content & Sending} Item */
  const items = /** @type {Item[]} */ (readList(name));
  let sending = false;

  function keep() {
    writeList(name, items);
  }

  /**
   * Add something to send; returns the item that `onstored` is called with.
   *
   * @param {Content} content
   * @returns {Item}
   */
  function add(content) {
    const item = { requestId: newRequestId(), ...content };
    items.push(item);
    keep();
    send();
    return item;
  }

  function discard() {
    items.shift();
    keep();
    send();
  }

  async function send() {
    if (sending) return;
    sending = true;
    try {
      while (items.length) {
        const [item] = items;
        let answer;
        try {
          answer = await attempt(item);
        } catch (error) {
          // Discarded while it was sent: the next one must not wait for it.
          if (items[0] !== item) continue;
          throw error;
        }
        if (items[0] === item) items.shift();
        keep();
        onstored(answer, item);
      }
    } catch (error) {
      onfailed(asApiError(error), items.length);
    } finally {
      sending = false;
    }
  }

  /** @param {Item} item */
  async function attempt(item) {
    const { maybeStored } = item;
    const attempted = { ...item };
    // Stored before it is sent: the tab may be closed before the answer arrives.
    item.maybeStored = true;
    keep();
    try {
      return await store(attempted);
    } catch (error) {
      item.maybeStored = maybeStored || !(error instanceof ApiError) || error.stored !== false;
      keep();
      throw error;
    }
  }

  return {
    items,
    add,
    send,
    discard,
    get count() {
      return items.length;
    },
  };
}

/**
 * Send a drawing; for an outbox. The Idempotency-Key makes the service store it once, however often it is sent.
 *
 * @param {Drawing & Sending} item
 * @returns {Promise<ClassifyResponse>}
 */
export async function storeDrawing({ requestId, pixels }) {
  const headers = { "Idempotency-Key": requestId, "X-Request-ID": requestId };
  return (await request("classify", { method: "POST", json: { pixels }, headers })).body;
}

/**
 * Send a label; for an outbox. A label that may be stored is stored already when it is the newest one.
 *
 * @param {Label & Sending} item
 * @returns {Promise<Result | null>} null when the prediction was deleted
 */
export async function storeLabel({ id, label, source, maybeStored }) {
  try {
    if (maybeStored) {
      const { labels } = /** @type {LabelHistory} */ (await read(`results/${id}/labels`));
      if (labels[0]?.label === label && (!source || labels[0].source === source)) return await read(`results/${id}`);
    }
    return await putLabel(id, label, source);
  } catch (error) {
    if (asApiError(error).kind === "gone") return null;
    throw error;
  }
}
