/** Strokes, and the 28 × 28 pixels that the service takes. */

/** @typedef {[number, number]} Point */
/** @typedef {{width: number, points: Point[], pointerType?: string}} Stroke width and points in fractions of the pad's side, 0 to 1 */

/** @type {Record<string, number>} widths in fractions of the pad's side */
export const PENS = { thin: 1 / 28, normal: 1 / 14, thick: 1 / 8 };

const SIDE = 28;
const BOX = 20;
// Each pixel is the average of this many samples in each direction.
const OVERSAMPLING = 4;
const SAMPLES = SIDE * OVERSAMPLING;
// A curve becomes straight pieces about this long, in samples.
const PIECE = 4;
const MAX_PIECES = 32;

// In pixels of 28. MNIST's strokes are about 2.5 pixels wide; the model has seen few thinner or thicker ones.
const MIN_WIDTH = 2;
const MAX_WIDTH = 3.2;

// Anything smaller is a tap, in fractions of the pad's side.
const MIN_SIDE = 0.03;

/**
 * Paint strokes on a canvas with this side.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke[]} strokes
 * @param {number} side
 */
export function paintStrokes(context, strokes, side) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.lineWidth = stroke.width * side;
    context.beginPath();
    addCurve(context, stroke.points.map(([x, y]) => [x * side, y * side]));
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
 * Computed, not read from a canvas: browsers that hinder fingerprinting return noise there.
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
  const [dx, dy] = [SIDE / 2 - bounds.middleX * scale, SIDE / 2 - bounds.middleY * scale];

  const ink = new Float32Array(SAMPLES * SAMPLES);
  for (const stroke of strokes) {
    const points = stroke.points.map(([x, y]) => /** @type {Point} */ ([(x * scale + dx) * OVERSAMPLING, (y * scale + dy) * OVERSAMPLING]));
    const line = lineOf(points);
    const radius = (clamp(stroke.width * scale) * OVERSAMPLING) / 2;
    for (let i = 0; i < line.length; i++) addSegment(ink, line[Math.max(i - 1, 0)], line[i], radius);
  }
  return averages(ink);
}

/**
 * Return the smooth line through points, as `addCurve` paints it, in short straight pieces.
 *
 * @param {Point[]} points
 */
function lineOf(points) {
  const line = [points[0]];
  for (let i = 1; i < points.length - 1; i++) {
    const [fromX, fromY] = line[line.length - 1];
    const [x, y] = points[i];
    const [toX, toY] = [(x + points[i + 1][0]) / 2, (y + points[i + 1][1]) / 2];
    const length = Math.hypot(x - fromX, y - fromY) + Math.hypot(toX - x, toY - y);
    const pieces = Math.min(Math.max(Math.ceil(length / PIECE), 1), MAX_PIECES);
    for (let piece = 1; piece <= pieces; piece++) {
      const t = piece / pieces;
      const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
      line.push([a * fromX + b * x + c * toX, a * fromY + b * y + c * toY]);
    }
  }
  line.push(points[points.length - 1]);
  return line;
}

/**
 * Add a straight piece of a stroke with round ends.
 *
 * @param {Float32Array} ink the opacity of each sample, 0 to 1
 * @param {Point} from
 * @param {Point} to
 * @param {number} radius
 */
function addSegment(ink, [fromX, fromY], [toX, toY], radius) {
  const width = toX - fromX;
  const height = toY - fromY;
  const squared = width * width + height * height;
  const first = (/** @type {number} */ a, /** @type {number} */ b) => Math.max(Math.floor(Math.min(a, b) - radius - 1), 0);
  const last = (/** @type {number} */ a, /** @type {number} */ b) => Math.min(Math.ceil(Math.max(a, b) + radius + 1), SAMPLES - 1);
  const [left, right, top, bottom] = [first(fromX, toX), last(fromX, toX), first(fromY, toY), last(fromY, toY)];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const x = column + 0.5 - fromX;
      const y = row + 0.5 - fromY;
      const along = squared && Math.min(Math.max((x * width + y * height) / squared, 0), 1);
      // Not Math.hypot, which is slower.
      const distance = Math.sqrt((x - along * width) ** 2 + (y - along * height) ** 2);
      const opacity = Math.min(radius + 0.5 - distance, 1);
      const place = row * SAMPLES + column;
      if (opacity > ink[place]) ink[place] = opacity;
    }
  }
}

/**
 * Average the opacity of each square of samples.
 *
 * @param {Float32Array} ink
 */
function averages(ink) {
  const sums = new Float64Array(SIDE * SIDE);
  ink.forEach((opacity, place) => {
    const [row, column] = [Math.floor(place / SAMPLES), place % SAMPLES];
    sums[Math.floor(row / OVERSAMPLING) * SIDE + Math.floor(column / OVERSAMPLING)] += opacity;
  });
  return Array.from({ length: SIDE }, (_, row) =>
    Array.from({ length: SIDE }, (_, column) => Math.round((sums[row * SIDE + column] * 255) / OVERSAMPLING ** 2)),
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
