"""The models that answer, that answered, and that only listen in the shadow."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.stats import ACCURACY, Accuracy

# A model that listened in the shadow before it was put in place.
_LIVE: Any = {
    "version": "v2",
    "loaded": "live",
    "sha256": "3f8c" * 16,
    "classes": list("0123456789"),
    "predictions": 2140,
    "mean_confidence": 0.981204,
    "first_seen": "2026-11-01T08:00:00Z",
    "last_seen": "2026-11-20T09:30:00.123456Z",
    "accuracy": ACCURACY,
    "shadow": {
        "predictions": 1000,
        "mean_confidence": 0.984021,
        "agreed": 991,
        "agreement": 0.991,
        "accuracy": {**ACCURACY, "correct": 39, "accuracy": 0.975, "interval": [0.871186, 0.995573]},
        "accuracy_answered": ACCURACY,
        "only_answered_correct": 0,
        "only_shadow_correct": 1,
        "p_value": 1.0,
    },
}


class ShadowStats(BaseModel):
    """What a model says of drawings that another one answers."""

    predictions: int
    mean_confidence: float
    agreed: int = Field(description="How many of them are what was answered.")
    agreement: float = Field(description="Their share.")
    accuracy: Accuracy = Field(description="Of this model, on the drawings it saw that people labelled.")
    accuracy_answered: Accuracy = Field(description="Of what was answered, on the same drawings.")
    only_answered_correct: int
    only_shadow_correct: int
    p_value: float = Field(description="McNemar's exact test: small when the two differ by more than chance.")


class ModelVersion(BaseModel):
    """One model: whether it is loaded, what it answered, and what it would have answered."""

    version: str
    loaded: Literal["live", "shadow"] | None
    sha256: str | None = Field(description="The file's checksum; null for answers of a file that is not loaded.")
    classes: list[str] | None = Field(description="Null unless it is loaded.")
    predictions: int = Field(description="How many drawings it answered.")
    mean_confidence: float | None
    first_seen: datetime | None = Field(description="The oldest drawing it answered, or saw in the shadow.")
    last_seen: datetime | None
    accuracy: Accuracy = Field(description="Of its answers that people labelled.")
    shadow: ShadowStats | None


class ModelVersions(BaseModel):
    """Every model of which there is a trace, the loaded ones first, then the last seen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"models": [_LIVE]}]})

    models: list[ModelVersion]
