/** The stats of a selection of drawings. */

import { el } from "../lib/dom.js";
import { onSightLost } from "../lib/results.js";
import { createNotice } from "../parts/notice.js";
import { createCalibration } from "../parts/stats/calibration.js";
import { createDrift } from "../parts/stats/drift.js";
import { createModelVersions } from "../parts/stats/model_versions.js";
import { concernsAllSections } from "../parts/stats/section.js";
import { createSelectionForm, parseSelection } from "../parts/stats/selection.js";
import { createTimeline } from "../parts/stats/timeline.js";
import { createTotals } from "../parts/stats/totals.js";

/** @import { Selection } from "../parts/stats/section.js" */

/** Make the view. */
export function create() {
  const form = createSelectionForm(load);
  const notice = createNotice();
  const state = el("p", { class: "quiet", role: "status" });
  const sections = [createTotals(), createTimeline(), createCalibration(), createDrift(), createModelVersions(form.setVersions)];
  const notices = el("div", { class: "overlay" });
  const element = el(
    "div",
    { class: "stats" },
    el("h1", {}, "Stats"),
    form.element,
    state,
    notice.element,
    sections.map((section) => section.element),
    notices,
  );
  /** @type {Selection | null} */
  let selection = null;
  let loads = 0;

  async function load() {
    const selected = selection;
    if (!selected) return;
    const mine = ++loads;
    const errors = await Promise.all(sections.map((section) => section.load(selected)));
    if (mine !== loads) return;
    const error = errors.find((one) => one && concernsAllSections(one));
    if (error) {
      notice.show(error, { retry: loadAgain, keeps: state.textContent ? "The values below are older." : "" });
      return;
    }
    notice.clear();
    state.textContent = `As of ${new Date().toISOString().slice(11, 19)} UTC.`;
  }

  /** Resolves to false if a newer load goes on, which says itself how it ends. */
  async function loadAgain() {
    const mine = loads + 1;
    await load();
    return mine === loads;
  }

  function reloadWhenVisible() {
    if (document.visibilityState === "visible") load();
  }

  onSightLost(() => {
    state.textContent = "";
    for (const section of sections) section.clear();
    if (element.isConnected) load();
  });

  return {
    element,
    notices,
    /** @param {URLSearchParams} params */
    show(params) {
      selection = parseSelection(params);
      form.show(selection);
      document.addEventListener("visibilitychange", reloadWhenVisible);
      load();
    },
    hide() {
      document.removeEventListener("visibilitychange", reloadWhenVisible);
      loads++;
      form.forgetTyped();
      notice.clear();
      for (const section of sections) section.stop();
    },
  };
}
