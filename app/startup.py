import logging
import multiprocessing
import resource
import sys
from importlib.util import find_spec
from typing import Final

from app.classifier import ModelError, get_classifier, get_shadow_classifier
from app.config import ConfigurationError, get_settings, setting_warnings
from app.database import get_database
from app.database.errors import DatabaseError
from app.logs.lines import log_to_stderr

_WORKERS_ON_SQLITE: Final = (
    "several workers share one SQLite file and are slower than one, 0.82 times as fast with 32 clients; "
    "remove WEB_CONCURRENCY, or use PostgreSQL"
)

OPEN_FILES: Final = 65536
"""As in deploy/pixelwise.service."""

# Imported when first needed.
_LATER: Final = ("PIL", "scipy")

_log: Final = logging.getLogger("pixelwise")


def start_problem() -> str | None:
    if missing := [name for name in _LATER if find_spec(name) is None]:
        return f"the package {missing[0]} is missing; run: pip install -r requirements.txt"
    try:
        settings = get_settings()
        log_to_stderr(debug=settings.debug)
        settings.require_secret_api_key()
        for warning in setting_warnings():
            _log.warning("%s", warning)
        get_classifier()
        get_shadow_classifier.cache_clear()
        get_shadow_classifier()
        get_database().open()
        if _is_first_of_several_workers() and get_database().url.get_backend_name() == "sqlite":
            _log.warning("%s", _WORKERS_ON_SQLITE)
    except (ConfigurationError, ModelError, DatabaseError) as error:
        return str(error)
    problem = get_database().schema_problem() or get_database().try_open_writer()
    if problem is not None:
        get_database().close()
    return problem


def _is_first_of_several_workers() -> bool:
    """Return whether uvicorn numbered this process 1; `--reload` starts a single one."""
    return multiprocessing.current_process().name.endswith("-1") and "--reload" not in sys.argv


def shorten_log_records() -> None:
    """Omit what no line shows; see https://docs.python.org/3/howto/logging.html#optimization."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def allow_many_connections() -> None:
    """Raise the limit of open files, which shells set to 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
