/** The parts of Numbers that judge: is confidence honest, are the drawings still the same, which model is how good. */

import { DIGITS, percent } from "../labeller.js";
import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, createFigure, written } from "./figure.js";
import { interval } from "./totals.js";
import { createPart } from "./section.js";
import { bars, isHonest, reliability } from "./plots.js";

const wholePercent = (share) => percent(share);

/** What each signal of drift is called, and in what it is measured; shares have no unit of their own. */
const SIGNALS = {
  digits: { name: "Share of each digit" },
  confidence: { name: "Confidence", unit: "%" },
  ink: { name: "Ink, mean of all pixels", unit: "of 255" },
  peak: { name: "Darkest pixel", unit: "of 255" },
  box: { name: "Longer side of the digit", unit: "pixels" },
  offset_x: { name: "Right of the middle", unit: "pixels" },
  offset_y: { name: "Below the middle", unit: "pixels" },
  stroke_width: { name: "Width of the strokes", unit: "pixels" },
};

/** Say over what calibration was counted; `random` is there where too little of what was drawn at random is labelled. */
function countedOver({ labelled }, random) {
  if (!random) return `Counted over all ${counted(labelled)} labelled drawings that Review drew at random.`;
  return (
    `Counted over all ${counted(labelled)} labelled drawings. People look at doubtful ones more than at others, so the ` +
    `model looks worse than it is; of those that Review drew at random ${counted(random.labelled)} are labelled, and it ` +
    `takes ${counted(random.needed)}.`
  );
}

function showReliability(figure, { bins }) {
  const honest = bins.filter(isHonest).length;
  figure.show({
    plot: reliability,
    data: { bins, format: wholePercent },
    sentence:
      `Ten groups of answers, the least sure first; on the dashed line confidence is honest. ` +
      `${honest} of ${bins.length} lie as close to it as chance explains.`,
    columns: ["Confidence", "Drawings", "Mean confidence", "Accuracy", "95 % interval", "Explained by chance"],
    rows: () =>
      bins.map((bin) => [
        `${percent(bin.from, 1)} to ${percent(bin.to, 1)}`,
        counted(bin.count),
        percent(bin.mean_confidence, 1),
        percent(bin.accuracy, 1),
        interval(bin.interval),
        isHonest(bin) ? "yes" : "no",
      ]),
  });
}

/** Make the part with the reliability diagram. */
export function createCalibration() {
  const figure = createFigure("How right beside how sure");
  figure.element.classList.add("square");
  const verdict = el("p", { class: "verdict" });
  const about = el("p");
  const error = el("p");
  return createPart("Is confidence honest?", {
    children: [el("div", { class: "pair" }, el("div", {}, verdict, about, error), figure.element)],
    /** What was drawn at random is unbiased; as long as too little of it is labelled, everything labelled must do. */
    async ask({ period, version }, signal) {
      const params = { since: period.since, until: period.until, model_version: version };
      const random = await read("stats/calibration", { ...params, sample: "random" }, { signal });
      if (random.status === "ok") return { found: random };
      return { found: await read("stats/calibration", params, { signal }), random };
    },
    show({ found, random }) {
      const enough = found.status === "ok";
      figure.element.hidden = error.hidden = !enough;
      if (!enough) {
        const { labelled, needed } = found;
        verdict.textContent = "Not enough data";
        about.replaceChildren(
          `${countOf(labelled, "drawing")} labelled; it takes ${counted(needed)}, so ${counted(needed - labelled)} are missing. `,
          el("a", { href: "#/review" }, "Label some"),
          ".",
        );
        return;
      }
      verdict.textContent = `${percent(found.mean_confidence, 1)} sure and ${percent(found.accuracy, 1)} right, on the average`;
      about.textContent = countedOver(found, random);
      error.textContent =
        `The expected calibration error is ${found.expected_calibration_error.toFixed(3)}: in a group of equally sure answers ` +
        `confidence and accuracy are ${(100 * found.expected_calibration_error).toFixed(1)} points apart on the average, some of it by chance.`;
      showReliability(figure, found);
    },
  });
}

function described({ count, since, until }) {
  const times = since ? ` (${written(since, true)} to ${written(until, true)} UTC)` : "";
  return countOf(count, "drawing") + times;
}

function driftInWords({ status, needed, window, reference, signals }) {
  if (status === "not enough data") {
    const [now, before] = [Math.max(0, needed - window.count), Math.max(0, needed - reference.count)];
    const missing = [now && `${counted(now)} newest`, before && `${counted(before)} before them`].filter(Boolean);
    return ["Not enough data", `It takes ${counted(needed)} drawings on both sides; missing: ${missing.join(" and ")}.`];
  }
  const drifted = signals.filter((signal) => signal.drifted).map(({ name }) => SIGNALS[name].name.toLowerCase());
  return status === "drift"
    ? ["Drift", `By more than chance, and by much, these have changed: ${drifted.join("; ")}.`]
    : ["No drift", "None of the signals differs both by more than chance and by much."];
}

/** Say what a signal is now and was before, and why that is drift or is not. */
function signalInWords({ name, window, reference, drifted, psi, psi_threshold: threshold, adjusted_p: p }, limits) {
  const mean = (value) => (name === "confidence" ? percent(value, 1) : `${value.toFixed(1)} ${SIGNALS[name].unit ?? ""}`.trim());
  const means = name === "digits" ? "" : `On the average ${mean(window)}, before ${mean(reference)}. `;
  const index = `PSI ${psi.toFixed(2)}, threshold ${threshold.toFixed(2)}`;
  if (drifted) return `${means}Drifted (${index}).`;
  return `${means}Not drifted: the difference ${p < limits.p ? "is small" : "may be chance"} (${index}).`;
}

function showSignal(figure, signal, limits) {
  const { name, histogram } = signal;
  const decimals = histogram.edges.at(-1) - histogram.edges[0] < 10 ? 1 : 0;
  const edgeText = name === "confidence" ? wholePercent : (edge) => edge.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1");
  const isDigits = name === "digits";
  figure.show({
    plot: bars,
    data: {
      labels: isDigits ? DIGITS : undefined,
      edges: isDigits ? undefined : histogram.edges.map(edgeText),
      series: [{ kind: "before", values: histogram.reference }, { kind: "now", values: histogram.window }],
      format: wholePercent,
      closest: 0.01,
    },
    sentence: signalInWords(signal, limits),
    columns: [isDigits ? "Digit" : "From", "Before", "Newest"],
    rows: () => histogram.window.map((value, place) => {
      const edge = histogram.edges[place];
      const begin = isDigits ? DIGITS[place] : name === "confidence" ? percent(edge, 1) : edge.toFixed(1);
      return [begin, percent(histogram.reference[place], 1), percent(value, 1)];
    }),
  });
  figure.element.classList.toggle("drifted", signal.drifted);
}

/** Make the part that compares the newest drawings with those before. */
export function createDrift() {
  const verdict = el("p", { class: "verdict" });
  const about = el("p");
  const compared = el("p", { class: "quiet" });
  const swatch = (kind) => el("span", { class: `swatch ${kind}` });
  const legend = el("p", { class: "legend" }, swatch("before"), "before", swatch("now"), "newest");
  const grid = el("div", { class: "signals" });
  const test = el("p", { class: "quiet" });
  const figures = new Map();

  function figureOf(name) {
    if (!figures.has(name)) {
      figures.set(name, createFigure(SIGNALS[name].name));
      grid.append(figures.get(name).element);
    }
    return figures.get(name);
  }

  return createPart("Are the drawings still the same?", {
    children: [verdict, about, compared, legend, grid, test],
    /** A period that somebody chose is compared with what came before it; else the newest with those right before. */
    ask: ({ period: { since, until }, version }, signal) =>
      read("stats/drift", { ...(since && { since, until }), model_version: version }, { signal }),
    show(drift) {
      const [headline, sentence] = driftInWords(drift);
      verdict.textContent = headline;
      verdict.className = `verdict ${{ drift: "bad", "no drift": "good" }[drift.status] ?? ""}`;
      about.replaceChildren(sentence);
      if (drift.status === "drift") {
        about.append(" Look at the drawings in ", el("a", { href: "#/history" }, "History"), " before anything else.");
      }
      compared.textContent = `Newest: ${described(drift.window)}. Before: ${described(drift.reference)}.`;
      legend.hidden = grid.hidden = test.hidden = !drift.signals.length;
      for (const signal of drift.signals) showSignal(figureOf(signal.name), signal, drift.thresholds);
      const { p, psi } = drift.thresholds;
      test.textContent =
        `A signal drifts when its difference is both certain (p below ${p}, corrected for ${drift.signals.length} signals) ` +
        `and large (a population stability index from ${psi} on, and more in small windows).`;
    },
  });
}

function shadowInWords({ predictions, agreement, accuracy, accuracy_answered: answered, p_value: p }) {
  const agreed = `In the shadow it saw ${countOf(predictions, "drawing")} and agreed on ${percent(agreement, 1)}.`;
  if (!accuracy.labelled) return `${agreed} None of them is labelled yet.`;
  const chance = p < 0.05 ? "more than chance explains" : "no more than chance explains";
  return (
    `${agreed} Of ${counted(accuracy.labelled)} labelled ones it read ${percent(accuracy.accuracy, 1)} right, where ` +
    `${percent(answered.accuracy, 1)} of what was answered is right: ${chance} (McNemar, p = ${p.toPrecision(2)}).`
  );
}

function createModel(model) {
  const { version, sha256, predictions, mean_confidence: mean, first_seen: first, last_seen: last, shadow } = model;
  const state = { live: "answers now", shadow: "listens in the shadow" }[model.loaded] ?? "not loaded";
  const { labelled, accuracy, interval: bounds } = model.accuracy;
  const facts = [
    ["SHA-256", sha256 ? el("code", { title: sha256 }, `${sha256.slice(0, 12)}…`) : "unknown"],
    ["Answered", countOf(predictions, "drawing")],
    ["Mean confidence", mean === null ? "–" : percent(mean, 1)],
    ["Accuracy", labelled ? `${percent(accuracy, 1)} of ${counted(labelled)} labelled (${interval(bounds)})` : "nothing labelled"],
    ["Seen", first ? `${written(first)} to ${written(last)}` : "never"],
  ];
  return el(
    "article",
    { class: "model" },
    el("h3", {}, version, " ", el("span", { class: "quiet" }, state)),
    el("dl", {}, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    shadow && el("p", {}, shadowInWords(shadow)),
  );
}

/** Make the part with the models; `onversions` is called with the names of those that answered something. */
export function createModels(onversions) {
  const list = el("div", { class: "models" });
  return createPart("Models", {
    children: [list],
    ask: (_, signal) => read("models", {}, { signal }),
    show({ models }) {
      list.replaceChildren(...models.map(createModel));
      onversions([...new Set(models.filter(({ predictions }) => predictions).map(({ version }) => version))]);
    },
  });
}
