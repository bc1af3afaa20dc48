/** Labels, and how answers, numbers and times are written. */

export const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
export const NOT_A_DIGIT = "none";

/**
 * Return the visible name of a label.
 *
 * @param {string} label
 */
export function labelName(label) {
  return label === NOT_A_DIGIT ? "not a digit" : label;
}

/**
 * Return a label as it stands in a sentence: "a 7", "not a digit".
 *
 * @param {string} label
 */
export function labelPhrase(label) {
  if (label === NOT_A_DIGIT) return labelName(label);
  return label === "8" ? `an ${label}` : `a ${label}`;
}

/** @typedef {{prediction: string | null, not_a_digit?: number | null}} Claim what the model says; older models leave `not_a_digit` out */

/**
 * Whether the model says that a drawing shows no digit.
 *
 * @param {Claim} claim
 */
export function isNoDigit({ not_a_digit: share }) {
  return (share ?? 0) > 0.5;
}

/**
 * Return the label that agrees with the model, or null if it has said nothing.
 *
 * @param {Claim} claim
 */
export function claimOf(claim) {
  return isNoDigit(claim) ? NOT_A_DIGIT : claim.prediction;
}

const numberFormat = new Intl.NumberFormat("en");

/**
 * Keep a number and its % together.
 *
 * @param {string} text
 */
export function onOneLine(text) {
  return text.replaceAll(" %", "\u00a0%");
}

/** @param {number} confidence */
function confidenceInWords(confidence) {
  if (confidence >= 0.99) return "almost certain";
  if (confidence >= 0.9) return "confident";
  if (confidence >= 0.7) return "fairly sure";
  if (confidence >= 0.5) return "unsure";
  return "only guessing";
}

/**
 * Write a confidence of 0 to 1, in words and in figures.
 *
 * @param {number} confidence
 */
export function confidenceText(confidence) {
  return `${confidenceInWords(confidence)}, ${onOneLine(percent(confidence, 1))}`;
}

/**
 * Say how sure the model is, after the digit that it read; a drawing that shows no digit has its best guess in the text.
 *
 * @param {Claim & {confidence: number}} answer
 */
export function answerText({ prediction, confidence, ...rest }) {
  if (!isNoDigit({ prediction, ...rest })) return confidenceText(confidence);
  return `This does not look like a digit. Best guess: ${prediction} (${onOneLine(percent(confidence, 1))})`;
}

/**
 * Write a share of 0 to 1 as a percentage. Only 1 becomes 100 %.
 *
 * @param {number} share
 * @param {number} [decimals]
 */
export function percent(share, decimals = 0) {
  const factor = 100 * 10 ** decimals;
  const rounded = share < 1 ? Math.min(Math.round(share * factor), factor - 1) : factor;
  return `${(rounded / 10 ** decimals).toFixed(decimals)} %`;
}

/**
 * Write a number with its thousands apart.
 *
 * @param {number} number
 */
export function counted(number) {
  return numberFormat.format(number);
}

/**
 * Write "1 drawing" and "2,000 drawings".
 *
 * @param {number} number
 * @param {string} noun
 */
export function countOf(number, noun) {
  return `${counted(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * Write a time in the reader's time zone, like every time of PixelWise: 2026-11-26 14:33.
 *
 * @param {string} time
 */
export function localTime(time) {
  const date = new Date(time);
  return isoText(new Date(date.getTime() - date.getTimezoneOffset() * 60000), true);
}

/**
 * Write the day in UTC, or with `precise` the minute.
 *
 * @param {string} time
 * @param {boolean} [precise]
 */
export function utcDate(time, precise = false) {
  return isoText(new Date(time), precise);
}

/**
 * The same without the year.
 *
 * @param {string} time
 * @param {boolean} [precise]
 */
export function shortUtcDate(time, precise = false) {
  return utcDate(time, precise).slice(5);
}

/**
 * Write a time of the API as precisely as the API does.
 *
 * @param {string} time
 */
export function exactUtc(time) {
  return `${time.replace("T", " ").replace("Z", "")} UTC`;
}

/**
 * @param {Date} date
 * @param {boolean} precise
 */
function isoText(date, precise) {
  return date.toISOString().slice(0, precise ? 16 : 10).replace("T", " ");
}
