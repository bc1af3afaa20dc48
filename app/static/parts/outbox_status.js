/** What is not stored yet, said in every view: the count in the header, and notices that say why sending failed. */

import { el } from "../lib/dom.js";
import { countOf } from "../lib/format.js";
import { outboxes } from "../lib/outbox.js";
import { createNotice } from "./notice.js";

/** @import { ApiError } from "../lib/api.js" */
/** @import { Outboxes } from "../lib/outbox.js" */

// What is stored faster than this is not counted.
const PATIENCE_MS = 1000;

/** @type {ReturnType<typeof createOutboxStatus> | null} */
let shared = null;

export function outboxStatus() {
  return (shared ??= createOutboxStatus());
}

function createOutboxStatus() {
  const { drawings, labels } = outboxes();
  const count = el("span", { class: "unsent", role: "status" });
  const element = el("div", { class: "outbox-notices", hidden: true });
  /** @type {number | undefined} */
  let timer;

  function showCount() {
    const number = drawings.count + labels.count;
    // On a phone the words are for screen readers alone.
    count.replaceChildren(...(number ? [String(number), el("span", { class: "words" }, " not stored yet")] : []));
  }

  function onchange() {
    clearTimeout(timer);
    if (drawings.count + labels.count === 0 || count.textContent) showCount();
    else timer = setTimeout(showCount, PATIENCE_MS);
  }

  const drawingNotice = createOutboxNotice(drawings, "drawing", element);
  const labelNotice = createOutboxNotice(labels, "label", element);
  for (const outbox of [drawings, labels]) outbox.listen({ onchange, onfailed: showCount });

  return {
    count,
    element,
    showDrawingError: drawingNotice.show,
    clearDrawingError: drawingNotice.clear,
    showLabelError: labelNotice.show,
    start() {
      drawings.start();
      labels.start();
      // One that waits for its own key.
      window.addEventListener("keychange", drawings.send);
    },
  };
}

/**
 * Show a notice in `place` while an outbox cannot send.
 *
 * @param {Outboxes["drawings"] | Outboxes["labels"]} outbox
 * @param {string} noun
 * @param {HTMLElement} place
 */
function createOutboxNotice(outbox, noun, place) {
  const notice = createNotice();
  const discard = { "Discard it": outbox.discard };

  function arrange() {
    // Only what says something is in the page.
    if (notice.element.hidden) notice.element.remove();
    // Moving it takes its focus.
    else if (notice.element.parentElement !== place) place.append(notice.element);
    place.hidden = !place.childElementCount;
  }

  /** @param {ApiError} error */
  function show(error) {
    if (error.kind === "invalid" || error.kind === "large") {
      const refused = "image" in (outbox.items[0] ?? {}) ? "image" : noun;
      notice.show(error, { choices: discard, keeps: `This ${refused} cannot be stored.` });
    } else if (error.kind === "old" || error.kind === "rekeyed") {
      notice.show(error, { choices: { "Send it anyway": outbox.sendAnyway, ...discard } });
    } else if (error.kind === "gone") {
      notice.show(error, { choices: { Close: arrange } });
    } else {
      // What may never succeed must not block the rest. A preview fails with nothing to discard.
      const choices = error.isTemporary || error.kind === "key" || !outbox.count ? {} : discard;
      notice.show(error, { retry: outbox.send, choices, keeps: keptInWords() });
    }
    arrange();
  }

  function keptInWords() {
    const { count, isOnlyHere } = outbox;
    const subject = count > 1 ? `Your ${countOf(count, noun)} are` : `Your ${noun} is`;
    return isOnlyHere ? `${subject} kept until this tab is closed, and will be stored.` : `${subject} kept and will be stored.`;
  }

  function clear() {
    notice.clear();
    arrange();
  }

  outbox.listen({ onfailed: show, onstored: clear, onlost: clear });
  return { show, clear };
}
