"""A typed Python client, generated from OpenAPI as it is, and used against a running service."""

import json
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.main import app
from app.schemas.classify import SEVEN
from tests.support.project_copy import run as run_program
from tests.support.service import KEY, served
from tests.support.tools import run_tool

pytestmark = pytest.mark.slow

# The package's name; and no formatter, which the tests do not need.
CONFIGURATION = """
package_name_override: pixelwise_client
post_hooks: []
content_type_overrides:
  image/png: application/octet-stream
"""

CALLER = '''
"""What a program with the generated client looks like."""

import json
import sys
from pathlib import Path

from pixelwise_client import AuthenticatedClient, Client
from pixelwise_client.api.classify import classify_batch, classify_drawing
from pixelwise_client.api.health import ready
from pixelwise_client.api.inference import infer
from pixelwise_client.api.labels import list_labels, set_label
from pixelwise_client.api.results import get_drawing, list_results
from pixelwise_client.models import (
    BatchRequest, BatchResponse, ClassifyRequest, ClassifyResponse, InferenceError, InferInput, InferInputDatatype,
    InferRequest, InferResponse, LabelHistory, LabelUpdate, Problem, Readiness, Result, ResultsPage,
)
from pixelwise_client.types import File

address, key = sys.argv[1:]
seven: list[list[int]] = json.loads(Path("seven.json").read_text())
client = AuthenticatedClient(address, token=key, prefix="", auth_header_name="X-API-Key")
stranger = AuthenticatedClient(address, token="wrong", prefix="", auth_header_name="X-API-Key")

checks = ready.sync(client=Client(address))
assert isinstance(checks, Readiness), checks

answer = classify_drawing.sync(client=client, body=ClassifyRequest(pixels=seven))
assert isinstance(answer, ClassifyResponse), answer
assert (answer.prediction, answer.scores["7"]) == ("7", answer.confidence)

again = [
    classify_drawing.sync(client=client, body=ClassifyRequest(pixels=seven), idempotency_key="once") for _ in range(2)
]
assert again[0] == again[1]

batch = classify_batch.sync(client=client, body=BatchRequest(images=[seven, seven]))
assert isinstance(batch, BatchResponse), batch
assert [one.prediction for one in batch.results] == ["7", "7"]

labelled = set_label.sync(answer.id, client=client, body=LabelUpdate(label="7", source="anna"))
assert isinstance(labelled, Result), labelled
assert labelled.label == "7"
history = list_labels.sync(answer.id, client=client)
assert isinstance(history, LabelHistory), history
assert [one.source for one in history.labels] == ["anna"]

page = list_results.sync(client=client, prediction="7", labelled=True, limit=5)
assert isinstance(page, ResultsPage), page
assert [one.id for one in page.results] == [answer.id]
drawing = get_drawing.sync(answer.id, client=client)
assert isinstance(drawing, File), drawing
assert drawing.payload.read(4) == b"\\x89PNG"

tensor = InferInput(name="drawings", shape=[1, 28, 28], datatype=InferInputDatatype.UINT8, data=[seven])
inferred = infer.sync(client=client, body=InferRequest(inputs=[tensor]))
assert isinstance(inferred, InferResponse), inferred
assert inferred.outputs[0].data == [7]

refused = classify_drawing.sync_detailed(client=stranger, body=ClassifyRequest(pixels=seven))
assert isinstance(refused.parsed, Problem), refused
assert (refused.status_code, refused.parsed.detail) == (401, "Invalid API key")
invalid = infer.sync(client=stranger, body=InferRequest(inputs=[tensor]))
assert isinstance(invalid, InferenceError), invalid
print(answer.id)
'''


def run(*command: str, folder: Path) -> None:
    """Run a program of the tools, which have what a generated client is made of."""
    ended = run_tool(*command, folder=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program beside the client that it uses."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(app.openapi()))
    (folder / "configuration.yaml").write_text(CONFIGURATION)
    source = ("--path", "openapi.json", "--config", "configuration.yaml")
    target = ("--meta", "none", "--output-path", "pixelwise_client", "--fail-on-warning")
    run("openapi-python-client", "generate", *source, *target, folder=folder)
    (folder / "seven.json").write_text(json.dumps(SEVEN))
    (folder / "caller.py").write_text(CALLER)
    return folder / "caller.py"


def test_client_is_generated_for_every_operation(caller: Path) -> None:
    operations = {
        (operation["tags"][0].replace(" ", "_"), operation["operationId"])
        for path in app.openapi()["paths"].values()
        for operation in path.values()
    }
    modules = (caller.parent / "pixelwise_client/api").glob("*/[!_]*.py")
    assert {(module.parent.name, module.stem) for module in modules} == operations


def test_types_of_the_client_and_of_its_caller_are_right(caller: Path) -> None:
    # The generator casts a list of anything to a list of anything.
    strictly = ("--strict", "--no-warn-redundant-casts", "--python-executable", f"{sys.prefix}/tools/bin/python")
    command = (sys.executable, "-m", "mypy", *strictly, "caller.py", "pixelwise_client")
    ended = run_program(caller.parent, *command)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_client_classifies_labels_and_finds(caller: Path, client: TestClient, prefix: str) -> None:
    with served(client.app) as port:
        address = f"http://127.0.0.1:{port}{prefix}"
        run("python", "caller.py", address, KEY, folder=caller.parent)
    assert client.get("/results", params={"labelled": True}).json()["results"][0]["label"] == "7"
