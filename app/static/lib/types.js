/** The bodies of the API's responses, as far as the page reads them. Types only; no browser loads this file. */

/** @typedef {Record<string, number>} Scores the score of each digit, 0 to 1 */

/** @typedef {[number, number]} Interval the ends of a 95 % interval */

/**
 * @typedef {object} ResultSummary
 * @property {number} id
 * @property {string} prediction
 * @property {number} confidence
 * @property {string} model_version
 * @property {string | null} created_at
 * @property {string | null} label
 * @property {string | null} notes
 * @property {number | null} [not_a_digit] the probability, 0 to 1; null or missing when the model does not tell
 */

/**
 * @typedef {object} ResultDetails
 * @property {string | null} request_id
 * @property {string | null} [trace_id]
 * @property {string} [hint]
 * @property {Scores | null} scores
 */

/** @typedef {ResultSummary & ResultDetails} Result */

/**
 * @typedef {object} ResultsPage
 * @property {ResultSummary[]} results
 * @property {string | null} next
 */

/**
 * @typedef {object} ClassifyResponse
 * @property {number} id
 * @property {string} prediction
 * @property {number} confidence
 * @property {Scores} scores
 * @property {number | null} [not_a_digit]
 */

/**
 * @typedef {object} PreviewResponse
 * @property {string} prediction
 * @property {number} confidence
 * @property {number | null} [not_a_digit]
 * @property {Scores} scores
 * @property {number[][]} normalised
 */

/**
 * @typedef {object} LabelRead
 * @property {string} label
 * @property {string} source
 * @property {string | null} created_at
 */

/**
 * @typedef {object} LabelHistory
 * @property {LabelRead[]} labels newest first
 */

/**
 * @typedef {object} ReviewItem
 * @property {number} id
 * @property {string} prediction
 * @property {number} confidence
 * @property {Scores | null} scores
 * @property {number | null} [not_a_digit]
 * @property {"random" | "smallest margin" | "not a digit"} reason
 */

/**
 * @typedef {object} ReviewPage
 * @property {ReviewItem[]} results
 */

/**
 * @typedef {object} LabelledAccuracy
 * @property {number} labelled
 * @property {number} correct
 * @property {number} not_a_digit
 * @property {number | null} accuracy null when nothing is labelled
 * @property {Interval | null} interval
 * @property {number | null} [accuracy_of_digits] null when none is labelled with a digit
 * @property {DigitOrNot | null} [digit_or_not] null when no labelled prediction has `not_a_digit`
 */

/**
 * @typedef {object} DigitOrNot
 * @property {number} none labelled "not a digit"
 * @property {number} none_found
 * @property {number} digits labelled with a digit
 * @property {number} digits_refused
 */

/**
 * @typedef {object} VersionStats
 * @property {number} count
 * @property {number | null} mean_confidence
 * @property {number | null} [not_a_digit_share]
 * @property {LabelledAccuracy} accuracy
 */

/**
 * @typedef {object} Confidence
 * @property {number} count
 * @property {number | null} mean_confidence
 */

/**
 * @typedef {object} ConfidenceBin
 * @property {number} from
 * @property {number} to
 * @property {number} count
 */

/**
 * @typedef {object} Stats
 * @property {number} count
 * @property {number | null} mean_confidence
 * @property {Record<string, Confidence>} digits
 * @property {Record<string, VersionStats>} model_versions
 * @property {LabelledAccuracy} accuracy
 * @property {LabelledAccuracy} accuracy_random
 * @property {string | null} since
 * @property {string | null} until
 * @property {ConfidenceBin[]} confidence_histogram
 * @property {number | null} [not_a_digit_share]
 */

/**
 * @typedef {object} Bucket
 * @property {string} start
 * @property {number} count
 * @property {Record<string, VersionStats>} model_versions
 * @property {number | null} [not_a_digit_share]
 */

/**
 * @typedef {object} Timeline
 * @property {"hour" | "day" | "week"} bucket
 * @property {Bucket[]} buckets
 */

/**
 * @typedef {object} CalibrationBin
 * @property {number} count
 * @property {number} from
 * @property {number} to
 * @property {number} mean_confidence
 * @property {number} accuracy
 * @property {Interval} interval
 */

/**
 * @typedef {object} Calibration
 * @property {"ok" | "not enough data"} status
 * @property {number} labelled
 * @property {number} needed
 * @property {number | null} mean_confidence
 * @property {number | null} accuracy
 * @property {number | null} expected_calibration_error
 * @property {CalibrationBin[]} bins
 */

/**
 * @typedef {object} Window
 * @property {number} count
 * @property {string | null} since
 * @property {string | null} until
 */

/**
 * @typedef {object} DriftHistogram
 * @property {number[]} edges
 * @property {number[]} window
 * @property {number[]} reference
 */

/**
 * @typedef {object} DriftSignal
 * @property {string} name
 * @property {number} adjusted_p
 * @property {number} psi
 * @property {number} psi_threshold
 * @property {boolean} drifted
 * @property {number | Record<string, number>} window a mean, or the share of each digit
 * @property {number | Record<string, number>} reference
 * @property {DriftHistogram} histogram
 */

/**
 * @typedef {object} Thresholds
 * @property {number} p
 * @property {number} psi
 */

/**
 * @typedef {object} Drift
 * @property {"drift" | "no drift" | "not enough data"} status
 * @property {number} needed
 * @property {Window} window
 * @property {Window} reference
 * @property {Thresholds} thresholds
 * @property {DriftSignal[]} signals
 */

/**
 * @typedef {object} ShadowStats
 * @property {number} predictions
 * @property {number} agreement
 * @property {LabelledAccuracy} accuracy
 * @property {LabelledAccuracy} accuracy_answered
 * @property {number} p_value
 */

/**
 * @typedef {object} ModelVersion
 * @property {string} version
 * @property {"live" | "shadow" | null} loaded
 * @property {string | null} sha256
 * @property {number} predictions
 * @property {number | null} mean_confidence
 * @property {string | null} first_seen
 * @property {string | null} last_seen
 * @property {LabelledAccuracy} accuracy
 * @property {ShadowStats | null} shadow
 */

/**
 * @typedef {object} ModelVersions
 * @property {ModelVersion[]} models
 */

export {};
