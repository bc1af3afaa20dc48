/** Loads the drawings of rows on or near the screen, a few at a time, and drops those that left it longest ago. */

import { asApiError, DEFAULT_WAIT_S, drawingUrl } from "../../lib/api.js";
import { getKey } from "../../lib/key.js";
import { whyUnseen } from "../../lib/results.js";

/** @import { ApiError } from "../../lib/api.js" */

const MARGIN = "400px";
const MAX_REQUESTS = 4;
const MAX_KEPT = 150;

/**
 * Make the loader.
 *
 * @param {object} options
 * @param {(why: string) => void} options.onlocked called with why drawings cannot be seen; empty if they can
 */
export function createThumbnails({ onlocked }) {
  /** @type {WeakMap<Element, HTMLImageElement>} */
  const images = new WeakMap();
  /** @type {Map<HTMLImageElement, number>} */
  let ids = new Map();
  /** @type {Set<HTMLImageElement>} */
  const wanted = new Set();
  /** @type {Map<HTMLImageElement, string>} object URLs; those that left the screen longest ago come first */
  const shown = new Map();
  let controller = new AbortController();
  let running = 0;
  let paused = false;
  const observer = new IntersectionObserver(onintersection, { rootMargin: MARGIN });

  /**
   * Load an image when its row comes near.
   *
   * @param {Element} row
   * @param {HTMLImageElement} image
   * @param {number} id
   */
  function watch(row, image, id) {
    images.set(row, image);
    ids.set(image, id);
    // Not the image: `content-visibility` hides what is inside a skipped row from the observer.
    observer.observe(row);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  function onintersection(entries) {
    for (const { target, isIntersecting } of entries) {
      const image = images.get(target);
      if (!image) continue;
      if (!isIntersecting) wanted.delete(image);
      else if (shown.has(image)) moveToEnd(image);
      else if (ids.has(image)) wanted.add(image);
    }
    loadWanted();
  }

  function loadWanted() {
    if (!getKey()) {
      onlocked(whyUnseen());
      return;
    }
    for (const image of wanted) {
      if (paused || running >= MAX_REQUESTS) break;
      wanted.delete(image);
      load(image);
    }
  }

  /** @param {HTMLImageElement} image */
  async function load(image) {
    const { signal } = controller;
    const id = ids.get(image);
    if (id === undefined) return;
    running++;
    try {
      const url = await drawingUrl(id, { signal });
      if (signal.aborted) URL.revokeObjectURL(url);
      else keep(image, url);
      onlocked("");
    } catch (error) {
      if (!signal.aborted) retryLater(image, asApiError(error));
    } finally {
      running--;
      loadWanted();
    }
  }

  /**
   * @param {HTMLImageElement} image
   * @param {ApiError} error
   */
  function retryLater(image, error) {
    if (error.kind === "gone") {
      // This result was stored without a drawing.
      ids.delete(image);
      image.classList.add("missing");
      image.parentElement?.classList.add("empty");
      return;
    }
    wanted.add(image);
    paused = true;
    if (error.needsKey) onlocked(whyUnseen(error));
    else setTimeout(resume, (error.retryAfter ?? DEFAULT_WAIT_S) * 1000);
  }

  function resume() {
    paused = false;
    loadWanted();
  }

  /**
   * @param {HTMLImageElement} image
   * @param {string} url
   */
  function keep(image, url) {
    image.src = url;
    shown.set(image, url);
    const [oldest] = shown.keys();
    if (shown.size > MAX_KEPT) drop(oldest);
  }

  /** @param {HTMLImageElement} image */
  function moveToEnd(image) {
    const url = shown.get(image);
    shown.delete(image);
    if (url) shown.set(image, url);
  }

  /** @param {HTMLImageElement} image */
  function drop(image) {
    image.removeAttribute("src");
    URL.revokeObjectURL(shown.get(image) ?? "");
    shown.delete(image);
  }

  /** Forget all rows. */
  function clear() {
    controller.abort();
    controller = new AbortController();
    observer.disconnect();
    for (const image of [...shown.keys()]) drop(image);
    wanted.clear();
    ids = new Map();
  }

  window.addEventListener("keychange", () => {
    onlocked("");
    resume();
  });
  return { watch, clear };
}
