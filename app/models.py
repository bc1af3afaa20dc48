"""The tables: what a prediction was, and the drawing it was made from."""

from datetime import UTC, datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, SessionLocal, UtcDateTime

__all__ = ["Base", "Drawing", "Prediction", "SessionLocal"]


def _now() -> datetime:
    return datetime.now(UTC)


class Prediction(Base):
    """One drawing that was classified. Small, because it is what people read with `sqlite3`."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
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
    __table_args__ = (CheckConstraint("length(pixels) = 784", name="pixels"),)

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    pixels: Mapped[bytes] = mapped_column(LargeBinary)
    # JSON text, so that it reads the same in `sqlite3`, in `psql` and in Python.
    scores: Mapped[list[float]] = mapped_column(JSON)
