/** The prediction of an unfinished drawing, which the service does not store. */

import { asApiError, request } from "./api.js";
import { isBlank, toPixels } from "./drawing.js";

/** @import { ApiError } from "./api.js" */
/** @import { Stroke } from "./drawing.js" */
/** @import { PreviewResponse } from "./types.js" */

const INTERVAL_MS = 100;

/**
 * Make a preview. Call `soon` while a stroke grows and `now` when the pen is lifted; `cancel` drops a pending answer.
 * Only the answer to the newest request is used. A key that was refused, or used too often, is not sent again at once.
 *
 * @param {(answer: PreviewResponse) => void} onanswer
 * @param {(error?: ApiError) => void} onfailed called when these strokes get no answer
 */
export function createPreview(onanswer, onfailed) {
  let newest = 0;
  let running = false;
  let last = 0;
  /** When this key may be sent again. */
  let quiet = { until: 0 };
  /** @type {number | undefined} */
  let timer;

  // A late answer to the old key changes nothing for the new one.
  window.addEventListener("keychange", () => (quiet = { until: 0 }));

  /** @param {Stroke[]} strokes */
  async function now(strokes) {
    clearTimeout(timer);
    if (isBlank(strokes)) return;
    const mine = ++newest;
    const quietOfKey = quiet;
    last = performance.now();
    if (Date.now() < quiet.until) {
      onfailed();
      return;
    }
    running = true;
    try {
      const { body } = await request("classify/preview", { method: "POST", json: { pixels: toPixels(strokes) } });
      if (mine === newest) onanswer(body);
    } catch (caught) {
      const error = asApiError(caught);
      quietOfKey.until = error.needsKey ? Infinity : Date.now() + (error.retryAfter ?? 0) * 1000;
      if (mine === newest) onfailed(error);
    } finally {
      running = false;
    }
  }

  /** @param {Stroke[]} strokes */
  function soon(strokes) {
    clearTimeout(timer);
    const wait = INTERVAL_MS - (performance.now() - last);
    if (!running && wait <= 0) now(strokes);
    // The pen may rest before it is lifted.
    else timer = setTimeout(soon, Math.max(wait, INTERVAL_MS / 4), strokes);
  }

  function cancel() {
    clearTimeout(timer);
    newest++;
  }

  return { now, soon, cancel };
}
