/** The totals: number of drawings, mean confidence, accuracy, predicted digits. */

import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, DIGITS, percent, utcDate } from "../../lib/format.js";
import { createFigure } from "./figure.js";
import { bars } from "./plots.js";
import { createSection } from "./section.js";
import { MIN_LABELS, accuracyCells, createTable, intervalText, missingLabels, shareText } from "./table.js";

/** @import { LabelledAccuracy, Stats, VersionStats } from "../../lib/types.js" */
/** @import { Figure } from "./figure.js" */

/**
 * @param {string} name
 * @param {string} value
 * @param {...(string | Node)} details
 */
function createTile(name, value, ...details) {
  const below = details.map((text) => el("dd", { class: "quiet" }, text));
  return el("div", {}, el("dt", {}, name), el("dd", { class: "value" }, value), below);
}

/**
 * @param {string} name
 * @param {LabelledAccuracy} found
 */
function accuracyTile(name, found) {
  const { labelled, correct, accuracy, interval } = found;
  const missing = missingLabels(found);
  if (missing || !interval) return createTile(name, "–", missing, el("a", { href: "#/review" }, "Label some in Review"));
  const right = `${counted(correct)} of ${counted(labelled)} right`;
  return createTile(name, shareText(accuracy), `95 % interval: ${intervalText(interval)}`, right);
}

/** @param {number | null | undefined} share null or missing when no model has told */
function noDigitTile(share) {
  if (typeof share !== "number") return [];
  const list = el("a", { href: "#/results?min_not_a_digit=0.5" }, "Show them");
  return [createTile("Not a digit", shareText(share), "of the drawings", list)];
}

/** @param {Stats} stats */
function tilesOf(stats) {
  const times = stats.since && stats.until ? [utcDate(stats.since), `to ${utcDate(stats.until)} (UTC)`] : [];
  return [
    createTile("Drawings", counted(stats.count), ...times),
    createTile("Mean confidence", shareText(stats.mean_confidence), "over all predictions"),
    accuracyTile("Accuracy, random sample", stats.accuracy_random),
    accuracyTile("Accuracy, all labels", stats.accuracy),
    ...noDigitTile(stats.not_a_digit_share),
  ];
}

/**
 * Say what the labels "not a digit" do to the accuracy, and how well the model tells such drawings from digits.
 *
 * @param {LabelledAccuracy} accuracy
 */
function otherSentences({ labelled, not_a_digit: others, accuracy_of_digits: share, digit_or_not: told }) {
  if (!others) return "";
  const enough = labelled - others >= MIN_LABELS;
  const digits = enough && typeof share === "number" ? `; of the others, ${shareText(share)} are right` : "";
  const found = told?.none
    ? ` The model took ${counted(told.none_found)} of ${counted(told.none)} of them for no digit, and ` +
      `${counted(told.digits_refused)} of ${countOf(told.digits, "digit")}.`
    : "";
  return ` Drawings labelled “not a digit” (${counted(others)}) count as wrong${digits}.${found}`;
}

/**
 * Say which of the two accuracies is unbiased.
 *
 * @param {Stats} stats
 * @returns {(string | Node)[]}
 */
function biasSentences({ accuracy, accuracy_random: random }) {
  const review = el("a", { href: "#/review" }, "Review");
  if (!accuracy.labelled) return ["Not enough data: accuracy needs labels. Add some in ", review, "."];
  const others = otherSentences(accuracy);
  if (!random.labelled) {
    return ["Reviewers see uncertain predictions more often than others, so the model is probably better than this. ", review,
      ` also offers a random sample; its labels give an unbiased accuracy.${others}`];
  }
  return ["The random sample of ", review, ` gives the unbiased accuracy. Reviewers see uncertain predictions more often than `,
    `others, so the accuracy over all labels is not that of the model.${others}`];
}

/**
 * @param {Figure} figure
 * @param {Stats} stats
 */
function showDigits(figure, { count, digits }) {
  const counts = DIGITS.map((digit) => digits[digit].count);
  const [most, least] = [counts.indexOf(Math.max(...counts)), counts.indexOf(Math.min(...counts))];
  const share = (/** @type {number} */ digit) => percent(counts[digit] / count);
  const others = Object.keys(digits).filter((name) => !DIGITS.includes(name));
  const more = others.length ? ` The table also has ${countOf(others.length, "prediction")} other than a digit.` : "";
  figure.show({
    plot: (size) => bars(size, { texts: DIGITS, series: [{ kind: "now", values: counts }], format: counted, minStep: 1 }),
    sentence: `${most} was predicted most often (${share(most)}), ${least} least often (${share(least)}).${more}`,
    columns: ["Prediction", "Drawings", "Share", "Mean confidence"],
    rows: () => [...DIGITS, ...others].map((name) => {
      const { count: size, mean_confidence: mean } = digits[name];
      return [name, counted(size), percent(size / count, 1), shareText(mean)];
    }),
  });
}

/**
 * @param {Figure} figure
 * @param {Stats} stats
 */
function showConfidence(figure, { count, confidence_histogram: bins }) {
  const share = (/** @type {number} */ from, /** @type {number} */ to) =>
    percent(bins.slice(from, to).reduce((sum, bin) => sum + bin.count, 0) / count);
  figure.show({
    plot: (size) => bars(size, {
      texts: [...bins.map((bin) => percent(bin.from)), "100 %"],
      series: [{ kind: "now", values: bins.map((bin) => bin.count) }],
      format: counted,
      minStep: 1,
    }),
    sentence: `${share(9, 10)} of the predictions have a confidence of at least 90 %, ${share(0, 5)} of less than 50 %.`,
    columns: ["Confidence", "Drawings", "Share"],
    rows: () => bins.map((bin) => [`${percent(bin.from)} to ${percent(bin.to)}`, counted(bin.count), percent(bin.count / count, 1)]),
  });
}

/** @param {[string, VersionStats][]} versions */
function versionTable(versions) {
  const columns = ["Model version", "Drawings", "Mean confidence", "Not a digit", "Labelled", "Accuracy", "95 % interval"];
  const rows = versions.map(([name, { count, mean_confidence: mean, not_a_digit_share: others, accuracy }]) => [
    name,
    counted(count),
    shareText(mean),
    shareText(others ?? null),
    ...accuracyCells(accuracy),
  ]);
  return createTable("Model versions compared", columns, rows);
}

/** Make the section. */
export function createTotals() {
  const tiles = el("dl", { class: "tiles" });
  const bias = el("p");
  const versions = el("div");
  const nothing = el("p", {}, "There are no drawings here. ", el("a", { href: "#/draw" }, "Draw one"), ".");
  const digits = createFigure("Predicted digits");
  const confidence = createFigure("Confidence");
  const pair = el("div", { class: "pair" }, digits.element, confidence.element);

  return createSection("Totals", {
    children: [tiles, bias, versions, nothing, pair],
    load: ({ period, version }, signal) =>
      /** @type {Promise<Stats>} */ (read("stats", { ...period, model_version: version }, { signal })),
    show(stats) {
      tiles.replaceChildren(...tilesOf(stats));
      bias.replaceChildren(...biasSentences(stats));
      const byVersion = Object.entries(stats.model_versions);
      versions.replaceChildren(...(byVersion.length > 1 ? [versionTable(byVersion)] : []));
      nothing.hidden = stats.count > 0;
      pair.hidden = bias.hidden = !stats.count;
      if (!stats.count) return;
      showDigits(digits, stats);
      showConfidence(confidence, stats);
    },
  });
}
