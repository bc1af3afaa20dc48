/** Strokes, and the 28 × 28 pixels that the service takes. */

/** @typedef {[number, number]} Point */
/** @typedef {{width: number, points: Point[]}} Stroke width and points in fractions of the pad's side, 0 to 1 */

const SIDE = 28;
const BOX = 20;
// Pixels are painted this much larger in each direction and averaged.
const OVERSAMPLING = 4;

// In pixels of 28. MNIST's strokes are about 2.5 pixels wide; the model has seen few thinner or thicker ones.
const MIN_WIDTH = 2;
const MAX_WIDTH = 3.2;

// Anything smaller is a tap, in fractions of the pad's side.
const MIN_SIDE = 0.03;

/** @type {HTMLCanvasElement | null} */
let canvas = null;

/**
 * Paint strokes, scaled and then moved.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke[]} strokes
 * @param {object} options
 * @param {number} options.scale
 * @param {number} [options.dx]
 * @param {number} [options.dy]
 * @param {(stroke: Stroke) => number} [options.widthOf] the width to paint a stroke with
 */
export function paintStrokes(context, strokes, { scale, dx = 0, dy = 0, widthOf = (stroke) => stroke.width * scale }) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.lineWidth = widthOf(stroke);
    context.beginPath();
    addCurve(context, stroke.points.map(([x, y]) => [x * scale + dx, y * scale + dy]));
    context.stroke();
  }
}

/**
 * Add a smooth line: quadratic curves between the middles of the segments, with the points as control points.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Point[]} points
 */
function addCurve(context, points) {
  const [first] = points;
  context.moveTo(...first);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const [nextX, nextY] = points[i + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  // A line of no length leaves a dot, since its caps are round.
  context.lineTo(...points[points.length - 1]);
}

/** @param {Stroke[]} strokes */
function boundsOf(strokes) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { points } of strokes) {
    for (const [x, y] of points) {
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x);
      bottom = Math.max(bottom, y);
    }
  }
  return { side: Math.max(right - left, bottom - top), middleX: (left + right) / 2, middleY: (top + bottom) / 2 };
}

/**
 * Whether the strokes are too small to be a digit.
 *
 * @param {Stroke[]} strokes
 */
export function isBlank(strokes) {
  return !strokes.length || boundsOf(strokes).side < MIN_SIDE;
}

/**
 * Return 28 rows of 28 numbers, 0 for background to 255 for ink. The ink is fitted to 20 × 20 in the middle: scaling
 * strokes loses nothing, while enlarging the pixels of a small digit would.
 *
 * @param {Stroke[]} strokes
 * @returns {number[][]}
 */
export function toPixels(strokes) {
  const bounds = boundsOf(strokes);
  const clamp = (/** @type {number} */ width) => Math.min(Math.max(width, MIN_WIDTH), MAX_WIDTH);
  const widest = Math.max(...strokes.map((stroke) => stroke.width));
  const pen = clamp((widest * BOX) / (bounds.side + widest));
  const scale = (BOX - pen) / bounds.side;

  const side = SIDE * OVERSAMPLING;
  canvas ??= Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = contextOf(canvas, { willReadFrequently: true });
  context.clearRect(0, 0, side, side);
  context.strokeStyle = "#fff";
  paintStrokes(context, strokes, {
    scale: scale * OVERSAMPLING,
    dx: (SIDE / 2 - bounds.middleX * scale) * OVERSAMPLING,
    dy: (SIDE / 2 - bounds.middleY * scale) * OVERSAMPLING,
    widthOf: (stroke) => clamp(stroke.width * scale) * OVERSAMPLING,
  });
  return averages(context.getImageData(0, 0, side, side).data);
}

/**
 * Average the opacity of each square of oversampled pixels.
 *
 * @param {Uint8ClampedArray} rgba
 */
function averages(rgba) {
  const side = SIDE * OVERSAMPLING;
  const sums = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      sums[Math.floor(y / OVERSAMPLING) * SIDE + Math.floor(x / OVERSAMPLING)] += rgba[(y * side + x) * 4 + 3];
    }
  }
  return Array.from({ length: SIDE }, (_, row) =>
    Array.from({ length: SIDE }, (_, column) => Math.round(sums[row * SIDE + column] / OVERSAMPLING ** 2)),
  );
}

/**
 * Show 28 × 28 pixels, white on dark, in a canvas of that size.
 *
 * @param {HTMLCanvasElement} target
 * @param {number[][]} pixels
 */
export function paintPixels(target, pixels) {
  const context = contextOf(target);
  const image = context.createImageData(SIDE, SIDE);
  pixels.flat().forEach((value, index) => image.data.set([value, value, value, 255], index * 4));
  context.putImageData(image, 0, 0);
}

/**
 * @param {HTMLCanvasElement} target
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function contextOf(target, settings) {
  const context = target.getContext("2d", settings);
  if (!context) throw new Error("This browser cannot draw on a canvas.");
  return context;
}
