/**
 * Items that are not sent yet, kept in the browser for all tabs. Each item belongs to the tab that claims it, which sends
 * it. A tab that closes gives its claims up. When a tab is asked it renews its claims; those of a tab that crashed stay as
 * they are, and another tab takes the items. A tab whose key is missing or refused takes only what was given up, shows it,
 * and leaves it to any tab that can send it.
 */

import { onSharedChange, readList, readShared, sharedNames, writeShared, writeText } from "./storage.js";

/** @typedef {{requestId: string, at: number, maybeStored?: boolean, mark?: number, isKept?: boolean, isTaken?: boolean, image?: File}} Unsent `mark`: of the key it may be stored with; `isKept`: not in this tab's memory alone; `isTaken`: from another tab */

const CHANNEL = "pixelwise-claims";
const CHECK_INTERVAL_MS = 30 * 1000;
// A tab that is asked answers within this time.
const ANSWER_MS = 1000;
// After this time every tab sees which of two claims came last.
const SETTLE_MS = 100;

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Return an id; `crypto.randomUUID` exists on https and localhost alone. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @type {Set<string>} */
const unsaved = new Set();

/** @param {BeforeUnloadEvent} event */
function warn(event) {
  event.preventDefault();
  // Chrome before version 119 looks at this alone.
  event.returnValue = "unsaved";
}

/**
 * Note whether something is not stored; the browser then asks before it closes the page. Without anything unsaved no listener
 * is left: it would keep browsers from restoring the page quickly when the reader comes back.
 *
 * @param {string} what
 * @param {boolean} isUnsaved
 */
export function setUnsaved(what, isUnsaved) {
  if (isUnsaved) unsaved.add(what);
  else unsaved.delete(what);
  if (unsaved.size) window.addEventListener("beforeunload", warn);
  else window.removeEventListener("beforeunload", warn);
}

/**
 * @template {Unsent} Item
 * @param {object} options
 * @param {string} options.prefix of the names in storage
 * @param {string[]} options.lists where an older version stored items in this tab
 * @param {() => Item[]} options.mine returns the items of this tab
 * @param {() => boolean} options.canSend whether the key is there and not known to be refused
 * @param {(items: Item[]) => void} options.ontaken called with items that this tab takes
 * @param {(item: Item) => void} options.onlost called with an item that another tab has stored or taken
 */
export function createUnsent({ prefix, lists, mine, canSend, ontaken, onlost }) {
  // Not kept in storage: the copy of a tab has a copy of its storage.
  const page = newId();
  /** @type {BroadcastChannel | null} */
  let channel = null;
  let renewals = 0;
  let isClosing = false;
  let isTaking = false;

  /** @param {{requestId: string}} item */
  const nameOf = ({ requestId }) => prefix + requestId;

  /** @param {Item} item */
  function keep({ isKept, ...item }) {
    // The browser's storage is too small for photographs.
    if (item.image) return false;
    const claim = isClosing ? null : { page, renewals: ++renewals };
    return writeShared(nameOf(item), { ...item, claim });
  }

  /** @param {Item} item */
  function forget(item) {
    writeShared(nameOf(item), null);
  }

  /**
   * Whether this tab may send an item: no other tab has stored it or taken it.
   *
   * @param {Item} item
   */
  function isMine(item) {
    return !item.isKept || readShared(nameOf(item))?.claim?.page === page;
  }

  /** @param {string} name */
  function claimOf(name) {
    return JSON.stringify(readShared(name)?.claim ?? null);
  }

  /** Take the items of tabs that are gone. */
  async function take() {
    for (const item of mine().filter((item) => !isMine(item))) onlost(item);
    const known = new Set(mine().map(nameOf));
    const others = sharedNames(prefix).filter((name) => !known.has(name) && (canSend() || claimOf(name) === "null"));
    const claims = new Map(others.map((name) => [name, claimOf(name)]));
    if (isTaking || !claims.size) return;
    isTaking = true;
    if ([...claims.values()].some((claim) => claim !== "null")) {
      channel?.postMessage(prefix);
      await sleep(ANSWER_MS);
    }
    const free = [...claims].filter(([name, claim]) => claimOf(name) === claim).map(([name]) => readShared(name));
    for (const item of free) if (item) keep(item);
    await sleep(SETTLE_MS);
    isTaking = false;
    const taken = free.filter((item) => item && readShared(nameOf(item))?.claim?.page === page);
    if (taken.length) ontaken(taken.map(({ claim, ...item }) => ({ ...item, isTaken: true })).sort((a, b) => a.at - b.at));
    // What was given up in the meantime.
    if (sharedNames(prefix).some((name) => claimOf(name) === "null" && claims.get(name) !== "null")) take();
  }

  /** Give the items up, before the page is closed or put aside. */
  function giveUp() {
    isClosing = true;
    renew();
  }

  function renew() {
    for (const item of mine()) if (isMine(item) && (isClosing || canSend() || !item.isTaken)) keep(item);
  }

  function comeBack() {
    isClosing = false;
    for (const item of mine()) if (claimOf(nameOf(item)) === "null" && readShared(nameOf(item))) keep(item);
    take();
  }

  /** Move what an older version stored in this tab. */
  function moveLists() {
    for (const list of lists) {
      const items = /** @type {Item[]} */ (readList(list)).map((item) => ({ ...item, at: Date.now() }));
      writeText(list, "");
      if (items.length) ontaken(items);
    }
  }

  function start() {
    window.addEventListener("pagehide", giveUp);
    window.addEventListener("pageshow", comeBack);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && take());
    window.addEventListener("keychange", take);
    onSharedChange(prefix, take);
    setInterval(take, CHECK_INTERVAL_MS);
    try {
      channel = new BroadcastChannel(CHANNEL);
      channel.addEventListener("message", renew);
    } catch {
      // Firefox forbids it with storage.
    }
    moveLists();
    take();
  }

  function all() {
    return [...mine().filter(({ isKept }) => !isKept), ...sharedNames(prefix).map(readShared)];
  }

  return { keep, forget, isMine, all, start };
}
