"""Tests that are killed leave no processes, databases and folders behind."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
import pytest

from tests.support.databases import drop_abandoned, postgres_database
from tests.support.postgres_cluster import FOLDER_PREFIX, delete_abandoned_folders, folder_of_postgres
from tests.support.project_copy import PROJECT
from tests.support.waiting import wait_until

# What the faults' tests have running, in a state in which nothing ends by itself.
TESTS = """
import sys, time
from pathlib import Path
from tests.support.databases import migrate, postgres_database
from tests.support.postgres_cluster import postgres_cluster
from tests.support.programs import forking
from tests.support.service_process import serving
import psutil

with forking(), postgres_database(sys.argv[1], "killed") as url, postgres_cluster() as cluster:
    migrate(url)
    with serving(url, Path(sys.argv[2]), workers=2) as service, cluster.hanging():
        server = int((cluster.folder / "data/postmaster.pid").read_text().split()[0])
        started = [service.process.pid, server]
        family = [child.pid for pid in started for child in psutil.Process(pid).children(recursive=True)]
        forking = [child.pid for child in psutil.Process().children() if "tests.support.fork_server" in child.cmdline()]
        print(url.rpartition("/")[2], cluster.folder, *started, *family, *forking, flush=True)
        time.sleep(600)
"""


def exists(admin_url: str, database: str) -> bool:
    with psycopg.connect(admin_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
    return found is not None


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_killed_tests_leave_no_processes_databases_and_folders(postgres_admin_url: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TESTS, postgres_admin_url, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        database, folder, *pids = tests.stdout.readline().split()
        assert exists(postgres_admin_url, database)
        # Two workers of the service, several processes of PostgreSQL, both themselves, and the process that forks.
        assert len(pids) > 7
        assert all(is_running(int(pid)) for pid in pids)
        tests.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(is_running(int(pid)) for pid in pids), "all processes have ended")
    wait_until(lambda: not Path(folder).exists(), "the server's folder is deleted")
    wait_until(lambda: not exists(postgres_admin_url, database), "the database is dropped")


@pytest.fixture
def database(postgres_admin_url: str) -> str:
    """The name of a database that nobody uses any more."""
    name = f"pixelwise_pytest_abandoned_{uuid4().hex}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return name


def test_next_run_deletes_abandoned_folders_only() -> None:
    abandoned = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    os.utime(abandoned, (1, 1))
    with folder_of_postgres() as used:
        os.utime(used, (1, 1))
        delete_abandoned_folders()
        assert not abandoned.exists()
        assert used.exists()


def test_next_run_drops_abandoned_databases_only(postgres_admin_url: str, database: str) -> None:
    with postgres_database(postgres_admin_url, "used") as url:
        drop_abandoned(postgres_admin_url)
        assert not exists(postgres_admin_url, database)
        assert exists(postgres_admin_url, url.rpartition("/")[2])
