"""Places in the lanes of a running service, taken by a test."""

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.testclient import TestClient

from tests.support.service import runtime_of, scope_of


def from_address(address: str) -> Request:
    return Request({**scope_of("GET", "/stats"), "client": (address, 1)})


def occupy(client: TestClient, stack: AsyncExitStack, lane: str, *addresses: str) -> None:
    """Take places on the service's event loop."""

    async def enter() -> None:
        for address in addresses:
            await stack.enter_async_context(getattr(runtime_of(client).lanes, lane).place(from_address(address)))

    assert client.portal is not None
    client.portal.call(enter)


def release(client: TestClient, stack: AsyncExitStack) -> None:
    assert client.portal is not None
    client.portal.call(stack.aclose)
