/** The labels that a drawing can have. */

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
  return label === NOT_A_DIGIT ? labelName(label) : `a ${label}`;
}
