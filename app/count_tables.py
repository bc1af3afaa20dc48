"""The tables with counts.

They have the number of rows in each group, which may be 0. Triggers note each change of a row and sometimes add what
they noted. The views `v_..._counts` include the changes noted since, so only they are exact.
"""

from datetime import datetime

from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base, UtcDateTime


class PredictionCount(Base):
    """Predictions by hour and by day, in UTC."""

    __tablename__ = "prediction_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    # "hour" or "day".
    period: Mapped[str] = mapped_column(primary_key=True)
    # The year 1 if the prediction has no readable time.
    start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    prediction: Mapped[str] = mapped_column(primary_key=True)
    # Of the confidence: 9 from 0.9 on.
    tenth: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    # The sum of the confidences in millionths.
    millionths: Mapped[int] = mapped_column(BigInteger)
    # Predictions with `not_a_digit`, and those above 0.5.
    told: Mapped[int] = mapped_column(BigInteger)
    not_digits: Mapped[int] = mapped_column(BigInteger)


class LabelCount(Base):
    """Current labels by the time of their prediction."""

    __tablename__ = "label_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    period: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    sampled: Mapped[bool] = mapped_column(primary_key=True)
    correct: Mapped[bool] = mapped_column(primary_key=True)
    not_a_digit: Mapped[bool] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    told: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    not_digits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class CalibrationCount(Base):
    __tablename__ = "calibration_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    model_version: Mapped[str] = mapped_column(primary_key=True)
    sampled: Mapped[bool] = mapped_column(primary_key=True)
    millionths: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    correct: Mapped[bool] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)


class ShadowCount(Base):
    __tablename__ = "shadow_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    model_version: Mapped[str] = mapped_column(primary_key=True)
    model_sha256: Mapped[str] = mapped_column(primary_key=True)
    agreed: Mapped[bool] = mapped_column(primary_key=True)
    labelled: Mapped[bool] = mapped_column(primary_key=True)
    correct: Mapped[bool] = mapped_column(primary_key=True)
    answered_correct: Mapped[bool] = mapped_column(primary_key=True)
    not_a_digit: Mapped[bool] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    millionths: Mapped[int] = mapped_column(BigInteger)
    told: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    not_digits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class UncountedPredictions(Base):
    """The range of ids that the counts do not include yet; no row when they are complete."""

    __tablename__ = "uncounted_predictions"

    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
