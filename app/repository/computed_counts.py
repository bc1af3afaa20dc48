"""The counts, computed from the rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    SelectBase,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from app.drawings.shape import LIKELY_NOT_A_DIGIT, NOT_A_DIGIT
from app.models import Base, Label, LabelCount, Prediction, PredictionCount, Review, ShadowCount, ShadowPrediction
from app.repository.dialects import DialectFunction
from app.repository.labels import current_label, is_current
from app.repository.steps import IdRange

# Of predictions and of shadow predictions.
SUMS: Final = ("size", "millionths", "told", "not_digits")
LABEL_SUMS: Final = ("size", "told", "not_digits")
LABEL_KEY: Final = ("model_version", "sampled", "correct", "not_a_digit")
CALIBRATION_KEY: Final = ("model_version", "sampled", "millionths", "correct")
SHADOW_KEY: Final = (
    "model_version",
    "model_sha256",
    "agreed",
    "labelled",
    "correct",
    "answered_correct",
    "not_a_digit",
)


def computed(counts: type[Base], ids: IdRange | None = None) -> SelectBase:
    within = [] if ids is None else [Prediction.id.between(*ids)]
    if counts is PredictionCount:
        key, sums = ("model_version", "prediction", "tenth"), SUMS
        return _by_period(prediction_rows().where(*within), key, sums)
    if counts is ShadowCount:
        return summed(_shadow_rows().where(*within), SHADOW_KEY, SUMS)
    if ids is not None:
        # Without this, PostgreSQL reads all labels.
        within.append(Label.prediction_id.between(*ids))
    if counts is LabelCount:
        return _by_period(label_rows().where(*within), LABEL_KEY, LABEL_SUMS)
    return summed(label_rows().where(*within), CALIBRATION_KEY, ("size",))


def prediction_rows() -> Select[Any]:
    return select(
        Prediction.model_version,
        Prediction.prediction,
        case(*((Prediction.confidence >= lower / 10, lower) for lower in range(9, 0, -1)), else_=0).label("tenth"),
        literal(1).label("size"),
        millionths_of(Prediction.confidence).label("millionths"),
        *_digit_or_not(Prediction),
        Prediction.created_at,
    )


def label_rows() -> Select[Any]:
    sampled = select(Review.sampled).where(Review.prediction_id == Prediction.id).correlate(Prediction)
    return (
        select(
            Prediction.model_version,
            func.coalesce(sampled.scalar_subquery(), False).label("sampled"),
            (Label.label == Prediction.prediction).label("correct"),
            (Label.label == NOT_A_DIGIT).label("not_a_digit"),
            millionths_of(Prediction.confidence).label("millionths"),
            literal(1).label("size"),
            *_digit_or_not(Prediction),
            Prediction.created_at,
        )
        # Labels are few compared with predictions.
        .select_from(Label)
        .join(Prediction, Prediction.id == Label.prediction_id)
        .where(is_current())
    )


def _shadow_rows() -> Select[Any]:
    shadow, label = ShadowPrediction, current_label()
    return select(
        shadow.model_version,
        shadow.model_sha256,
        (shadow.prediction == Prediction.prediction).label("agreed"),
        label.is_not(None).label("labelled"),
        func.coalesce(label == shadow.prediction, False).label("correct"),
        func.coalesce(label == Prediction.prediction, False).label("answered_correct"),
        func.coalesce(label == NOT_A_DIGIT, False).label("not_a_digit"),
        literal(1).label("size"),
        millionths_of(shadow.confidence).label("millionths"),
        *_digit_or_not(shadow),
    ).join(Prediction, Prediction.id == shadow.prediction_id)


def _digit_or_not(answer: type[Prediction | ShadowPrediction]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Whether an answer has `not_a_digit`, and whether that is above 0.5."""
    is_known, is_likely = answer.not_a_digit.is_not(None), answer.not_a_digit > LIKELY_NOT_A_DIGIT
    return case((is_known, 1), else_=0).label("told"), case((is_likely, 1), else_=0).label("not_digits")


def millionths_of(confidence: Any) -> ColumnElement[int]:
    """A confidence as an integer, because sums of integers are exact. The classifier rounds to six decimals."""
    return cast(func.round(confidence * 1_000_000), BigInteger)


def summed(rows: Select[Any] | CompoundSelect[Any], key: Sequence[str], sums: Sequence[str]) -> Select[Any]:
    found = rows.subquery().c
    groups = [found[name] for name in key]
    # PostgreSQL's sum of integers is a decimal.
    totals = [cast(func.sum(found[name]), BigInteger).label(name) for name in sums]
    return select(*groups, *totals).group_by(*groups)


def _by_period(rows: Select[Any], key: Sequence[str], sums: Sequence[str]) -> CompoundSelect[Any]:
    found = rows.subquery().c
    start = _StartOf(literal("hour"), found.created_at).label("start")
    hourly = summed(select(start, *(found[name] for name in (*key, *sums))), ("start", *key), sums)
    hours = hourly.cte("hours").c
    start = _StartOf(literal("day"), hours.start).label("start")
    days = summed(select(start, *(hours[name] for name in (*key, *sums))), ("start", *key), sums).subquery().c
    return union_all(select(literal("hour").label("period"), *hours), select(literal("day"), *days))


class _StartOf(DialectFunction[datetime]):
    """The start of the hour or day of a time; the first day of year 1 for an invalid time."""

    type = PredictionCount.start.type
    inherit_cache = True
    sqlite = (
        "coalesce(strftime("
        "CASE {0} WHEN 'hour' THEN '%Y-%m-%d %H:00:00.000000' ELSE '%Y-%m-%d 00:00:00.000000' END, "
        # Without minutes, because SQLite would round a day's last microsecond up.
        "CASE WHEN {1} LIKE '____-__-__' THEN {1} WHEN {1} LIKE '____-__-__%' THEN substr({1}, 1, 13) || ':00' END), "
        "'0001-01-01 00:00:00.000000')"
    )
    postgresql = (
        "coalesce(date_trunc({0}, {1} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC',"
        " CAST('0001-01-01 00:00:00+00' AS timestamptz))"
    )
