/** The drawings to review. They are loaded ahead with their pictures, and dropped when their reservation ends. */

import { asApiError, drawingUrl, read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { readText, STORED, writeText } from "../../lib/storage.js";
import { newId } from "../../lib/unsent.js";

/** @import { ApiError } from "../../lib/api.js" */
/** @import { ReviewItem, ReviewPage } from "../../lib/types.js" */

/** @typedef {{sent: HTMLImageElement, seen: HTMLImageElement}} Pictures as it was sent, and as the network sees it */
/** @typedef {ReviewItem & {reservedUntil: number, pictures?: Pictures}} QueueItem */

const BATCH_SIZE = 10;
// When no more than this are left, the next ones are loaded.
const MIN_LEFT = 5;
// The service's own limit.
const MAX_LIMIT = 100;
// The service reserves for ten minutes. The time is measured here, since the two clocks may differ.
const RESERVED_MS = 9.5 * 60 * 1000;
const CHECK_INTERVAL_MS = 5000;

/** A reviewer without a name gets one for this tab, so that a reload gets the same drawings again. */
function tabName() {
  const name = readText(STORED.reviewTab) || `tab ${newId().slice(0, 8)}`;
  writeText(STORED.reviewTab, name);
  return name;
}

/**
 * Make the queue.
 *
 * @param {object} options
 * @param {() => string} options.reviewer returns the reviewer's name, or an empty text
 * @param {() => string} options.which returns the name of the queue, or an empty text
 * @param {() => {id: number}[]} options.unsent returns the labels that are not stored yet
 * @param {() => void} options.onchange called when the first drawing is another one, or there is none
 * @param {() => void} options.onloaded
 * @param {(error: ApiError) => void} options.onfailed
 */
export function createQueue({ reviewer, which, unsent, onchange, onloaded, onfailed }) {
  const tab = tabName();
  /** @type {QueueItem[]} */
  let items = [];
  /** @type {Set<number>} */
  const skipped = new Set();
  let isLoading = false;
  let loaded = Promise.resolve();
  let isAtEnd = false;
  let isExpired = false;

  /** Load what is missing: first the pictures of drawings, then more drawings. */
  function load() {
    if (!isLoading) loaded = loadAll();
    return loaded;
  }

  async function loadAll() {
    isLoading = true;
    try {
      for (;;) {
        const bare = items.find((item) => !item.pictures);
        if (bare) await loadPictures(bare);
        else if (items.length <= MIN_LEFT && !isAtEnd && !isExpired) await loadMore();
        else break;
        onloaded();
      }
    } catch (error) {
      onfailed(asApiError(error));
    } finally {
      isLoading = false;
    }
  }

  async function loadMore() {
    const reservedUntil = Date.now() + RESERVED_MS;
    // The service first offers what this reviewer has not labelled yet.
    const held = new Set([...skipped, ...[...items, ...unsent()].map(({ id }) => id)]);
    if (held.size >= MAX_LIMIT) forgetSkipped(held);
    const limit = Math.min(held.size + BATCH_SIZE, MAX_LIMIT);
    const queue = which();
    const { results } = /** @type {ReviewPage} */ (await read("review", { limit, queue, reviewer: reviewer() || tab }));
    // The reviewer has chosen the other queue in the meantime.
    if (queue !== which()) return;
    for (const item of items) if (results.some(({ id }) => id === item.id)) item.reservedUntil = reservedUntil;
    const fresh = results.filter(({ id }) => !held.has(id));
    items.push(...fresh.map((item) => ({ ...item, reservedUntil })));
    isAtEnd = results.length < limit || !fresh.length;
    onchange();
  }

  /**
   * Make room for others: the service offers the drawings that were skipped longest ago again.
   *
   * @param {Set<number>} held
   */
  function forgetSkipped(held) {
    for (const id of [...skipped].slice(0, BATCH_SIZE)) {
      skipped.delete(id);
      held.delete(id);
    }
  }

  /** @param {QueueItem} item */
  async function loadPictures(item) {
    try {
      item.pictures = await picturesOf(item.id);
    } catch (error) {
      if (asApiError(error).kind !== "gone") throw error;
      // It was deleted since it was offered.
      items = items.filter((other) => other !== item);
    }
    onchange();
  }

  /** Remove and return the first drawing. */
  function take() {
    const item = items.shift();
    // The reservations of others may have ended by now.
    if (!items.length) isAtEnd = false;
    load();
    return item;
  }

  /** Skip the first drawing and return it. */
  function skip() {
    skipped.add(items[0].id);
    return take();
  }

  function dropExpired() {
    const now = Date.now();
    if (items.some((item) => item.reservedUntil <= now)) drop((item) => item.reservedUntil <= now);
  }

  /** @param {(item: QueueItem) => boolean} isDropped */
  function drop(isDropped) {
    items.filter(isDropped).forEach(releasePictures);
    items = items.filter((item) => !isDropped(item));
    isExpired = !items.length;
    onchange();
  }

  /** Start, or go on after a while. */
  async function resume() {
    dropExpired();
    isExpired = false;
    if (!items.length) isAtEnd = false;
    onchange();
    await load();
  }

  /** Offer the skipped drawings again. */
  function offerSkipped() {
    skipped.clear();
    resume();
  }

  setInterval(dropExpired, CHECK_INTERVAL_MS);
  return {
    take,
    skip,
    resume,
    offerSkipped,
    /** Drop everything. */
    clear: () => drop(() => true),
    /**
     * Note that a skipped drawing has a label now.
     *
     * @param {number} id
     */
    onlabelled: (id) => skipped.delete(id),
    /** The first drawing, once its pictures are loaded. */
    get first() {
      return items[0]?.pictures ? items[0] : null;
    },
    get left() {
      return items.length;
    },
    get skipped() {
      return skipped.size;
    },
    /** Whether the reservations ended, so that nothing is loaded until `resume()`. */
    get isExpired() {
      return isExpired;
    },
    get isEmpty() {
      return isAtEnd && !items.length;
    },
  };
}

/**
 * Load and decode both pictures of a drawing, so that they are on the screen within a frame.
 *
 * @param {number} id
 * @returns {Promise<Pictures>}
 */
async function picturesOf(id) {
  const urls = await Promise.all([drawingUrl(id), drawingUrl(id, { normalised: true })]);
  const [sent, seen] = [
    el("img", { class: "drawing", src: urls[0], alt: "The drawing as it was sent" }),
    el("img", { class: "seen", src: urls[1], alt: "The drawing as the network sees it" }),
  ];
  // What cannot be decoded shows its description.
  await Promise.allSettled([sent.decode(), seen.decode()]);
  return { sent, seen };
}

/**
 * Free the pictures of a drawing.
 *
 * @param {{pictures?: Pictures}} item
 */
export function releasePictures({ pictures }) {
  if (!pictures) return;
  URL.revokeObjectURL(pictures.sent.src);
  URL.revokeObjectURL(pictures.seen.src);
}
