"""The metrics of a running service."""

import time
from collections.abc import Mapping
from itertools import chain
from typing import Any, Self

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.testclient import TestClient

from tests.support.service import KEY
from tests.support.service_process import Client, Reply
from tests.support.waiting import wait_until

REFRESHED = "pixelwise_refreshed_timestamp_seconds"


class KeyHolder(Client):
    """A client that sends the key as Prometheus does."""

    def get(self, path: str) -> Reply:
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        return self.receive()


class Metrics:
    """What one call of GET /metrics returned."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def families(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.text))

    def samples(self, name: str) -> list[Sample]:
        """The samples with this name; to parse all others takes longer than the call."""
        lines = "\n".join(line for line in self.text.splitlines() if line.startswith(name))
        found = chain.from_iterable(family.samples for family in text_string_to_metric_families(lines))
        return [sample for sample in found if sample.name == name]

    @classmethod
    def of(cls, client: Any) -> Self:
        response = client.get("/metrics")
        assert response.status_code == 200, response.text
        return cls(response.text)

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the only sample with this name and these labels, or None."""
        found = [sample.value for sample in self.samples(name) if labels.items() <= sample.labels.items()]
        assert len(found) <= 1, f"{name} {labels} is ambiguous"
        return found[0] if found else None

    def since(self, before: "Metrics", name: str, **labels: str) -> float:
        """By how much a counter has grown."""
        return (self.value(name, **labels) or 0) - (before.value(name, **labels) or 0)

    def by(self, label: str, name: str) -> Mapping[str, float]:
        return {sample.labels[label]: sample.value for sample in self.samples(name)}


def refreshed(client: TestClient) -> Metrics:
    """Wait until the service has computed its slow gauges, for the first time."""
    begin = time.time()
    wait_until(lambda: (Metrics.of(client).value(REFRESHED) or 0) >= begin, "the slow gauges are computed")
    return Metrics.of(client)
