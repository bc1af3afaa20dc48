/** Which predictions the stats count: the form, and the address that holds what was chosen. */

import { button, el } from "../../lib/dom.js";
import { FIRST_DAY, forgetTyped, LAST_DAY, onSettled, showValue } from "../../lib/settled.js";

/** @import { Selection } from "./section.js" */

// Fast for any number of rows.
const DEFAULT_LAST = "1000";
const BUCKETS = ["hour", "day", "week"];
const WEEK_MS = 7 * 24 * 3600 * 1000;
const TIMES = { type: "datetime-local", min: `${FIRST_DAY}T00:00`, max: `${LAST_DAY}T23:59` };

/**
 * Read a selection from the parameters of the address.
 *
 * @param {URLSearchParams} params
 * @returns {Selection}
 */
export function parseSelection(params) {
  const [since, until] = [params.get("since"), params.get("until")];
  const last = params.get("last") ?? DEFAULT_LAST;
  const bucket = params.get("bucket") ?? "";
  return {
    period: since || until ? { since, until } : last === "all" ? {} : { last: /^[1-9]\d{0,5}$/.test(last) ? last : DEFAULT_LAST },
    bucket: BUCKETS.includes(bucket) ? bucket : "day",
    version: params.get("model_version") ?? "",
  };
}

/** @param {Selection} selection */
function addressOf({ period: { since, until, last }, bucket, version }) {
  const params = new URLSearchParams();
  if (last) params.set("last", last);
  else if (!since && !until) params.set("last", "all");
  if (since) params.set("since", since);
  if (until) params.set("until", until);
  if (version) params.set("model_version", version);
  if (bucket !== "day") params.set("bucket", bucket);
  // An address may hold colons, which keep times legible.
  return `#/stats?${String(params).replaceAll("%3A", ":")}`;
}

/**
 * Write a time in UTC for <input type="datetime-local">.
 *
 * @param {string | null | undefined} text
 */
function inputTime(text) {
  const time = new Date(/T[\d:.]+$/.test(text ?? "") ? `${text}Z` : (text ?? ""));
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 16);
}

/** @param {HTMLInputElement} field */
function validValue({ value, validity }) {
  return validity.valid ? value : "";
}

/**
 * @param {string} text
 * @param {HTMLElement} control
 */
function labelled(text, control) {
  return el("div", {}, el("label", { for: control.id }, text), control);
}

/**
 * Make the form. What is chosen goes into the address, which `show(selection)` comes from.
 *
 * @param {() => unknown} onreload
 */
export function createSelectionForm(onreload) {
  const period = el("select", { id: "period" });
  const since = el("input", { ...TIMES, id: "since" });
  const until = el("input", { ...TIMES, id: "until" });
  const version = el("select", { id: "version" });
  const bucket = el("select", { id: "bucket" }, BUCKETS.map((name) => el("option", { value: name }, name)));
  const times = el("div", { class: "times" }, labelled("From (UTC)", since), labelled("Before (UTC)", until));
  const element = el(
    "form",
    { class: "stats-selection", "aria-label": "Selection", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    labelled("Drawings", period),
    times,
    labelled("Model version", version),
    labelled("Over time by", bucket),
    button("Reload", onreload),
  );
  /** @type {string[]} */
  let versions = [];

  /** @param {boolean} isContinued whether the same field was changed just before */
  function choose(isContinued) {
    /** @type {Selection["period"]} */
    let chosen = period.value === "all" ? {} : { last: period.value };
    if (period.value === "time") {
      chosen = { since: validValue(since), until: validValue(until) };
      if (!chosen.since && !chosen.until) {
        forgetTyped(since);
        chosen.since = inputTime(new Date(Date.now() - WEEK_MS).toISOString());
      }
    }
    const address = addressOf({ period: chosen, bucket: bucket.value, version: version.value });
    if (isContinued) location.replace(address);
    else location.hash = address;
  }

  function forgetTimes() {
    [since, until].forEach(forgetTyped);
  }

  /** @param {string} chosen */
  function fillVersions(chosen) {
    const names = chosen && !versions.includes(chosen) ? [...versions, chosen] : versions;
    const options = names.map((name) => el("option", { value: name }, name));
    version.replaceChildren(el("option", { value: "" }, "all versions"), ...options);
    version.value = chosen;
  }

  /** @param {Selection} selection */
  function show(selection) {
    const { last, since: from, until: to } = selection.period;
    const lasts = [...new Set(["100", DEFAULT_LAST, ...(last ? [last] : [])])].sort((a, b) => Number(a) - Number(b));
    period.replaceChildren(
      ...lasts.map((count) => el("option", { value: count }, `newest ${Number(count).toLocaleString("en")}`)),
      el("option", { value: "all" }, "all"),
      el("option", { value: "time" }, "from … to …"),
    );
    const isTime = Boolean(from || to);
    period.value = isTime ? "time" : (last ?? "all");
    times.hidden = !isTime;
    if (!isTime) forgetTimes();
    showValue(since, inputTime(from));
    showValue(until, inputTime(to));
    bucket.value = selection.bucket;
    fillVersions(selection.version);
  }

  /** @param {string[]} names */
  function setVersions(names) {
    versions = names;
    fillVersions(version.value);
  }

  for (const field of [period, since, until, version, bucket]) onSettled(field, (_, isContinued) => choose(isContinued));
  return { element, show, setVersions, forgetTyped: forgetTimes };
}
