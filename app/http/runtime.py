import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import State
from starlette.requests import HTTPConnection

from app.classifier import Classifier, get_classifier, get_shadow_classifier
from app.config import Settings, get_settings
from app.database import Database, get_database
from app.http.decoding import Decoding
from app.http.lanes import Lanes
from app.http.rate_limit import RateLimiter
from app.logs.throttled import ThrottledLog
from app.metrics.instruments import MODEL_INFO
from app.metrics.workers import leave
from app.services.audit import ReadLog
from app.services.classify import ClassifyService
from app.services.health import ReadinessChecks
from app.services.key_table import KeyTable
from app.services.metrics import SlowGauges
from app.services.shadow import Shadow


@dataclass(frozen=True)
class Runtime:
    """The state of a running service, on `app.state.runtime`."""

    settings: Settings
    key_sha256: bytes
    """Digest of SECRET_API_KEY."""
    database: Database
    classifier: Classifier
    shadow: Shadow | None
    classify: ClassifyService
    readiness: ReadinessChecks
    slow_gauges: SlowGauges
    rate_limiter: RateLimiter
    lanes: Lanes
    decoding: Decoding
    errors: ThrottledLog
    keys: KeyTable
    read_log: ReadLog


def runtime_of(request: HTTPConnection) -> Runtime:
    """Return the state; without a lifespan, as in `TestClient(app)`, make it on first use."""
    state: State = request.scope["app"].state
    try:
        runtime: Runtime = state.runtime
    except AttributeError:
        runtime = state.runtime = _runtime(get_settings(), shadow=None)
    return runtime


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Runtime]:
    """Make the state; at the end close everything."""
    second = get_shadow_classifier()
    shadow = None if second is None else Shadow(second, get_database())
    runtime = _runtime(settings, shadow)
    try:
        yield runtime
    finally:
        if shadow is not None:
            await shadow.close()
        await runtime.slow_gauges.close()
        await runtime.keys.close()
        await runtime.rate_limiter.close()
        runtime.classify.close()
        await asyncio.to_thread(runtime.decoding.close)
        get_shadow_classifier.cache_clear()
        await asyncio.to_thread(runtime.database.close)
        leave()


def _runtime(settings: Settings, shadow: Shadow | None) -> Runtime:
    database, classifier = get_database(), get_classifier()
    MODEL_INFO.labels(classifier.version, classifier.sha256).set(1)
    return Runtime(
        settings=settings,
        key_sha256=hashlib.sha256(settings.require_secret_api_key().get_secret_value().encode()).digest(),
        database=database,
        classifier=classifier,
        shadow=shadow,
        classify=ClassifyService(classifier, database, shadow),
        readiness=ReadinessChecks(database),
        slow_gauges=SlowGauges(classifier, database),
        rate_limiter=RateLimiter(settings),
        lanes=Lanes(),
        decoding=Decoding(),
        errors=ThrottledLog(),
        keys=KeyTable(database),
        read_log=ReadLog(database),
    )
