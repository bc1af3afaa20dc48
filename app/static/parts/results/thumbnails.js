/** Fetches the drawings of rows that are on the screen or near it, a few at a time, and forgets those long out of sight. */

import { drawingUrl } from "../../lib/api.js";
import { getKey } from "../../lib/key.js";

const NEAR = "400px";
const AT_ONCE = 4;
const KEPT = 150;
const WAIT_S = 5;

/**
 * Make the fetcher. `watch(row, image, id)` fills the <img> of a row when the row comes near; `clear()` forgets all of
 * them. `onlocked(locked)` is called with whether drawings are kept from whoever has no key.
 */
export function createThumbnails({ onlocked }) {
  const images = new WeakMap();
  let ids = new Map();
  const wanted = new Set();
  // Object URLs by image, what came near longest ago first.
  const shown = new Map();
  let controller = new AbortController();
  let running = 0;
  let paused = false;
  const observer = new IntersectionObserver(look, { rootMargin: NEAR });

  function watch(row, image, id) {
    images.set(row, image);
    ids.set(image, id);
    // Not the image: while a row is skipped by `content-visibility`, nothing is heard of what is in it.
    observer.observe(row);
  }

  function look(entries) {
    for (const { target, isIntersecting } of entries) {
      const image = images.get(target);
      if (!isIntersecting) wanted.delete(image);
      else if (shown.has(image)) refresh(image);
      else if (ids.has(image)) wanted.add(image);
    }
    work();
  }

  function work() {
    if (!getKey()) {
      onlocked(true);
      return;
    }
    while (!paused && running < AT_ONCE && wanted.size) {
      const [image] = wanted;
      wanted.delete(image);
      fill(image);
    }
  }

  async function fill(image) {
    const { signal } = controller;
    running++;
    try {
      const url = await drawingUrl(ids.get(image), { signal });
      if (signal.aborted) URL.revokeObjectURL(url);
      else keep(image, url);
      onlocked(false);
    } catch (error) {
      if (!signal.aborted) giveUp(image, error);
    } finally {
      running--;
      work();
    }
  }

  /** A row may have no drawing, and then never has one; for all else the next attempt may have an answer. */
  function giveUp(image, error) {
    if (error.kind === "gone") {
      ids.delete(image);
      image.classList.add("missing");
      return;
    }
    wanted.add(image);
    paused = true;
    if (error.kind === "key") onlocked(true);
    else setTimeout(resume, (error.retryAfter ?? WAIT_S) * 1000);
  }

  function resume() {
    paused = false;
    work();
  }

  function keep(image, url) {
    image.src = url;
    shown.set(image, url);
    if (shown.size > KEPT) forget(shown.keys().next().value);
  }

  /** Move it to those that came near last. */
  function refresh(image) {
    const url = shown.get(image);
    shown.delete(image);
    shown.set(image, url);
  }

  function forget(image) {
    image.removeAttribute("src");
    URL.revokeObjectURL(shown.get(image));
    shown.delete(image);
  }

  function clear() {
    controller.abort();
    controller = new AbortController();
    observer.disconnect();
    for (const image of [...shown.keys()]) forget(image);
    wanted.clear();
    ids = new Map();
  }

  window.addEventListener("keychange", () => {
    onlocked(false);
    resume();
  });
  return { watch, clear };
}
