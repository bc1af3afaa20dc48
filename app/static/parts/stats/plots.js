/**
 * Draws plots: each function returns the SVG elements of a picture of this size in pixels of the screen, so that text is
 * legible on a phone too.
 */

import { svg } from "../../lib/dom.js";

/** @import { CalibrationBin } from "../../lib/types.js" */

/** @typedef {{width: number, height: number}} Size */
/** @typedef {SVGElement | false} Drawn */
/** @typedef {(value: number) => string} Format */

/**
 * @typedef {object} Frame the grid of a plot
 * @property {number} left
 * @property {number} floor
 * @property {number} span
 * @property {(value: number) => number} y
 * @property {number[]} ticks
 * @property {SVGElement[]} grid
 */

/**
 * @typedef {object} LineSeries
 * @property {string} name
 * @property {(number | null)[]} values null where nothing is known
 * @property {(number | null)[]} [lows] of the interval
 * @property {(number | null)[]} [highs]
 */

// About the width of a character of the axes, and the height of a line.
const CHARACTER_WIDTH = 7.5;
const LINE_HEIGHT = 15;

// One shape for each line, within 4 pixels: not everybody can tell lines apart by colour.
const MARKERS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", "M-4 -4H4V4H-4Z", "M0 -5L5 4H-5Z", "M0 -5L5 0L0 5L-5 0Z"];
export const MAX_LINES = MARKERS.length;

/**
 * Return about four round numbers between `min` and `max`.
 *
 * @param {number} min
 * @param {number} max
 * @param {number} minStep
 */
function ticksBetween(min, max, minStep) {
  const rough = (max - min) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(([1, 2, 5].find((times) => times * power >= rough * 0.999) ?? 10) * power, minStep);
  const ticks = [];
  for (let place = Math.ceil(min / step - 1e-9); place * step <= max * (1 + 1e-9); place++) ticks.push(place * step || 0);
  return ticks;
}

/**
 * @param {Size} size
 * @param {object} options
 * @param {number} [options.min]
 * @param {number} options.max
 * @param {Format} options.format
 * @param {number} [options.minStep] the smallest distance of two lines of the grid
 * @param {number} [options.top]
 * @param {number} [options.right]
 * @param {number} [options.bottom]
 * @returns {Frame}
 */
function createFrame({ width, height }, { min = 0, max, format, minStep = 0, top = 18, right = 10, bottom = 24 }) {
  const ticks = ticksBetween(min, max, minStep);
  const left = Math.max(...ticks.map((tick) => format(tick).length)) * CHARACTER_WIDTH + 10;
  const floor = height - bottom;
  const y = (/** @type {number} */ value) => floor - ((value - min) / (max - min)) * (floor - top);
  const grid = ticks.flatMap((tick) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
  ]);
  return { left, floor, span: width - left - right, y, ticks, grid };
}

/**
 * Texts under a plot at `x(place)`, as many as fit.
 *
 * @param {Frame} frame
 * @param {string[]} texts
 * @param {(place: number) => number} x
 */
function textsBelow({ floor, span }, texts, x) {
  const widest = Math.max(...texts.map((text) => text.length)) * CHARACTER_WIDTH + 8;
  const every = Math.max(1, Math.ceil((widest * texts.length) / span));
  return texts.flatMap((text, place) =>
    place % every ? [] : svg("text", { x: x(place), y: floor + LINE_HEIGHT + 2, "text-anchor": "middle" }, text),
  );
}

/**
 * Draw bars, side by side where there are two series.
 *
 * @param {Size} size
 * @param {object} data
 * @param {string[]} data.texts under the bars, or with one more than bars, between them
 * @param {{kind: "now" | "before", values: number[]}[]} data.series
 * @param {Format} data.format
 * @param {number} data.minStep
 * @returns {Drawn[]}
 */
export function bars(size, { texts, series, format, minStep }) {
  const max = Math.max(...series.flatMap(({ values }) => values)) * 1.05 || 1;
  const count = series[0].values.length;
  const isBetween = texts.length > count;
  const frame = createFrame(size, { max, format, minStep, right: isBetween ? 22 : 10 });
  const room = frame.span / count;
  const gap = Math.min(room * 0.2, 8);
  const barWidth = (room - gap) / series.length;
  const hasNumbers = series.length === 1 && series[0].values.every((value) => format(value).length * CHARACTER_WIDTH < room);

  const drawn = series.flatMap(({ kind, values }, side) =>
    values.flatMap((value, place) => {
      const x = frame.left + place * room + gap / 2 + side * barWidth;
      const top = frame.y(value);
      return [
        svg("rect", { class: `bar ${kind}`, x, y: top, width: barWidth, height: frame.floor - top }),
        hasNumbers && svg("text", { class: "value", x: x + barWidth / 2, y: top - 5, "text-anchor": "middle" }, format(value)),
      ];
    }),
  );
  const shift = isBetween ? 0 : 0.5;
  return [...frame.grid, ...drawn, ...textsBelow(frame, texts, (place) => frame.left + (place + shift) * room)];
}

/**
 * Split places into runs without a gap in `values`.
 *
 * @param {(number | null)[]} values
 */
function runsOf(values) {
  /** @type {number[][]} */
  const runs = [];
  values.forEach((value, place) => {
    if (value === null) return;
    if (place && values[place - 1] !== null) runs[runs.length - 1].push(place);
    else runs.push([place]);
  });
  return runs;
}

/**
 * Return the lowest tenth that shows all these shares, so that small differences are visible.
 *
 * @param {number[]} shares
 */
function lowestTenth(shares) {
  return Math.min(0.9, Math.floor(Math.min(...shares) * 10) / 10);
}

/**
 * Draw lines of shares, with their intervals as bands.
 *
 * @param {Size} size
 * @param {object} data
 * @param {string[]} data.texts under the places
 * @param {LineSeries[]} data.series
 * @param {Format} data.format
 * @returns {Drawn[]}
 */
export function lines(size, { texts, series, format }) {
  const known = series.flatMap(({ values, lows = [] }) => [...values, ...lows]).filter((value) => value !== null);
  const right = Math.max(...series.map(({ name }) => name.length)) * CHARACTER_WIDTH + 18;
  const frame = createFrame(size, { min: lowestTenth(known), max: 1, format, right });
  const room = frame.span / texts.length;
  const x = (/** @type {number} */ place) => frame.left + (place + 0.5) * room;
  /** @type {(places: number[], values: (number | null)[]) => string} */
  const path = (places, values) => places.map((place) => `${x(place).toFixed(1)} ${frame.y(values[place] ?? 0).toFixed(1)}`).join("L");

  const drawn = series.map(({ values, lows, highs }, kind) => {
    const runs = runsOf(values);
    const marked = runs.flatMap((run) => (room > 7 || run.length === 1 ? run : run.slice(-1)));
    return svg(
      "g",
      { class: `series-${kind}` },
      lows && highs && svg("path", { class: "band", d: runs.map((run) => `M${path(run, highs)}L${path([...run].reverse(), lows)}Z`).join("") }),
      svg("path", { class: "line", d: runs.map((run) => `M${path(run, values)}`).join("") }),
      marked.map((place) =>
        svg("path", { class: "marker", d: MARKERS[kind], transform: `translate(${x(place)} ${frame.y(values[place] ?? 0)})` }),
      ),
    );
  });
  return [...frame.grid, ...textsBelow(frame, texts, x), ...drawn, ...namesAtTheEnd(frame, series, x)];
}

/**
 * Write each line's name behind its last point, one below the other where two lines end together.
 *
 * @param {Frame} frame
 * @param {LineSeries[]} series
 * @param {(place: number) => number} x
 */
function namesAtTheEnd(frame, series, x) {
  const ends = series.map(({ name, values }, kind) => {
    const last = values.findLastIndex((value) => value !== null);
    return { name, kind, x: x(last) + 9, y: frame.y(values[last] ?? 0) + 4 };
  });
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, place) => {
    for (const other of ends.slice(0, place)) {
      if (Math.abs(other.x - end.x) < 60) end.y = Math.max(end.y, other.y + LINE_HEIGHT);
    }
  });
  return ends.map(({ name, kind, x: left, y }) => svg("text", { class: `name series-${kind}`, x: left, y }, name));
}

/**
 * Draw a reliability diagram: accuracy by confidence, and the diagonal where the two are equal.
 *
 * @param {Size} size
 * @param {object} data
 * @param {CalibrationBin[]} data.bins
 * @param {Format} data.format
 * @returns {Drawn[]}
 */
export function reliability(size, { bins, format }) {
  const min = lowestTenth(bins.map((bin) => Math.min(bin.mean_confidence, bin.interval[0])));
  const frame = createFrame(size, { min, max: 1, format, top: 30, right: 22, bottom: 24 + LINE_HEIGHT });
  const x = (/** @type {number} */ value) => frame.left + ((value - min) / (1 - min)) * frame.span;
  return [
    ...frame.grid,
    ...textsBelow(frame, frame.ticks.map(format), (place) => x(frame.ticks[place])),
    svg("text", { x: frame.left + frame.span / 2, y: size.height - 4, "text-anchor": "middle" }, "confidence"),
    svg("text", { x: 0, y: 11 }, "accuracy"),
    svg("line", { class: "diagonal", x1: x(min), y1: frame.y(min), x2: x(1), y2: frame.y(1) }),
    ...bins.map((bin) => {
      const at = x(bin.mean_confidence);
      const calibrated = isCalibrated(bin);
      return svg(
        "g",
        { class: calibrated ? "bin" : "bin off" },
        svg("line", { x1: at, x2: at, y1: frame.y(bin.interval[0]), y2: frame.y(bin.interval[1]) }),
        svg("path", { d: MARKERS[calibrated ? 0 : 3], transform: `translate(${at} ${frame.y(bin.accuracy)})` }),
      );
    }),
  ];
}

/**
 * Whether chance explains the difference of confidence and accuracy in a bin.
 *
 * @param {CalibrationBin} bin
 */
export function isCalibrated({ mean_confidence: confidence, interval: [low, high] }) {
  return low <= confidence && confidence <= high;
}
