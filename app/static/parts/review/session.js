/** The labels of this review session: counted, the newest shown, each changeable. */

import { el } from "../../lib/dom.js";
import { labelName } from "../../lib/format.js";
import { releasePictures } from "./queue.js";

/** @import { QueueItem } from "./queue.js" */

/** @typedef {{item: QueueItem, label: string | null}} Entry `label` is null when the drawing was skipped */

// The reviewer can go back over this many.
const MAX_ENTRIES = 30;
const MAX_SHOWN = 5;

/**
 * Make the session.
 *
 * @param {(entry: Entry) => void} onselect called when the reviewer chooses a labelled drawing
 */
export function createSession(onselect) {
  const list = el("ol");
  const element = el("section", { class: "recent-labels", "aria-label": "Recent labels" }, el("h2", {}, "Recent labels"), list);
  /** @type {Entry[]} */
  let entries = [];
  /** @type {WeakMap<Entry, ReturnType<typeof createThumbnail>>} */
  const thumbnails = new WeakMap();
  let labelled = 0;

  /**
   * @param {QueueItem} item
   * @param {string | null} label
   */
  function add(item, label) {
    entries.push({ item, label });
    if (label) labelled++;
    const [oldest] = entries;
    if (entries.length > MAX_ENTRIES) {
      entries.shift();
      releasePictures(oldest.item);
    }
  }

  /**
   * Change the label of an entry.
   *
   * @param {Entry} entry
   * @param {string} label
   */
  function relabel(entry, label) {
    if (!entry.label) labelled++;
    entry.label = label;
  }

  /**
   * Return the entry before this one; without an argument, the last entry.
   *
   * @param {Entry | null} entry
   * @returns {Entry | undefined}
   */
  function before(entry) {
    return entries[(entry ? entries.indexOf(entry) : entries.length) - 1];
  }

  /**
   * Show the newest labels.
   *
   * @param {Entry | null} selected
   */
  function show(selected) {
    const newest = entries.filter(({ label }) => label).slice(-MAX_SHOWN).reverse();
    element.hidden = !newest.length;
    const items = newest.map((entry) => {
      const thumbnail = thumbnails.get(entry) ?? createThumbnail(entry, onselect);
      thumbnails.set(entry, thumbnail);
      thumbnail.show(entry === selected);
      return thumbnail.element;
    });
    // Elements are moved and not made anew, so that a button keeps the focus.
    for (const old of [...list.children]) if (!items.some((item) => item === old)) old.remove();
    items.forEach((item, place) => list.children[place] !== item && list.insertBefore(item, list.children[place] ?? null));
  }

  function clear() {
    for (const { item } of entries) releasePictures(item);
    entries = [];
  }

  return {
    element,
    add,
    relabel,
    before,
    show,
    clear,
    get labelled() {
      return labelled;
    },
  };
}

/**
 * @param {Entry} entry
 * @param {(entry: Entry) => void} onselect
 */
function createThumbnail(entry, onselect) {
  const { id, pictures } = entry.item;
  const caption = el("span");
  const picture = el("img", { class: "drawing", src: pictures?.sent.src, alt: "" });
  const select = el("button", { type: "button", onclick: () => onselect(entry) }, picture, caption);

  /** @param {boolean} isSelected */
  function show(isSelected) {
    const name = labelName(entry.label ?? "");
    caption.textContent = name;
    select.setAttribute("aria-label", `Number ${id} is labelled ${name}. Change the label.`);
    select.setAttribute("aria-pressed", String(isSelected));
  }

  return { element: el("li", {}, select), show };
}
