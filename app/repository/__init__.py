"""Every SQL statement. Callers begin and end the transactions."""

from app import models  # noqa: F401  # The tables that the schema must have.
