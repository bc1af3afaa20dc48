/** A figure: a plot, a sentence that says the same, and a table with all values. */

import { el, svg } from "../../lib/dom.js";
import { onOneLine } from "../../lib/format.js";
import { createTable } from "./table.js";

/** @import { Size, Drawn } from "./plots.js" */

/**
 * @typedef {object} FigureContent
 * @property {(size: Size) => Drawn[]} [plot] without it the sentence stands alone
 * @property {string} sentence
 * @property {string[]} [columns]
 * @property {() => string[][]} [rows]
 */

/**
 * Make a figure. The plot is drawn again whenever its size changes.
 *
 * @param {string} title
 */
export function createFigure(title) {
  const picture = svg("svg", { role: "img" });
  const area = el("div", { class: "plot" }, picture);
  const sentence = el("p");
  const details = el("details", { ontoggle: fillTable }, el("summary", {}, "As a table"));
  const element = el("figure", {}, el("figcaption", {}, el("h3", {}, title), sentence), area, details);
  /** @type {FigureContent | null} */
  let shown = null;
  /** @type {Size | null} */
  let size = null;

  function draw() {
    if (!shown?.plot || !size?.width) return;
    picture.setAttribute("width", String(size.width));
    picture.setAttribute("height", String(size.height));
    picture.replaceChildren(...shown.plot(size).filter((node) => node !== false));
  }

  /** The table is made when it is opened: one of a thousand hours takes a while. */
  function fillTable() {
    details.querySelector(".scroll")?.remove();
    if (details.open && shown?.plot) details.append(createTable(`${title}, as a table`, shown.columns ?? [], shown.rows?.() ?? []));
  }

  /** @param {FigureContent} content */
  function show(content) {
    shown = content;
    sentence.textContent = onOneLine(content.sentence);
    picture.setAttribute("aria-label", `${title}. ${content.sentence}`);
    area.hidden = details.hidden = !content.plot;
    draw();
    fillTable();
  }

  new ResizeObserver(([{ contentRect: { width, height } }]) => {
    size = { width: Math.floor(width), height: Math.floor(height) };
    draw();
  }).observe(area);
  return { element, show };
}

/** @typedef {ReturnType<typeof createFigure>} Figure */
