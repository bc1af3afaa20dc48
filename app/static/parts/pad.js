/** A surface to draw on with mouse, pen or finger. It keeps strokes, so it can undo, and is sharp at every size. */

import { PENS, contextOf, paintStrokes } from "../lib/drawing.js";

/** @import { Stroke } from "../lib/drawing.js" */

// A touch so soon after a pen is the palm of its hand.
const PALM_MS = 1000;
const PRIMARY_BUTTON = 1;

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
  let width = PENS.normal;
  /** @type {{id: number, type: string} | null} the pointer that draws */
  let pointer = null;
  let lastPen = -Infinity;
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
    if (pointer) return;
    strokes.pop();
    redraw();
  }

  function clear() {
    pointer = null;
    strokes = [];
    redraw();
  }

  /**
   * Whether a pointer may begin a stroke. One draws at a time, so a second finger draws nothing. A pen comes before a touch,
   * which may be the palm of the hand.
   *
   * @param {PointerEvent} event
   */
  function mayBegin({ button, pointerType, timeStamp }) {
    if (button !== 0) return false;
    if (pointerType === "touch" && timeStamp - lastPen < PALM_MS) return false;
    return !pointer || (pointerType === "pen" && pointer.type === "touch");
  }

  /** @param {PointerEvent} event */
  function begin(event) {
    notePen(event);
    if (!mayBegin(event)) return;
    const { pointerId: id, pointerType } = event;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    onstart();
    if (pointerType === "pen") strokes = strokes.filter((stroke) => stroke.pointerType !== "touch");
    pointer = { id, type: pointerType };
    capture(id);
    strokes.push({ width, pointerType, points: [] });
    addPoints(event);
    redrawNextFrame();
  }

  /**
   * Follow a pointer outside the canvas, too.
   *
   * @param {number} id
   */
  function capture(id) {
    try {
      canvas.setPointerCapture(id);
    } catch {
      // The pointer is gone already; its end follows.
    }
  }

  /** @param {PointerEvent} event */
  function move(event) {
    notePen(event);
    if (event.pointerId !== pointer?.id) return;
    // The button was released where no event told so, or while another one was pressed.
    if (!(event.buttons & PRIMARY_BUTTON)) {
      end();
      return;
    }
    addPoints(event);
    redrawNextFrame();
    onmove();
  }

  /** @param {PointerEvent} event */
  function notePen({ pointerType, timeStamp }) {
    if (pointerType === "pen") lastPen = timeStamp;
  }

  /** @param {PointerEvent} event */
  function finish(event) {
    notePen(event);
    if (event.pointerId === pointer?.id) end();
  }

  /** End the stroke that is being drawn, if there is one. */
  function end() {
    if (!pointer) return;
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
  canvas.addEventListener("lostpointercapture", finish);
  // A pen that rests while it draws asks for a menu.
  canvas.addEventListener("contextmenu", (event) => pointer && event.preventDefault());
  window.addEventListener("blur", end);
  new ResizeObserver(redraw).observe(canvas);

  return {
    undo,
    clear,
    end,
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
