"""What was copied into another database."""

from pydantic import BaseModel, Field


class CopiedTable(BaseModel):
    """A table, the same in both databases."""

    rows: int
    resumed: int = Field(description="So many of them an earlier run had copied already.")
    checksum: str = Field(description="Of all rows, in whatever order.")


class Copied(BaseModel):
    """All tables, by name."""

    tables: dict[str, CopiedTable]
