/**
 * Drawings and labels on their way to the service: sent in order, each stored once, from every view. What is not stored yet
 * is kept in the browser and survives a closed tab.
 */

import { ApiError, asApiError, putLabel, read, request } from "./api.js";
import { getKey, keyMark } from "./key.js";
import { UNSENT } from "./storage.js";
import { createUnsent, newId, setUnsaved } from "./unsent.js";

/** @import { ClassifyResponse, LabelHistory, Result } from "./types.js" */
/** @import { Unsent } from "./unsent.js" */

/**
 * @typedef {object} Drawing pixels or an image, and a label to give it once it is stored
 * @property {number[][]} [pixels] 28 rows of 28, 0 for background to 255 for ink
 * @property {File} [image]
 * @property {string} [label]
 */
/** @typedef {{id: number, label: string, source?: string}} Label */

// The service knows an Idempotency-Key for a day.
const KNOWN_MS = 23 * 3600 * 1000;
// A tab takes several items within this time.
const LOSS_MS = 200;

/**
 * @template Item
 * @template Answer
 * @typedef {object} OutboxListener
 * @property {(answer: Answer, item: Item) => void} [onstored] called for each item that is stored
 * @property {(error: ApiError) => void} [onfailed] called when sending failed; the items wait
 * @property {() => void} [onlost] called when another tab has stored or taken an item
 * @property {() => void} [onchange] called when the number of items has changed
 */

/**
 * Make an outbox. `send()` tries again, `discard()` drops the first item, `start()` takes what earlier visits left.
 *
 * @template Content
 * @template Answer
 * @param {{prefix: string, lists: string[]}} names where the items are kept
 * @param {(item: Content & Unsent) => Promise<Answer>} store sends one item
 * @param {(items: (Content & Unsent)[], content: Content) => Content & Unsent | undefined} [findEqual] finds the item that is the same
 */
function createOutbox(names, store, findEqual) {
  /** @typedef {Content & Unsent} Item */
  /** @type {Item[]} */
  const items = [];
  /** @type {OutboxListener<Item, Answer>[]} */
  const listeners = [];
  const unsent = createUnsent({
    ...names,
    mine: () => items,
    canSend: () => ![refused, ""].includes(getKey()),
    ontaken,
    onlost: (item) => {
      // Otherwise `send` finds out by itself.
      if (!sending) onlost(item);
      // What waited behind it, unless the other tab is taking that, too.
      setTimeout(send, LOSS_MS);
    },
  });
  let sending = false;
  let sent = Promise.resolve();
  /** The key that what waits may not be sent with. */
  let refused = "";

  /** @param {Item} item */
  function keep(item) {
    item.isKept = unsent.keep(item);
  }

  function changed() {
    setUnsaved(names.prefix, items.length > 0);
    for (const { onchange } of listeners) onchange?.();
  }

  /**
   * Add something to send; returns the item that `onstored` is called with.
   *
   * @param {Content & {requestId?: string}} content
   * @returns {Item}
   */
  function add(content) {
    const equal = findEqual?.(items, content);
    if (equal) return equal;
    const item = { requestId: newId(), at: Date.now(), ...content };
    items.push(item);
    keep(item);
    changed();
    send();
    return item;
  }

  /** @param {Item[]} taken */
  function ontaken(taken) {
    items.push(...taken);
    taken.forEach(keep);
    changed();
    send();
  }

  /** @param {Item} item */
  function onlost(item) {
    remove(item);
    for (const { onlost } of listeners) onlost?.();
  }

  /**
   * @param {Item} item
   * @param {Partial<Item>} changes
   */
  function change(item, changes) {
    Object.assign(item, changes);
    if (unsent.isMine(item)) keep(item);
  }

  /** @param {Item} item */
  function remove(item) {
    const place = items.indexOf(item);
    if (place !== -1) items.splice(place, 1);
    changed();
  }

  function discard() {
    const [item] = items;
    if (!item) return;
    unsent.forget(item);
    remove(item);
    send();
  }

  /** Send the first item although it may be stored already. */
  function sendAnyway() {
    const [item] = items;
    if (item) change(item, /** @type {Partial<Item>} */ ({ at: Date.now(), maybeStored: false }));
    send();
  }

  /** Resolves when nothing is sent any more. */
  function send() {
    if (!sending) sent = sendAll();
    return sent;
  }

  async function sendAll() {
    sending = true;
    try {
      while (items.length) {
        const [item] = items;
        if (unsent.isMine(item)) await sendOne(item);
        // Another tab has stored or taken it.
        else onlost(item);
      }
    } catch (error) {
      const failed = asApiError(error);
      if (failed.needsKey || failed.kind === "rekeyed") refused = getKey();
      for (const { onfailed } of listeners) onfailed?.(failed);
    } finally {
      sending = false;
    }
  }

  /** @param {Item} item */
  async function sendOne(item) {
    let answer;
    const key = getKey();
    try {
      answer = await attempt(item);
    } catch (error) {
      // Discarded while it was sent: the next one must not wait for it. Refused with a key that was replaced since: sent again.
      if (items[0] !== item || (asApiError(error).needsKey && key !== getKey())) return;
      throw error;
    }
    refused = "";
    for (const { onstored } of listeners) onstored?.(answer, item);
    unsent.forget(item);
    remove(item);
  }

  /** @param {Item} item */
  async function attempt(item) {
    const { maybeStored } = item;
    const attempted = { ...item };
    // Kept before it is sent: the tab may be closed before the answer arrives.
    const mark = maybeStored ? item.mark : keyMark();
    change(item, /** @type {Partial<Item>} */ ({ maybeStored: true, mark }));
    try {
      return await store(attempted);
    } catch (error) {
      const unknown = maybeStored || !(error instanceof ApiError) || error.stored !== false;
      change(item, /** @type {Partial<Item>} */ ({ maybeStored: unknown }));
      throw error;
    }
  }

  return {
    items,
    add,
    change,
    send,
    sendAnyway,
    discard,
    /** Returns the items of all tabs. @type {() => Item[]} */
    all: unsent.all,
    start: unsent.start,
    /** @param {OutboxListener<Item, Answer>} listener */
    listen: (listener) => void listeners.push(listener),
    get count() {
      return items.length;
    },
    /** Whether closing the tab would lose an item, because the browser cannot keep it. */
    get isOnlyHere() {
      return items.some(({ isKept }) => !isKept);
    },
  };
}

/**
 * Send a drawing. The Idempotency-Key makes the service store it once, however often it is sent.
 *
 * @param {Drawing & Unsent} item
 * @returns {Promise<ClassifyResponse>}
 */
async function storeDrawing({ requestId, at, pixels, image, maybeStored, mark = keyMark() }) {
  if (maybeStored && Date.now() - at > KNOWN_MS) throw new ApiError("old");
  // Each key has its own Idempotency-Keys.
  if (maybeStored && mark !== keyMark()) throw new ApiError("rekeyed");
  const headers = { "Idempotency-Key": requestId, "X-Request-ID": requestId };
  if (image) {
    const form = new FormData();
    form.append("file", image);
    return (await request("classify/image", { method: "POST", form, headers })).body;
  }
  return (await request("classify", { method: "POST", json: { pixels }, headers })).body;
}

/**
 * Return the result if this label is the newest one; null if it is not, or the key may not look.
 *
 * @param {Label} label
 * @returns {Promise<Result | null>}
 */
async function findLabelled({ id, label, source }) {
  try {
    const { labels } = /** @type {LabelHistory} */ (await read(`results/${id}/labels`));
    return labels[0]?.label === label && (!source || labels[0].source === source) ? await read(`results/${id}`) : null;
  } catch (error) {
    // Stored twice, the newest label is still the same.
    if (asApiError(error).kind === "forbidden") return null;
    throw error;
  }
}

/**
 * Send a label, unless it may be stored already and is.
 *
 * @param {Label & Unsent} item
 * @returns {Promise<Result | null>} null when the prediction was deleted
 */
async function storeLabel({ id, label, source, maybeStored }) {
  try {
    return (maybeStored && (await findLabelled({ id, label, source }))) || (await putLabel(id, label, source));
  } catch (error) {
    if (asApiError(error).kind === "gone") return null;
    throw error;
  }
}

/**
 * Return the newest label of the prediction if it is the same: a tap too many.
 *
 * @param {(Label & Unsent)[]} items
 * @param {Label} given
 */
function findEqualLabel(items, given) {
  const newest = items.filter(({ id }) => id === given.id).pop();
  return newest?.label === given.label && newest.source === given.source ? newest : undefined;
}

/** @typedef {ReturnType<typeof createOutboxes>} Outboxes */

function createOutboxes() {
  const drawings = createOutbox(UNSENT.drawings, storeDrawing);
  const labels = createOutbox(UNSENT.labels, storeLabel, findEqualLabel);
  drawings.listen({
    // With an id of its own, so that a tab which ends just here adds it once.
    onstored: ({ id }, { label, requestId }) => label && labels.add({ id, label, requestId: `${requestId}-label` }),
  });
  return { drawings, labels };
}

/** @type {Outboxes | null} */
let shared = null;

export function outboxes() {
  return (shared ??= createOutboxes());
}
