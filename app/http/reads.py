"""Reads of the database, dropped if the client disconnects."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request

from app.http.lanes import while_connected
from app.http.runtime import runtime_of

T = TypeVar("T")


async def read(request: Request, work: Callable[[Session], T]) -> T:
    """Run a short read: one that follows an index and returns few rows."""
    return await while_connected(request, runtime_of(request).database.read(work))


async def scan(request: Request, work: Callable[[Session], T]) -> T:
    """Run a read whose cost grows with the table; raise Busy."""
    runtime = runtime_of(request)

    async def wait_and_scan() -> T:
        async with runtime.lanes.scans.place(request):
            return await runtime.database.scan(work)

    return await while_connected(request, wait_and_scan())
