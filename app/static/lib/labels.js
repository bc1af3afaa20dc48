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
