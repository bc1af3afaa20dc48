"""docs/operations.md: the commands for a standby, run on two servers with the folders of Debian."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import psycopg
import pytest

from tests.support.documentation import blocks_of
from tests.support.ports import free_port
from tests.support.postgres_cluster import AS_POSTGRES, Cluster, folder_of_postgres, newest_programs
from tests.support.project_copy import PROJECT, cannot_run, run

pytestmark = pytest.mark.slow

BLOCKS: Final = [block.code for block in blocks_of(PROJECT / "docs/operations.md")]
# Debian's servers listen to 127.0.0.1 only; this is another address of the same machine.
ADDRESS: Final = "127.0.0.2"


class Server(NamedTuple):
    """A cluster `main` as pg_createcluster makes it, below a folder in place of /."""

    cluster: Cluster
    version: str

    @property
    def url(self) -> str:
        return f"postgresql://pixelwise@{ADDRESS}:{self.cluster.port}/pixelwise"

    def paste(self, commands: str) -> None:
        """Run the commands of a page; passwords are not asked for."""
        folder, port = self.cluster.folder, self.cluster.port
        data, log = f"{folder}/var/lib/postgresql/{self.version}/main", f"{folder}/log"
        settings = f"--options='-c config_file={folder}/etc/postgresql/{self.version}/main/postgresql.conf'"
        shell = f"""
            set -euo pipefail
            export PGHOST={folder} PGPORT={port} PATH={self.cluster.programs}:$PATH
            sudo() {{ if [ "$1" = -u ]; then shift 2; {" ".join(AS_POSTGRES)} "$@"; else "$@"; fi; }}
            systemctl() {{ sudo -u postgres pg_ctl "$1" --wait --pgdata={data} --log={log} {settings} >/dev/null; }}
            pg_lsclusters() {{ echo "{self.version} main {port} online"; }}
        """
        for pattern, here in (
            ("/etc/postgresql|/var/lib/postgresql", rf"{folder}\g<0>"),
            (" --pwprompt| --password", ""),
            (r"10\.0\.0\.\d+/32 scram-sha-256", "127.0.0.0/8 trust"),
        ):
            commands = re.sub(pattern, here, commands)
        done = run(folder, "bash", "-c", shell + commands)
        assert done.returncode == 0, done.stderr


@contextmanager
def server_of_debian() -> Iterator[Server]:
    with folder_of_postgres() as folder:
        cluster = Cluster(folder, newest_programs(), free_port())
        version = cluster.programs.parent.name
        settings, data = folder / f"etc/postgresql/{version}/main", folder / f"var/lib/postgresql/{version}/main"
        (settings / "conf.d").mkdir(parents=True)
        # Root owns the folder above it.
        data.mkdir(parents=True, mode=0o700)
        os.chown(data, folder.stat().st_uid, folder.stat().st_gid)
        cluster.run("initdb", "--pgdata", str(data), "--username", "postgres", "--auth", "trust", "--no-sync")
        (settings / "pg_hba.conf").write_text("local all all trust\n")
        (settings / "postgresql.conf").write_text(
            f"data_directory = '{data}'\nhba_file = '{settings}/pg_hba.conf'\nport = {cluster.port}\n"
            f"unix_socket_directories = '{folder}'\ninclude_dir 'conf.d'\n"
        )
        server = Server(cluster, version)
        server.paste("sudo systemctl start postgresql")
        try:
            yield server
        finally:
            with suppress(AssertionError):
                cluster.run("pg_ctl", "stop", "--mode=immediate", "--pgdata", str(data))


def test_commands_for_a_standby_make_one_that_answers_the_service() -> None:
    if not AS_POSTGRES:
        cannot_run("only root can act as the user of the servers; to run this test: sudo scripts/test")
    (on_primary,) = (code for code in BLOCKS if code.startswith("# on db1\n"))
    (on_standby,) = (code for code in BLOCKS if code.startswith("# on db2\n"))
    with server_of_debian() as primary, server_of_debian() as standby:
        options = {"host": str(primary.cluster.folder), "port": primary.cluster.port, "user": "postgres"}
        with psycopg.connect(**options, autocommit=True) as operator:  # type: ignore[arg-type]
            operator.execute("CREATE ROLE pixelwise LOGIN")
            operator.execute("CREATE DATABASE pixelwise OWNER pixelwise")
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(primary.url)

        primary.paste(on_primary)
        standby.paste(on_standby.replace("--host db1", f"--host {ADDRESS} --port {primary.cluster.port}"))
        for server, is_standby in ((primary, False), (standby, True)):
            with psycopg.connect(server.url) as service:
                assert service.execute("SELECT pg_is_in_recovery()").fetchone() == (is_standby,)
        (before,) = standby.cluster.folder.glob("var/lib/postgresql/*/main.before")
        assert (before / "PG_VERSION").exists()
