"""The tables: what a prediction was, the drawing it was made from, and what people said about it."""

from datetime import UTC, datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import SessionLocal
from app.database.base import Base, UtcDateTime

__all__ = ["Base", "Drawing", "IdempotencyKey", "Label", "Prediction", "Review", "SessionLocal", "ShadowPrediction"]


def _now() -> datetime:
    return datetime.now(UTC)


class Prediction(Base):
    """One drawing that was classified. Small, because it is what people read with `sqlite3`."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
        # Each serves a filter of the list, newest first: without it a page of what is rare reads every row.
        Index(None, "prediction", "id"),
        Index(None, "model_version", "id"),
        Index(None, "created_at", "id"),
        Index(None, "confidence"),
        Index(
            "ix_predictions_with_notes",
            "id",
            sqlite_where=text("notes IS NOT NULL"),
            postgresql_where=text("notes IS NOT NULL"),
        ),
        # Without AUTOINCREMENT SQLite gives the id of a deleted newest row to the next one.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    prediction: Mapped[str]
    confidence: Mapped[float]
    model_version: Mapped[str]
    # The server's default serves rows inserted by hand. Nullable, because v0.5 left NULL in such rows.
    created_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, default=_now, server_default=func.current_timestamp()
    )
    notes: Mapped[str | None]
    request_id: Mapped[str | None]
    client: Mapped[str | None]

    # Never loaded by itself: a page of predictions must not fetch a drawing for each.
    drawing: Mapped["Drawing | None"] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)


class Drawing(Base):
    """The 28 x 28 pixels as they were received, and the ten scores, by digit, they were given."""

    __tablename__ = "drawings"
    __table_args__ = (
        CheckConstraint("length(pixels) = 784", name="pixels"),
        # For `GET /review`: with the id in it, the labelled ones are passed by without reading their drawings.
        Index(None, "margin", "prediction_id"),
    )

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    pixels: Mapped[bytes] = mapped_column(LargeBinary)
    # JSON text, so that it reads the same in `sqlite3`, in `psql` and in Python.
    scores: Mapped[list[float]] = mapped_column(JSON)
    # The highest score less the second highest: the smaller, the more a person's look is worth. Nullable, because the
    # version before wrote none.
    margin: Mapped[float | None]


class Label(Base):
    """One word of a person on a drawing. Rows are only ever added; the one with the highest id counts."""

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
    # The defaults of the server let a label be added by hand, with `sqlite3` or `psql`.
    source: Mapped[str] = mapped_column(server_default=text("'by hand'"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now, server_default=func.current_timestamp())


class Review(Base):
    """A drawing that was offered to a person, or drawn at random whether it needed one or not."""

    __tablename__ = "reviews"

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    # Drawn at random from all drawings, whatever is known of them: only these say how often the model is right.
    sampled: Mapped[bool]
    # Who has it before them, if they gave a name, and since when; both null when it was drawn and is with nobody.
    reviewer: Mapped[str | None]
    offered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ShadowPrediction(Base):
    """What a second model would have answered; kept apart from what was answered."""

    __tablename__ = "shadow_predictions"

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    # The file's checksum, since two files may carry the same version.
    model_sha256: Mapped[str] = mapped_column(primary_key=True)
    model_version: Mapped[str]
    prediction: Mapped[str]
    confidence: Mapped[float]


class IdempotencyKey(Base):
    """What a request with an `Idempotency-Key` was answered: kept for a day, so that a repetition stores nothing."""

    __tablename__ = "idempotency_keys"
    # For forgetting what is older than a day.
    __table_args__ = (Index(None, "created_at"),)

    client: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    # As it was sent, byte for byte.
    response: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
