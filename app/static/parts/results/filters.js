/** The filters of the list. The address holds them, named as in the API. */

import { read } from "../../lib/api.js";
import { el, isRoomy } from "../../lib/dom.js";
import { DIGITS, labelName, NOT_A_DIGIT } from "../../lib/format.js";
import { FIRST_DAY, forgetTyped, LAST_DAY, onSettled, showValue } from "../../lib/settled.js";

/** @import { ModelVersions } from "../../lib/types.js" */

const DAY = /^\d{4}-\d\d-\d\d$/;
const DAYS = { type: "date", min: FIRST_DAY, max: LAST_DAY };

/**
 * @param {string} value
 * @param {string} [text]
 */
function option(value, text = value) {
  return el("option", { value }, text);
}

/**
 * Return the moment at which a day begins in the reader's time zone.
 *
 * @param {string} day
 * @param {number} [later] in days
 */
function beginningOf(day, later = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}

/**
 * Return the parameters of the API for an address. A day stands for the reader's whole day; a time stays as it is.
 *
 * @param {URLSearchParams} params
 * @returns {Record<string, string>}
 */
export function toQuery(params) {
  const query = Object.fromEntries(params);
  if (DAY.test(query.since)) query.since = beginningOf(query.since);
  if (DAY.test(query.until)) query.until = beginningOf(query.until, 1);
  return query;
}

/**
 * Make the form; `show(params)` fills it in.
 *
 * @param {(params: URLSearchParams, isContinued: boolean) => void} onchange called with the parameters of the new address;
 *   `isContinued`: the same field was changed just before
 */
export function createFilters(onchange) {
  let shown = new URLSearchParams();
  const prediction = el("select", {}, option("", "any"), DIGITS.map((digit) => option(digit)));
  const label = el(
    "select",
    {},
    option("", "any or none"),
    option("labelled=false", "none"),
    option("labelled=true", "any"),
    [...DIGITS, NOT_A_DIGIT].map((value) => option(`label=${value}`, labelName(value))),
  );
  const likeness = el("select", {}, option("", "anything"), option("0.5", "not a digit"));
  const from = percentInput("Minimum confidence in percent");
  const to = percentInput("Maximum confidence in percent");
  const since = el("input", DAYS);
  const until = el("input", DAYS);
  const version = el("select", {}, option("", "any"));
  const notes = el("input", { type: "search", maxlength: "200" });
  const summary = el("summary");
  let hasVersions = false;
  const element = el(
    "details",
    { class: "filters card" },
    summary,
    el(
      "form",
      { "aria-label": "Filters" },
      field("Prediction", prediction),
      field("Looks like", likeness),
      field("Label", label),
      el("span", { class: "field" }, "Confidence in %", el("span", { class: "range" }, from, "–", to)),
      field("From", since),
      field("To", until),
      field("Model version", version),
      field("Notes contain", notes),
    ),
  );
  element.open = isRoomy();

  /**
   * Change some parameters of the address. The others stay, even those that this form cannot show exactly.
   *
   * @param {Record<string, string>} changes
   * @param {boolean} isContinued
   */
  function change(changes, isContinued) {
    const params = new URLSearchParams(shown);
    for (const [name, value] of Object.entries(changes)) {
      if (value) params.set(name, value);
      else params.delete(name);
    }
    onchange(params, isContinued);
  }

  /**
   * @param {HTMLInputElement | HTMLSelectElement} input
   * @param {(value: string) => Record<string, string>} changesOf
   */
  function bind(input, changesOf) {
    onSettled(input, (value, isContinued) => change(changesOf(value), isContinued));
  }

  bind(prediction, (value) => ({ prediction: value }));
  bind(likeness, (value) => ({ min_not_a_digit: value }));
  bind(label, (value) => ({ label: "", labelled: "", ...Object.fromEntries(new URLSearchParams(value)) }));
  bind(from, (value) => ({ min_confidence: value && fractionOf(value) }));
  bind(to, (value) => ({ max_confidence: value && fractionOf(value) }));
  bind(since, (value) => ({ since: value }));
  bind(until, (value) => ({ until: value }));
  bind(version, (value) => ({ model_version: value }));
  bind(notes, (value) => ({ notes_contains: value }));
  element.addEventListener("submit", (event) => event.preventDefault());

  /** @param {URLSearchParams} params */
  function show(params) {
    shown = params;
    addVersions();
    const value = (/** @type {string} */ name) => params.get(name) ?? "";
    const inPercent = (/** @type {string} */ name) => value(name) && String(Number((Number(value(name)) * 100).toFixed(4)));
    addOption(prediction, value("prediction"));
    showValue(prediction, value("prediction"));
    addOption(likeness, value("min_not_a_digit"));
    showValue(likeness, value("min_not_a_digit"));
    showValue(label, ["label", "labelled"].filter((name) => params.has(name)).map((name) => `${name}=${value(name)}`).join(""));
    showValue(from, inPercent("min_confidence"));
    showValue(to, inPercent("max_confidence"));
    showValue(since, value("since").slice(0, 10));
    showValue(until, value("until").slice(0, 10));
    addOption(version, value("model_version"));
    showValue(version, value("model_version"));
    showValue(notes, value("notes_contains"));
    const count = [...params].length;
    summary.textContent = count ? `Filters (${count} in use)` : "Filters";
  }

  /**
   * Add an option unless it is there.
   *
   * @param {HTMLSelectElement} select
   * @param {string} value
   */
  function addOption(select, value) {
    if (![...select.options].some((known) => known.value === value)) select.append(option(value));
  }

  async function addVersions() {
    if (hasVersions || !element.isConnected) return;
    try {
      const { models } = /** @type {ModelVersions} */ (await read("models"));
      for (const model of models) addOption(version, model.version);
      hasVersions = true;
    } catch {
      // The list of results shows the error; the other filters work without.
    }
  }

  // The list may need a key.
  window.addEventListener("keychange", addVersions);
  return { element, show, forgetTyped: () => [from, to, since, until, notes].forEach(forgetTyped) };
}

/**
 * @param {string} name
 * @param {HTMLElement} input
 */
function field(name, input) {
  return el("label", { class: "field" }, name, input);
}

/**
 * Return a percentage as a fraction, without an exponent, which the API would not read.
 *
 * @param {string} percent
 */
function fractionOf(percent) {
  return String(Number((Number(percent) / 100).toFixed(6)));
}

/** @param {string} name */
function percentInput(name) {
  return el("input", { type: "number", min: "0", max: "100", step: "any", inputmode: "decimal", "aria-label": name });
}
