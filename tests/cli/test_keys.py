"""`python -m app keys`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, refused, run
from tests.support.project_copy import PROJECT, environment
from tests.support.service import rows, runtime_of

CREATE = ("keys", "create", "phone", "--scope", "classify", "--scope", "read")


def test_secret_alone_is_on_standard_output(configured_database_url: str) -> None:
    outcome = run(*CREATE)
    assert outcome.status == 0
    assert outcome.out.startswith("pw_")
    assert outcome.out.count("\n") == 1
    assert outcome.err == "Created the key phone (classify, read). Store the secret now; it is not shown again.\n"
    assert outcome.out.strip() not in str(rows(configured_database_url, "SELECT * FROM api_keys"))


@pytest.mark.usefixtures("configured_sqlite")
def test_json_is_what_http_answers() -> None:
    created = json.loads(done(*CREATE, "--rate", "5/minute", "--expires-at", "2999-01-01", "--json"))
    assert (created["rate_limit"], created["expires_at"]) == ("5/minute", "2999-01-01T00:00:00Z")
    secret = created.pop("key")
    assert json.loads(done("keys", "list", "--json")) == {"keys": [created]}
    rotated = json.loads(done("keys", "rotate", "phone", "--json"))
    assert rotated["key"] != secret
    assert rotated["previous_until"] is not None


@pytest.mark.usefixtures("configured_sqlite")
def test_list_shows_scopes_and_no_secret() -> None:
    secret = done(*CREATE).strip()
    listed = done("keys", "list")
    assert "classify, read" in listed
    assert f"{secret[:9]}..." in listed
    assert secret not in listed
    assert "keys" in done("keys", "create", "--help")


@pytest.mark.slow
@pytest.mark.parametrize("printed", [(), ("--json",)], ids=["text", "json"])
def test_secret_that_could_not_be_printed_changes_nothing(configured_sqlite: str, printed: tuple[str, ...]) -> None:
    def stored() -> list[dict[str, object]]:
        return [*rows(configured_sqlite, "SELECT * FROM api_keys"), *rows(configured_sqlite, "SELECT * FROM audit_log")]

    for command in (CREATE, ("keys", "rotate", "phone")):
        before = stored()
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "app", *command, *printed],
                cwd=PROJECT,
                env=environment(DATABASE_URL=configured_sqlite),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert ended.returncode == ExitCode.FAILURE
        assert ended.stderr == "pixelwise: No space left on device; nothing was changed\n"
        # In particular, the secret that clients use is still the key's newest.
        assert stored() == before
        if command == CREATE:
            done(*CREATE)
    assert done("keys", "rotate", "phone").startswith("pw_")


def test_service_accepts_a_key_from_the_command_line(client: TestClient) -> None:
    secret = done(*CREATE).strip()
    headers = {"X-API-Key": secret}
    assert client.get("/keys/current", headers=headers).json()["name"] == "phone"
    done("keys", "revoke", "phone")
    runtime_of(client).keys.expire()
    assert client.get("/keys/current", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["create", "a b", "--scope", "read"], "NAME"),
        (["create", "über", "--scope", "read"], "NAME"),
        (["create", "phone"], "--scope"),
        (["create", "phone", "--scope", "fly"], "--scope"),
        (["create", "phone", "--scope", "read", "--rate", "many"], "--rate-limit"),
        (["create", "phone", "--scope", "read", "--expires-at", "soon"], "--expires-at"),
        (["create", "phone", "--scope", "read", "--expires-at", "2020-01-01"], "--expires-at"),
        (["rotate", "phone", "--overlap", "721"], "--overlap"),
        (["make", "phone"], "make"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("configured_sqlite")
def test_wrong_usage_names_the_argument(arguments: list[str], name: str) -> None:
    assert name in refused(ExitCode.USAGE_ERROR, "keys", *arguments)


@pytest.mark.usefixtures("configured_database_url")
def test_unknown_taken_and_reserved_names_are_refused() -> None:
    done(*CREATE)
    assert "choose another name" in refused(ExitCode.FAILURE, *CREATE)
    assert refused(ExitCode.FAILURE, "keys", "revoke", "tablet") == "There is no key tablet."
    assert ".env" in refused(ExitCode.FAILURE, "keys", "rotate", "built-in")
    assert ".env" in refused(ExitCode.FAILURE, "keys", "create", "built-in", "--scope", "read")
