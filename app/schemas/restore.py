from pydantic import BaseModel, Field

from app.schemas.backup import BackupManifest


class Restored(BaseModel):
    manifest: BackupManifest
    kept: dict[str, str] = Field(description="The previous files: old name, new name.")
    problem: str | None = Field(description="What to do before the service can use these tables.")
