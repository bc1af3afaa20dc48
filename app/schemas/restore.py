"""The outcome of a restore."""

from pydantic import BaseModel, Field

from app.schemas.backup import BackupManifest


class Restored(BaseModel):
    """What a restore did."""

    manifest: BackupManifest
    kept: dict[str, str] = Field(description="The files that were there before: their names then, and now.")
    problem: str | None = Field(description="What has to be done before the service works on these tables.")
