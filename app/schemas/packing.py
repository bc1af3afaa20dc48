from pydantic import BaseModel, Field


class Packed(BaseModel):
    """What `pack` did."""

    drawings: int = Field(description="Drawings that are shorter now.")
