"""A production machine that several files of tests share."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.production import SERVICE_USER, Production, configure_nginx_in, make_venv_in, write_version_05_to
from tests.support.project_copy import cannot_run, clone_into, need
from tests.support.run_cleanup import watch_folder


@pytest.fixture(scope="session")
def production() -> Iterator[Production]:
    """A machine on which setup-server.sh has upgraded version 0.5; each test leaves it as it was."""
    if os.geteuid() != 0:
        cannot_run("only root can set up a production machine; to run this test: sudo scripts/test")
    need("nginx", "nginx")
    need("openssl", "openssl")
    # The service user cannot read pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watch_folder(folder)
        folder.chmod(0o755)
        # The shipped units and the site have parts of these names, which setup-server.sh replaces.
        root, certificates = folder / "etc/ssl/pixelwise/produser", folder / "opt/pixelwise/ssl"
        units, nginx = folder / "units", folder / "nginx"
        configure_nginx_in(nginx)
        write_version_05_to(root)
        make_venv_in(root)
        machine = Production(root, units, nginx, certificates, clone_into(folder / "clone"))
        (root / ".git").mkdir()
        os.chown(root / ".git", pwd.getpwnam(SERVICE_USER).pw_uid, 0)
        machine.first_output = machine.set_up()
        yield machine
