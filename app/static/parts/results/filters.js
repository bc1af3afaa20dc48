/** The filters of the history. What they are set to stands in the address, in the words of the API. */

import { DIGITS, labelName, NONE } from "../labeller.js";
import { read } from "../../lib/api.js";
import { el } from "../../lib/dom.js";

const DAY = /^\d{4}-\d\d-\d\d$/;

function option(value, text = value) {
  return el("option", { value }, text);
}

/** Return the moment at which a day, as the reader's calendar has it, begins; `later` days after it. */
function beginningOf(day, later = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}

/**
 * Return what the address asks for as the parameters of the API. A day in it is a whole day where the reader is; a time
 * is handed on as it came.
 */
export function toQuery(params) {
  const query = Object.fromEntries(params);
  if (DAY.test(query.since)) query.since = beginningOf(query.since);
  if (DAY.test(query.until)) query.until = beginningOf(query.until, 1);
  return query;
}

/** Make the form. `onchange(params)` is called with what the address should ask for; `show(params)` fills it in. */
export function createFilters(onchange) {
  let shown = new URLSearchParams();
  const prediction = el("select", {}, option("", "anything"), DIGITS.map((digit) => option(digit)));
  const label = el(
    "select",
    {},
    option("", "anything or nothing"),
    option("labelled=false", "nothing yet"),
    option("labelled=true", "anything"),
    [...DIGITS, NONE].map((value) => option(`label=${value}`, labelName(value))),
  );
  const from = percentage("Confidence from, in percent");
  const to = percentage("Confidence to, in percent");
  const since = el("input", { type: "date" });
  const until = el("input", { type: "date" });
  const version = el("select", {}, option("", "any"));
  const notes = el("input", { type: "search", maxlength: "200" });
  const summary = el("summary", {});
  const element = el(
    "details",
    { class: "filters card" },
    summary,
    el(
      "form",
      { "aria-label": "Filters" },
      field("The model said", prediction),
      field("A person said", label),
      el("span", { class: "field" }, "Confidence in %", el("span", { class: "range" }, from, "–", to)),
      field("From", since),
      field("To", until),
      field("Model version", version),
      field("Notes contain", notes),
    ),
  );
  element.open = matchMedia("(min-width: 761px)").matches;

  /** Change one thing in the address; what this form cannot say as precisely stays as it is. */
  function set(changes) {
    const params = new URLSearchParams(shown);
    for (const [name, value] of Object.entries(changes)) {
      if (value) params.set(name, value);
      else params.delete(name);
    }
    onchange(params);
  }

  function bind(input, changesOf) {
    input.addEventListener("change", () => input.reportValidity() && set(changesOf(input.value)));
  }

  bind(prediction, (value) => ({ prediction: value }));
  bind(label, (value) => ({ label: "", labelled: "", ...Object.fromEntries(new URLSearchParams(value)) }));
  bind(from, (value) => ({ min_confidence: value && String(value / 100) }));
  bind(to, (value) => ({ max_confidence: value && String(value / 100) }));
  bind(since, (value) => ({ since: value }));
  bind(until, (value) => ({ until: value }));
  bind(version, (value) => ({ model_version: value }));
  bind(notes, (value) => ({ notes_contains: value }));
  element.addEventListener("submit", (event) => event.preventDefault());

  function show(params) {
    shown = params;
    const value = (name) => params.get(name) ?? "";
    const inPercent = (name) => (value(name) ? String(Number((value(name) * 100).toFixed(4))) : "");
    offer(prediction, value("prediction"));
    prediction.value = value("prediction");
    label.value = ["label", "labelled"].filter((name) => params.has(name)).map((name) => `${name}=${value(name)}`).join("");
    from.value = inPercent("min_confidence");
    to.value = inPercent("max_confidence");
    since.value = value("since").slice(0, 10);
    until.value = value("until").slice(0, 10);
    offer(version, value("model_version"));
    version.value = value("model_version");
    notes.value = value("notes_contains");
    summary.textContent = params.size ? `Filters (${params.size} in use)` : "Filters";
  }

  /** Have a choice in the list that may not be in it yet. */
  function offer(select, name) {
    if (![...select.options].some((known) => known.value === name)) select.append(option(name));
  }

  async function offerVersions() {
    try {
      const { models } = await read("models");
      for (const model of models) offer(version, model.version);
    } catch {
      // The list says what is wrong; without versions to choose from the other filters still work.
    }
  }

  offerVersions();
  return { element, show };
}

function field(name, input) {
  return el("label", { class: "field" }, name, input);
}

function percentage(name) {
  return el("input", { type: "number", min: "0", max: "100", step: "any", inputmode: "decimal", "aria-label": name });
}
