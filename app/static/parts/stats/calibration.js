/** Calibration: does confidence equal accuracy? */

import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, percent } from "../../lib/format.js";
import { createFigure } from "./figure.js";
import { isCalibrated, reliability } from "./plots.js";
import { createSection } from "./section.js";
import { intervalText, shareText } from "./table.js";

/** @import { Calibration } from "../../lib/types.js" */
/** @import { Figure } from "./figure.js" */
/** @import { Selection } from "./section.js" */

/** @typedef {{found: Calibration, random?: Calibration}} Found `random`: the random sample, when it has too few labels */

/**
 * Say which labels calibration was computed from.
 *
 * @param {Found} found
 */
function sampleInWords({ found: { labelled }, random }) {
  if (!random) return `Computed from all ${counted(labelled)} labelled drawings of the random sample.`;
  return (
    `Computed from all ${counted(labelled)} labelled drawings. Reviewers see uncertain predictions more often than others, so ` +
    `the model looks worse than it is. The random sample has ${countOf(random.labelled, "label")} and needs ${counted(random.needed)}.`
  );
}

/**
 * @param {Figure} figure
 * @param {Calibration} calibration
 */
function showReliability(figure, { bins }) {
  const calibrated = bins.filter(isCalibrated).length;
  figure.show({
    plot: (size) => reliability(size, { bins, format: (share) => percent(share) }),
    sentence:
      `Ten groups of predictions, ordered by confidence. On the dashed line accuracy equals confidence. ` +
      `For ${calibrated} of ${bins.length} groups chance explains the distance from it.`,
    columns: ["Confidence", "Drawings", "Mean confidence", "Accuracy", "95 % interval", "Explained by chance"],
    rows: () =>
      // Good models are above 99.9 %.
      bins.map((bin) => [
        `${percent(bin.from, 4)} to ${percent(bin.to, 4)}`,
        counted(bin.count),
        percent(bin.mean_confidence, 4),
        percent(bin.accuracy, 1),
        intervalText(bin.interval),
        isCalibrated(bin) ? "yes" : "no",
      ]),
  });
}

/**
 * Load the random sample, which is unbiased, or all labels while it has too few.
 *
 * @param {Selection} selection
 * @param {AbortSignal} signal
 * @returns {Promise<Found>}
 */
async function load({ period: { since, until }, version }, signal) {
  const params = { since, until, model_version: version };
  const random = /** @type {Calibration} */ (await read("stats/calibration", { ...params, sample: "random" }, { signal }));
  if (random.status === "ok") return { found: random };
  return { found: await read("stats/calibration", params, { signal }), random };
}

/** Make the section. */
export function createCalibration() {
  const figure = createFigure("Accuracy by confidence");
  figure.element.classList.add("square");
  const verdict = el("p", { class: "verdict" });
  const about = el("p");
  const error = el("p");
  return createSection("Calibration", {
    children: [el("div", { class: "pair" }, el("div", {}, verdict, about, error), figure.element)],
    load,
    show(found) {
      const { status, labelled, needed, mean_confidence: confidence, accuracy, expected_calibration_error: distance } = found.found;
      figure.element.hidden = error.hidden = status !== "ok";
      if (status !== "ok" || distance === null) {
        verdict.textContent = "Not enough data";
        about.replaceChildren(
          `${countOf(labelled, "label")} of ${counted(needed)}; ${counted(needed - labelled)} are missing. `,
          el("a", { href: "#/review" }, "Label some drawings"),
          ".",
        );
        return;
      }
      verdict.textContent = `Mean confidence ${shareText(confidence)}, accuracy ${shareText(accuracy)}`;
      about.textContent = sampleInWords(found);
      error.textContent =
        `The expected calibration error is ${distance.toFixed(3)}: in a group of predictions of similar confidence, confidence ` +
        `and accuracy differ by ${(100 * distance).toFixed(1)} points on average. Chance causes some of it.`;
      showReliability(figure, found.found);
    },
  });
}
