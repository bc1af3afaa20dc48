/** What a person has said about drawings in this sitting: counted, the last ones shown, each of them correctable. */

import { labelName } from "../labeller.js";
import { el } from "../../lib/dom.js";
import { release } from "./queue.js";

// So many can be taken back; the newest of them are shown.
const REMEMBERED = 30;
const SHOWN = 5;

/**
 * Make the sitting. An entry is {item, label}; label is null where the drawing was skipped. `oncorrect(entry)` is called
 * when somebody chooses one.
 */
export function createSitting(oncorrect) {
  const list = el("ol");
  const element = el("section", { class: "lately", "aria-label": "Labelled last" }, el("h2", {}, "Labelled last"), list);
  let entries = [];
  let labelled = 0;

  function add(item, label) {
    entries.push({ item, label });
    if (label) labelled++;
    if (entries.length > REMEMBERED) release(entries.shift().item);
  }

  /** Give an entry another label. */
  function relabel(entry, label) {
    if (!entry.label) labelled++;
    entry.label = label;
  }

  /** Return the entry before this one; without one, the last. */
  function before(entry) {
    return entries[(entry ? entries.indexOf(entry) : entries.length) - 1];
  }

  /** Show the newest; `current` is the one that is being corrected. */
  function show(current) {
    const newest = entries.filter(({ label }) => label).slice(-SHOWN).reverse();
    element.hidden = !newest.length;
    for (const entry of newest) {
      entry.thumbnail ??= createThumbnail(entry, oncorrect);
      entry.thumbnail.show(entry === current);
    }
    // A button that stays where it is keeps the focus.
    const shown = newest.map(({ thumbnail }) => thumbnail.element);
    for (const old of [...list.children]) if (!shown.includes(old)) old.remove();
    shown.forEach((thumbnail, place) => list.children[place] !== thumbnail && list.insertBefore(thumbnail, list.children[place]));
  }

  function forget() {
    for (const { item } of entries) release(item);
    entries = [];
  }

  return { element, add, relabel, before, show, forget, get labelled() { return labelled; } };
}

function createThumbnail(entry, oncorrect) {
  const { item } = entry;
  const word = el("span");
  const picture = el("img", { class: "drawing", src: item.pictures.sent.src, alt: "" });
  const button = el("button", { type: "button", onclick: () => oncorrect(entry) }, picture, word);

  function show(isCurrent) {
    word.textContent = labelName(entry.label);
    button.setAttribute("aria-label", `Number ${item.id} is labelled ${labelName(entry.label)}; correct it`);
    button.setAttribute("aria-pressed", String(isCurrent));
  }

  return { element: el("li", {}, button), show };
}
