/** The parts of Numbers that count: how many, how sure, how right, what was read, and all of it over time. */

import { DIGITS, percent } from "../labeller.js";
import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, createFigure, createTable, written, writtenShortly } from "./figure.js";
import { createPart } from "./section.js";
import { bars, lines, MOST_LINES } from "./plots.js";

const wholePercent = (share) => percent(share);

/** Write a 95 % interval. */
export function interval([low, high]) {
  return `${percent(low, 1)} to ${percent(high, 1)}`;
}

/** The cells of an accuracy in a table: labelled, accuracy, interval. */
export function accuracyCells({ labelled, accuracy, interval: bounds }) {
  return labelled ? [counted(labelled), percent(accuracy, 1), interval(bounds)] : ["0", "–", "–"];
}

function tile(name, value, ...more) {
  const below = more.map((text) => el("dd", { class: "quiet" }, text));
  return el("div", {}, el("dt", {}, name), el("dd", { class: "value" }, value), below);
}

function accuracyTile(name, accuracy, missing) {
  if (!accuracy.labelled) return tile(name, "–", missing);
  const right = `${counted(accuracy.correct)} of ${counted(accuracy.labelled)} right`;
  return tile(name, percent(accuracy.accuracy, 1), `95 % interval: ${interval(accuracy.interval)}`, right);
}

function tilesOf(stats) {
  const times = stats.since && `${written(stats.since)} to ${written(stats.until)}, UTC`;
  return [
    tile("Drawings", counted(stats.count), times ?? ""),
    tile("Mean confidence", stats.count ? percent(stats.mean_confidence, 1) : "–", "how sure the answers were"),
    accuracyTile("Accuracy, drawn at random", stats.accuracy_random, "none of these is labelled yet"),
    accuracyTile("Accuracy, all labelled", stats.accuracy, "nothing is labelled yet"),
  ];
}

/** Say which of the two accuracies is to be believed. */
function whichIsHonest({ accuracy, accuracy_random: random }) {
  const review = el("a", { href: "#/review" }, "Review");
  if (!accuracy.labelled) {
    return ["Not enough data: how right the answers are is known once somebody labels drawings, most quickly in ", review, "."];
  }
  const none = accuracy.not_a_digit ? ` “Not a digit”, said of ${counted(accuracy.not_a_digit)}, counts as wrong.` : "";
  if (!random.labelled) {
    return ["People look at doubtful drawings more than at others, so the model is probably better than this. ", review,
      ` draws some at random; once they are labelled, they tell how right it is.${none}`];
  }
  return [`The drawings that `, review, ` drew at random are the honest sample. People look at doubtful ones more than at others, `,
    `so what is counted over everything labelled is not what the model does altogether.${none}`];
}

function showDigits(figure, { count, digits }) {
  const counts = DIGITS.map((digit) => digits[digit].count);
  const [most, least] = [counts.indexOf(Math.max(...counts)), counts.indexOf(Math.min(...counts))];
  const share = (digit) => percent(counts[digit] / count);
  const others = Object.keys(digits).filter((name) => !DIGITS.includes(name));
  const besides = others.length ? ` Besides, ${countOf(others.length, "answer")} that no digit is: see the table.` : "";
  figure.show({
    plot: bars,
    data: { labels: DIGITS, series: [{ kind: "now", values: counts }], format: counted, closest: 1 },
    sentence: `${most} was read most often (${share(most)}), ${least} least (${share(least)}).${besides}`,
    columns: ["Answer", "Drawings", "Share", "Mean confidence"],
    rows: () => [...DIGITS, ...others].map((name) => {
      const { count: size, mean_confidence: mean } = digits[name];
      return [name, counted(size), percent(size / count, 1), size ? percent(mean, 1) : "–"];
    }),
  });
}

function showConfidence(figure, { count, confidence_histogram: bins }) {
  const share = (from, to) => percent(bins.slice(from, to).reduce((sum, bin) => sum + bin.count, 0) / count);
  figure.show({
    plot: bars,
    data: {
      edges: [...bins.map((bin) => wholePercent(bin.from)), "100 %"],
      series: [{ kind: "now", values: bins.map((bin) => bin.count) }],
      format: counted,
      closest: 1,
    },
    sentence: `${share(9)} of the answers are at least 90 % sure, ${share(0, 5)} less than 50 %.`,
    columns: ["Confidence", "Drawings", "Share"],
    rows: () =>
      bins.map((bin) => [
        `${wholePercent(bin.from)} to ${wholePercent(bin.to)}`,
        counted(bin.count),
        percent(bin.count / count, 1),
      ]),
  });
}

/** Make the part with what was read, how sure and how right. */
export function createTotals() {
  const tiles = el("dl", { class: "tiles" });
  const honesty = el("p");
  const versions = el("div");
  const nothing = el("p", {}, "There are no drawings here. ", el("a", { href: "#/draw" }, "Draw one"), ".");
  const digits = createFigure("Digits read");
  const confidence = createFigure("How sure the answers were");
  const pair = el("div", { class: "pair" }, digits.element, confidence.element);

  return createPart("At a glance", {
    children: [tiles, honesty, versions, nothing, pair],
    ask: ({ period, version }, signal) => read("stats", { ...period, model_version: version }, { signal }),
    show(stats) {
      tiles.replaceChildren(...tilesOf(stats));
      honesty.replaceChildren(...whichIsHonest(stats));
      const byVersion = Object.entries(stats.model_versions);
      versions.replaceChildren(...(byVersion.length > 1 ? [versionTable(byVersion)] : []));
      nothing.hidden = stats.count > 0;
      pair.hidden = honesty.hidden = !stats.count;
      if (!stats.count) return;
      showDigits(digits, stats);
      showConfidence(confidence, stats);
    },
  });
}

function versionTable(byVersion) {
  const columns = ["Model version", "Drawings", "Mean confidence", "Labelled", "Accuracy", "95 % interval"];
  const rows = byVersion.map(([name, { count, mean_confidence: mean, accuracy }]) => [
    name,
    counted(count),
    percent(mean, 1),
    ...accuracyCells(accuracy),
  ]);
  return createTable("The model versions", columns, rows);
}

/** The versions with the most drawings, no more than can be told apart, in the order of their names. */
function mostUsed(buckets) {
  const counts = new Map();
  for (const bucket of buckets) {
    for (const [name, { count }] of Object.entries(bucket.model_versions)) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  const names = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  return { names: names.slice(0, MOST_LINES).sort(), left: names.length - MOST_LINES };
}

function short(name) {
  return name.length > 14 ? `${name.slice(0, 13)}…` : name;
}

/** One line for each version that has anything to show. */
function seriesOf(names, buckets, { valueOf, boundsOf }) {
  const series = names.map((name) => {
    const numbers = buckets.map((bucket) => bucket.model_versions[name]);
    const bounds = boundsOf && numbers.map((one) => (one && boundsOf(one)) ?? [null, null]);
    return {
      name: short(name),
      values: numbers.map((one) => (one ? valueOf(one) : null)),
      lows: bounds?.map(([low]) => low),
      highs: bounds?.map(([, high]) => high),
    };
  });
  return series.filter(({ values }) => values.some((value) => value !== null));
}

/** Say where a line begins and where it ends. */
function lineInWords({ name, values }, timeOf) {
  const ends = [values.findIndex((value) => value !== null), values.findLastIndex((value) => value !== null)];
  const said = [...new Set(ends)].map((place) => `${percent(values[place], 1)} on ${timeOf(place)}`);
  return `${name}: ${said.join(", ")}.`;
}

/** Show in a figure what `valueOf` and `boundsOf` say of each version in each bucket, and `cells` in its table. */
function showLines(figure, { bucket: step, buckets }, { valueOf, boundsOf, nothing, columns, cells }) {
  const precise = step === "hour";
  const { names, left } = mostUsed(buckets);
  const series = seriesOf(names, buckets, { valueOf, boundsOf });
  if (!series.length) {
    figure.show({ sentence: nothing });
    return;
  }
  const labels = buckets.map(({ start }) => writtenShortly(start, precise));
  const sentences = series.map((one) => lineInWords(one, (place) => labels[place]));
  if (left > 0) sentences.push(`${countOf(left, "other version")} with fewer drawings in the table alone.`);
  figure.show({
    plot: lines,
    data: { labels, series, format: wholePercent },
    sentence: sentences.join(" "),
    columns: ["Begin, UTC", "Model version", ...columns],
    rows: () =>
      buckets.flatMap(({ start, model_versions: versions }) =>
        Object.entries(versions).map(([name, numbers]) => [written(start, precise), name, ...cells(numbers)]),
      ),
  });
}

/** Make the part with confidence and accuracy over time. */
export function createTimeline() {
  const about = el("p", { class: "quiet" });
  const confidence = createFigure("Mean confidence");
  const accuracy = createFigure("Accuracy of what was labelled, with its 95 % interval");

  return createPart("Over time", {
    children: [about, el("div", { class: "pair" }, confidence.element, accuracy.element)],
    ask: ({ period, version, bucket }, signal) =>
      read("stats/timeline", { since: period.since, until: period.until, bucket, model_version: version }, { signal }),
    show(timeline) {
      const { bucket, buckets } = timeline;
      const counts = buckets.reduce((sum, { count }) => sum + count, 0);
      const begin = buckets.length ? `since ${written(buckets[0].start, true)} UTC` : "";
      about.textContent = `${countOf(counts, "drawing")} in ${countOf(buckets.length, bucket)} ${begin}, each version by itself.`;
      showLines(confidence, timeline, {
        valueOf: ({ mean_confidence: mean }) => mean,
        nothing: "There are no drawings of this time.",
        columns: ["Drawings", "Mean confidence"],
        cells: ({ count, mean_confidence: mean }) => [counted(count), percent(mean, 1)],
      });
      showLines(accuracy, timeline, {
        valueOf: (numbers) => numbers.accuracy.accuracy,
        boundsOf: (numbers) => numbers.accuracy.interval,
        nothing: "Not enough data: no drawing of this time is labelled.",
        columns: ["Labelled", "Accuracy", "95 % interval"],
        cells: (numbers) => accuracyCells(numbers.accuracy),
      });
    },
  });
}
