"""What was deleted because it was old, or would be."""

from datetime import datetime

from pydantic import BaseModel, Field


class Pruned(BaseModel):
    """What `prune` did, or would do."""

    dry_run: bool
    before: datetime = Field(description="What is older went.")
    predictions: int = Field(description="So many went, with drawings, labels and all else that refers to them.")
    labelled_kept: int = Field(description="So many are as old, and stay because somebody labelled them.")
    idempotency_keys: int = Field(description="Expired ones, that went as well.")
    released_bytes: int | None = Field(description="By how much the SQLite file can be smaller now.")
    free_bytes: int | None = Field(description="What is free within the SQLite file, for the rows to come.")
