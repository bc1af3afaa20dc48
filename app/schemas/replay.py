from datetime import datetime

from pydantic import BaseModel, Field

from app.schemas.stats import LabelledAccuracy


class ModelFile(BaseModel):
    """A model file. Two files may have the same version."""

    version: str
    sha256: str


class Agreement(BaseModel):
    agreed: int
    agreement: float | None = Field(description="The share; null if there was nothing to compare.")
    interval: tuple[float, float] | None = Field(description="The 95 % Wilson score interval.")


class PairOfAnswers(BaseModel):
    stored: str
    new: str
    drawings: int


class NotADigitAnswers(BaseModel):
    """Answers with a `not_a_digit` above 0.5."""

    stored: int
    stored_share: float | None = Field(description="Among the stored answers that have `not_a_digit`; null without.")
    new: int
    new_share: float | None
    only_stored: int = Field(description="Where the new answer has a lower `not_a_digit`.")
    only_new: int = Field(description="Where the stored answer has a lower `not_a_digit`.")


class LabelledComparison(BaseModel):
    """An answer is correct when it equals the current label."""

    drawings: int
    stored: LabelledAccuracy
    new: LabelledAccuracy
    only_stored_correct: int
    only_new_correct: int
    p_value: float = Field(description="McNemar's exact test: small if the models differ by more than chance.")


class LabelComparison(BaseModel):
    label: str
    drawings: int
    stored_correct: int
    new_correct: int


class VersionComparison(BaseModel):
    model_version: str
    drawings: int
    agreed: int
    labelled: int
    stored_correct: int
    new_correct: int


class Speed(BaseModel):
    """Median microseconds per drawing, on one thread."""

    single: float
    batch: float


class Latency(BaseModel):
    batch_size: int
    new: Speed
    loaded: Speed


class ReplayReport(BaseModel):
    verdict: str
    verdict_at_random: str | None = Field(description="The verdict on the random samples.")
    verdict_held_out: str | None = Field(description="The verdict on the test split of exports.")
    model: ModelFile
    loaded: ModelFile
    database: str
    only_model_version: str | None = Field(description="Only drawings that this version classified; null for all.")
    created_at: datetime
    drawings: int = Field(description="Stored drawings that the new model classified.")
    without_drawing: int = Field(description="Predictions without a drawing, left out.")
    agreement: Agreement
    flips: list[PairOfAnswers] = Field(description="Pairs of different answers, most frequent first.")
    not_a_digit: NotADigitAnswers
    labelled: LabelledComparison
    at_random: LabelledComparison
    held_out: LabelledComparison
    labels: list[LabelComparison]
    versions: list[VersionComparison] = Field(description="By the version of the stored prediction.")
    latency: Latency | None = Field(description="Null if there was no drawing.")
