"""The database and the model that the settings name; a service may be using them at the same time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.cli.exit_codes import Failure, Status

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.classifier import Classifier
    from app.database import Database

T = TypeVar("T")


@contextmanager
def opened(*, at_any_revision: bool = False, beside_service: bool = True) -> Iterator["Database"]:
    """Open the database and close it at the end; raise Failure when it cannot be used or needs an upgrade.

    `at_any_revision`: whatever tables there are will do. `beside_service`: SQLite's log is left to the service.
    """
    # Imported here because SQLAlchemy alone takes longer to load than `--help` may.
    from app.config import get_settings
    from app.database import Database

    with database_errors():
        database = Database(get_settings().database_url, beside_service=beside_service)
        try:
            if not at_any_revision and (problem := database.schema_problem()):
                raise Failure(problem, Status.CANNOT_WORK)
            yield database
        finally:
            database.close()


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise Failure for a database, or a setting, that cannot be used."""
    from app.config import ConfigurationError
    from app.database.errors import DatabaseBusy, DatabaseError

    try:
        yield
    except DatabaseBusy as error:
        raise Failure(f"the database is busy ({error}); try again", Status.CANNOT_WORK) from error
    except (ConfigurationError, DatabaseError) as error:
        raise Failure(str(error), Status.CANNOT_WORK) from error


def checked_url(text: str) -> str:
    """Return the URL of another database, written as DATABASE_URL is; raise ConfigurationError."""
    from app.config import checked_database_url

    return checked_database_url(text)


def database_url() -> str:
    """Return where the database is to be, whether one is there or not."""
    from app.config import get_settings

    return get_settings().database_url


def read(work: "Callable[[Session], T]") -> T:
    """Run the work on one consistent state of the database."""
    with opened() as database, database.snapshot() as session:
        return work(session)


def write(work: "Callable[[Session], T]") -> T:
    """Run the work in one transaction, which is on disk when this returns."""
    with opened() as database, database.transaction() as session:
        return work(session)


@contextmanager
def model_errors() -> Iterator[None]:
    """Raise Failure for a model that cannot be used."""
    # Imported here because the model's runtime takes longer to load than `--help` may.
    from app.classifier import ModelError
    from app.config import ConfigurationError

    try:
        yield
    except (ConfigurationError, ModelError) as error:
        raise Failure(str(error), Status.CANNOT_WORK) from error


def loaded_model() -> "Classifier":
    """Return the model of the service; raise Failure when it cannot be used."""
    with model_errors():
        from app.classifier import get_classifier

        return get_classifier()


def shadow_model() -> "Classifier | None":
    """Return the model that listens in the shadow, or None; raise Failure when it cannot be used."""
    with model_errors():
        from app.classifier import get_shadow_classifier

        return get_shadow_classifier()


def model_of(path: Path) -> "Classifier":
    """Return the model in this file; raise Failure when it cannot be used."""
    with model_errors():
        from app.classifier import Classifier

        return Classifier(path)
