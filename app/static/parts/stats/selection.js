/** Which predictions the stats count: the form, and the address that holds what was chosen. */

import { button, el } from "../../lib/dom.js";

/** @import { Selection } from "./section.js" */

// Fast for any number of rows.
const DEFAULT_LAST = "1000";
const BUCKETS = ["hour", "day", "week"];
const WEEK_MS = 7 * 24 * 3600 * 1000;

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
  const period = el("select", { id: "period", onchange: choose });
  const since = el("input", { type: "datetime-local", id: "since", onchange: choose });
  const until = el("input", { type: "datetime-local", id: "until", onchange: choose });
  const version = el("select", { id: "version", onchange: choose });
  const bucket = el("select", { id: "bucket", onchange: choose }, BUCKETS.map((name) => el("option", { value: name }, name)));
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

  function choose() {
    /** @type {Selection["period"]} */
    let chosen = period.value === "all" ? {} : { last: period.value };
    if (period.value === "time") {
      if (!since.value && !until.value) since.value = inputTime(new Date(Date.now() - WEEK_MS).toISOString());
      chosen = { since: since.value, until: until.value };
    }
    location.hash = addressOf({ period: chosen, bucket: bucket.value, version: version.value });
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
    since.value = inputTime(from);
    until.value = inputTime(to);
    bucket.value = selection.bucket;
    fillVersions(selection.version);
  }

  /** @param {string[]} names */
  function setVersions(names) {
    versions = names;
    fillVersions(version.value);
  }

  return { element, show, setVersions };
}
