/** The answer to a drawing while it is being drawn; the service does not store it. */

import { request } from "./api.js";
import { isBlank, toPixels } from "./drawing.js";

const EVERY_MS = 100;

/**
 * Ask for the answer to a drawing that is not finished: `soon` now and then while it grows, `now` when the pen is lifted.
 * An answer to what was drawn before the newest question is thrown away. Only a missing key is told: what else goes
 * wrong, storing the drawing says better.
 */
export function createPreview(onanswer, onerror) {
  let newest = 0;
  let running = false;
  let last = 0;
  let quietUntil = 0;

  async function now(strokes) {
    if (isBlank(strokes) || Date.now() < quietUntil) return;
    const mine = ++newest;
    running = true;
    last = performance.now();
    try {
      const { body } = await request("classify/preview", { method: "POST", json: { pixels: toPixels(strokes) } });
      if (mine === newest) onanswer(body);
    } catch (error) {
      quietUntil = Date.now() + (error.retryAfter ?? 0) * 1000;
      if (mine === newest) onerror(error);
    } finally {
      running = false;
    }
  }

  function soon(strokes) {
    if (!running && performance.now() - last >= EVERY_MS) now(strokes);
  }

  function forget() {
    newest++;
  }

  return { now, soon, forget };
}
