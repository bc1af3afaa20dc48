/**
 * The drawings that are offered for review, with their pictures: the next are there before they are needed, and what is
 * no longer reserved for this person is not shown any more.
 */

import { ApiError, drawingUrl, newRequestId, read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";

const BATCH = 10;
// When so few are left, the next are asked for.
const LOW = 5;
// The service offers no more at once.
const MOST = 100;
// The service reserves a drawing for ten minutes. Counted is the time that passed here: the clocks may differ.
const RESERVED_MS = 9.5 * 60 * 1000;
const LOOK_EVERY_MS = 5000;

const NAME = "pixelwise-review-tab";

/** A name for whoever gives none: by it a tab that was reloaded gets its own drawings again. */
function tabName() {
  const name = `tab ${newRequestId().slice(0, 8)}`;
  try {
    if (!sessionStorage.getItem(NAME)) sessionStorage.setItem(NAME, name);
    return sessionStorage.getItem(NAME);
  } catch {
    return name;
  }
}

/**
 * Make the queue. `reviewer()` names the person, or nobody; `unsent()` returns the labels that are on their way, with the
 * id of each drawing. `onchange()` is called when another drawing is the first one, or there is none; `onfilled()` when
 * the service could be asked, `onfailed(error)` when it could not.
 */
export function createQueue({ reviewer, unsent, onchange, onfilled, onfailed }) {
  const tab = tabName();
  let items = [];
  const skipped = new Set();
  let filling = false;
  let ended = false;
  let away = false;

  /** Fetch what is missing: first the pictures of what is there, then more drawings. */
  async function fill() {
    if (filling) return;
    filling = true;
    try {
      for (;;) {
        const bare = items.find((item) => !item.pictures);
        if (bare) await loadPictures(bare);
        else if (items.length <= LOW && !ended && !away) await loadMore();
        else break;
        onfilled();
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      onfailed(error);
    } finally {
      filling = false;
    }
  }

  async function loadMore() {
    const until = Date.now() + RESERVED_MS;
    // What is not labelled yet the service offers this reviewer again, before any other.
    const held = new Set([...skipped, ...[...items, ...unsent()].map(({ id }) => id)]);
    const limit = Math.min(held.size + BATCH, MOST);
    const { results } = await read("review", { limit, reviewer: reviewer() || tab });
    for (const item of items) if (results.some(({ id }) => id === item.id)) item.until = until;
    const fresh = results.filter(({ id }) => !held.has(id));
    items.push(...fresh.map((item) => ({ ...item, until })));
    ended = results.length < limit || !fresh.length;
    onchange();
  }

  async function loadPictures(item) {
    try {
      item.pictures = await picturesOf(item.id);
    } catch (error) {
      if (error.kind !== "gone") throw error;
      // It was deleted since it was offered.
      items = items.filter((other) => other !== item);
    }
    onchange();
  }

  /** Take the first drawing away, so that the next one is the first; returns it. */
  function take() {
    const item = items.shift();
    // What others had reserved may be free by now.
    if (!items.length) ended = false;
    fill();
    return item;
  }

  function skip() {
    skipped.add(items[0].id);
    return take();
  }

  /** Give up what is not reserved any more: somebody else may look at it by now. */
  function expire() {
    const now = Date.now();
    if (items.some((item) => item.until <= now)) drop((item) => item.until <= now);
  }

  function drop(isOver) {
    items.filter(isOver).forEach(release);
    items = items.filter((item) => !isOver(item));
    away = !items.length;
    onchange();
  }

  /** Begin, or go on after a while. */
  function resume() {
    expire();
    away = false;
    if (!items.length) ended = false;
    onchange();
    fill();
  }

  /** Offer what was skipped once more. */
  function offerSkipped() {
    skipped.clear();
    resume();
  }

  setInterval(expire, LOOK_EVERY_MS);
  return {
    take, skip, resume, offerSkipped, drop,
    /** Strike a drawing that was skipped and has a label now. */
    labelled: (id) => skipped.delete(id),
    get first() { return items[0]?.pictures ? items[0] : null; },
    get left() { return items.length; },
    get skipped() { return skipped.size; },
    get isAway() { return away; },
    get isEmpty() { return ended && !items.length; },
  };
}

/** Load a drawing as it was sent, and as the network sees it: ready to be shown, so that it is there within a frame. */
async function picturesOf(id) {
  const urls = await Promise.all([drawingUrl(id), drawingUrl(id, { normalised: true })]);
  const [sent, seen] = [
    el("img", { class: "drawing", src: urls[0], alt: "The drawing as it was sent" }),
    el("img", { class: "seen", src: urls[1], alt: "The drawing as the network sees it" }),
  ];
  // A browser that cannot decode it now may do so when it is shown, and else shows its description.
  await Promise.allSettled([sent.decode(), seen.decode()]);
  return { sent, seen };
}

/** Let go of the pictures of a drawing. */
export function release({ pictures }) {
  for (const picture of Object.values(pictures ?? {})) URL.revokeObjectURL(picture.src);
}
