/**
 * Draws plots: each function returns the SVG elements of a picture that is `width` × `height` pixels large. The pixels
 * are the screen's own, so that text is as legible on a phone as on a desktop.
 */

import { svg } from "../../lib/dom.js";

// About as wide as a character of the axes, and as high as their lines.
const LETTER = 7.5;
const LINE = 15;

// A line's points, within 4 pixels of its place; colour alone tells lines apart for not everybody.
const MARKERS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", "M-4 -4H4V4H-4Z", "M0 -5L5 4H-5Z", "M0 -5L5 0L0 5L-5 0Z"];
export const MOST_LINES = MARKERS.length;

/** Return round numbers between `min` and `max`, about four of them, no closer than `closest`. */
function ticksBetween(min, max, closest) {
  const rough = (max - min) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((times) => times * power >= rough * 0.999) * power, closest);
  const ticks = [];
  for (let place = Math.ceil(min / step - 1e-9); place * step <= max * (1 + 1e-9); place++) ticks.push(place * step || 0);
  return ticks;
}

/** The grid with its numbers; returns where the plot lies, and `y(value)`. */
function frame({ width, height }, { min = 0, max, format, closest = 0, top = 18, right = 10, bottom = 24 }) {
  const ticks = ticksBetween(min, max, closest);
  const left = Math.max(...ticks.map((tick) => format(tick).length)) * LETTER + 10;
  const floor = height - bottom;
  const y = (value) => floor - ((value - min) / (max - min)) * (floor - top);
  const marks = ticks.flatMap((tick) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
  ]);
  return { left, floor, span: width - left - right, y, ticks, marks };
}

/** Texts under the plot at `x(place)`, as many as there is room for. */
function textsBelow({ floor, span }, texts, x) {
  const widest = Math.max(...texts.map((text) => text.length)) * LETTER + 8;
  const every = Math.max(1, Math.ceil((widest * texts.length) / span));
  return texts.flatMap((text, place) =>
    place % every ? [] : svg("text", { x: x(place), y: floor + LINE + 2, "text-anchor": "middle" }, text),
  );
}

/**
 * Draw bars, one beside the other where there are two series: `series` are {kind, values}, and `labels` stand under the
 * bars, or `edges`, one more, between them.
 */
export function bars(size, { labels, edges, series, format, closest }) {
  const max = Math.max(...series.flatMap(({ values }) => values)) * 1.05 || 1;
  const area = frame(size, { max, format, closest, right: labels ? 10 : 22 });
  const room = area.span / series[0].values.length;
  const between = Math.min(room * 0.2, 8);
  const breadth = (room - between) / series.length;
  const single = series.length === 1;
  const roomy = single && series[0].values.every((value) => format(value).length * LETTER < room);

  const drawn = series.flatMap(({ kind, values }, side) =>
    values.flatMap((value, place) => {
      const x = area.left + place * room + between / 2 + side * breadth;
      const top = area.y(value);
      return [
        svg("rect", { class: `bar ${kind}`, x, y: top, width: breadth, height: area.floor - top }),
        roomy && svg("text", { class: "said", x: x + breadth / 2, y: top - 5, "text-anchor": "middle" }, format(value)),
      ];
    }),
  );
  const shift = labels ? 0.5 : 0;
  return [...area.marks, ...drawn, ...textsBelow(area, labels ?? edges, (place) => area.left + (place + shift) * room)];
}

/** Split places into runs without a gap in `values`. */
function runsOf(values) {
  const runs = [];
  values.forEach((value, place) => {
    if (value === null) return;
    if (place && values[place - 1] !== null) runs.at(-1).push(place);
    else runs.push([place]);
  });
  return runs;
}

/** The lowest tenth that shows all of these shares, so that what differs by little is seen to differ. */
function lowestTenth(shares) {
  return Math.min(0.9, Math.floor(Math.min(...shares) * 10) / 10);
}

/**
 * Draw shares that change: `series` are {name, values, lows, highs}, null where nothing is known; between `lows` and
 * `highs`, if there are any, lies the interval. `labels` stand under the places.
 */
export function lines(size, { labels, series, format }) {
  const min = lowestTenth(series.flatMap(({ values, lows }) => [...values, ...(lows ?? [])]).filter((value) => value !== null));
  const right = Math.max(...series.map(({ name }) => name.length)) * LETTER + 18;
  const area = frame(size, { min, max: 1, format, right });
  const room = area.span / labels.length;
  const x = (place) => area.left + (place + 0.5) * room;
  const trace = (places, values) => places.map((place) => `${x(place).toFixed(1)} ${area.y(values[place]).toFixed(1)}`).join("L");

  const drawn = series.map(({ values, lows, highs }, kind) => {
    const runs = runsOf(values);
    const marked = runs.flatMap((run) => (room > 7 || run.length === 1 ? run : [run.at(-1)]));
    const band = lows && runs.map((run) => `M${trace(run, highs)}L${trace(run.toReversed(), lows)}Z`).join("");
    return svg(
      "g",
      { class: `series-${kind}` },
      band && svg("path", { class: "band", d: band }),
      svg("path", { class: "line", d: runs.map((run) => `M${trace(run, values)}`).join("") }),
      marked.map((place) =>
        svg("path", { class: "marker", d: MARKERS[kind], transform: `translate(${x(place)} ${area.y(values[place])})` }),
      ),
    );
  });
  return [...area.marks, ...textsBelow(area, labels, x), ...drawn, ...namesAtTheEnd(area, series, x)];
}

/** Write each line's name behind its last point, and one below the other where two end together. */
function namesAtTheEnd(area, series, x) {
  const ends = series.map(({ name, values }, kind) => {
    const last = values.findLastIndex((value) => value !== null);
    return { name, kind, x: x(last) + 9, y: area.y(values[last]) + 4 };
  });
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, place) => {
    for (const other of ends.slice(0, place)) {
      if (Math.abs(other.x - end.x) < 60) end.y = Math.max(end.y, other.y + LINE);
    }
  });
  return ends.map(({ name, kind, x: left, y }) => svg("text", { class: `name series-${kind}`, x: left, y }, name));
}

/** Draw how right answers were beside how sure they were: `bins` of calibration, on the diagonal where it is honest. */
export function reliability({ width, height }, { bins, format }) {
  const min = lowestTenth(bins.map((bin) => Math.min(bin.mean_confidence, bin.interval[0])));
  const area = frame({ width, height }, { min, max: 1, format, top: 30, right: 22, bottom: 24 + LINE });
  const x = (value) => area.left + ((value - min) / (1 - min)) * area.span;
  return [
    ...area.marks,
    ...textsBelow(area, area.ticks.map(format), (place) => x(area.ticks[place])),
    svg("text", { x: area.left + area.span / 2, y: height - 4, "text-anchor": "middle" }, "how sure"),
    svg("text", { x: 0, y: 11 }, "how right"),
    svg("line", { class: "diagonal", x1: x(min), y1: area.y(min), x2: x(1), y2: area.y(1) }),
    ...bins.map((bin) => {
      const [at, honest] = [x(bin.mean_confidence), isHonest(bin)];
      return svg(
        "g",
        { class: honest ? "bin" : "bin off" },
        svg("line", { x1: at, x2: at, y1: area.y(bin.interval[0]), y2: area.y(bin.interval[1]) }),
        svg("path", { d: MARKERS[honest ? 0 : 3], transform: `translate(${at} ${area.y(bin.accuracy)})` }),
      );
    }),
  ];
}

/** Whether chance explains the distance of confidence and accuracy in a bin of calibration. */
export function isHonest({ mean_confidence: sure, interval: [low, high] }) {
  return low <= sure && sure <= high;
}
