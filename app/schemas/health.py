from typing import Final

from pydantic import BaseModel, Field

OK: Final = "ok"


class Health(BaseModel):
    """The process is running."""

    status: str = Field(OK, examples=[OK])


class HealthWithModel(Health):
    """The process is running with this model."""

    model_version: str = Field(examples=["v2"])


class Readiness(BaseModel):
    """Whether a drawing would be classified and stored now."""

    status: str = Field("ready", examples=["ready"], description="`ready`, or `reads only`: nothing can be stored.")
    checks: dict[str, str] = Field(examples=[{"model": OK, "schema": OK, "write": OK}])
