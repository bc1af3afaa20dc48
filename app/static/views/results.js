/** The list of results: newest first, filtered, labelled and annotated in place. */

import { asApiError, read } from "../lib/api.js";
import { button, el } from "../lib/dom.js";
import { getKey, lacks } from "../lib/key.js";
import { addShortcuts } from "../lib/keyboard.js";
import { outboxes } from "../lib/outbox.js";
import { lastResults, onResultChange, onSightLost, whyUnseen } from "../lib/results.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotice } from "../parts/notice.js";
import { createFilters, toQuery } from "../parts/results/filters.js";
import { labelStatus } from "../parts/results/label_status.js";
import { focusRow, linkIn, placeInView, scrollTo } from "../parts/results/place.js";
import { createResultRow } from "../parts/results/result_row.js";
import { createThumbnails } from "../parts/results/thumbnails.js";

/** @import { ResultsPage, ResultSummary } from "../lib/types.js" */
/** @import { Place } from "../parts/results/place.js" */

const PAGE_SIZE = 50;
// This many rows are built within one frame.
const ROWS_PER_FRAME = 10;
// The next page is loaded when the end is this near.
const MARGIN = "1200px";
const POLL_INTERVAL_MS = 15000;

/** Make the view. */
export function create() {
  const elements = createElements({ onmore: loadMoreByButton, onnewer: showNewerByButton });
  const { list, status, moreButton, newerButton, empty, lock, locked, reset } = elements;
  const notice = createNotice();
  const filters = createFilters((params, isContinued) => {
    const address = `#/results${String(params) && `?${params}`}`;
    if (isContinued) location.replace(address);
    else location.hash = address;
  });
  const thumbnails = createThumbnails({ onlocked: showLock });
  /** @type {Map<number, ReturnType<typeof createResultRow>>} */
  const rows = new Map();

  /** @type {string | null} the listed address; null before the first one */
  let listed = null;
  /** @type {Record<string, string>} */
  let query = {};
  /** @type {string | null} */
  let cursor = null;
  /** @type {ResultSummary[]} */
  let newer = [];
  /** @type {AbortController | null} */
  let loading = null;
  let loaded = Promise.resolve();
  let hasFailed = false;
  /** @type {Place | null} */
  let place = null;
  /** @type {Element | null} what had the focus when the list was left */
  let lastFocus = null;
  let isUsed = false;
  /** @type {number | undefined} */
  let timer;
  /** @type {() => void} */
  let removeShortcuts = () => undefined;

  /** @param {string} why another key is needed to see drawings; empty if none is */
  function showLock(why) {
    locked.hidden = !why;
    lock.textContent = why;
  }

  function reload() {
    loading?.abort();
    loading = null;
    cursor = null;
    rows.clear();
    thumbnails.clear();
    list.replaceChildren();
    moreButton.hidden = true;
    offerNewer([]);
    notice.clear();
    empty.hidden = true;
    loadMore();
  }

  /** Load the page after the last row. */
  function loadMore() {
    if (!loading) loaded = loadPage();
    return loaded;
  }

  async function loadPage() {
    const mine = (loading = new AbortController());
    hasFailed = false;
    // A retry is not read out.
    if (notice.element.hidden) status.textContent = "Loading …";
    try {
      const page = /** @type {ResultsPage} */ (await read("results", { ...query, limit: PAGE_SIZE, cursor }, { signal: mine.signal }));
      cursor = page.next;
      await append(page.results, mine.signal);
      notice.clear();
      showCount();
    } catch (error) {
      if (mine.signal.aborted) return;
      hasFailed = true;
      status.textContent = "";
      notice.show(asApiError(error), { retry: asApiError(error).kind === "invalid" ? undefined : loadMore });
    } finally {
      if (loading === mine) loading = null;
    }
    // Observing anew reports the button again: there may be room for another page.
    end.disconnect();
    end.observe(moreButton);
  }

  /** Load more, and move the focus to the first of the new rows. */
  async function loadMoreByButton() {
    const last = list.lastElementChild;
    await loadMore();
    last?.nextElementSibling?.querySelector("a")?.focus({ preventScroll: true });
  }

  /**
   * Add rows a few in each frame, so that scrolling stays smooth.
   *
   * @param {ResultSummary[]} results
   * @param {AbortSignal} signal
   */
  async function append(results, signal) {
    for (let start = 0; start < results.length; start += ROWS_PER_FRAME) {
      await new Promise(requestAnimationFrame);
      signal.throwIfAborted();
      list.append(...results.slice(start, start + ROWS_PER_FRAME).map(createRow));
    }
  }

  /** @param {ResultSummary} result */
  function createRow(result) {
    const row = createResultRow(result, (id, label) => outboxes().labels.add({ id, label }));
    rows.set(result.id, row);
    thumbnails.watch(row.element, row.image, result.id);
    return row.element;
  }

  function showCount() {
    const isFiltered = listed !== "";
    moreButton.hidden = cursor === null;
    empty.hidden = rows.size > 0;
    empty.replaceChildren(
      ...(isFiltered ? ["No result matches these filters."] : ["Nothing is stored yet. ", el("a", { href: "#/draw" }, "Draw the first digit.")]),
    );
    status.textContent = rows.size ? `${rows.size} shown${cursor === null ? ", no more" : ""}.` : "";
  }

  /** Look for newer results, and offer them. They are not added at once, since rows must not move while they are read. */
  async function pollNewer() {
    if (document.hidden || loading || listed === null) return;
    const before = listed;
    try {
      const { results } = /** @type {ResultsPage} */ (await read("results", { ...query, limit: PAGE_SIZE }));
      const known = results.findIndex(({ id }) => rows.has(id));
      if (before === listed && !loading) offerNewer(known === -1 ? results : results.slice(0, known));
    } catch {
      // Nobody asked for this request; the next one may succeed.
    }
  }

  /** @param {ResultSummary[]} results */
  function offerNewer(results) {
    newer = results;
    newerButton.hidden = !newer.length;
    newerButton.textContent = newer.length === PAGE_SIZE ? "Show newer" : `Show ${newer.length} newer`;
  }

  function addNewer() {
    const results = newer;
    // A full page without a listed row: there may be more between it and the list.
    if (results.length === PAGE_SIZE || !rows.size) {
      reload();
      return;
    }
    offerNewer([]);
    list.prepend(...results.map(createRow));
    showCount();
  }

  function showNewerByButton() {
    addNewer();
    list.querySelector("a")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  /** Show the list where the reader left it; at its beginning with newer results added, if no row is in use. */
  async function comeBack() {
    if (place) scrollTo(place);
    linkIn(lastFocus?.closest("li"))?.focus({ preventScroll: true });
    isUsed = list.querySelector(".panel") !== null;
    await pollNewer();
    if (!place && !isUsed && window.scrollY <= 0 && newer.length) addNewer();
  }

  /**
   * Move the focus into the list, to the first visible row.
   *
   * @param {KeyboardEvent} event
   */
  function focusFirst({ target }) {
    if (target instanceof Node && list.contains(target)) return false;
    const link = linkIn(placeInView(list)?.row ?? list.firstElementChild);
    link?.focus({ preventScroll: true });
    return Boolean(link);
  }

  const end = new IntersectionObserver(
    (entries) => !hasFailed && entries.some(({ isIntersecting }) => isIntersecting) && loadMore(),
    { rootMargin: MARGIN },
  );
  for (const type of ["pointerdown", "focusin"]) list.addEventListener(type, () => (isUsed = true));
  // Enter opens a row, since the focus is on its link.
  addShortcuts(list, { ArrowDown: (event) => focusRow(event, 1), ArrowUp: (event) => focusRow(event, -1) }, { repeats: true });
  onResultChange(({ id, result }) => {
    const row = rows.get(id);
    if (result) row?.show(result);
    else if (row) {
      row.element.remove();
      rows.delete(id);
      showCount();
      status.textContent = `Prediction ${id} was deleted.`;
    }
  });
  onSightLost(() => elements.element.isConnected && reload());
  window.addEventListener("keychange", () => {
    if (!elements.element.isConnected) listed = null;
    // Results may need a key.
    else if (getKey() && !rows.size) reload();
  });
  // A value that is invalid is in no address.
  reset.addEventListener("click", filters.forgetTyped);
  const notices = el("div", { class: "overlay" }, notice.element);
  elements.element.append(notices);
  locked.before(filters.element);
  outboxes().drawings.listen({ onstored: () => timer && pollNewer() });

  return {
    element: elements.element,
    notices,
    /** @param {URLSearchParams} params */
    show(params) {
      lastResults.address = location.hash;
      elements.element.prepend(labelStatus());
      removeShortcuts();
      removeShortcuts = addShortcuts(document, { ArrowDown: focusFirst, ArrowUp: focusFirst });
      timer ??= setInterval(pollNewer, POLL_INTERVAL_MS);
      if (!getKey() || lacks("read")) showLock(whyUnseen());
      filters.show(params);
      if (params.toString() === listed) {
        for (const row of rows.values()) row.refresh();
        comeBack();
        return;
      }
      listed = params.toString();
      query = toQuery(params);
      const { activeElement: focused } = document;
      reset.hidden = !String(params);
      if (reset.hidden && focused === reset) filters.element.querySelector("summary")?.focus();
      reload();
    },
    hide() {
      removeShortcuts();
      filters.forgetTyped();
      place = placeInView(list);
      lastFocus = list.contains(document.activeElement) ? document.activeElement : null;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

/**
 * @param {object} handlers
 * @param {() => unknown} handlers.onmore
 * @param {() => unknown} handlers.onnewer
 */
function createElements({ onmore, onnewer }) {
  const list = el("ol", { class: "results", "aria-label": "Results, newest first" });
  const status = el("span", { class: "quiet", role: "status" });
  const moreButton = button("Show more", onmore, { hidden: true });
  const newerButton = button("", onnewer, { class: "primary", hidden: true });
  const reset = el("a", { class: "button", href: "#/results", hidden: true }, "Reset the filters");
  const empty = el("p", { class: "card", hidden: true });
  const lock = el("span");
  const locked = el("p", { class: "quiet locked", hidden: true }, lock, " ", button("Enter a key", askForKey));
  const element = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Results"), status, newerButton, reset),
    locked,
    empty,
    list,
    el("p", { class: "actions" }, moreButton),
  );
  return { element, list, status, moreButton, newerButton, reset, empty, lock, locked };
}
