/** The model versions: which is live, what each has predicted, and how good it is. */

import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";
import { counted, countOf, utcDate } from "../../lib/format.js";
import { createSection } from "./section.js";
import { intervalText, missingLabels, pValueText, shareText } from "./table.js";

/** @import { ModelVersion, ModelVersions, ShadowStats } from "../../lib/types.js" */

/** @param {ShadowStats} shadow */
function shadowInWords({ predictions, agreement, accuracy, accuracy_answered: live, p_value: p }) {
  const agreed = `As the shadow model it read ${countOf(predictions, "drawing")} and agreed with the live model on ${shareText(agreement)}.`;
  if (!accuracy.labelled) return `${agreed} None of them has a label yet.`;
  const significance = p < 0.05 ? "more than chance explains" : "no more than chance explains";
  return (
    `${agreed} On the ${counted(accuracy.labelled)} with a label its accuracy is ${shareText(accuracy.accuracy)}, that of the ` +
    `live model ${shareText(live.accuracy)}: ${significance} (McNemar, ${pValueText(p)}). Most labels are of drawings that ` +
    "the live model was unsure of, which favours any other model. Decide by the drawings drawn at random in a replay."
  );
}

/** @param {ModelVersion} model */
function createModelVersion(model) {
  const { version, loaded, sha256, predictions, mean_confidence: mean, first_seen: first, last_seen: last, shadow } = model;
  const { labelled, accuracy, interval } = model.accuracy;
  const facts = [
    { name: "SHA-256", value: sha256 ? el("code", { title: sha256 }, `${sha256.slice(0, 12)}…`) : "unknown" },
    { name: "Predictions", value: countOf(predictions, "drawing") },
    { name: "Mean confidence", value: shareText(mean) },
    { name: "Accuracy", value: missingLabels(model.accuracy) || `${shareText(accuracy)} of ${counted(labelled)} labelled (${interval && intervalText(interval)})` },
    { name: "Used", value: first && last ? `${utcDate(first)} to ${utcDate(last)}` : "never" },
  ];
  return el(
    "article",
    { class: "model" },
    el("h3", {}, version, " ", el("span", { class: "quiet" }, loaded ?? "not loaded")),
    el("dl", {}, facts.map(({ name, value }) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    shadow && el("p", {}, shadowInWords(shadow)),
  );
}

/**
 * Make the section.
 *
 * @param {(names: string[]) => void} onversions called with the versions that have predictions
 */
export function createModelVersions(onversions) {
  const list = el("div", { class: "models" });
  return createSection("Model versions", {
    children: [list],
    load: (_, signal) => /** @type {Promise<ModelVersions>} */ (read("models", {}, { signal })),
    show({ models }) {
      list.replaceChildren(...models.map(createModelVersion));
      onversions([...new Set(models.filter(({ predictions }) => predictions).map(({ version }) => version))]);
    },
  });
}
