"""scripts/sbom lists the packages and licences of the service; scripts/audit finds known vulnerabilities."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app import __version__
from tests.support.project_copy import PROJECT, run
from tests.test_requirements import direct, installed_here, locked

# Anybody may use and pass on what has one of these; psycopg is used as a library, unchanged.
ALLOWED = re.compile(r"MIT|MIT-CMU|BSD\b.*|0BSD|Apache\b.*|ISC|PSF-2\.0|Zlib|CC0-1\.0|LGPL-3\.0-only|MPL-2\.0")


def rows(page: Path) -> dict[str, tuple[str, str]]:
    """The version and the licence of each package on the page."""
    found = re.findall(r"^\| ([\w.-]+) \| ([\d.]\S*) \| (.*) \|$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name): (version, licence) for name, version, licence in found}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pixelwise"
    for part in ("scripts", "tests/tools"):
        shutil.copytree(PROJECT / part, folder / part)
    (folder / "docs").mkdir()
    (folder / "app").mkdir()
    for name in ("requirements.in", "requirements.txt", "pyproject.toml", "README.md", "app/__init__.py"):
        shutil.copy(PROJECT / name, folder / name)
    return folder


@pytest.mark.slow
def test_sbom_and_licences_list_what_is_installed(project: Path) -> None:
    # A path counts from the folder that the script is run in.
    run(project.parent, "pixelwise/scripts/sbom", "sbom.cdx.json").check_returncode()
    sbom = json.loads((project.parent / "sbom.cdx.json").read_text())
    listed = {(each["name"].lower().replace("_", "-"), each["version"]) for each in sbom["components"]}
    assert sbom["bomFormat"] == "CycloneDX"
    about = sbom["metadata"]["component"]
    assert (about["name"], about["version"]) == ("pixelwise", __version__)
    (needed,) = (each["dependsOn"] for each in sbom["dependencies"] if each["ref"] == about["bom-ref"])
    assert len(needed) == len(direct("."))
    assert {(each.name, str(each.specifier).removeprefix("==")) for each in installed_here(".")} == listed
    written, shipped = rows(project / "docs/licences.md"), rows(PROJECT / "docs/licences.md")
    for_other_systems = {each.name for each, _ in locked(".") if each.marker}
    assert {name: row for name, row in written.items() if name in shipped} == shipped, "run scripts/sbom"
    assert written.keys() - shipped.keys() <= for_other_systems


def test_every_licence_is_known_and_allows_the_use() -> None:
    for name, (_, licence) in rows(PROJECT / "docs/licences.md").items():
        assert licence, name
        assert all(ALLOWED.fullmatch(each) for each in re.split(r", | AND | OR ", licence)), f"{name}: {licence}"


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does: idna 1.0 has a vulnerability, and no other package. Other paths are not found."""

    def do_POST(self) -> None:
        if self.path != "/v1/query":
            self.send_error(404)
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["package"]["name"] == "idna" and asked["version"] == "1.0"
        fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}
        about = {"package": {"name": "idna", "ecosystem": "PyPI"}, "ranges": [fixed]}
        found = {"id": "PYSEC-1", "details": "slow", "affected": [about], "published": "2024-01-01T00:00:00Z"}
        content = json.dumps({"vulns": [found]} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def audit(project: Path, version: str, url: str, *more: str) -> tuple[int, str]:
    """Run the script in another folder, which has the list."""
    folder = project.parent
    (folder / "list.txt").write_text(f"idna=={version} --hash=sha256:{'0' * 64}\n")
    settings = {"PIXELWISE_AUDIT_URL": url, "no_proxy": "*", "XDG_CACHE_HOME": str(project)}
    done = run(folder, "pixelwise/scripts/audit", "list.txt", *more, **settings)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_audit_fails_for_a_known_vulnerability_only(project: Path) -> None:
    with database() as url:
        assert audit(project, "3.7", url) == (0, "list.txt: no known vulnerabilities.\n")
        (project.parent / "second.txt").write_text((project.parent / "list.txt").read_text())
        status, output = audit(project, "1.0", url, "missing.txt", "second.txt")
    assert status == 1
    assert "pixelwise: cannot read missing.txt\n" in output
    assert "second.txt: no known vulnerabilities.\n" in output
    assert "PYSEC-1" in output
    assert "scripts/lock --upgrade-package NAME" in output


@pytest.mark.slow
def test_audit_says_that_the_database_cannot_be_reached(project: Path) -> None:
    status, output = audit(project, "3.7", "http://127.0.0.1:9/v1/query")
    assert (status, output) == (0, "The database of vulnerabilities cannot be reached; list.txt was not checked.\n")


@pytest.mark.slow
def test_audit_fails_if_the_database_answers_with_an_error(project: Path) -> None:
    with database() as url:
        status, output = audit(project, "3.7", f"{url}/of/another/service")
    assert status == 1
    assert "404" in output
    assert "cannot be reached" not in output
