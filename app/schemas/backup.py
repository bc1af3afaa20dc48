"""The manifest of a backup: what lies in the file beside it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BackupManifest(BaseModel):
    """What is known of a backup since it was made; it lies beside it as FILE.manifest.json."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(description="The name that the backup was given.")
    database: Literal["sqlite", "postgresql"]
    created_at: datetime = Field(description="Everything that was acknowledged before this is in the backup.")
    pixelwise: str = Field(description="The version that made it.")
    revision: str | None = Field(description="That of the tables; null for those of version 0.5.")
    rows: dict[str, int] = Field(description="How many each table has.")
    orphans: int = Field(description="Rows that refer to rows which are gone, as somebody left them by hand.")
    size: int = Field(description="Bytes.")
    sha256: str
