/**
 * Finished drawings, and labels, on their way to the service: one after another, each stored once, none lost. What is not
 * stored yet is kept for this tab, so that it survives a reload.
 */

import { ApiError, newRequestId, putLabel, read, request } from "./api.js";

function restore(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "[]");
  } catch {
    return [];
  }
}

/**
 * Make the outbox of this name. `store(item, doubtful)` sends one item; `doubtful` says that it was sent before and no
 * answer came, so that it may be stored already. `onstored(answer, item)` is called for each item that is on disk,
 * `onfailed(error, count)` when the first of them could not be sent; `send()` tries again, `discard()` gives the first
 * one up.
 */
export function createOutbox({ name, store, onstored, onfailed }) {
  const items = restore(name);
  let sending = false;

  function keep() {
    try {
      sessionStorage.setItem(name, JSON.stringify(items));
    } catch {
      // Without storage a reload loses what is not sent yet, and nothing else does.
    }
  }

  /** Add something; returns its item, by which `onstored` tells one from another. */
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
          // Given up while it was on its way, it holds up nothing that comes after it.
          if (items[0] !== item) continue;
          throw error;
        }
        if (items[0] === item) items.shift();
        keep();
        onstored(answer, item);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      onfailed(error, items.length);
    } finally {
      sending = false;
    }
  }

  async function attempt(item) {
    const { doubtful } = item;
    // Noted before it is sent: a tab that is closed or reloaded meanwhile never hears the answer.
    item.doubtful = true;
    keep();
    try {
      return await store(item, doubtful);
    } catch (error) {
      item.doubtful = doubtful || error.stored !== false;
      keep();
      throw error;
    }
  }

  return { items, add, send, discard, get count() { return items.length; } };
}

/** Send a drawing; for an outbox. Its key lets the service store it once, however often it is sent. */
export async function storeDrawing({ requestId, pixels }) {
  const headers = { "Idempotency-Key": requestId, "X-Request-ID": requestId };
  return (await request("classify", { method: "POST", json: { pixels }, headers })).body;
}

/**
 * Send a label; for an outbox. A label whose answer never came is stored already when it is the one that counts. Returns
 * the record, or null when somebody has deleted it.
 */
export async function storeLabel({ id, label, source }, doubtful) {
  try {
    if (doubtful) {
      const { labels } = await read(`results/${id}/labels`);
      if (labels[0]?.label === label && (!source || labels[0].source === source)) return await read(`results/${id}`);
    }
    return await putLabel(id, label, source);
  } catch (error) {
    if (error.kind === "gone") return null;
    throw error;
  }
}
