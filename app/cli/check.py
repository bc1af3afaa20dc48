"""`check`."""

import asyncio
from collections.abc import Callable

import typer

from app.cli.exit_codes import Status
from app.cli.tables import print_facts
from app.cli.terminal import Json, print_json
from app.schemas.health import Readiness

NOT_CHECKED = "not checked"


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
