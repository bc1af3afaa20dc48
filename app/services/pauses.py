import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from app.database import Database

T = TypeVar("T")


def write_and_pause(database: Database, work: Callable[[Session], T]) -> T:
    """Write, then pause as long as it took, for the service's own writes."""
    began = time.monotonic()
    with database.transaction() as session:
        result = work(session)
    time.sleep(time.monotonic() - began)
    return result
