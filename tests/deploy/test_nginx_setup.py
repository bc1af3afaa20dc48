"""scripts/nginx and scripts/certificate install nginx and keep an operator's changes."""

import hashlib
import os
import shutil
import signal
import ssl
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.project_copy import PROJECT, cannot_run, environment, need, run
from tests.support.run_cleanup import start_process, take_signals
from tests.support.waiting import PATIENCE_S, wait_until

DEBIAN_NGINX = Path("/etc/nginx")


@dataclass
class Machine:
    """A copy of Debian's nginx configuration, and a folder for certificates."""

    nginx: Path
    certificates: Path

    @property
    def site(self) -> Path:
        return self.nginx / "sites-available/pixelwise"

    @property
    def enabled(self) -> set[str]:
        return {path.name for path in (self.nginx / "sites-enabled").iterdir()}

    @property
    def environment(self) -> dict[str, str]:
        paths = {"PIXELWISE_NGINX": str(self.nginx), "PIXELWISE_CERTIFICATE": str(self.certificates)}
        return environment(**paths, PIXELWISE_ROOT=str(PROJECT))

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return run(PROJECT, str(PROJECT / "scripts/nginx"), **self.environment)

    def set_up_and_interrupt(self, ending: signal.Signals) -> None:
        """Send this signal while nginx reads its configuration, which does not end."""
        os.mkfifo(self.nginx / "fifo")
        with (self.nginx / "nginx.conf").open("a") as file:
            file.write(f"include {self.nginx}/fifo;\n")
        command = [PROJECT / "scripts/nginx"]
        options = {"stdout": subprocess.DEVNULL, "start_new_session": True, "preexec_fn": take_signals}
        with start_process(command, env=self.environment, **options) as setup:
            wait_until(lambda: has_started(f"nginx -T -c {self.nginx}/nginx.conf"), "nginx reads its configuration")
            os.killpg(setup.pid, ending)
            setup.wait(PATIENCE_S)

    def state(self) -> dict[str, str]:
        """Return the checksum of every file by its path."""
        folders = (self.nginx, self.certificates)
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def has_started(command: str) -> bool:
    with_arguments = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return command.split() in with_arguments


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if os.geteuid() != 0:
        cannot_run("nginx checks its configuration as root only; to run this test: sudo scripts/test")
    need("nginx", "nginx")
    need("openssl", "openssl")
    if not (DEBIAN_NGINX / "sites-available/default").exists():
        cannot_run("this nginx is not Debian's; to run this test: apt install nginx")
    copy = tmp_path / "etc/nginx"
    shutil.copytree(DEBIAN_NGINX, copy, symlinks=True, ignore=shutil.ignore_patterns("pixelwise*", "modules-enabled"))
    configuration = (copy / "nginx.conf").read_text()
    for place in ("/etc/nginx", "/var/log/nginx", "/run"):
        configuration = configuration.replace(f"{place}/", f"{copy}/")
    (copy / "nginx.conf").write_text(configuration)
    shutil.rmtree(copy / "sites-enabled")
    (copy / "sites-enabled").mkdir()
    (copy / "sites-enabled/default").symlink_to(copy / "sites-available/default")
    return Machine(copy, tmp_path / "etc/ssl/pixelwise")


def test_setup_replaces_the_welcome_page_and_can_be_repeated(machine: Machine) -> None:
    first = machine.set_up()
    assert first.returncode == 0, first.stderr
    assert machine.enabled == {"pixelwise"}
    assert f"root {PROJECT}/app;" in machine.site.read_text()
    assert f"{machine.certificates}/key.pem" in machine.site.read_text()
    state = machine.state()

    second = machine.set_up()
    assert (second.returncode, "Nothing has changed for nginx." in second.stdout) == (0, True), second.stderr
    assert machine.state() == state


def test_installed_site_differs_from_the_shipped_one_in_its_places_only(machine: Machine) -> None:
    assert machine.set_up().returncode == 0
    text = machine.site.read_text()
    for here, place in ((machine.certificates, "/etc/ssl/pixelwise"), (PROJECT, "/opt/pixelwise")):
        text = text.replace(str(here), place)
    shipped = (PROJECT / "deploy/nginx.conf").read_text().splitlines()
    if not Path("/proc/net/if_inet6").exists():
        shipped = [line for line in shipped if "listen [::]" not in line]
    assert text.splitlines() == shipped


@pytest.mark.parametrize("ending", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_interrupted_check_leaves_no_site_that_nginx_has_not_accepted(machine: Machine, ending: signal.Signals) -> None:
    assert machine.set_up().returncode == 0
    machine.site.write_text("# An older version.\n")
    shutil.copy(machine.site, f"{machine.site}.shipped")
    (machine.nginx / "sites-enabled/pixelwise").unlink()
    before = {path: content for path, content in machine.state().items() if not path.endswith("/nginx.conf")}
    machine.set_up_and_interrupt(ending)
    after = {path: content for path, content in machine.state().items() if not path.endswith("/nginx.conf")}
    assert after == before


def test_site_changed_by_hand_is_kept_and_the_new_one_is_written_beside_it(machine: Machine) -> None:
    machine.set_up()
    mine = machine.site.read_text().replace("rate=50r/s", "rate=500r/s")
    machine.site.write_text(mine)
    for _ in range(2):
        again = machine.set_up()
        assert (again.returncode, "was changed by hand" in again.stdout) == (0, True), again.stderr
        assert machine.site.read_text() == mine
    shutil.copy(f"{machine.site}.shipped", machine.site)
    assert "was changed by hand" not in machine.set_up().stdout


def test_unchanged_site_is_replaced_by_the_next_version(machine: Machine) -> None:
    machine.set_up()
    wanted = machine.site.read_text()
    for path in (machine.site, Path(f"{machine.site}.shipped")):
        path.write_text("# An older version.\n")
    assert "Installing" in machine.set_up().stdout
    assert machine.site.read_text() == wanted


def test_welcome_page_changed_by_hand_stays_enabled(machine: Machine) -> None:
    default = machine.nginx / "sites-available/default"
    default.write_text(default.read_text().replace("default_server", ""))
    assert machine.set_up().returncode == 0
    assert machine.enabled == {"default", "pixelwise"}


def test_configuration_refused_by_nginx_is_rolled_back_with_the_reason(machine: Machine) -> None:
    (machine.nginx / "sites-enabled/other").write_text("server { listen 80 default_server; }\n")
    before = machine.state()
    refused = machine.set_up()
    assert refused.returncode == 1
    assert "a duplicate default server" in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("pixelwise: nginx rejected the configuration")
    assert machine.enabled == {"default", "other"}
    assert {path: content for path, content in machine.state().items() if "/ssl/" not in path} == before
    # Without the other site the same command succeeds.
    (machine.nginx / "sites-enabled/other").unlink()
    assert machine.set_up().returncode == 0
    assert machine.enabled == {"pixelwise"}


def test_configuration_refused_later_is_not_said_to_be_restored(machine: Machine) -> None:
    machine.set_up()
    (machine.nginx / "sites-enabled/other").write_text("server { listen 80 default_server; }\n")
    before = machine.state()
    refused = machine.set_up()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == "pixelwise: nginx rejected the configuration (see above)"
    assert machine.state() == before


def test_nginx_without_folders_of_sites_is_refused_in_one_line(machine: Machine) -> None:
    shutil.rmtree(machine.nginx / "sites-enabled")
    before = machine.state()
    refused = machine.set_up()
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert "has no folders sites-available and sites-enabled" in refused.stderr
    assert "or add PIXELWISE_NGINX=off to " in refused.stderr
    assert machine.state() == before


def test_nginx_that_does_not_include_the_sites_is_refused_in_one_line(machine: Machine) -> None:
    path = machine.nginx / "nginx.conf"
    including = path.read_text()
    for enabled in ({"default"}, {"pixelwise"}):
        path.write_text(including.replace("/sites-enabled/*;", "/sites-enabled/*.conf;"))
        refused = machine.set_up()
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
        assert f"nginx.conf does not include {machine.nginx}/sites-enabled/pixelwise" in refused.stderr
        assert "or add PIXELWISE_NGINX=off to " in refused.stderr
        assert machine.enabled == enabled
        path.write_text(including)
        assert machine.set_up().returncode == 0


def make_certificate(folder: Path, *arguments: str) -> str:
    need("openssl", "openssl")
    made = run(PROJECT, str(PROJECT / "scripts/certificate"), *arguments, PIXELWISE_CERTIFICATE=str(folder))
    assert made.returncode == 0, made.stderr
    return made.stdout


def replace_certificate(folder: Path, subject: str, days: int) -> bytes:
    """Write a certificate with this subject for the same key, and return it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    days_left = ("-days", str(days), "-subj", subject)
    made = run(folder, "openssl", "req", "-x509", "-new", "-key", str(key), *days_left, "-out", str(certificate))
    assert made.returncode == 0, made.stderr
    return certificate.read_bytes()


def test_certificate_names_this_machine_and_only_root_can_read_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "ssl"
    assert "self-signed" in make_certificate(folder)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    names = (("-checkip", "127.0.0.1"), ("-checkhost", "localhost"), ("-checkhost", os.uname().nodename))
    for kind, name in names:
        output = run(folder, "openssl", "x509", "-noout", "-in", str(certificate), kind, name).stdout
        assert "does match" in output, output
    before = (certificate.read_bytes(), key.read_bytes())
    assert make_certificate(folder) == make_certificate(folder, "--renew") == ""
    assert (certificate.read_bytes(), key.read_bytes()) == before


def test_expiring_self_signed_certificate_is_renewed_with_the_same_key(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    key = (tmp_path / "key.pem").read_bytes()
    ending = replace_certificate(tmp_path, "/O=PixelWise, self-signed/CN=PixelWise", days=20)
    assert make_certificate(tmp_path) == ""
    assert "Renewed" in make_certificate(tmp_path, "--renew")
    assert (tmp_path / "certificate.pem").read_bytes() != ending
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == key


def test_failure_of_openssl_leaves_no_file_behind(tmp_path: Path) -> None:
    need("openssl", "openssl")
    (tmp_path / "key.pem").write_text("no key")
    failed = run(PROJECT, str(PROJECT / "scripts/certificate"), PIXELWISE_CERTIFICATE=str(tmp_path))
    assert failed.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_certificate_of_an_operator_is_never_changed(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    own = replace_certificate(tmp_path, "/CN=digits.example", days=2)
    # certbot installs symbolic links.
    (tmp_path / "live.pem").write_bytes(own)
    for linked in (False, True):
        if linked:
            (tmp_path / "certificate.pem").unlink()
            (tmp_path / "certificate.pem").symlink_to("live.pem")
        assert make_certificate(tmp_path) == make_certificate(tmp_path, "--renew") == ""
        assert (tmp_path / "certificate.pem").read_bytes() == own
        assert (tmp_path / "certificate.pem").is_symlink() is linked
