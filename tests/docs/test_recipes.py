"""Recipes of the pages that are run again, as after an interruption."""

import re
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.databases import drop_abandoned, postgres_database
from tests.support.documentation import Block, blocks_of
from tests.support.project_copy import PROJECT, need, run
from tests.support.waiting import wait_until

RESTORES = [block for block in blocks_of(PROJECT / "docs/operations.md") if "pixelwise_restored" in block.code]
SCALING = list(blocks_of(PROJECT / "docs/scaling.md"))
# No service manager, other users or containers here. The statement RESTORED is run in place of a restore.
SHELL = """
sudo() { [ "$1" != -u ] || shift 2; "$@"; }
docker() { shift 5; case $1 in exec) shift 3; "$@" ;; *) systemctl "$1" ;; esac; }
systemctl() { echo "$1" >>calls; }
env() { psql --quiet --set=ON_ERROR_STOP=1 --dbname="$NAME"_restored --command="$RESTORED"; }
pg_restore() { env; }
"""


def restore(block: Block, folder: Path, url: str, statement: str) -> str:
    """Run the page's commands on this database; return what was done to the service."""
    server = make_url(url)
    name = str(server.database)
    code = re.sub(r"--(owner|username)=\w+ |cd /opt/pixelwise", "", block.code)
    code = re.sub(r"pixelwise(?=_restored|_before| RENAME)|(?<=TO )pixelwise(?=[\"'])", name, code)
    (folder / "pixelwise-20261120T031500Z.dump").touch()
    (folder / "calls").unlink(missing_ok=True)
    variables = {"PGHOST": server.host, "PGUSER": server.username, "PGPASSWORD": server.password, "PGPORT": server.port}
    given = {key: str(value) for key, value in variables.items() if value is not None}
    run(folder, "bash", "-c", SHELL + code, PGDATABASE="postgres", NAME=name, RESTORED=statement, **given)
    return (folder / "calls").read_text()


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return [name for (name,) in found]


@pytest.mark.parametrize("block", RESTORES, ids=str)
def test_postgresql_can_be_restored_again_and_starts_only_if_it_was(
    block: Block, postgres_admin_url: str, tmp_path: Path
) -> None:
    need("psql", "postgresql-client")
    with postgres_database(postgres_admin_url, "restore") as url:
        name = make_url(url).database
        try:
            for number in (1, 2):
                assert restore(block, tmp_path, url, f"CREATE TABLE restored_{number} ()") == "stop\nstart\n"
                assert tables(url) == [f"restored_{number}"]
                second = int(time.time())
                wait_until(lambda: int(time.time()) > second, "the kept database gets another name")  # noqa: B023
            assert restore(block, tmp_path, url, "CREATE TABLE half (); SELECT 1 / 0") == "stop\n"
            assert tables(url) == ["restored_2"]
            with psycopg.connect(postgres_admin_url) as connection:
                kept = "SELECT count(*) FROM pg_database WHERE datname LIKE %s"
                assert connection.execute(kept, [f"{name}_before_%"]).fetchone() == (2,)
        finally:
            drop_abandoned(postgres_admin_url, f"{name}_%")


def test_host_that_is_taken_out_twice_is_put_back_at_once(tmp_path: Path) -> None:
    (shipped,) = (block.code for block in SCALING if "server 10.0.0.22:8000" in block.code)
    out, back = (re.findall(r"sed -i '.*?'", block.code)[0] for block in SCALING if "sed -i '/server" in block.code)
    site = tmp_path / "pixelwise"
    site.write_text(shipped)
    for _ in range(2):
        run(tmp_path, "bash", "-c", f"{out} pixelwise").check_returncode()
        assert re.findall(r"server (\S+):8000.* down;", site.read_text()) == ["10.0.0.21"]
        assert site.read_text().count("down") == 1
    run(tmp_path, "bash", "-c", f"{back} pixelwise").check_returncode()
    assert site.read_text() == shipped
