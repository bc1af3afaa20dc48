/** Turns strokes into the 28 × 28 pixels that the service takes. */

import { paint } from "../parts/pad.js";

const SIDE = 28;
const BOX = 20;
const FINE = 4;

// In pixels of 28. MNIST's pens draw about two and a half; a hair or a brush, which a small or a large digit makes of the
// same pen, is what the network has seen least of.
const THINNEST = 2;
const THICKEST = 3.2;

// A tap or a twitch is no digit; in parts of the pad's side.
const SHORTEST = 0.03;

let canvas = null;

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
  return { left, top, side: Math.max(right - left, bottom - top), across: left + right, down: top + bottom };
}

/** Whether nothing that could be a digit was drawn. */
export function isBlank(strokes) {
  return !strokes.length || boundsOf(strokes).side < SHORTEST;
}

/**
 * Return 28 rows of 28 numbers, 0 for background to 255 for ink. The ink fills a box of 20 × 20 in the middle, wherever
 * and however small it was drawn: from strokes this loses nothing, while pixels of a small digit could not be enlarged.
 */
export function toPixels(strokes) {
  const bounds = boundsOf(strokes);
  const clamp = (width) => Math.min(Math.max(width, THINNEST), THICKEST);
  const widest = Math.max(...strokes.map((stroke) => stroke.width));
  const pen = clamp((widest * BOX) / (bounds.side + widest));
  const scale = (BOX - pen) / bounds.side;

  canvas ??= Object.assign(document.createElement("canvas"), { width: SIDE * FINE, height: SIDE * FINE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#fff";
  paint(context, strokes, {
    scale: scale * FINE,
    dx: (SIDE / 2 - (bounds.across / 2) * scale) * FINE,
    dy: (SIDE / 2 - (bounds.down / 2) * scale) * FINE,
    widthOf: (stroke) => clamp(stroke.width * scale) * FINE,
  });
  return averages(context.getImageData(0, 0, canvas.width, canvas.height).data);
}

/** Average the opacity of each FINE × FINE pixels. */
function averages(rgba) {
  const sums = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < SIDE * FINE; y++) {
    for (let x = 0; x < SIDE * FINE; x++) {
      sums[Math.floor(y / FINE) * SIDE + Math.floor(x / FINE)] += rgba[(y * SIDE * FINE + x) * 4 + 3];
    }
  }
  return Array.from({ length: SIDE }, (_, row) =>
    Array.from({ length: SIDE }, (_, column) => Math.round(sums[row * SIDE + column] / (FINE * FINE))),
  );
}
