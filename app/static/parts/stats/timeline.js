/** Confidence and accuracy over time, a line for each model version. */

import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, percent, shortUtcDate, utcDate } from "../../lib/format.js";
import { createFigure } from "./figure.js";
import { lines, MAX_LINES } from "./plots.js";
import { createSection } from "./section.js";
import { accuracyCells, shareText } from "./table.js";

/** @import { Bucket, Interval, Timeline, VersionStats } from "../../lib/types.js" */
/** @import { Figure } from "./figure.js" */
/** @import { LineSeries } from "./plots.js" */

/**
 * @typedef {object} Quantity what a figure shows of each version
 * @property {(numbers: VersionStats) => number | null} valueOf
 * @property {(numbers: VersionStats) => Interval | null} [intervalOf]
 */

const MAX_NAME_LENGTH = 14;

/**
 * Return the versions with the most drawings, as many as can be told apart, ordered by name.
 *
 * @param {Bucket[]} buckets
 */
function mostUsedVersions(buckets) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const bucket of buckets) {
    for (const [name, { count }] of Object.entries(bucket.model_versions)) counts[name] = (counts[name] ?? 0) + count;
  }
  const names = Object.keys(counts).sort((a, b) => counts[b] - counts[a]);
  return { names: names.slice(0, MAX_LINES).sort(), left: names.length - MAX_LINES };
}

/** @param {string} name */
function shortened(name) {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH - 1)}…` : name;
}

/**
 * Return a line for each version that has any value.
 *
 * @param {string[]} names
 * @param {Bucket[]} buckets
 * @param {Quantity} quantity
 */
function seriesOf(names, buckets, { valueOf, intervalOf }) {
  const series = names.map((name) => {
    const numbers = buckets.map((bucket) => bucket.model_versions[name] ?? null);
    const intervals = intervalOf && numbers.map((one) => one && intervalOf(one));
    return {
      name: shortened(name),
      values: numbers.map((one) => one && valueOf(one)),
      lows: intervals?.map((interval) => interval && interval[0]),
      highs: intervals?.map((interval) => interval && interval[1]),
    };
  });
  return series.filter(({ values }) => values.some((value) => value !== null));
}

/**
 * Say where a line begins and ends.
 *
 * @param {LineSeries} series
 * @param {string[]} times
 */
function lineInWords({ name, values }, times) {
  const ends = new Set([values.findIndex((value) => value !== null), values.findLastIndex((value) => value !== null)]);
  return `${name}: ${[...ends].map((place) => `${shareText(values[place])} on ${times[place]}`).join(", ")}.`;
}

/**
 * @param {Figure} figure
 * @param {Timeline} timeline
 * @param {Quantity} quantity
 * @param {object} texts
 * @param {string} texts.nothing the sentence when there is no value
 * @param {string[]} texts.columns
 * @param {(numbers: VersionStats) => string[]} texts.cells
 */
function showLines(figure, { bucket: step, buckets }, quantity, { nothing, columns, cells }) {
  const precise = step === "hour";
  const { names, left } = mostUsedVersions(buckets);
  const series = seriesOf(names, buckets, quantity);
  if (!series.length) {
    figure.show({ sentence: nothing });
    return;
  }
  const times = buckets.map(({ start }) => shortUtcDate(start, precise));
  const sentences = series.map((one) => lineInWords(one, times));
  if (left > 0) sentences.push(`The table also has ${countOf(left, "version")} with fewer drawings.`);
  figure.show({
    plot: (size) => lines(size, { texts: times, series, format: (share) => percent(share) }),
    sentence: sentences.join(" "),
    columns: ["Start (UTC)", "Model version", ...columns],
    rows: () =>
      buckets.flatMap(({ start, model_versions: versions }) =>
        Object.entries(versions).map(([name, numbers]) => [utcDate(start, precise), name, ...cells(numbers)]),
      ),
  });
}

/**
 * Show the share of drawings that are not digits, of all versions together.
 *
 * @param {Figure} figure
 * @param {Timeline} timeline
 */
function showNoDigits(figure, { bucket: step, buckets }) {
  const precise = step === "hour";
  const values = buckets.map(({ not_a_digit_share: share }) => share ?? null);
  const times = buckets.map(({ start }) => shortUtcDate(start, precise));
  figure.element.hidden = values.every((value) => value === null);
  if (figure.element.hidden) return;
  const series = { name: "not a digit", values };
  figure.show({
    plot: (size) => lines(size, { texts: times, series: [series], format: (share) => percent(share) }),
    sentence: lineInWords(series, times),
    columns: ["Start (UTC)", "Drawings", "Not a digit"],
    rows: () => buckets.map(({ start, count }, place) => [utcDate(start, precise), counted(count), shareText(values[place])]),
  });
}

/** Make the section. */
export function createTimeline() {
  const about = el("p", { class: "quiet" });
  const confidence = createFigure("Mean confidence");
  const accuracy = createFigure("Accuracy with its 95 % interval");
  const pair = el("div", { class: "pair" }, confidence.element, accuracy.element);
  /** @type {Figure | null} made when a model has told */
  let noDigits = null;

  return createSection("Over time", {
    children: [about, pair],
    load: ({ period: { since, until }, version, bucket }, signal) =>
      /** @type {Promise<Timeline>} */ (read("stats/timeline", { since, until, bucket, model_version: version }, { signal })),
    show(timeline) {
      const { bucket, buckets } = timeline;
      const count = buckets.reduce((sum, one) => sum + one.count, 0);
      const begin = buckets.length ? ` since ${utcDate(buckets[0].start, true)} UTC` : "";
      about.textContent = `${countOf(count, "drawing")} in ${countOf(buckets.length, bucket)}${begin}, by model version.`;
      if (!noDigits && buckets.some((one) => typeof one.not_a_digit_share === "number")) {
        noDigits = createFigure("Share that is not a digit");
        pair.append(noDigits.element);
      }
      if (noDigits) showNoDigits(noDigits, timeline);
      showLines(confidence, timeline, { valueOf: (numbers) => numbers.mean_confidence }, {
        nothing: "There are no drawings in this period.",
        columns: ["Drawings", "Mean confidence"],
        cells: (numbers) => [counted(numbers.count), shareText(numbers.mean_confidence)],
      });
      showLines(accuracy, timeline, { valueOf: ({ accuracy: { accuracy: share } }) => share, intervalOf: (numbers) => numbers.accuracy.interval }, {
        nothing: "Not enough data: no drawing in this period has a label.",
        columns: ["Labelled", "Accuracy", "95 % interval"],
        cells: (numbers) => accuracyCells(numbers.accuracy),
      });
    },
  });
}
