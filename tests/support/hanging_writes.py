"""Writes that occupy the writing threads until they are released."""

import asyncio
import threading

from sqlalchemy.orm import Session

from app.database import Database
from app.database.postgres.engine import POSTGRES_THREADS
from tests.support.predictions import add_prediction


class Hanging:
    """Works that end when `release` is called."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self.begun = threading.Semaphore(0)

    def work(self, session: Session) -> int:
        added = add_prediction(session)
        self.wait()
        return added

    def wait(self, *_: object) -> None:
        self.begun.release()
        assert self._released.wait(30)

    def release(self) -> None:
        self._released.set()


async def occupy(database: Database, hanging: Hanging) -> list[asyncio.Task[int]]:
    """Give each writing thread a work that hangs."""
    tasks = []
    for _ in range(POSTGRES_THREADS if "postgresql" in database.engine.url.drivername else 1):
        tasks.append(asyncio.create_task(database.write(hanging.work)))
        assert await asyncio.to_thread(hanging.begun.acquire, timeout=30)
    return tasks
