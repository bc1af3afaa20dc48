-- What replaces the views and functions of revision 0009 for PostgreSQL. An empty line ends a statement.

CREATE OR REPLACE VIEW new_label_counts AS
SELECT period::varchar, coalesce(date_trunc(period, hour) AT TIME ZONE 'UTC', '0001-01-01 00:00:00+00'::timestamptz) AS start,
  model_version, sampled, correct, not_a_digit, sum(size)::bigint AS size,
  sum(told)::bigint AS told, sum(not_digits)::bigint AS not_digits
FROM (
  SELECT date_trunc('hour', created_at AT TIME ZONE 'UTC') AS hour, model_version, sampled,
    label = prediction AS correct, label = 'none' AS not_a_digit, sum(sign) AS size,
    sum(CASE WHEN not_a_digit IS NULL THEN 0 ELSE sign END) AS told,
    sum(CASE WHEN not_a_digit > 0.5 THEN sign ELSE 0 END) AS not_digits
  FROM label_changes WHERE label IS NOT NULL GROUP BY 1, 2, 3, 4, 5
) AS hours, (VALUES ('hour'), ('day')) AS periods (period)
GROUP BY 1, 2, 3, 4, 5, 6

CREATE OR REPLACE VIEW new_shadow_counts AS
SELECT model_version, model_sha256, prediction = answered AS agreed, label IS NOT NULL AS labelled,
  coalesce(label = prediction, false) AS correct, coalesce(label = answered, false) AS answered_correct,
  coalesce(label = 'none', false) AS not_a_digit, sum(sign)::bigint AS size,
  sum(sign * round(confidence * 1000000)::bigint)::bigint AS millionths,
  sum(CASE WHEN not_a_digit IS NULL THEN 0 ELSE sign END)::bigint AS told,
  sum(CASE WHEN not_a_digit > 0.5 THEN sign ELSE 0 END)::bigint AS not_digits
FROM shadow_changes GROUP BY 1, 2, 3, 4, 5, 6, 7

CREATE OR REPLACE VIEW v_label_counts AS
SELECT period, start, model_version, sampled, correct, not_a_digit, size, told, not_digits FROM label_counts
UNION ALL
SELECT period, start, model_version, sampled, correct, not_a_digit, size, told, not_digits FROM new_label_counts

CREATE OR REPLACE VIEW v_shadow_counts AS
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths, told, not_digits
FROM shadow_counts
UNION ALL
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths, told, not_digits
FROM new_shadow_counts

-- Adds the changes to the counts, about once in 500 changes. All parts of a statement see the same changes.
CREATE OR REPLACE FUNCTION add_changes_sometimes(changed bigint = 1) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  IF random() >= 0.002 * changed OR NOT pg_try_advisory_xact_lock(hashtext('add_changes_sometimes')) THEN
    RETURN;
  END IF;
  WITH deleted AS (DELETE FROM prediction_changes)
  INSERT INTO prediction_counts AS counts
    (period, start, model_version, prediction, tenth, size, millionths, told, not_digits)
  SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits FROM new_prediction_counts
  ON CONFLICT (period, start, model_version, prediction, tenth) DO UPDATE SET
    size = counts.size + excluded.size, millionths = counts.millionths + excluded.millionths,
    told = counts.told + excluded.told, not_digits = counts.not_digits + excluded.not_digits;
  WITH deleted AS (DELETE FROM label_changes), calibrated AS (
    INSERT INTO calibration_counts AS counts (model_version, sampled, millionths, correct, size)
    SELECT model_version, sampled, millionths, correct, size FROM new_calibration_counts
    ON CONFLICT (model_version, sampled, millionths, correct) DO UPDATE SET size = counts.size + excluded.size
  )
  INSERT INTO label_counts AS counts (period, start, model_version, sampled, correct, not_a_digit, size, told, not_digits)
  SELECT period, start, model_version, sampled, correct, not_a_digit, size, told, not_digits FROM new_label_counts
  ON CONFLICT (period, start, model_version, sampled, correct, not_a_digit) DO UPDATE SET
    size = counts.size + excluded.size,
    told = counts.told + excluded.told, not_digits = counts.not_digits + excluded.not_digits;
  WITH deleted AS (DELETE FROM shadow_changes)
  INSERT INTO shadow_counts AS counts (model_version, model_sha256, agreed, labelled, correct, answered_correct,
    not_a_digit, size, millionths, told, not_digits)
  SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths,
    told, not_digits
  FROM new_shadow_counts
  ON CONFLICT (model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit) DO UPDATE SET
    size = counts.size + excluded.size, millionths = counts.millionths + excluded.millionths,
    told = counts.told + excluded.told, not_digits = counts.not_digits + excluded.not_digits;
END $$

-- A changed label also changes how a shadow prediction compares with it.
CREATE OR REPLACE FUNCTION note_label(p predictions, given text, sampled boolean, sign integer) RETURNS void
LANGUAGE plpgsql AS $$ BEGIN
  IF NOT is_counted(p.id) THEN
    RETURN;
  END IF;
  IF given IS NOT NULL THEN
    INSERT INTO label_changes VALUES
      (p.id, p.created_at, p.model_version, p.prediction, p.confidence, given, sampled, sign, p.not_a_digit);
  END IF;
  INSERT INTO shadow_changes
  SELECT s.model_version, s.model_sha256, s.prediction, s.confidence, p.prediction, given, sign, s.not_a_digit
  FROM shadow_predictions AS s WHERE s.prediction_id = p.id;
  PERFORM add_changes_sometimes();
END $$

CREATE FUNCTION note_shadow_prediction(shadow shadow_predictions, sign integer) RETURNS void LANGUAGE plpgsql
AS $$ DECLARE
  answered text;
BEGIN
  SELECT prediction INTO answered FROM predictions WHERE id = shadow.prediction_id FOR NO KEY UPDATE;
  IF FOUND AND is_counted(shadow.prediction_id) THEN
    INSERT INTO shadow_changes VALUES
      (shadow.model_version, shadow.model_sha256, shadow.prediction, shadow.confidence, answered,
        current_label(shadow.prediction_id), sign, shadow.not_a_digit);
    PERFORM add_changes_sometimes();
  END IF;
END $$

CREATE OR REPLACE FUNCTION note_shadow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM note_shadow_prediction(OLD, -1);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM note_shadow_prediction(NEW, 1);
  END IF;
  RETURN NULL;
END $$
