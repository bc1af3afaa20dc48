from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.exit_codes import ExitCode
from app.cli.options import Json
from app.cli.tables import print_facts
from app.cli.terminal import print_json, progress_bar, say
from app.schemas.health import OK, Readiness

if TYPE_CHECKING:
    from app.database import Database

NOT_CHECKED: Final = "not checked"


def check(
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers", help="Also compare the stored counts and current labels with the rows, and repair them."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check whether a drawing could be classified and stored now.

    Checks the settings, the model, the schema, a write to the database and, with READ_DATABASE_URL, the standby.

    Example: python -m app check && sudo systemctl start pixelwise
    """
    checks = _run_checks(numbers=numbers)
    ready = set(checks.values()) == {OK}
    if as_json:
        print_json(Readiness(status="ready" if ready else "not ready", checks=checks))
    else:
        print_facts(checks)
    if not ready:
        raise typer.Exit(ExitCode.FAILURE)


def _run_checks(*, numbers: bool) -> dict[str, str]:
    import asyncio

    from app.classifier import get_classifier, get_shadow_classifier
    from app.config import ConfigurationError, get_settings
    from app.database import Database
    from app.services import counts  # noqa: F401  # Imports the tables to check.
    from app.services.health import STANDBY, WRITE

    try:
        settings = get_settings()
    except ConfigurationError as error:
        return {"settings": str(error), "model": NOT_CHECKED, "schema": NOT_CHECKED, WRITE: NOT_CHECKED}
    database = Database(settings.database_url, settings.read_database_url, beside_service=True)
    checks = {
        "settings": _result(settings.require_secret_api_key),
        "model": _result(lambda: (get_classifier(), get_shadow_classifier())),
        "schema": _result(database.schema_problem),
        WRITE: NOT_CHECKED,
    }
    # Another program's database must stay unchanged.
    if checks["schema"] == OK:
        checks[WRITE] = _result(lambda: asyncio.run(database.try_write()))
    writable = checks[WRITE] == OK
    if database.has_standby:
        checks[STANDBY] = _result(lambda: _standby_problem(database)) if writable else NOT_CHECKED
    if numbers:
        checks["numbers"] = _result(lambda: _check_numbers(database)) if writable else NOT_CHECKED
    database.close()
    return checks


def _standby_problem(database: "Database") -> str | None:
    import asyncio

    return asyncio.run(database.try_read()) or database.standby_problem


def _check_numbers(database: "Database") -> None:
    from app.services.counts import check_counts, check_labelled, rebuild_counts, rebuild_labelled_predictions

    with progress_bar("Comparing counts") as progress:
        if differences := check_counts(database, progress):
            rebuild_counts(database, progress)
            say(f"{differences:,} counts differed from the rows, so all were counted again.")
        if differences := check_labelled(database, progress):
            rebuild_labelled_predictions(database, progress)
            say(f"{differences:,} labelled predictions differed from the labels, so all were listed again.")


def _result(run_check: Callable[[], object]) -> str:
    """Return "ok", or the problem that the check returns or raises."""
    from app.classifier import ModelError
    from app.config import ConfigurationError
    from app.database.errors import DatabaseError

    try:
        problem = run_check()
    except (ConfigurationError, DatabaseError, ModelError) as error:
        return str(error)
    return problem if isinstance(problem, str) else OK
