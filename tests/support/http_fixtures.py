"""Fixtures that start the service."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, count, cycle

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.classifier import get_classifier
from app.config import environment_with, get_settings
from app.drawings.decoder import Decoder
from app.http import decoding
from app.main import app as main_app
from app.main import create_app
from tests.support.service import KEY, client_of

Start = Callable[..., TestClient]


class SharedDecoder(Decoder):
    """A decoder that outlives the service."""

    def close(self) -> None:
        """Leave the process to the next service."""


@pytest.fixture(scope="session")
def _shared_decoders() -> Iterator[None]:
    """Let all services use the same two processes that decode images; to start one takes half a second."""
    decoders = [SharedDecoder(environment_with()) for _ in range(2)]
    turns = cycle(decoders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "Decoder", lambda _environment: next(turns))
        yield
    for decoder in decoders:
        Decoder.close(decoder)


@pytest.fixture
def start(settings_environment: pytest.MonkeyPatch, _shared_decoders: None) -> Iterator[Start]:
    """A function that starts the service with these settings and returns a client; the end of the test stops it.

    By default the service has a key, which the client sends, and no rate limit. The first one in a test is
    `app.main.app`, whose routes are ready since its first use.
    """
    # openapi.json depends on the settings.
    main_app.openapi_schema = None
    fresh = chain([main_app], (create_app() for _ in count()))
    with ExitStack() as running:

        def start_service(app: FastAPI | None = None, **settings: str) -> TestClient:
            for name, value in {"SECRET_API_KEY": KEY, "RATE_LIMIT": "off", "READ_LIMIT": "off", **settings}.items():
                settings_environment.setenv(name, value)
            get_settings.cache_clear()
            return running.enter_context(client_of(app or next(fresh)))

        yield start_service


@pytest.fixture
def client(start: Start, database_url: str) -> TestClient:
    """The service on a database without rows, once on each engine."""
    return start(DATABASE_URL=database_url)


@pytest.fixture
def sqlite_client(start: Start, sqlite_url: str) -> TestClient:
    """The service on SQLite, for tests that do not depend on the database."""
    return start(DATABASE_URL=sqlite_url)


@pytest.fixture
def fresh_classifier() -> Iterator[None]:
    """Load the classifier from MODEL_PATH, and not for the next test."""
    get_classifier.cache_clear()
    yield
    get_classifier.cache_clear()
