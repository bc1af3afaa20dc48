from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BackupManifest(BaseModel):
    """The content of a backup, written beside it as FILE.manifest.json."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(description="The file's original name.")
    database: Literal["sqlite", "postgresql"]
    created_at: datetime = Field(description="Everything acknowledged before this time is in the backup.")
    pixelwise: str = Field(description="The version of PixelWise that made it.")
    revision: str | None = Field(description="The revision of the tables; null for version 0.5.")
    rows: dict[str, int] = Field(description="The number of rows of each table.")
    orphans: int = Field(description="Rows that refer to deleted rows.")
    size: int = Field(description="In bytes.")
    sha256: str
