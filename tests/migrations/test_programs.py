"""The programs that upgrade: `alembic upgrade head`, `init_db.py` and `python -m app upgrade`."""

from app.database.schema_version import schema_revision
from tests.support.command_line import run
from tests.support.databases import migrate
from tests.support.old_databases import execute, prepare, refusal


def set_revision(url: str, revision: str) -> None:
    execute(
        url,
        f"UPDATE alembic_version SET version_num = '{revision}'",
        f"UPDATE schema_compatibility SET revision = '{revision}'",
    )


def test_all_accept_the_tables_of_a_newer_compatible_release_and_name_their_revision(
    configured_database_url: str,
) -> None:
    url = configured_database_url
    newer = f"{int(schema_revision()) + 1:04}"
    set_revision(url, newer)
    try:
        migrate(url)
        assert prepare(url) == f"The database was already up to date (revision {newer}).\n"
        assert run("upgrade") == (0, "", f"The database is at revision {newer}.\n")
        # Only the newer release has these steps.
        for arguments in (("downgrade", "-1"), ("upgrade", "+1"), ("stamp", "head")):
            assert f"revision {newer}, which is not in alembic/versions" in refusal(url, *arguments)
    finally:
        set_revision(url, schema_revision())
