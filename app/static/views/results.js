/** The view of what was remembered: the newest first, filtered, correctable in place. */

import { read } from "../lib/api.js";
import { correct, correctionState } from "../parts/results/label_outbox.js";
import { el } from "../lib/dom.js";
import { createFilters, toQuery } from "../parts/results/filters.js";
import { getKey } from "../lib/key.js";
import { askForKey } from "../parts/key_dialog.js";
import { createNotice } from "../parts/notice.js";
import { lastHistory } from "../parts/results/result_fields.js";
import { createRow } from "../parts/results/result_row.js";
import { createThumbnails } from "../parts/results/thumbnails.js";

const PAGE = 50;
// So many rows are built and laid out within one frame.
const SLICE = 10;
// Rows are fetched before their reader has come to the end.
const NEAR_THE_END = "1200px";
const LOOK_EVERY_MS = 15000;

/** Make the view. */
export function create() {
  const parts = createParts({ onmore: moreAsAsked, onnewer: showNewer });
  const { list, status, moreButton, newerButton, empty, locked, reset } = parts;
  const notice = createNotice();
  const filters = createFilters((params) => {
    location.hash = `#/history${params.size ? `?${params}` : ""}`;
  });
  const thumbnails = createThumbnails({ onlocked: (isLocked) => (locked.hidden = !isLocked) });
  const rows = new Map();

  // What is listed: null before anything is.
  let asked = null;
  let query = {};
  let cursor = null;
  let newer = [];
  let loading = null;
  let failed = false;
  let place = null;
  let timer = null;

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
    more();
  }

  /** Fetch the page after the last row. */
  async function more() {
    if (loading) return;
    const mine = (loading = new AbortController());
    failed = false;
    status.textContent = "Loading …";
    try {
      const page = await read("results", { ...query, limit: PAGE, cursor }, { signal: mine.signal });
      cursor = page.next;
      await append(page.results, mine.signal);
      notice.clear();
      showEnd();
    } catch (error) {
      if (mine.signal.aborted) return;
      failed = true;
      status.textContent = "";
      notice.show(error, { retry: more });
    } finally {
      if (loading === mine) loading = null;
    }
    // Observed anew, it is looked at again: there may still be room for more.
    end.disconnect();
    end.observe(moreButton);
  }

  /** Somebody pressed the button: they go on at the first of the rows that they asked for. */
  async function moreAsAsked() {
    const last = list.lastElementChild;
    await more();
    last?.nextElementSibling?.querySelector("a").focus({ preventScroll: true });
  }

  /** Add rows a few in each frame, so that scrolling never waits for them. */
  async function append(results, signal) {
    for (let start = 0; start < results.length; start += SLICE) {
      await new Promise(requestAnimationFrame);
      signal.throwIfAborted();
      list.append(...results.slice(start, start + SLICE).map(rowOf));
    }
  }

  function rowOf(summary) {
    const row = createRow(summary, correct);
    rows.set(summary.id, row);
    thumbnails.watch(row.element, row.image, summary.id);
    return row.element;
  }

  function showEnd() {
    const isFiltered = asked !== "";
    moreButton.hidden = cursor === null;
    empty.hidden = rows.size > 0;
    empty.replaceChildren(
      ...(isFiltered ? ["Nothing found with these filters."] : ["Nothing is remembered yet. ", el("a", { href: "#/draw" }, "Draw the first digit.")]),
    );
    status.textContent = rows.size ? `${rows.size} shown${cursor === null ? ", that is all" : ""}.` : "";
  }

  /** See whether anything has arrived since; rows that are being read do not move for it. */
  async function lookForNewer() {
    if (document.hidden || loading || asked === null) return;
    const before = asked;
    try {
      const { results } = await read("results", { ...query, limit: PAGE });
      const known = results.findIndex(({ id }) => rows.has(id));
      if (before === asked && !loading) offerNewer(known === -1 ? results : results.slice(0, known));
    } catch {
      // Whoever asks for something is told; this look nobody asked for.
    }
  }

  function offerNewer(results) {
    newer = results;
    newerButton.hidden = !newer.length;
    newerButton.textContent = newer.length === PAGE ? "Show newer" : `Show ${newer.length} newer`;
  }

  function addNewer() {
    const results = newer;
    // Nothing listed was among the newest: between them there may be more.
    if (results.length === PAGE || !rows.size) {
      reload();
      return;
    }
    offerNewer([]);
    list.prepend(...results.map(rowOf));
    showEnd();
  }

  function showNewer() {
    addNewer();
    list.querySelector("a")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  /** Show the list as its reader left it; whoever left its beginning comes back to what is the beginning now. */
  async function comeBack() {
    if (place) returnTo(place);
    await lookForNewer();
    if (!place && newer.length) addNewer();
  }

  const end = new IntersectionObserver(
    (entries) => !failed && entries.some(({ isIntersecting }) => isIntersecting) && more(),
    { rootMargin: NEAR_THE_END },
  );
  list.addEventListener("keydown", moveBetweenRows);
  window.addEventListener("predictionchange", ({ detail: { id, record } }) => {
    const row = rows.get(id);
    if (record) row?.show(record);
    else if (row) {
      row.element.remove();
      rows.delete(id);
      showEnd();
      status.textContent = `Prediction ${id} was deleted.`;
    }
  });
  // What anybody may read can change with the key.
  window.addEventListener("keychange", () => parts.element.isConnected && !rows.size && reload());
  parts.element.prepend(notice.element);
  locked.before(filters.element);

  return {
    element: parts.element,
    show(params) {
      lastHistory.address = location.hash;
      parts.element.prepend(correctionState);
      timer ??= setInterval(lookForNewer, LOOK_EVERY_MS);
      locked.hidden = Boolean(getKey());
      if (params.toString() === asked) {
        comeBack();
        return;
      }
      asked = params.toString();
      query = toQuery(params);
      filters.show(params);
      reset.hidden = !params.size;
      reload();
    },
    hide() {
      place = placeInView(list);
      clearInterval(timer);
      timer = null;
    },
  };
}

/** Return which row stands where on the screen. Rows change their height, so how far one has scrolled says less. */
function placeInView(list) {
  const row = [...list.children].find((child) => child.getBoundingClientRect().bottom > 0);
  return row && window.scrollY > 0 ? { row, top: row.getBoundingClientRect().top } : null;
}

function returnTo(place) {
  if (place.row.isConnected) window.scrollBy(0, place.row.getBoundingClientRect().top - place.top);
}

/** With the arrow keys a reader goes from row to row; Enter opens one, because what has the focus is a link. */
function moveBetweenRows(event) {
  const steps = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };
  if (!steps[event.key] || !event.target.matches(".opens")) return;
  const link = event.target.closest("li")[steps[event.key]]?.querySelector(".opens");
  if (!link) return;
  event.preventDefault();
  link.focus({ preventScroll: true });
  link.scrollIntoView({ block: "nearest" });
}

/** The elements of the view. */
function createParts({ onmore, onnewer }) {
  const list = el("ol", { class: "history", "aria-label": "Predictions, the newest first" });
  const status = el("span", { class: "quiet", role: "status" });
  const moreButton = el("button", { type: "button", hidden: true, onclick: onmore }, "Show more");
  const newerButton = el("button", { type: "button", class: "primary", hidden: true, onclick: onnewer });
  const reset = el("a", { class: "button", href: "#/history", hidden: true }, "Reset the filters");
  const empty = el("p", { class: "card", hidden: true });
  const locked = el(
    "p",
    { class: "quiet locked", hidden: true },
    "Drawings are shown, and corrections taken, with the API key. ",
    el("button", { type: "button", onclick: askForKey }, "Enter the key"),
  );
  const element = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "History"), status, newerButton, reset),
    locked,
    empty,
    list,
    el("p", { class: "actions" }, moreButton),
  );
  return { element, list, status, moreButton, newerButton, reset, empty, locked };
}
