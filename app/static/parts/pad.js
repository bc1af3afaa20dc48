/** A surface to draw on with mouse, pen or finger. It keeps strokes, so it can undo, and is sharp at every size. */

import { contextOf, paintStrokes } from "../lib/drawing.js";

/** @import { Stroke } from "../lib/drawing.js" */

const NORMAL_WIDTH = 1 / 14;

/**
 * Make the canvas a pad.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} handlers
 * @param {() => void} handlers.onstart called before a stroke begins
 * @param {() => void} handlers.onmove called while it grows
 * @param {() => void} handlers.onend called after it has ended
 */
export function createPad(canvas, { onstart, onmove, onend }) {
  const context = contextOf(canvas, { desynchronized: true });
  /** @type {Stroke[]} */
  let strokes = [];
  let width = NORMAL_WIDTH;
  /** @type {number | null} the pointer that draws */
  let pointer = null;
  let isFrameRequested = false;

  function redraw() {
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    context.clearRect(0, 0, side, side);
    // White on dark in every theme, as the network sees it.
    context.strokeStyle = "#fff";
    paintStrokes(context, strokes, side);
  }

  function redrawNextFrame() {
    if (isFrameRequested) return;
    isFrameRequested = true;
    requestAnimationFrame(() => {
      isFrameRequested = false;
      redraw();
    });
  }

  /** @param {PointerEvent} event */
  function addPoints(event) {
    const box = canvas.getBoundingClientRect();
    const { points } = strokes[strokes.length - 1];
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      points.push([(clientX - box.left) / box.width, (clientY - box.top) / box.height]);
    }
  }

  function undo() {
    if (pointer !== null) return;
    strokes.pop();
    redraw();
  }

  function clear() {
    pointer = null;
    strokes = [];
    redraw();
  }

  /** @param {PointerEvent} event */
  function begin(event) {
    // One pointer at a time: a resting palm or a second finger draws nothing.
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    onstart();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push({ width, points: [] });
    addPoints(event);
    redrawNextFrame();
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (event.pointerId !== pointer) return;
    addPoints(event);
    redrawNextFrame();
    onmove();
  }

  /** @param {PointerEvent} event */
  function finish(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    redrawNextFrame();
    onend();
  }

  // Without this a quick last stroke counts as a fling, which swallows a tap on a button within a second.
  canvas.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  new ResizeObserver(redraw).observe(canvas);

  return {
    undo,
    clear,
    redraw,
    get strokes() {
      return strokes;
    },
    get isDrawing() {
      return pointer !== null;
    },
    /** Set the width of the next strokes, in fractions of the pad's side. */
    set width(/** @type {number} */ value) {
      width = value;
    },
  };
}
