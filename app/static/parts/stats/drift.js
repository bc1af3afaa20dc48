/** Drift: are the newest drawings like those before? */

import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, DIGITS, percent, utcDate } from "../../lib/format.js";
import { createFigure } from "./figure.js";
import { bars } from "./plots.js";
import { createSection } from "./section.js";

/** @import { Drift, DriftSignal, Thresholds, Window } from "../../lib/types.js" */
/** @import { Figure } from "./figure.js" */

/** @type {Record<string, {name: string, unit: string}>} the signals; shares have no unit */
const SIGNALS = {
  digits: { name: "Share of each digit", unit: "" },
  confidence: { name: "Confidence", unit: "" },
  not_a_digit: { name: "Not a digit", unit: "" },
  ink: { name: "Mean of all pixels", unit: "of 255" },
  peak: { name: "Darkest pixel", unit: "of 255" },
  box: { name: "Longer side of the digit", unit: "pixels" },
  offset_x: { name: "Offset to the right", unit: "pixels" },
  offset_y: { name: "Offset downwards", unit: "pixels" },
  stroke_width: { name: "Stroke width", unit: "pixels" },
};

// These are shares of 0 to 1.
const SHARES = ["confidence", "not_a_digit"];

/** @param {string} name */
function signalOf(name) {
  return SIGNALS[name] ?? { name, unit: "" };
}

/**
 * Write a number, without the sign of a rounded zero.
 *
 * @param {number} value
 * @param {number} decimals
 */
function fixed(value, decimals) {
  return value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1");
}

/** @param {Window} window */
function windowInWords({ count, since, until }) {
  const times = since && until ? ` (${utcDate(since, true)} to ${utcDate(until, true)} UTC)` : "";
  return countOf(count, "drawing") + times;
}

/**
 * Return a headline and a sentence.
 *
 * @param {Drift} drift
 */
function verdictInWords({ status, needed, window, reference, signals }) {
  if (status === "not enough data") {
    const [newest, before] = [needed - window.count, needed - reference.count];
    const older = newest > 0 ? "before them" : "before the newest";
    const missing = [newest > 0 && `${counted(newest)} newest`, before > 0 && `${counted(before)} ${older}`].filter(Boolean);
    return ["Not enough data", `Each side needs ${counted(needed)} drawings. Missing: ${missing.join(" and ")}.`];
  }
  const drifted = signals.filter((signal) => signal.drifted).map(({ name }) => signalOf(name).name.toLowerCase());
  return status === "drift"
    ? ["Drift", `These signals have changed significantly and by much: ${drifted.join("; ")}.`]
    : ["No drift", "No signal has changed both significantly and by much."];
}

/**
 * Compare a signal with what it was before, and say why that is drift or not.
 *
 * @param {DriftSignal} signal
 * @param {Thresholds} limits
 */
function signalInWords({ name, window, reference, drifted, psi, psi_threshold: threshold, adjusted_p: p }, limits) {
  /** @param {DriftSignal["window"]} value */
  const meanText = (value) => {
    if (typeof value !== "number") return "";
    return SHARES.includes(name) ? percent(value, 1) : `${fixed(value, 1)} ${signalOf(name).unit}`.trim();
  };
  const means = name === "digits" ? "" : `Mean ${meanText(window)}, before ${meanText(reference)}. `;
  const index = `PSI ${psi.toFixed(2)}, threshold ${threshold.toFixed(2)}`;
  if (drifted) return `${means}Drifted (${index}).`;
  return `${means}Not drifted: the difference ${p < limits.p ? "is small" : "may be chance"} (${index}).`;
}

/**
 * @param {Figure} figure
 * @param {DriftSignal} signal
 * @param {Thresholds} limits
 */
function showSignal(figure, signal, limits) {
  const { name, histogram: { edges, window, reference } } = signal;
  const isDigits = name === "digits";
  const isShare = SHARES.includes(name);
  const decimals = edges[edges.length - 1] - edges[0] < 10 ? 1 : 0;
  const edgeText = (/** @type {number} */ edge) => (isShare ? percent(edge) : fixed(edge, decimals));
  figure.show({
    plot: (size) => bars(size, {
      texts: isDigits ? DIGITS : edges.map(edgeText),
      series: [{ kind: "before", values: reference }, { kind: "now", values: window }],
      format: (share) => percent(share),
      minStep: 0.01,
    }),
    sentence: signalInWords(signal, limits),
    columns: [isDigits ? "Digit" : "From", "Before", "Newest"],
    rows: () => window.map((share, place) => {
      const begin = isDigits ? DIGITS[place] : isShare ? percent(edges[place], 1) : edges[place].toFixed(1);
      return [begin, percent(reference[place], 1), percent(share, 1)];
    }),
  });
}

/** Make the section. */
export function createDrift() {
  const verdict = el("p", { class: "verdict" });
  const about = el("p");
  const compared = el("p", { class: "quiet" });
  const swatch = (/** @type {string} */ kind) => el("span", { class: `swatch ${kind}` });
  const legend = el("p", { class: "legend" }, swatch("before"), "before", swatch("now"), "newest");
  const grid = el("div", { class: "signals" });
  const rule = el("p", { class: "quiet" });
  /** @type {Map<string, Figure>} */
  const figures = new Map();

  /** @param {string} name */
  function figureOf(name) {
    const figure = figures.get(name) ?? createFigure(signalOf(name).name);
    if (!figures.has(name)) grid.append(figure.element);
    figures.set(name, figure);
    return figure;
  }

  return createSection("Drift", {
    children: [verdict, about, compared, legend, grid, rule],
    // A chosen period is compared with the drawings before it; otherwise the newest with those right before them.
    async load({ period: { since, until }, version }, signal) {
      // A period without a beginning has nothing before it, and one that ends before it begins has no drawings.
      if (until && (!since || since >= until)) return null;
      return /** @type {Drift} */ (await read("stats/drift", { ...(since && { since, until }), model_version: version }, { signal }));
    },
    show(drift) {
      const [headline, sentence] = drift ? verdictInWords(drift) : ["No period", "Choose From, earlier than Before, to see the drift of a period."];
      verdict.textContent = headline;
      verdict.classList.toggle("bad", drift?.status === "drift");
      verdict.classList.toggle("good", drift?.status === "no drift");
      about.replaceChildren(sentence);
      compared.hidden = legend.hidden = grid.hidden = rule.hidden = !drift;
      if (!drift) return;
      if (drift.status === "drift") about.append(" Look at the drawings in ", el("a", { href: "#/results" }, "Results"),
        " first. After a change of the model, select its version: the answers of two models differ without any drift.");
      compared.textContent = `Newest: ${windowInWords(drift.window)}. Before: ${windowInWords(drift.reference)}.`;
      legend.hidden = grid.hidden = rule.hidden = !drift.signals.length;
      // The service leaves out a signal of too few drawings.
      for (const { element } of figures.values()) element.hidden = true;
      for (const signal of drift.signals) {
        const figure = figureOf(signal.name);
        figure.element.hidden = false;
        showSignal(figure, signal, drift.thresholds);
        figure.element.classList.toggle("drifted", signal.drifted);
      }
      const { p, psi } = drift.thresholds;
      rule.textContent =
        `A signal drifts when its difference is significant (p below ${p}, corrected for ${drift.signals.length} signals) ` +
        `and large (a population stability index of at least ${psi}, more in small windows).`;
    },
  });
}
