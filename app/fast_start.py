"""Shortens imports; import it before FastAPI and the schemas."""

import gc
import sys

from pydantic import BaseModel

# Imports leave hardly any garbage.
gc.disable()

# Pydantic builds models at their first use.
BaseModel.model_config["defer_build"] = True

# FastAPI imports it only to refuse its models.
sys.modules["pydantic.v1"] = None  # type: ignore[assignment]


def collect_garbage_less_often() -> None:
    """Freeze what was imported; the collector took 1/7 of request time."""
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)
    gc.enable()
