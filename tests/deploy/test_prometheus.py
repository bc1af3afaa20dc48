"""deploy/prometheus.yml, alerts.yml and grafana-dashboard.json: with promtool, and with Prometheus itself."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from time import sleep
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.documentation import blocks_of
from tests.support.metrics import KeyHolder, Metrics
from tests.support.old_databases import rows
from tests.support.ports import free_port
from tests.support.project_copy import PROJECT, need, run
from tests.support.run_cleanup import start_process
from tests.support.service import KEY
from tests.support.service_process import drawing, serving
from tests.support.waiting import wait_until

DEPLOY = PROJECT / "deploy"
ALERTS = (DEPLOY / "alerts.yml").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _prometheus_is_installed() -> None:
    need("promtool", "prometheus")
    need("prometheus", "prometheus")


def plain(expression: str) -> str:
    """The expression with Grafana's variables replaced."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_promtool_accepts_the_rules() -> None:
    checked = run(PROJECT, "promtool", "check", "rules", str(DEPLOY / "alerts.yml"))
    assert checked.returncode == 0, checked.stderr


def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    cases = Path(__file__).with_name("alerts.test.yml").read_text()
    assert set(re.findall(r"alert: (\w+)", ALERTS)) <= set(re.findall(r'alertname="(\w+)"', cases))
    made = tmp_path / "alerts.test.yml"
    never = " ".join(["NaN"] * 121)
    made.write_text(cases.replace("RULES", str(DEPLOY / "alerts.yml")).replace("NEVER", never))
    tested = run(tmp_path, "promtool", "test", "rules", str(made))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alerts_and_dashboard_use_only_metrics_that_exist(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service, KeyHolder(service.port) as client:
        families = Metrics.of(client).families
    kinds = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
    known = {family.name + suffix for family in families for suffix in kinds.get(family.type, ("",))}
    for text in (ALERTS, *EXPRESSIONS):
        used = set(re.findall(r"\b(?:pixelwise|http_server)_\w+", text))
        assert used
        assert used <= known


def test_dashboard_has_a_title_and_a_place_for_each_panel() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        x, y, width, height = (panel["gridPos"][name] for name in "xywh")
        cells = {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        assert x + width <= 24
        assert not cells & taken
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"


@contextmanager
def alertmanager() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A server that takes alerts as Alertmanager does; yields its port and what it has received."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/v2/alerts"
            received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, received
        server.shutdown()
        thread.join()


def configured(folder: Path, service: int, receiver: int) -> Path:
    """The example's configuration in this folder, with shorter times."""
    (folder / "key").write_text(KEY)
    (folder / "alerts.yml").write_text(re.sub(r"for: \d+m", "for: 1s", ALERTS))
    config = (DEPLOY / "prometheus.yml").read_text()
    for old, new in (
        ("15s", "1s"),
        ("127.0.0.1:8000", f"127.0.0.1:{service}"),
        ("127.0.0.1:9093", f"127.0.0.1:{receiver}"),
        ("/etc/prometheus/pixelwise-key", str(folder / "key")),
        ("/etc/prometheus/pixelwise-alerts.yml", str(folder / "alerts.yml")),
    ):
        assert old in config
        config = config.replace(old, new)
    made = folder / "prometheus.yml"
    made.write_text(config)
    checked = run(folder, "promtool", "check", "config", str(made))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return made


@contextmanager
def prometheus(config: Path) -> Iterator[Query]:
    port = free_port()
    options = (f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={config.parent / 'tsdb'}")
    with config.with_suffix(".log").open("wb") as log:
        command = ["prometheus", f"--config.file={config}", *options, "--log.level=warn"]
        process = start_process(command, stdout=log, stderr=log)

    def query(expression: str) -> list[dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/api/v1/query?" + urlencode({"query": expression}))
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return []
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    try:
        wait_until(lambda: [one["value"][1] for one in query('up{job="pixelwise"}')] == ["1"], "Prometheus reads")
        yield query
    finally:
        process.kill()
        process.wait()


def not_ready(received: list[dict[str, Any]]) -> list[datetime]:
    """When the alerts of a failed write end: later than now while it fails."""
    wanted = {"alertname": "PixelWiseNotReady", "check": "write", "severity": "critical"}
    return [
        datetime.fromisoformat(alert["endsAt"][:19] + "+00:00")
        for alert in received.copy()
        if wanted.items() <= alert["labels"].items()
    ]


def test_prometheus_reads_a_service_fills_the_dashboard_and_sends_an_alert(sqlite_url: str, tmp_path: Path) -> None:
    database, moved = tmp_path / "pixelwise.db", tmp_path / "moved.db"
    with (
        alertmanager() as (receiver, received),
        serving(sqlite_url, tmp_path) as service,
        prometheus(configured(tmp_path, service.port, receiver)) as query,
        service.client() as client,
    ):

        def has_data(expression: str) -> bool:
            # One more drawing, because a rate needs two counts.
            assert client.classify(drawing(Random(1))).status_code == 200
            return bool(query(plain(expression)))

        for expression in EXPRESSIONS:
            if not re.search("rate_limited|labels_total", expression):
                wait_until(lambda wanted=expression: has_data(wanted), expression)  # type: ignore[misc]
        # No such counter has begun.
        for name in ("rate_limited", "labels_total"):
            (expression,) = (one for one in EXPRESSIONS if name in one)
            assert query(plain(expression)) == []
        assert not_ready(received) == []
        database.rename(moved)
        wait_until(lambda: not_ready(received), "an alert has arrived")
        moved.rename(database)
        wait_until(lambda: not_ready(received)[-1] <= datetime.now(UTC), "the alert has been resolved")


def follow(recipe: str, folder: Path, url: str) -> None:
    """Run a recipe on files in this folder, without packages, systemd and other users."""
    for old, new in (
        (r"^(sudo apt|sudo systemctl|promtool) .*", ""),
        (r"sudo (-u produser )?|-o prometheus ", ""),
        ("/etc/prometheus", str(folder)),
        ("/opt/pixelwise", str(PROJECT)),
        (r"\.venv/bin/python", sys.executable),
    ):
        recipe = re.sub(old, new, recipe, flags=re.MULTILINE)
    run(PROJECT, "bash", "-c", recipe, DATABASE_URL=url).check_returncode()


def test_recipes_can_be_repeated_and_put_the_configuration_of_the_package_back(sqlite_url: str, tmp_path: Path) -> None:
    blocks = [block.code for block in blocks_of(PROJECT / "docs/operations.md") if "/etc/prometheus" in block.code]
    install, remove = blocks
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "prometheus.yml").write_text("of the package")
    secrets = set()
    for _ in range(2):
        # An upgrade installs again.
        for _ in range(2):
            follow(install, folder, sqlite_url)
            secrets.add((folder / "pixelwise-key").read_text())
            ((name,),) = rows(sqlite_url, "SELECT name FROM api_keys WHERE revoked_at IS NULL")
        follow(re.sub(r"(?<=keys revoke )[\w-]+", name, remove), folder, sqlite_url)
        assert rows(sqlite_url, "SELECT name FROM api_keys WHERE revoked_at IS NULL") == []
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"prometheus.yml": "of the package"}
        # The name of the next key is that of another second.
        sleep(1)
    assert len(secrets) == 2
    assert all(secret.startswith("pw_") for secret in secrets)
