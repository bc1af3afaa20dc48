"""What came out of a replay: the answers that were given beside those that another model gives."""

from datetime import datetime

from pydantic import BaseModel, Field

from app.schemas.stats import Accuracy


class ModelFile(BaseModel):
    """A model file; two may carry the same version."""

    version: str
    sha256: str


class Agreement(BaseModel):
    """How often two models give the same answer."""

    agreed: int
    agreement: float | None = Field(description="Their share; null when there was nothing to compare.")
    interval: tuple[float, float] | None = Field(description="Its 95 % Wilson score interval.")


class PairOfAnswers(BaseModel):
    """How many drawings were answered with one class and are answered with another by the new model."""

    stored: str
    new: str
    drawings: int


class OnLabelled(BaseModel):
    """Both models on drawings that people labelled; an answer is correct when it is the label that counts."""

    drawings: int
    stored: Accuracy
    new: Accuracy
    only_stored_correct: int
    only_new_correct: int
    p_value: float = Field(description="McNemar's exact test: small when the two differ by more than chance.")


class OnLabel(BaseModel):
    """Both models on the drawings of one label."""

    label: str
    drawings: int
    stored_correct: int
    new_correct: int


class OnVersion(BaseModel):
    """The new model beside the answers of one version."""

    model_version: str
    drawings: int
    agreed: int
    labelled: int
    stored_correct: int
    new_correct: int


class Speed(BaseModel):
    """Microseconds a drawing, medians, on one thread."""

    single: float
    batch: float


class Latency(BaseModel):
    """How long both models took over the same drawings."""

    batch_size: int
    new: Speed
    loaded: Speed


class ReplayReport(BaseModel):
    """A model beside the stored answers."""

    verdict: str
    verdict_at_random: str | None = Field(description="The same on the labelled drawings that were drawn at random.")
    verdict_held_out: str | None = Field(description="The same on the labelled drawings that exports keep for testing.")
    model: ModelFile
    loaded: ModelFile
    database: str
    only_model_version: str | None = Field(description="Only drawings that this version answered; null for all.")
    created_at: datetime
    drawings: int = Field(description="Stored drawings that the new model answered.")
    without_drawing: int = Field(description="Predictions without a drawing, which were left out.")
    agreement: Agreement
    flips: list[PairOfAnswers] = Field(description="Where the answers differ, the most frequent pair first.")
    labelled: OnLabelled
    at_random: OnLabelled
    held_out: OnLabelled
    labels: list[OnLabel]
    versions: list[OnVersion] = Field(description="By the version that gave the stored answer.")
    latency: Latency | None = Field(description="Null when there was no drawing.")
