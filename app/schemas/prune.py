from datetime import datetime

from pydantic import BaseModel, Field


class Pruned(BaseModel):
    """What `prune` deleted, or would delete."""

    dry_run: bool
    before: datetime = Field(description="Older predictions are deleted.")
    predictions: int = Field(description="Deleted, with their drawings and labels.")
    labelled_kept: int = Field(description="Kept because they are labelled.")
    idempotency_keys: int = Field(description="Deleted because they have expired.")
    audit_entries: int = Field(description="Entries of the audit log that were deleted.")
    released_bytes: int | None = Field(description="The bytes by which the SQLite file can shrink.")
    free_bytes: int | None = Field(description="The free bytes within the SQLite file.")
