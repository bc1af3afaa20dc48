"""What runs on the hosts: nginx with the configuration that ships, and the service."""

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machines import Machine
from tests.support.project_copy import PROJECT, environment, run
from tests.support.run_cleanup import start_process
from tests.support.service import KEY
from tests.support.waiting import PATIENCE_S, wait_until

PORT = 8000
SITE = PROJECT / "deploy/nginx.conf"
# A request that waits longer for a host gets 504. The configuration that ships waits longer, for long reads.
ANSWER_TIMEOUT_S = 4

_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
user root;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass
class Front:
    """nginx in front of the service's hosts."""

    machine: Machine
    folder: Path
    hosts: list[Machine]
    out: set[Machine] = field(default_factory=set)
    """The hosts that get no requests."""
    keeps_connections: bool = False
    """With this, requests also fail that nginx sends to a killed host on connections that were idle."""
    process: "subprocess.Popen[bytes] | None" = None

    @contextmanager
    def running(self) -> Iterator["Front"]:
        self.folder.mkdir()
        made = run(PROJECT, str(PROJECT / "scripts/certificate"), PIXELWISE_CERTIFICATE=str(self.folder))
        assert made.returncode == 0, made.stderr
        (self.folder / "nginx.conf").write_text(_AROUND.format(folder=self.folder))
        self._write_site()
        command = ["nginx", "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")]
        self.process = start_process([*self.machine.enter, *command])
        try:
            yield self
        finally:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def take_out(self, host: Machine) -> None:
        """Send no more requests to a host."""
        self.out.add(host)
        self._reload()

    def put_back(self, host: Machine) -> None:
        self.out.discard(host)
        self._reload()

    def keep_connections(self) -> None:
        self.keeps_connections = True
        self._reload()

    def _reload(self) -> None:
        assert self.process is not None
        before = self._workers()
        self._write_site()
        self.process.send_signal(signal.SIGHUP)
        # The old worker ends once it has answered its requests.
        wait_until(lambda: self._workers().isdisjoint(before), "nginx has the new configuration")

    def _workers(self) -> set[str]:
        assert self.process is not None
        return set(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())

    def _write_site(self) -> None:
        servers = "".join(
            f"server {host.address}:{PORT} max_fails=1 fail_timeout=5s{' down' if host in self.out else ''}; "
            for host in self.hosts
        )
        replaced = {
            r"server 127\.0\.0\.1:8000;": servers,
            r"keepalive 32;": "keepalive 32;" if self.keeps_connections else "",
            r"keepalive_timeout 4s;": "keepalive_timeout 4s;" if self.keeps_connections else "",
            r"proxy_connect_timeout [^;]+;": "proxy_connect_timeout 1s;",
            r"proxy_read_timeout [^;]+;": f"proxy_read_timeout {ANSWER_TIMEOUT_S}s;",
            r"rate=50r/s": "rate=100000r/s",
            r"\$upstream_response_time": "$upstream_addr",
            r"listen \[::\][^;]+;": "",
            r"/opt/pixelwise/": f"{PROJECT}/",
            r"/etc/ssl/pixelwise/": f"{self.folder}/",
            r"/var/log/nginx/": f"{self.folder}/",
        }
        site = SITE.read_text()
        for old, new in replaced.items():
            site, found = re.subn(old, lambda _, new=new: new, site)
            assert found, f"{SITE.name} has nothing like {old}"
        (self.folder / "site.conf").write_text(site)

    def hosts_of(self) -> dict[str, list[str]]:
        """Return the addresses to which each request was sent, by request id."""
        lines = (self.folder / "pixelwise.log").read_text().splitlines()
        return {line.split()[-1]: re.findall(rf"([\d.]+):{PORT}", line) for line in lines}


@dataclass
class Api:
    """A host of the service."""

    machine: Machine
    folder: Path
    settings: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, project: Path = PROJECT) -> None:
        """Start this release, or the one in another folder."""
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", self.machine.address, "--port", str(PORT)]
        options = ["--timeout-graceful-shutdown", "18"]
        with (self.folder / f"{self.machine.address}.log").open("ab") as log:
            self.process = start_process(
                [*self.machine.enter, *command, *options],
                cwd=self.folder,
                env=environment(PYTHONPATH=str(project), SECRET_API_KEY=KEY, **self.settings),
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        wait_until(self._is_ready, f"{self.machine.address} is ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / f"{self.machine.address}.log").read_text()
        with suppress(OSError), urllib.request.urlopen(f"http://{self.machine.address}:{PORT}/health/ready", timeout=5):
            return True
        return False

    def stop(self) -> None:
        """Stop it as systemd does: it answers its requests first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
            self.process = None


@contextmanager
def running(apis: list[Api]) -> Iterator[None]:
    """Start the service on all of these hosts; stop it at the end where it still runs."""
    with ExitStack() as ending:
        for api in apis:
            api.start()
            ending.callback(api.kill)
        for api in apis:
            api.wait_until_ready()
        yield
