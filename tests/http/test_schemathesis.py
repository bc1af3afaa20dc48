"""Requests that Schemathesis generates from OpenAPI: the service keeps to what is documented."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_fixtures import Start
from tests.support.project_copy import environment
from tests.support.service import KEY, served

ST = Path(sys.executable).with_name("st")
# Every documented example and bound, then random requests and sequences of them.
PHASES = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "2")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("public", [True, False], ids=["public on SQLite", "private on PostgreSQL"])
def test_service_keeps_to_its_openapi(
    start: Start, request: pytest.FixtureRequest, tmp_path: Path, public: bool
) -> None:
    url = request.getfixturevalue("sqlite_url" if public else "postgres_url")
    client = start(DATABASE_URL=url, PUBLIC_RESULTS=str(public), PREVIEW_LIMIT="off", READ_LIMIT="off")
    with served(client.app) as port:
        command = (
            *(ST, "--config-file", Path(__file__).with_name("schemathesis.toml")),
            *("run", f"http://127.0.0.1:{port}/openapi.json", "--header", f"X-API-Key: {KEY}", "--checks", "all"),
            # Texts with NUL are refused, which OpenAPI cannot say.
            *("--seed", "1", "--generation-database", "none", "--generation-allow-x00", "false", "--no-color"),
        )
        # It looks for a proxy at each request.
        few = environment(NO_PROXY="*")
        ended = subprocess.run([*command, *PHASES], cwd=tmp_path, env=few, capture_output=True, text=True, timeout=200)
        assert ended.returncode == 0, ended.stdout
