"""PostgreSQL's errors name what an operator can do."""

import asyncio

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from app.database import Database
from tests.support.command_line import refused, run
from tests.support.connections import close_connections
from tests.support.databases import migrate
from tests.support.old_databases import execute, refusal, schema_problem

# Roles that every server has, without privileges of their own and with SELECT.
NOBODY, READER = "pg_monitor", "pg_read_all_data"


def as_role(url: str, role: str) -> str:
    return f"{url}?options=-c%20role%3D{role}"


def test_role_without_create_gets_the_grant_that_helps(empty_postgres_url: str) -> None:
    message = refusal(as_role(empty_postgres_url, NOBODY), "upgrade", "head")
    user = sa.make_url(empty_postgres_url).username
    assert message.endswith(f'the owner of the database can run: GRANT USAGE, CREATE ON SCHEMA public TO "{user}"')
    execute(empty_postgres_url, f"GRANT USAGE, CREATE ON SCHEMA public TO {NOBODY}")
    migrate(as_role(empty_postgres_url, NOBODY))
    assert schema_problem(empty_postgres_url) is None


def test_role_that_does_not_own_the_tables_cannot_migrate_them(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url)
    execute(empty_postgres_url, f"GRANT ALL ON SCHEMA public TO {READER}")
    execute(empty_postgres_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {READER}")
    message = refusal(as_role(empty_postgres_url, READER), "downgrade", "-1")
    assert "run it as the role that owns the tables" in message


def test_role_without_insert_may_read_and_is_not_ready(
    settings_environment: pytest.MonkeyPatch, empty_postgres_url: str
) -> None:
    migrate(empty_postgres_url)
    execute(
        empty_postgres_url,
        f"GRANT USAGE ON SCHEMA public TO {READER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {READER}",
        f"REVOKE INSERT ON drawings FROM {READER}",
    )
    settings_environment.setenv("DATABASE_URL", as_role(empty_postgres_url, READER))
    assert run("results").status == 0
    for lacking, grant in (
        ("api_keys_id_seq", f"GRANT USAGE ON SEQUENCE api_keys_id_seq TO {READER}"),
        ("audit_log_id_seq", f"GRANT USAGE ON SEQUENCE audit_log_id_seq TO {READER}"),
        ("drawings", f"GRANT INSERT ON drawings TO {READER}"),
        ("labels_id_seq", f"GRANT USAGE ON SEQUENCE labels_id_seq TO {READER}"),
        ("predictions_id_seq", f"GRANT USAGE ON SEQUENCE predictions_id_seq TO {READER}"),
    ):
        checks = run("check").out
        assert f"permission denied for {lacking}; " in checks
        assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public" in checks
        execute(empty_postgres_url, grant)
    assert "permission denied" not in run("check").out


def test_role_that_lacks_one_privilege_of_the_documented_ones_is_not_ready(
    settings_environment: pytest.MonkeyPatch, empty_postgres_url: str
) -> None:
    url = empty_postgres_url
    migrate(url)
    execute(
        url,
        f"GRANT USAGE ON SCHEMA public TO {NOBODY}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {NOBODY}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {NOBODY}",
    )
    settings_environment.setenv("DATABASE_URL", as_role(url, NOBODY))
    assert "permission denied" not in run("check").out
    for privilege, lacking in (
        ("UPDATE", "predictions"),
        ("DELETE", "labels"),
        ("UPDATE", "prediction_counts"),
        ("DELETE", "review_queue"),
        ("INSERT", "prediction_changes"),
        ("DELETE", "label_changes"),
        ("SELECT", "shadow_changes"),
        ("SELECT", "new_shadow_counts"),
        ("SELECT", "v_label_counts"),
        ("SELECT", "unlabelled_drawings"),
        ("INSERT", "audit_log"),
    ):
        execute(url, f"REVOKE {privilege} ON {lacking} FROM {NOBODY}")
        assert f"permission denied for {lacking}; the owner of the database can run: GRANT" in run("check").out
        execute(url, f"GRANT {privilege} ON {lacking} TO {NOBODY}")
    # Nobody needs to change what is in the audit log.
    execute(url, f"REVOKE UPDATE, DELETE ON audit_log FROM {NOBODY}")
    assert "permission denied" not in run("check").out


def test_server_that_accepts_no_writes_is_named(settings_environment: pytest.MonkeyPatch, postgres_url: str) -> None:
    read_only = f"{postgres_url}?options=-c%20default_transaction_read_only%3Don"
    settings_environment.setenv("DATABASE_URL", read_only)
    assert run("results").status == 0
    assert "the server accepts no writes" in run("check").out
    assert "the server accepts no writes" in refusal(read_only, "downgrade", "-1")
    migrate(read_only)


@pytest.mark.parametrize(
    ("parts", "remedy"),
    [
        ({"database": "pixelwise_nowhere"}, "create it with createdb, or correct the name"),
        ({"username": "pixelwise_nobody"}, "DATABASE_URL"),
        ({"port": 1}, "start the server, or correct the host and the port"),
    ],
)
def test_connection_that_the_server_refuses_has_a_remedy(
    postgres_admin_url: str, parts: dict[str, str | int], remedy: str
) -> None:
    url = sa.make_url(postgres_admin_url).set(**parts).render_as_string(hide_password=False)
    for message in (refusal(url, "current"), schema_problem(url) or ""):
        assert remedy in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("lose", "find", "remedies"),
    [
        ("RENAME TO {}_moved", "ALTER DATABASE {0}_moved RENAME TO {0}", 1),
        ("ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true", 0),
    ],
)
def test_lost_database_gets_its_remedy_once(
    postgres_admin_url: str, empty_postgres_url: str, lose: str, find: str, remedies: int
) -> None:
    migrate(empty_postgres_url)
    database = Database(empty_postgres_url)
    name = sa.make_url(empty_postgres_url).database
    assert asyncio.run(database.try_write()) is None
    close_connections()
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
        admin.execute(sql.SQL(f"ALTER DATABASE {{}} {lose.format(name)}").format(sql.Identifier(name)))
        try:
            problem = asyncio.run(database.try_write()) or ""
        finally:
            admin.execute(find.format(name))
    database.close()
    assert "FATAL" in problem
    assert problem.count("create it with createdb") == remedies


@pytest.mark.parametrize("ending", ["", "/", "/?sslmode=prefer"])
def test_url_without_a_database_is_refused(settings_environment: pytest.MonkeyPatch, ending: str) -> None:
    settings_environment.setenv("DATABASE_URL", f"postgresql://anna:hidden@127.0.0.1{ending}")
    message = refused(3, "results")
    assert message == "DATABASE_URL lacks the name of the database: postgresql://user:password@host/name"


def test_database_may_be_named_by_an_option(postgres_url: str, settings_environment: pytest.MonkeyPatch) -> None:
    url = sa.make_url(postgres_url)
    name = url.database
    settings_environment.setenv(
        "DATABASE_URL", f"{url.set(database=None).render_as_string(hide_password=False)}/?dbname={name}"
    )
    assert run("results").status == 0
