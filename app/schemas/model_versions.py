from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.stats import ACCURACY, NOT_A_DIGIT_SHARE, LabelledAccuracy

BIASED_LABELS: Final = (
    "Most labels are of drawings that the live model was unsure of, which favours any other model. "
    "Decide by the drawings drawn at random in a replay."
)

# A shadow model that has become the live one.
_LIVE: Any = {
    "version": "v2",
    "loaded": "live",
    "sha256": "3f8c" * 16,
    "classes": list("0123456789"),
    "predictions": 2140,
    "mean_confidence": 0.981204,
    "not_a_digit_share": 0.03,
    "first_seen": "2026-11-01T08:00:00Z",
    "last_seen": "2026-11-20T09:30:00.123456Z",
    "accuracy": ACCURACY,
    "shadow": {
        "predictions": 1000,
        "mean_confidence": 0.984021,
        "not_a_digit_share": 0.028,
        "agreed": 991,
        "agreement": 0.991,
        "accuracy": {
            **ACCURACY,
            "correct": 39,
            "accuracy": 0.975,
            "interval": [0.871186, 0.995573],
            "accuracy_of_digits": 1.0,
        },
        "accuracy_answered": {**ACCURACY, "digit_or_not": None},
        "only_answered_correct": 0,
        "only_shadow_correct": 1,
        "p_value": 1.0,
    },
}


class ShadowStats(BaseModel):
    """A shadow model compared with the stored predictions."""

    predictions: int
    mean_confidence: float
    not_a_digit_share: float | None = NOT_A_DIGIT_SHARE
    agreed: int = Field(description="The number that equal the stored prediction.")
    agreement: float = Field(description="The share that agrees.")
    accuracy: LabelledAccuracy = Field(
        description=f"The accuracy of the shadow model on its labelled drawings. {BIASED_LABELS}"
    )
    accuracy_answered: LabelledAccuracy = Field(
        description="That of the stored predictions on the same drawings; its `digit_or_not` is null."
    )
    only_answered_correct: int
    only_shadow_correct: int
    p_value: float = Field(description="McNemar's exact test: small if the models differ by more than chance.")


class ModelVersion(BaseModel):
    """One model, its predictions and its shadow predictions."""

    version: str
    loaded: Literal["live", "shadow"] | None
    sha256: str | None = Field(description="The checksum of the file; null if the file is not known.")
    classes: list[str] | None = Field(description="Null if it is not loaded.")
    predictions: int = Field(description="The number of its stored predictions.")
    mean_confidence: float | None
    not_a_digit_share: float | None = NOT_A_DIGIT_SHARE
    first_seen: datetime | None = Field(description="The time of the first drawing, as live or shadow model.")
    last_seen: datetime | None
    accuracy: LabelledAccuracy = Field(description="The accuracy of its labelled predictions.")
    shadow: ShadowStats | None


class ModelVersions(BaseModel):
    """All models: loaded ones first, then by last use."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"models": [_LIVE]}]})

    models: list[ModelVersion]
