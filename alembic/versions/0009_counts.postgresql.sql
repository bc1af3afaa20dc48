-- The views, functions and triggers of revision 0009 for PostgreSQL. An empty line ends a statement. Revision 0013 replaces those of labels and shadow predictions.

-- Predictions without a readable time are in the year 1. The inner query has few groups, because times are slow.
CREATE VIEW new_prediction_counts AS
SELECT period::varchar, coalesce(date_trunc(period, hour) AT TIME ZONE 'UTC', '0001-01-01 00:00:00+00'::timestamptz) AS start,
  model_version, prediction, tenth, sum(size)::bigint AS size, sum(millionths)::bigint AS millionths,
  sum(told)::bigint AS told, sum(not_digits)::bigint AS not_digits
FROM (
  SELECT date_trunc('hour', created_at AT TIME ZONE 'UTC') AS hour, model_version, prediction,
    CASE WHEN confidence >= 0.9 THEN 9 WHEN confidence >= 0.8 THEN 8 WHEN confidence >= 0.7 THEN 7
      WHEN confidence >= 0.6 THEN 6 WHEN confidence >= 0.5 THEN 5 WHEN confidence >= 0.4 THEN 4
      WHEN confidence >= 0.3 THEN 3 WHEN confidence >= 0.2 THEN 2 WHEN confidence >= 0.1 THEN 1 ELSE 0 END AS tenth,
    sum(sign) AS size, sum(sign * round(confidence * 1000000)::bigint) AS millionths,
    sum(CASE WHEN not_a_digit IS NULL THEN 0 ELSE sign END) AS told,
    sum(CASE WHEN not_a_digit > 0.5 THEN sign ELSE 0 END) AS not_digits
  FROM prediction_changes GROUP BY 1, 2, 3, 4
) AS hours, (VALUES ('hour'), ('day')) AS periods (period)
GROUP BY 1, 2, 3, 4, 5

CREATE VIEW new_label_counts AS
SELECT period::varchar, coalesce(date_trunc(period, hour) AT TIME ZONE 'UTC', '0001-01-01 00:00:00+00'::timestamptz) AS start,
  model_version, sampled, correct, not_a_digit, sum(size)::bigint AS size
FROM (
  SELECT date_trunc('hour', created_at AT TIME ZONE 'UTC') AS hour, model_version, sampled,
    label = prediction AS correct, label = 'none' AS not_a_digit, sum(sign) AS size
  FROM label_changes WHERE label IS NOT NULL GROUP BY 1, 2, 3, 4, 5
) AS hours, (VALUES ('hour'), ('day')) AS periods (period)
GROUP BY 1, 2, 3, 4, 5, 6

CREATE VIEW new_calibration_counts AS
SELECT model_version, sampled, round(confidence * 1000000)::bigint AS millionths, label = prediction AS correct,
  sum(sign)::bigint AS size
FROM label_changes WHERE label IS NOT NULL GROUP BY 1, 2, 3, 4

CREATE VIEW new_shadow_counts AS
SELECT model_version, model_sha256, prediction = answered AS agreed, label IS NOT NULL AS labelled,
  coalesce(label = prediction, false) AS correct, coalesce(label = answered, false) AS answered_correct,
  coalesce(label = 'none', false) AS not_a_digit, sum(sign)::bigint AS size,
  sum(sign * round(confidence * 1000000)::bigint)::bigint AS millionths
FROM shadow_changes GROUP BY 1, 2, 3, 4, 5, 6, 7

-- The counts with the changes noted since.
CREATE VIEW v_prediction_counts AS
SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits FROM prediction_counts
UNION ALL
SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits FROM new_prediction_counts

CREATE VIEW v_label_counts AS
SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM label_counts
UNION ALL
SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM new_label_counts

CREATE VIEW v_calibration_counts AS
SELECT model_version, sampled, millionths, correct, size FROM calibration_counts
UNION ALL
SELECT model_version, sampled, millionths, correct, size FROM new_calibration_counts

CREATE VIEW v_shadow_counts AS
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
FROM shadow_counts
UNION ALL
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
FROM new_shadow_counts

-- Adds the changes to the counts, about once in 500 changes. All parts of a statement see the same changes.
CREATE FUNCTION add_changes_sometimes(changed bigint = 1) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
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
  INSERT INTO label_counts AS counts (period, start, model_version, sampled, correct, not_a_digit, size)
  SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM new_label_counts
  ON CONFLICT (period, start, model_version, sampled, correct, not_a_digit) DO UPDATE SET
    size = counts.size + excluded.size;
  WITH deleted AS (DELETE FROM shadow_changes)
  INSERT INTO shadow_counts AS counts (model_version, model_sha256, agreed, labelled, correct, answered_correct,
    not_a_digit, size, millionths)
  SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
  FROM new_shadow_counts
  ON CONFLICT (model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit) DO UPDATE SET
    size = counts.size + excluded.size, millionths = counts.millionths + excluded.millionths;
END $$

-- Else the deleted changes of a busy hour would slow down the views.
ALTER TABLE prediction_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)

ALTER TABLE label_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)

ALTER TABLE shadow_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)

CREATE FUNCTION is_counted(prediction_id integer) RETURNS boolean LANGUAGE sql AS $$
  SELECT NOT EXISTS (SELECT 1 FROM uncounted_predictions WHERE prediction_id BETWEEN first AND last)
$$

CREATE FUNCTION note_predictions() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE
  noted bigint;
BEGIN
  INSERT INTO prediction_changes
  SELECT created_at, model_version, prediction, confidence, not_a_digit, CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END
  FROM changed WHERE NOT EXISTS (SELECT 1 FROM uncounted_predictions WHERE changed.id BETWEEN first AND last);
  GET DIAGNOSTICS noted = ROW_COUNT;
  PERFORM add_changes_sometimes(noted);
  RETURN NULL;
END $$

CREATE TRIGGER note_predictions AFTER INSERT ON predictions
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_predictions()

CREATE TRIGGER note_deleted_predictions AFTER DELETE ON predictions
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_predictions()

CREATE FUNCTION current_label(id_ integer) RETURNS text LANGUAGE sql AS $$
  SELECT label FROM labels WHERE prediction_id = id_ ORDER BY id DESC LIMIT 1
$$

CREATE FUNCTION is_sampled(id_ integer) RETURNS boolean LANGUAGE sql AS $$
  SELECT coalesce((SELECT sampled FROM reviews WHERE prediction_id = id_), false)
$$

-- A changed label also changes how a shadow prediction compares with it.
CREATE FUNCTION note_label(p predictions, given text, sampled boolean, sign integer) RETURNS void LANGUAGE plpgsql
AS $$ BEGIN
  IF NOT is_counted(p.id) THEN
    RETURN;
  END IF;
  IF given IS NOT NULL THEN
    INSERT INTO label_changes VALUES
      (p.id, p.created_at, p.model_version, p.prediction, p.confidence, given, sampled, sign);
  END IF;
  INSERT INTO shadow_changes
  SELECT s.model_version, s.model_sha256, s.prediction, s.confidence, p.prediction, given, sign
  FROM shadow_predictions AS s WHERE s.prediction_id = p.id;
  PERFORM add_changes_sometimes();
END $$

CREATE FUNCTION note_changed_prediction() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF is_counted(NEW.id) THEN
    INSERT INTO prediction_changes VALUES
      (OLD.created_at, OLD.model_version, OLD.prediction, OLD.confidence, OLD.not_a_digit, -1),
      (NEW.created_at, NEW.model_version, NEW.prediction, NEW.confidence, NEW.not_a_digit, 1);
    PERFORM note_label(OLD, current_label(OLD.id), is_sampled(OLD.id), -1);
    PERFORM note_label(NEW, current_label(NEW.id), is_sampled(NEW.id), 1);
  END IF;
  RETURN NULL;
END $$

CREATE TRIGGER note_changed_prediction
AFTER UPDATE OF prediction, confidence, model_version, created_at, not_a_digit ON predictions
FOR EACH ROW EXECUTE FUNCTION note_changed_prediction()

-- Before, because the labels are deleted next; then their triggers find no prediction.
CREATE FUNCTION note_labels_of_deleted_prediction() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_label(OLD, current_label(OLD.id), is_sampled(OLD.id), -1);
  RETURN OLD;
END $$

CREATE TRIGGER note_labels_of_deleted_prediction BEFORE DELETE ON predictions
FOR EACH ROW EXECUTE FUNCTION note_labels_of_deleted_prediction()

CREATE FUNCTION forget_counts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  DELETE FROM prediction_counts;
  DELETE FROM label_counts;
  DELETE FROM calibration_counts;
  DELETE FROM shadow_counts;
  DELETE FROM prediction_changes;
  DELETE FROM label_changes;
  DELETE FROM shadow_changes;
  DELETE FROM uncounted_predictions;
  RETURN NULL;
END $$

CREATE TRIGGER forget_counts AFTER TRUNCATE ON predictions FOR EACH STATEMENT EXECUTE FUNCTION forget_counts()

-- For whole statements, which may change several labels of a prediction. Of two labels at once, the second must see the
-- first, so each locks the prediction.
CREATE FUNCTION note_labels_of(
  ids integer[], added integer[], removed integer[] = '{}', removed_of integer[] = '{}', removed_labels text[] = '{}'
) RETURNS void LANGUAGE plpgsql AS $$ DECLARE
  p predictions;
  earlier text;
BEGIN
  PERFORM 1 FROM predictions WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
  FOR p IN SELECT * FROM predictions WHERE id = ANY (ids) LOOP
    SELECT label INTO earlier FROM (
      SELECT id, label FROM labels WHERE prediction_id = p.id AND id <> ALL (added)
      UNION ALL
      SELECT id, label FROM unnest(removed, removed_of, removed_labels) AS old (id, prediction_id, label)
      WHERE prediction_id = p.id
    ) AS before ORDER BY id DESC LIMIT 1;
    PERFORM note_label(p, earlier, is_sampled(p.id), -1);
    PERFORM note_label(p, current_label(p.id), is_sampled(p.id), 1);
  END LOOP;
END $$

CREATE FUNCTION note_added_labels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_labels_of(array_agg(prediction_id), array_agg(id)) FROM added;
  RETURN NULL;
END $$

CREATE FUNCTION note_deleted_labels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_labels_of(array_agg(prediction_id), '{}', array_agg(id), array_agg(prediction_id), array_agg(label))
  FROM removed;
  RETURN NULL;
END $$

CREATE FUNCTION note_changed_labels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM note_labels_of(
    (SELECT array_agg(prediction_id) FROM added) || array_agg(prediction_id), (SELECT array_agg(id) FROM added),
    array_agg(id), array_agg(prediction_id), array_agg(label)) FROM removed;
  RETURN NULL;
END $$

CREATE TRIGGER note_added_labels AFTER INSERT ON labels
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_added_labels()

CREATE TRIGGER note_deleted_labels AFTER DELETE ON labels
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION note_deleted_labels()

CREATE TRIGGER note_changed_labels AFTER UPDATE ON labels
REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_changed_labels()

CREATE FUNCTION note_sample(id_ integer, before boolean, after boolean) RETURNS void LANGUAGE plpgsql AS $$ DECLARE
  p predictions;
  given text;
BEGIN
  SELECT * INTO p FROM predictions WHERE id = id_ FOR NO KEY UPDATE;
  given := current_label(id_);
  IF p.id IS NOT NULL AND given IS NOT NULL AND before <> after THEN
    PERFORM note_label(p, given, before, -1);
    PERFORM note_label(p, given, after, 1);
  END IF;
END $$

CREATE FUNCTION note_review() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM note_sample(OLD.prediction_id, OLD.sampled, false);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM note_sample(NEW.prediction_id, false, NEW.sampled);
  END IF;
  RETURN NULL;
END $$

CREATE TRIGGER note_review AFTER INSERT OR UPDATE OR DELETE ON reviews FOR EACH ROW EXECUTE FUNCTION note_review()

CREATE FUNCTION note_shadow_prediction(
  id_ integer, version text, sha256 text, prediction_ text, confidence_ double precision, sign integer
) RETURNS void LANGUAGE plpgsql AS $$ DECLARE
  answered text;
BEGIN
  SELECT prediction INTO answered FROM predictions WHERE id = id_ FOR NO KEY UPDATE;
  IF FOUND AND is_counted(id_) THEN
    INSERT INTO shadow_changes VALUES (version, sha256, prediction_, confidence_, answered, current_label(id_), sign);
    PERFORM add_changes_sometimes();
  END IF;
END $$

CREATE FUNCTION note_shadow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM note_shadow_prediction(
      OLD.prediction_id, OLD.model_version, OLD.model_sha256, OLD.prediction, OLD.confidence, -1);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM note_shadow_prediction(
      NEW.prediction_id, NEW.model_version, NEW.model_sha256, NEW.prediction, NEW.confidence, 1);
  END IF;
  RETURN NULL;
END $$

CREATE TRIGGER note_shadow AFTER INSERT OR UPDATE OR DELETE ON shadow_predictions
FOR EACH ROW EXECUTE FUNCTION note_shadow()
