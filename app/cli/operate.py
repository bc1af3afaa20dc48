"""Commands that run the service, bring the database up to date, and look whether everything is there."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from app.cli.status import Failure, Status
from app.cli.tables import print_facts
from app.cli.terminal import Json, print_json, say
from app.schemas.health import Readiness

# How long requests under way may take when the server is told to stop.
# With two seconds for its own end the service has stopped within twenty.
GRACE_S = 18

NOT_CHECKED = "not checked"


def serve(
    host: Annotated[str, typer.Option(metavar="<address>", help="0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Run the service; Ctrl-C stops it.

    Example: python -m app serve --port 8001
    """
    # Imported in the commands because each takes longer to load than `--help` may.
    import uvicorn

    uvicorn.run("app.main:app", host=host, port=port, timeout_graceful_shutdown=GRACE_S)


def upgrade() -> None:
    """Create the tables, or bring them up to date; safe to repeat.

    Example: python -m app upgrade
    """
    from alembic.config import Config

    from alembic import command
    from app.config import PROJECT_FOLDER
    from app.database.schema_version import schema_revision

    try:
        command.upgrade(Config(PROJECT_FOLDER / "alembic.ini"), "head")
    except SystemExit as error:
        # Its environment ends a program with a line like ours.
        raise Failure(str(error).removeprefix("pixelwise: "), Status.CANNOT_WORK) from error
    say(f"The database is at revision {schema_revision()}.")


def check(as_json: Json = False) -> None:
    """Look whether a drawing sent now would be remembered.

    Looks at the settings, the model and the schema, and writes to the database.

    Example: python -m app check && sudo systemctl start pixelwise
    """
    checks = _checks()
    ready = set(checks.values()) == {"ok"}
    if as_json:
        print_json(Readiness(status="ready" if ready else "not ready", checks=checks))
    else:
        print_facts(checks)
    if not ready:
        raise typer.Exit(Status.NOT_DONE)


def _checks() -> dict[str, str]:
    """Return `ok` or what is wrong, by name; what cannot be looked at because another check failed is not."""
    from app.classifier import ModelError, get_classifier, get_shadow_classifier
    from app.config import ConfigurationError, get_settings
    from app.database import Database
    from app.database.errors import DatabaseError

    def outcome(look: Callable[[], object]) -> str:
        try:
            problem = look()
        except (ConfigurationError, DatabaseError, ModelError) as error:
            return str(error)
        return problem if isinstance(problem, str) else "ok"

    try:
        settings = get_settings()
    except ConfigurationError as error:
        return {"settings": str(error), "model": NOT_CHECKED, "schema": NOT_CHECKED, "database": NOT_CHECKED}
    database = Database(settings.database_url, beside_service=True)
    checks = {
        "settings": outcome(settings.require_secret_api_key),
        "model": outcome(lambda: (get_classifier(), get_shadow_classifier())),
        "schema": outcome(database.schema_problem),
        "database": NOT_CHECKED,
    }
    if checks["schema"] == "ok":
        # Not before: a database of somebody else's must stay as it is.
        checks["database"] = outcome(lambda: asyncio.run(database.write_problem()))
    database.close()
    return checks
