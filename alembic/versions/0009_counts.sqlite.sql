-- The views and triggers of revision 0009 for SQLite. An empty line ends a statement. Revision 0013 replaces those of labels and shadow predictions.

-- The counts with the changes noted since.
CREATE VIEW v_prediction_counts AS
SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits FROM prediction_counts
UNION ALL
SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits FROM new_prediction_counts

-- Predictions without a readable time are in the year 1. The inner query has few groups, because times are slow.
CREATE VIEW new_prediction_counts AS
SELECT period, coalesce(CASE WHEN hour LIKE '____-__-__' THEN strftime(form, hour)
    WHEN hour LIKE '____-__-__%' THEN strftime(form, hour || ':00') END, '0001-01-01 00:00:00.000000') AS start, model_version, prediction, tenth,
  sum(size) AS size, sum(millionths) AS millionths, sum(told) AS told, sum(not_digits) AS not_digits
FROM (
  SELECT substr(created_at, 1, 13) AS hour, model_version, prediction,
    CASE WHEN confidence >= 0.9 THEN 9 WHEN confidence >= 0.8 THEN 8 WHEN confidence >= 0.7 THEN 7
      WHEN confidence >= 0.6 THEN 6 WHEN confidence >= 0.5 THEN 5 WHEN confidence >= 0.4 THEN 4
      WHEN confidence >= 0.3 THEN 3 WHEN confidence >= 0.2 THEN 2 WHEN confidence >= 0.1 THEN 1 ELSE 0 END AS tenth,
    sum(sign) AS size, sum(sign * CAST(round(confidence * 1000000) AS INTEGER)) AS millionths,
    sum(CASE WHEN not_a_digit IS NULL THEN 0 ELSE sign END) AS told,
    sum(CASE WHEN not_a_digit > 0.5 THEN sign ELSE 0 END) AS not_digits
  FROM prediction_changes GROUP BY 1, 2, 3, 4
), (SELECT 'hour' AS period, '%Y-%m-%d %H:00:00.000000' AS form UNION ALL SELECT 'day', '%Y-%m-%d 00:00:00.000000')
GROUP BY 1, 2, 3, 4, 5

CREATE VIEW v_label_counts AS
SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM label_counts
UNION ALL
SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM new_label_counts

CREATE VIEW new_label_counts AS
SELECT period, coalesce(CASE WHEN hour LIKE '____-__-__' THEN strftime(form, hour)
    WHEN hour LIKE '____-__-__%' THEN strftime(form, hour || ':00') END, '0001-01-01 00:00:00.000000') AS start, model_version, sampled, correct, not_a_digit, sum(size) AS size
FROM (
  SELECT substr(created_at, 1, 13) AS hour, model_version, sampled, label = prediction AS correct,
    label = 'none' AS not_a_digit, sum(sign) AS size
  FROM label_changes WHERE label IS NOT NULL GROUP BY 1, 2, 3, 4, 5
), (SELECT 'hour' AS period, '%Y-%m-%d %H:00:00.000000' AS form UNION ALL SELECT 'day', '%Y-%m-%d 00:00:00.000000')
GROUP BY 1, 2, 3, 4, 5, 6

CREATE VIEW v_calibration_counts AS
SELECT model_version, sampled, millionths, correct, size FROM calibration_counts
UNION ALL
SELECT model_version, sampled, millionths, correct, size FROM new_calibration_counts

CREATE VIEW new_calibration_counts AS
SELECT model_version, sampled, CAST(round(confidence * 1000000) AS INTEGER) AS millionths,
  label = prediction AS correct, sum(sign) AS size
FROM label_changes WHERE label IS NOT NULL GROUP BY 1, 2, 3, 4

CREATE VIEW v_shadow_counts AS
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
FROM shadow_counts
UNION ALL
SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
FROM new_shadow_counts

CREATE VIEW new_shadow_counts AS
SELECT model_version, model_sha256, prediction = answered AS agreed, label IS NOT NULL AS labelled,
  coalesce(label = prediction, 0) AS correct, coalesce(label = answered, 0) AS answered_correct,
  coalesce(label = 'none', 0) AS not_a_digit, sum(sign) AS size,
  sum(sign * CAST(round(confidence * 1000000) AS INTEGER)) AS millionths
FROM shadow_changes GROUP BY 1, 2, 3, 4, 5, 6, 7

-- Every 500 changes are added to the counts.
CREATE TRIGGER add_prediction_changes AFTER INSERT ON prediction_changes WHEN NEW.rowid >= 500 BEGIN
  INSERT INTO prediction_counts (period, start, model_version, prediction, tenth, size, millionths, told, not_digits)
  SELECT period, start, model_version, prediction, tenth, size, millionths, told, not_digits
  FROM new_prediction_counts WHERE true
  ON CONFLICT (period, start, model_version, prediction, tenth) DO UPDATE SET
    size = size + excluded.size, millionths = millionths + excluded.millionths,
    told = told + excluded.told, not_digits = not_digits + excluded.not_digits;
  DELETE FROM prediction_changes;
END

CREATE TRIGGER add_label_changes AFTER INSERT ON label_changes WHEN NEW.rowid >= 500 BEGIN
  INSERT INTO label_counts (period, start, model_version, sampled, correct, not_a_digit, size)
  SELECT period, start, model_version, sampled, correct, not_a_digit, size FROM new_label_counts WHERE true
  ON CONFLICT (period, start, model_version, sampled, correct, not_a_digit) DO UPDATE SET size = size + excluded.size;
  INSERT INTO calibration_counts (model_version, sampled, millionths, correct, size)
  SELECT model_version, sampled, millionths, correct, size FROM new_calibration_counts WHERE true
  ON CONFLICT (model_version, sampled, millionths, correct) DO UPDATE SET size = size + excluded.size;
  DELETE FROM label_changes;
END

CREATE TRIGGER add_shadow_changes AFTER INSERT ON shadow_changes WHEN NEW.rowid >= 500 BEGIN
  INSERT INTO shadow_counts (model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit,
    size, millionths)
  SELECT model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit, size, millionths
  FROM new_shadow_counts WHERE true
  ON CONFLICT (model_version, model_sha256, agreed, labelled, correct, answered_correct, not_a_digit) DO UPDATE SET
    size = size + excluded.size, millionths = millionths + excluded.millionths;
  DELETE FROM shadow_changes;
END

-- A changed label also changes how a shadow prediction compares with it.
CREATE TRIGGER note_changed_label_of_shadow AFTER INSERT ON label_changes BEGIN
  INSERT INTO shadow_changes
  SELECT model_version, model_sha256, prediction, confidence, NEW.prediction, NEW.label, NEW.sign
  FROM shadow_predictions WHERE prediction_id = NEW.prediction_id;
END

-- Each prediction with its current label, unless it is not counted yet.
CREATE VIEW counted_predictions AS
SELECT id, created_at, model_version, prediction, confidence, not_a_digit,
  (SELECT label FROM labels WHERE prediction_id = predictions.id ORDER BY id DESC LIMIT 1) AS label,
  coalesce((SELECT sampled FROM reviews WHERE prediction_id = predictions.id), 0) AS sampled
FROM predictions
WHERE NOT EXISTS (SELECT 1 FROM uncounted_predictions WHERE predictions.id BETWEEN first AND last)

CREATE TRIGGER note_prediction AFTER INSERT ON predictions BEGIN
  INSERT INTO prediction_changes
  SELECT NEW.created_at, NEW.model_version, NEW.prediction, NEW.confidence, NEW.not_a_digit, 1
  WHERE NOT EXISTS (SELECT 1 FROM uncounted_predictions WHERE NEW.id BETWEEN first AND last);
END

CREATE TRIGGER note_changed_prediction
AFTER UPDATE OF prediction, confidence, model_version, created_at, not_a_digit ON predictions BEGIN
  INSERT INTO prediction_changes
  SELECT OLD.created_at, OLD.model_version, OLD.prediction, OLD.confidence, OLD.not_a_digit, -1
  FROM counted_predictions WHERE id = NEW.id;
  INSERT INTO prediction_changes
  SELECT created_at, model_version, prediction, confidence, not_a_digit, 1 FROM counted_predictions WHERE id = NEW.id;
  INSERT INTO label_changes
  SELECT id, OLD.created_at, OLD.model_version, OLD.prediction, OLD.confidence, label, sampled, -1
  FROM counted_predictions WHERE id = NEW.id;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, sampled, 1
  FROM counted_predictions WHERE id = NEW.id;
END

-- Before, because the labels are deleted next; then their triggers find no prediction.
CREATE TRIGGER note_deleted_prediction BEFORE DELETE ON predictions BEGIN
  INSERT INTO prediction_changes
  SELECT created_at, model_version, prediction, confidence, not_a_digit, -1 FROM counted_predictions WHERE id = OLD.id;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, sampled, -1
  FROM counted_predictions WHERE id = OLD.id;
END

-- The label with the highest id counts, so a lower one changes nothing.
CREATE TRIGGER note_label AFTER INSERT ON labels
WHEN NOT EXISTS (SELECT 1 FROM labels WHERE prediction_id = NEW.prediction_id AND id > NEW.id) BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, (SELECT label FROM labels
    WHERE prediction_id = NEW.prediction_id AND id < NEW.id ORDER BY id DESC LIMIT 1), sampled, -1
  FROM counted_predictions WHERE id = NEW.prediction_id;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, NEW.label, sampled, 1
  FROM counted_predictions WHERE id = NEW.prediction_id;
END

CREATE TRIGGER note_deleted_label AFTER DELETE ON labels
WHEN NOT EXISTS (SELECT 1 FROM labels WHERE prediction_id = OLD.prediction_id AND id > OLD.id) BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, OLD.label, sampled, -1
  FROM counted_predictions WHERE id = OLD.prediction_id;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, sampled, 1
  FROM counted_predictions WHERE id = OLD.prediction_id;
END

-- As if the old label was deleted and the new one inserted.
CREATE TRIGGER note_changed_label AFTER UPDATE ON labels BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, OLD.label, sampled, -1
  FROM counted_predictions WHERE id = OLD.prediction_id AND NOT EXISTS
    (SELECT 1 FROM labels WHERE prediction_id = OLD.prediction_id AND id > OLD.id AND id <> NEW.id);
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, (SELECT label FROM labels
    WHERE prediction_id = OLD.prediction_id AND id <> NEW.id ORDER BY id DESC LIMIT 1), sampled, 1
  FROM counted_predictions WHERE id = OLD.prediction_id AND NOT EXISTS
    (SELECT 1 FROM labels WHERE prediction_id = OLD.prediction_id AND id > OLD.id AND id <> NEW.id);
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, (SELECT label FROM labels
    WHERE prediction_id = NEW.prediction_id AND id <> NEW.id ORDER BY id DESC LIMIT 1), sampled, -1
  FROM counted_predictions WHERE id = NEW.prediction_id AND NOT EXISTS
    (SELECT 1 FROM labels WHERE prediction_id = NEW.prediction_id AND id > NEW.id);
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, NEW.label, sampled, 1
  FROM counted_predictions WHERE id = NEW.prediction_id AND NOT EXISTS
    (SELECT 1 FROM labels WHERE prediction_id = NEW.prediction_id AND id > NEW.id);
END

CREATE TRIGGER note_review AFTER INSERT ON reviews WHEN NEW.sampled BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, 0, -1
  FROM counted_predictions WHERE id = NEW.prediction_id AND label IS NOT NULL;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, 1, 1
  FROM counted_predictions WHERE id = NEW.prediction_id AND label IS NOT NULL;
END

CREATE TRIGGER note_deleted_review AFTER DELETE ON reviews WHEN OLD.sampled BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, 1, -1
  FROM counted_predictions WHERE id = OLD.prediction_id AND label IS NOT NULL;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, 0, 1
  FROM counted_predictions WHERE id = OLD.prediction_id AND label IS NOT NULL;
END

CREATE TRIGGER note_changed_review AFTER UPDATE OF sampled ON reviews WHEN OLD.sampled <> NEW.sampled BEGIN
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, OLD.sampled, -1
  FROM counted_predictions WHERE id = NEW.prediction_id AND label IS NOT NULL;
  INSERT INTO label_changes
  SELECT id, created_at, model_version, prediction, confidence, label, NEW.sampled, 1
  FROM counted_predictions WHERE id = NEW.prediction_id AND label IS NOT NULL;
END

CREATE TRIGGER note_shadow AFTER INSERT ON shadow_predictions BEGIN
  INSERT INTO shadow_changes
  SELECT NEW.model_version, NEW.model_sha256, NEW.prediction, NEW.confidence, prediction, label, 1
  FROM counted_predictions WHERE id = NEW.prediction_id;
END

CREATE TRIGGER note_deleted_shadow AFTER DELETE ON shadow_predictions BEGIN
  INSERT INTO shadow_changes
  SELECT OLD.model_version, OLD.model_sha256, OLD.prediction, OLD.confidence, prediction, label, -1
  FROM counted_predictions WHERE id = OLD.prediction_id;
END

CREATE TRIGGER note_changed_shadow AFTER UPDATE ON shadow_predictions BEGIN
  INSERT INTO shadow_changes
  SELECT OLD.model_version, OLD.model_sha256, OLD.prediction, OLD.confidence, prediction, label, -1
  FROM counted_predictions WHERE id = OLD.prediction_id;
  INSERT INTO shadow_changes
  SELECT NEW.model_version, NEW.model_sha256, NEW.prediction, NEW.confidence, prediction, label, 1
  FROM counted_predictions WHERE id = NEW.prediction_id;
END
