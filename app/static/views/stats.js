/** The view with the numbers: over which drawings, of which version, and the parts that show them. */

import { el, loadStyle } from "../lib/dom.js";
import { createCalibration, createDrift, createModels } from "../parts/stats/drift.js";
import { createNotice } from "../parts/notice.js";
import { createTimeline, createTotals } from "../parts/stats/totals.js";
import { isEverywhere } from "../parts/stats/section.js";

await loadStyle("static/views/stats.css");

// Fast however many there are; whoever wants all of them says so.
const LAST = "1000";
const BUCKETS = ["hour", "day", "week"];
const WEEK_MS = 7 * 24 * 3600 * 1000;

/** What the address asks for: `period` holds parameters of the API. */
function queryOf(params) {
  const [since, until, last] = [params.get("since"), params.get("until"), params.get("last") ?? LAST];
  const bucket = BUCKETS.includes(params.get("bucket")) ? params.get("bucket") : "day";
  const period = since || until ? { since, until } : last === "all" ? {} : { last: /^[1-9]\d{0,5}$/.test(last) ? last : LAST };
  return { period, bucket, version: params.get("model_version") ?? "" };
}

function addressOf({ period, bucket, version }) {
  const chosen = { ...period, model_version: version, bucket: bucket === "day" ? "" : bucket };
  if (!period.since && !period.until) chosen.last = period.last ?? "all";
  const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  // A colon may stand there as it is, and a time is legible then.
  return `#/numbers?${String(query).replaceAll("%3A", ":")}`;
}

/** Write a time as <input type="datetime-local"> takes it, in UTC as everywhere here. */
function inputTime(text) {
  const time = new Date(/T[\d:.]+$/.test(text) ? `${text}Z` : (text ?? ""));
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 16);
}

/** The controls with which a person chooses; a choice goes into the address, and comes back from there. */
function createChoices(onreload) {
  const period = el("select", { id: "period", onchange: choose });
  const since = el("input", { type: "datetime-local", id: "since", onchange: choose });
  const until = el("input", { type: "datetime-local", id: "until", onchange: choose });
  const version = el("select", { id: "version", onchange: choose });
  const bucket = el("select", { id: "bucket", onchange: choose }, BUCKETS.map((name) => el("option", { value: name }, name)));
  const labelled = (text, control) => el("div", {}, el("label", { for: control.id }, text), control);
  const times = el("div", { class: "times" }, labelled("From (UTC)", since), labelled("Before (UTC)", until));
  const element = el(
    "form",
    { class: "choices-of-numbers", "aria-label": "Which drawings", onsubmit: (event) => event.preventDefault() },
    labelled("Drawings", period),
    times,
    labelled("Model version", version),
    labelled("Over time by", bucket),
    el("button", { type: "button", onclick: onreload }, "Reload"),
  );
  let versions = [];

  function choose() {
    let chosen = period.value === "all" ? {} : { last: period.value };
    if (period.value === "time") {
      if (!since.value && !until.value) since.value = inputTime(new Date(Date.now() - WEEK_MS).toISOString());
      chosen = { since: since.value, until: until.value };
    }
    location.hash = addressOf({ period: chosen, bucket: bucket.value, version: version.value });
  }

  function fillVersions(chosen) {
    const names = chosen && !versions.includes(chosen) ? [...versions, chosen] : versions;
    const options = names.map((name) => el("option", { value: name }, name));
    version.replaceChildren(el("option", { value: "" }, "every version"), ...options);
    version.value = chosen;
  }

  function show(query) {
    const { last, since: from, until: to } = query.period;
    const lasts = [...new Set(["100", LAST, ...(last ? [last] : [])])].sort((a, b) => a - b);
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
    bucket.value = query.bucket;
    fillVersions(query.version);
  }

  function know(names) {
    versions = names;
    fillVersions(version.value);
  }

  return { element, show, know };
}

/** Make the view. */
export function create() {
  const choices = createChoices(() => load());
  const notice = createNotice();
  const state = el("p", { class: "quiet", role: "status" });
  const parts = [createTotals(), createTimeline(), createCalibration(), createDrift(), createModels(choices.know)];
  const element = el(
    "div",
    { class: "numbers" },
    el("h1", {}, "Numbers"),
    choices.element,
    state,
    notice.element,
    parts.map((part) => part.element),
  );
  let query = null;
  let turn = 0;

  async function load() {
    const mine = ++turn;
    const errors = await Promise.all(parts.map((part) => part.load(query)));
    if (mine !== turn) return;
    const everywhere = errors.find((error) => error && isEverywhere(error));
    if (everywhere) {
      notice.show(everywhere, { retry: load, keeps: state.textContent && "What stands below is from before." });
      return;
    }
    notice.clear();
    state.textContent = `As of ${new Date().toISOString().slice(11, 19)} UTC.`;
  }

  /** Whoever comes back to the tab finds what is true now. */
  function refresh() {
    if (document.visibilityState === "visible") load();
  }

  return {
    element,
    show(params) {
      query = queryOf(params);
      choices.show(query);
      document.addEventListener("visibilitychange", refresh);
      load();
    },
    hide() {
      document.removeEventListener("visibilitychange", refresh);
      turn++;
      notice.clear();
      for (const part of parts) part.stop();
    },
  };
}
