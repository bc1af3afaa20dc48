"""docs/monitoring.md: its tables have every metric and every alert."""

import re

from starlette.testclient import TestClient

from tests.support.metrics import refreshed
from tests.support.project_copy import PROJECT
from tests.support.service import DRAWING

PAGE = (PROJECT / "docs/monitoring.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|(.*?)\| .* \|$", re.MULTILINE)


def test_table_of_metrics_is_what_the_service_returns(sqlite_client: TestClient) -> None:
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE)}
    answer = sqlite_client.post("/classify", json=DRAWING).json()
    sqlite_client.put(f"/results/{answer['id']}/label", json={"label": "1"})
    families = refreshed(sqlite_client).families
    names = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}
    assert {name: kind for name, (kind, _) in documented.items()} == {name: one.type for name, one in names.items()}
    for name, family in names.items():
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == documented[name][1], name


def test_table_of_alerts_has_every_alert() -> None:
    rules = (PROJECT / "deploy/alerts.yml").read_text()
    assert re.findall(r"^\| `(PixelWise\w+)` \|", PAGE, re.MULTILINE) == re.findall(r"alert: (\w+)", rules)
