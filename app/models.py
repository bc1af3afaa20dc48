"""The database tables."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import JSON, CheckConstraint, Dialect, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import LargeBinary, TypeDecorator

from app.count_tables import CalibrationCount, LabelCount, PredictionCount, ShadowCount, UncountedPredictions
from app.database import SessionLocal
from app.database.base import Base, UtcDateTime, begin_of
from app.drawings.packing import unpack

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Base",
    "CalibrationCount",
    "Drawing",
    "IdempotencyKey",
    "Label",
    "LabelCount",
    "LabelledPrediction",
    "Prediction",
    "PredictionCount",
    "QueuedDrawing",
    "Review",
    "SessionLocal",
    "ShadowCount",
    "ShadowPrediction",
    "UncountedPredictions",
    "UnlistedPredictions",
    "begin_of",
]


# SQLite uses a partial index only for a statement with the same condition.
LOW_CONFIDENCE: Final = 0.9
HAS_LOW_CONFIDENCE: Final = text(f"confidence <= {LOW_CONFIDENCE}")
SMALL_MARGIN: Final = 0.8
MAYBE_NOT_A_DIGIT: Final = 0.1
IS_MAYBE_NOT_A_DIGIT: Final = text(f"not_a_digit >= {MAYBE_NOT_A_DIGIT}")
HAS_NOTES: Final = text("notes IS NOT NULL")


def _now() -> datetime:
    return datetime.now(UTC)


class Prediction(Base):
    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
        # Each index serves a filter of `GET /results`, newest first.
        Index(None, "prediction", "id"),
        Index(None, "model_version", "id"),
        Index(None, "created_at", "id"),
        # Alembic's env.py adds postgresql_where.
        Index("ix_predictions_low_confidence", "id", "confidence", sqlite_where=HAS_LOW_CONFIDENCE),
        # Also for `GET /review`.
        Index("ix_predictions_maybe_not_a_digit", "id", "not_a_digit", sqlite_where=IS_MAYBE_NOT_A_DIGIT),
        Index("ix_predictions_with_notes", "id", sqlite_where=HAS_NOTES),
        Index("ix_predictions_with_notes_created_at", "created_at", "id", sqlite_where=HAS_NOTES),
        # Without AUTOINCREMENT SQLite reuses the id of a deleted newest row.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    prediction: Mapped[str]
    confidence: Mapped[float]
    model_version: Mapped[str]
    # The server default is for rows inserted by hand; version 0.5 left NULL there.
    created_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, default=_now, server_default=func.current_timestamp()
    )
    notes: Mapped[str | None]
    request_id: Mapped[str | None]
    client: Mapped[str | None]
    # Null in older rows, and for models without it. SQLite adds a check of a column without copying the table.
    not_a_digit: Mapped[float | None] = mapped_column(
        CheckConstraint("not_a_digit >= 0 AND not_a_digit <= 1", name="not_a_digit")
    )
    # Of the `traceparent` header: 32 hexadecimal digits.
    trace_id: Mapped[str | None]

    # A page of predictions must not load the drawings.
    drawing: Mapped["Drawing | None"] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)


class Pixels(TypeDecorator[bytes]):
    """784 bytes when read; written as they are given, packed or not."""

    impl = LargeBinary
    cache_ok = True

    @property
    def python_type(self) -> type[bytes]:
        return bytes

    def process_result_value(self, value: bytes | str | None, dialect: Dialect) -> bytes | None:
        # SQLite may store text in this column.
        stored = value.encode() if isinstance(value, str) else value
        return None if stored is None else unpack(stored)


class Drawing(Base):
    """The 28 x 28 pixels as received, and the ten scores by digit."""

    __tablename__ = "drawings"
    __table_args__ = (CheckConstraint("length(pixels) BETWEEN 98 AND 784", name="pixels"),)

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    pixels: Mapped[bytes] = mapped_column(Pixels)
    scores: Mapped[list[float]] = mapped_column(JSON)
    # Highest score minus second highest; null in rows of older releases.
    margin: Mapped[float | None]


class Label(Base):
    """A label by a person. Rows are only added; the one with the highest id counts."""

    __tablename__ = "labels"
    __table_args__ = (
        CheckConstraint("label IN ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'none')", name="label"),
        Index(None, "prediction_id", "id"),
        Index(None, "label", "prediction_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"))
    label: Mapped[str]
    source: Mapped[str] = mapped_column(server_default=text("'by hand'"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now, server_default=func.current_timestamp())


class LabelledPrediction(Base):
    """A labelled prediction with its current label; triggers keep this table."""

    __tablename__ = "labelled_predictions"
    __table_args__ = (
        # Each serves a label, or any, and one other filter of `GET /results`.
        Index(None, "label", "prediction_id", "confidence"),
        Index(None, "label", "prediction", "prediction_id"),
        Index(None, "label", "model_version", "prediction_id"),
        Index(None, "prediction", "prediction_id"),
        Index(None, "model_version", "prediction_id"),
        Index(
            "ix_labelled_predictions_low_confidence",
            *("prediction_id", "label", "confidence"),
            sqlite_where=HAS_LOW_CONFIDENCE,
        ),
        Index(
            "ix_labelled_predictions_maybe_not_a_digit",
            *("prediction_id", "label", "not_a_digit"),
            sqlite_where=IS_MAYBE_NOT_A_DIGIT,
        ),
    )

    # Not a foreign key: PostgreSQL would lock the prediction for each row.
    prediction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    prediction: Mapped[str]
    model_version: Mapped[str]
    confidence: Mapped[float]
    not_a_digit: Mapped[float | None]


class Review(Base):
    """A drawing that was offered to a reviewer or sampled at random."""

    __tablename__ = "reviews"
    __table_args__ = (Index(None, "reviewer", "offered_at"),)

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    # Labelled or not; only these give an unbiased accuracy.
    sampled: Mapped[bool]
    # Both are null for a sample not offered yet; an offer may lack a reviewer.
    reviewer: Mapped[str | None]
    offered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QueuedDrawing(Base):
    """An unlabelled drawing for `GET /review`, lowest priority first; triggers keep this table."""

    __tablename__ = "review_queue"
    __table_args__ = ({"sqlite_with_rowid": False},)

    # margin, not_a_digit or sample.
    queue: Mapped[str] = mapped_column(primary_key=True)
    priority: Mapped[float] = mapped_column(primary_key=True)
    prediction_id: Mapped[int] = mapped_column(
        ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ShadowPrediction(Base):
    __tablename__ = "shadow_predictions"
    # For the first and the last drawing of a model.
    __table_args__ = (Index(None, "model_sha256", "prediction_id"),)

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    # Two files may have the same version.
    model_sha256: Mapped[str] = mapped_column(primary_key=True)
    model_version: Mapped[str]
    prediction: Mapped[str]
    confidence: Mapped[float]
    not_a_digit: Mapped[float | None]


class IdempotencyKey(Base):
    """The response to a request with an `Idempotency-Key`, kept for a day."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    client: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    response: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """A key as stored: its secret cannot be read back."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("sha256"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    # The first characters of the secret, by which people tell keys apart.
    prefix: Mapped[str]
    sha256: Mapped[str]
    # After a rotation, the secret before it is valid for a while.
    previous_sha256: Mapped[str | None]
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Separated by spaces.
    scopes: Mapped[str]
    rate_limit: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditEntry(Base):
    """Who did what with which record."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "at", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # The name of the key.
    key: Mapped[str]
    action: Mapped[str]
    record: Mapped[str]
    request_id: Mapped[str | None]


class UnlistedPredictions(Base):
    """The range of ids whose labels `labelled_predictions` may lack; no row when it is complete."""

    __tablename__ = "unlisted_predictions"

    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
