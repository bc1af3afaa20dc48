/** Writes numbers and times for people. */

/** @type {Intl.DateTimeFormatOptions} */
const DATE = { day: "numeric", month: "short", timeZone: "UTC" };
/** @type {Intl.DateTimeFormatOptions} */
const TIME = { hour: "2-digit", minute: "2-digit", timeZone: "UTC" };
const dateFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, year: "numeric" });
const timeFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, year: "numeric", ...TIME });
const shortDateFormat = new Intl.DateTimeFormat("en-GB", DATE);
const shortTimeFormat = new Intl.DateTimeFormat("en-GB", { ...DATE, ...TIME });
const localFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const numberFormat = new Intl.NumberFormat("en");

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
  return `${confidenceInWords(confidence)}, ${percent(confidence, 1)}`;
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
 * Write the day in UTC, or with `precise` the minute.
 *
 * @param {string} time
 * @param {boolean} [precise]
 */
export function utcDate(time, precise = false) {
  return (precise ? timeFormat : dateFormat).format(new Date(time));
}

/**
 * The same without the year.
 *
 * @param {string} time
 * @param {boolean} [precise]
 */
export function shortUtcDate(time, precise = false) {
  return (precise ? shortTimeFormat : shortDateFormat).format(new Date(time));
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
 * Write a time in the reader's time zone.
 *
 * @param {string} time
 */
export function localTime(time) {
  return localFormat.format(new Date(time));
}
