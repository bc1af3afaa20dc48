from pydantic import BaseModel, Field


class Packed(BaseModel):
    drawings: int = Field(description="Drawings that are shorter now.")
