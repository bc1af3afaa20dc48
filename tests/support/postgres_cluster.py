"""A PostgreSQL cluster of the tests' own, which they may stop and break, and a real PgBouncer in front of it."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest

from tests.support.databases import migrate
from tests.support.machines import THIS_MACHINE, Machine
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, cannot_run
from tests.support.run_cleanup import start_process, watch_folder, watch_process
from tests.support.waiting import PATIENCE_S, wait_until

POOLER = PROJECT / "deploy/pgbouncer.ini"
# PostgreSQL and PgBouncer refuse to run as root; Debian's packages make this user for them.
ABANDONED_AFTER_S = 3600
FOLDER_PREFIX = "pixelwise-postgres-"
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()


@dataclass
class Cluster:
    """A server on a port of its own, with its files in a folder of its own."""

    folder: Path
    programs: Path
    port: int
    machine: Machine = THIS_MACHINE

    @property
    def admin_url(self) -> str:
        return self.url("postgres")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{self.machine.address}:{self.port}/{database}"

    def new_database(self, *, disk: Path | None = None) -> str:
        """Make an empty database, on another disk if need be; it goes away with the cluster. Its URL."""
        name = f"pixelwise_{uuid4().hex}"
        where = ""
        if disk is not None:
            self._execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
            where = f"TABLESPACE {name}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0 {where}")
        return self.url(name)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._pg_ctl("start", "--log", str(self.folder / "log"))
        watch_process(self._process_id())

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is how a crash looks: nothing is written, everything is cut off."""
        self._pg_ctl("stop", "--mode", mode)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop the server's processes where they are, so that it neither answers nor goes away; continue at the end."""
        server = psutil.Process(self._process_id())
        # Itself first, or it would start others.
        server.suspend()
        children = server.children()
        try:
            for child in children:
                child.suspend()
            yield
        finally:
            for process in (*children, server):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def promote(self) -> None:
        """Make a standby a server of its own, which accepts writes."""
        self._pg_ctl("promote")

    def ask(self, query: str) -> Any:
        """The first column of the first row."""
        with psycopg.connect(self.admin_url, autocommit=True) as operator:
            return (operator.execute(query).fetchone() or (None,))[0]  # type: ignore[call-overload]

    def _process_id(self) -> int:
        return int((self.folder / "data/postmaster.pid").read_text().split()[0])

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server, as an operator would."""
        self._execute(f"ALTER SYSTEM SET {name} = {value}")
        self._execute("SELECT pg_reload_conf()")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as operator:
            operator.execute(statement)  # type: ignore[call-overload]

    def _pg_ctl(self, *arguments: str) -> None:
        self.run("pg_ctl", "--pgdata", str(self.folder / "data"), "--wait", *arguments)

    def run(self, program: str, *arguments: str) -> None:
        command = as_postgres(self.machine, str(self.programs / program), *arguments)
        # The server keeps what it is given open, so a pipe would never end.
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2 * PATIENCE_S,
        )
        log = self.folder / "log"
        assert done.returncode == 0, f"{program} failed: {log.read_text() if log.exists() else ''}"


def as_postgres(machine: Machine, *command: str) -> tuple[str, ...]:
    """The command, run on the machine by the user of the servers."""
    return (*machine.enter, *AS_POSTGRES, *command)


@contextmanager
def folder_of_postgres() -> Iterator[Path]:
    """A folder owned by the user of the servers; pytest's own folders are private."""
    delete_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    watch_folder(folder)
    lock = os.open(folder, os.O_RDONLY)
    try:
        # The system frees it when this process ends in any way. Then the folder is abandoned.
        flock(lock, LOCK_EX)
        if AS_POSTGRES:
            shutil.chown(folder, "postgres", "postgres")
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder)


def delete_abandoned_folders() -> None:
    """Delete the folders of killed runs; a server without its folder ends by itself."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                # A process that made it just now does not have the lock yet.
                if time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


@contextmanager
def standby_of(primary: Cluster, machine: Machine = THIS_MACHINE) -> Iterator[Cluster]:
    """A streaming standby of a running cluster, started; it ends with the block."""
    with folder_of_postgres() as folder:
        standby = Cluster(folder, primary.programs, free_port(), machine)
        source = f"host={primary.machine.address} port={primary.port} user=postgres"
        options = ("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync")
        standby.run("pg_basebackup", "--pgdata", f"{folder}/data", "--dbname", source, *options)
        with (folder / "data/postgresql.conf").open("a") as settings:
            # After a restart of the primary, a standby waits 5 s by default.
            settings.write(f"{_settings_of(standby)}wal_retrieve_retry_interval = 100ms\n")
        standby.start()
        try:
            yield standby
        finally:
            with suppress(AssertionError):
                standby.stop()


def _settings_of(cluster: Cluster) -> str:
    address = cluster.machine.address
    return f"port = {cluster.port}\nlisten_addresses = '{address}'\nunix_socket_directories = ''\n"


def newest_programs() -> Path:
    """The folder with the programs of the newest version of PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        cannot_run("there is no initdb below /usr/lib/postgresql; to run this test: apt install postgresql")
    return found[-1].parent


@contextmanager
def postgres_cluster(machine: Machine = THIS_MACHINE) -> Iterator[Cluster]:
    """A new cluster, started; it ends with the block."""
    with folder_of_postgres() as folder:
        cluster = Cluster(folder, newest_programs(), free_port(), machine)
        cluster.run("initdb", "--pgdata", f"{folder}/data", "--username", "postgres", "--auth", "trust", "--no-sync")
        with (folder / "data/postgresql.conf").open("a") as settings:
            settings.write(_settings_of(cluster))
        if machine != THIS_MACHINE:
            with (folder / "data/pg_hba.conf").open("a") as access:
                access.write("host all all samenet trust\nhost replication all samenet trust\n")
        cluster.start()
        try:
            yield cluster
        finally:
            with suppress(AssertionError):
                cluster.stop()


@contextmanager
def pgbouncer(server_url: str, machine: Machine = THIS_MACHINE) -> Iterator[str]:
    """A PgBouncer with the configuration that ships, in front of a database that lets everybody in; the URL to use."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        cannot_run("pgbouncer is missing; to run this test: apt install pgbouncer")
    port = free_port()
    with ExitStack() as ending:
        folder = ending.enter_context(folder_of_postgres())
        (folder / "pgbouncer.ini").write_text(_pooler_configuration(server_url, folder, machine.address, port))
        (folder / "userlist.txt").write_text('"postgres" ""\n')
        command = as_postgres(machine, program, "--quiet", str(folder / "pgbouncer.ini"))
        process = start_process(command, cwd=folder, stdin=subprocess.DEVNULL)
        ending.callback(process.wait, PATIENCE_S)
        ending.callback(process.terminate)
        url = f"postgresql://postgres@{machine.address}:{port}/pixelwise"
        wait_until(lambda: _answers(url), "PgBouncer answers")
        yield url


def _pooler_configuration(server_url: str, folder: Path, address: str, port: int) -> str:
    """The configuration that ships with this test's server, port and folder."""
    server = psycopg.conninfo.conninfo_to_dict(server_url)
    replaced = {
        r"^pixelwise = .*": f"pixelwise = host={server['host']} port={server['port']} dbname={server['dbname']}",
        r"^listen_addr = .*": f"listen_addr = {address}",
        r"^listen_port = .*": f"listen_port = {port}",
        r"^auth_type = .*": "auth_type = trust",
        r"^unix_socket_dir = .*": "unix_socket_dir =",
        r"^(auth_file|logfile|pidfile) = .*/(.*)": rf"\1 = {folder}/\2",
    }
    configuration = POOLER.read_text()
    for pattern, replacement in replaced.items():
        configuration, count = re.subn(pattern, replacement, configuration, flags=re.MULTILINE)
        assert count, pattern
    return configuration


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
def private_url(cluster: Cluster) -> str:
    """A migrated database without rows, on a server that the test may stop."""
    url = cluster.new_database()
    migrate(url)
    return url
