/** What a figure is made of: a picture, a sentence that says the same, and a table with all of it. */

import { el, svg } from "../../lib/dom.js";

const DATE = { day: "numeric", month: "short", timeZone: "UTC" };
const TIME = { hour: "2-digit", minute: "2-digit", timeZone: "UTC" };
const dateFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, year: "numeric" });
const timeFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, year: "numeric", ...TIME });
const shortDateFormat = new Intl.DateTimeFormat("en-GB", DATE);
const numberFormat = new Intl.NumberFormat("en");
const shortTimeFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, ...TIME });

/** Write a time in UTC: the day, or with `precise` the minute. */
export function written(time, precise = false) {
  return (precise ? timeFormat : dateFormat).format(new Date(time));
}

/** Write a time in UTC where there is little room. */
export function writtenShortly(time, precise = false) {
  return (precise ? shortTimeFormat : shortDateFormat).format(new Date(time));
}

/** Write a number with its thousands apart. */
export function counted(number) {
  return numberFormat.format(number);
}

/** Write "1 drawing" and "2,000 drawings". */
export function countOf(number, noun) {
  return `${counted(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Make a table that scrolls by itself where it is too wide; `rows` are lists of texts. */
export function createTable(title, columns, rows) {
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
      el("tbody", {}, rows.map(([first, ...rest]) =>
        el("tr", {}, el("th", { scope: "row" }, first), rest.map((cell) => el("td", {}, cell))),
      )),
    ),
  );
}

/**
 * Make a figure. `show({plot, data, sentence, columns, rows})` draws `plot(size, data)` in it, as large as there is room
 * and anew when that changes; without a `plot` the sentence stands alone, since there is nothing to see.
 */
export function createFigure(title) {
  const picture = svg("svg", { role: "img" });
  const area = el("div", { class: "plot" }, picture);
  const sentence = el("p");
  const details = el("details", { ontoggle: fillTable }, el("summary", {}, "As a table"));
  const element = el("figure", {}, el("figcaption", {}, el("h3", {}, title), sentence), area, details);
  let shown = null;
  let size = null;

  function draw() {
    if (!shown?.plot || !size?.width) return;
    picture.setAttribute("width", size.width);
    picture.setAttribute("height", size.height);
    picture.replaceChildren(...shown.plot(size, shown.data).flat().filter(Boolean));
  }

  /** Most tables are never opened, and one of a thousand hours takes a while to make. */
  function fillTable() {
    details.querySelector(".scroll")?.remove();
    if (details.open && shown?.plot) details.append(createTable(`${title}, as a table`, shown.columns, shown.rows()));
  }

  function show(next) {
    shown = next;
    // A number and its % stay on one line.
    sentence.textContent = next.sentence.replaceAll(" %", "\u00a0%");
    picture.setAttribute("aria-label", `${title}. ${next.sentence}`);
    area.hidden = details.hidden = !next.plot;
    draw();
    fillTable();
  }

  new ResizeObserver(([{ contentRect: { width, height } }]) => {
    size = { width: Math.floor(width), height: Math.floor(height) };
    draw();
  }).observe(area);
  return { element, show };
}
