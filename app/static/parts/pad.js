/** A surface to draw on with mouse, pen or finger. It keeps strokes, not pixels, so it can undo and be sharp anywhere. */

/** A stroke: `width` and `points` [[x, y], …] in parts of the pad's side, 0 to 1. */

/** Draw strokes on a 2-d context, scaled by `scale`, moved by `dx`, `dy`, each with the width that `widthOf` gives. */
export function paint(context, strokes, { scale, dx = 0, dy = 0, widthOf = (stroke) => stroke.width * scale }) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.lineWidth = widthOf(stroke);
    context.beginPath();
    trace(context, stroke.points.map(([x, y]) => [x * scale + dx, y * scale + dy]));
    context.stroke();
  }
}

/** Trace a smooth line: quadratic curves between the middles of the segments, with the points to pull them. */
function trace(context, points) {
  const [first] = points;
  context.moveTo(...first);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const [nextX, nextY] = points[i + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  // A line of no length still leaves a dot, since its caps are round.
  context.lineTo(...points[points.length - 1]);
}

/**
 * Make the canvas a pad. Calls `onstart` before a stroke begins, `onmove` while it grows and `onend` after it has ended.
 * Returns {strokes, drawing, width, undo, clear, redraw}; `drawing` says that the pen is down, `width` is for the next
 * stroke.
 */
export function createPad(canvas, { onstart, onmove, onend }) {
  const context = canvas.getContext("2d", { desynchronized: true });
  const pad = { strokes: [], width: 1 / 14, undo, clear, redraw, get drawing() { return pointer !== null; } };
  let pointer = null;
  let waiting = false;

  function redraw() {
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    context.clearRect(0, 0, side, side);
    // White ink on a dark ground in every theme: that is what the network sees.
    context.strokeStyle = "#fff";
    paint(context, pad.strokes, { scale: side });
  }

  /** Draw once a frame, however many points arrive in it. */
  function redrawSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      redraw();
    });
  }

  function add(event) {
    const box = canvas.getBoundingClientRect();
    const { points } = pad.strokes[pad.strokes.length - 1];
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      points.push([(clientX - box.left) / box.width, (clientY - box.top) / box.height]);
    }
  }

  function undo() {
    if (pointer !== null) return;
    pad.strokes.pop();
    redraw();
  }

  function clear() {
    pointer = null;
    pad.strokes = [];
    redraw();
  }

  // Without this a stroke that ends in a flourish counts as a fling, which swallows a tap on a button within a second.
  canvas.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    // One pen at a time: a resting palm or a second finger draws nothing.
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    onstart();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    pad.strokes.push({ width: pad.width, points: [] });
    add(event);
    redrawSoon();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    add(event);
    redrawSoon();
    onmove();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      redrawSoon();
      onend();
    });
  }
  new ResizeObserver(redraw).observe(canvas);
  return pad;
}
