from pydantic import BaseModel, Field


class CopiedTable(BaseModel):
    rows: int
    resumed: int = Field(description="The rows that an earlier run had copied.")
    checksum: str = Field(description="The checksum of all rows; their order does not matter.")


class Copied(BaseModel):
    tables: dict[str, CopiedTable]
