"""Whether the service lives and can work."""

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The process answers."""

    status: str = Field("ok", examples=["ok"])


class HealthWithModel(Health):
    """The process answers, and with which model."""

    model_version: str = Field(examples=["v1"])


class Readiness(BaseModel):
    """Whether a drawing sent now would be classified and remembered."""

    status: str = Field("ready", examples=["ready"])
    checks: dict[str, str] = Field(examples=[{"model": "ok", "schema": "ok", "write": "ok"}])
