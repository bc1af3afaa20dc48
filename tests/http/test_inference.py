"""The Open Inference Protocol, as its own clients and as plain HTTP see it."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from app import __version__
from app.http.routes.inference import JSON_LENGTH
from app.schemas.classify import SEVEN
from tests.support.http_fixtures import Start
from tests.support.service import KEY, hidden, random_drawings, rows, runtime_of, served, stored

INFER = "/v2/models/digits/infer"
SEVENS = np.array([SEVEN, SEVEN], np.uint8)
FLAT = [pixel for row in SEVEN for pixel in row]


@pytest.fixture
def triton(client: TestClient) -> Iterator[InferenceServerClient]:
    with served(client.app) as port, InferenceServerClient(f"127.0.0.1:{port}") as triton_client:
        yield triton_client


def with_key() -> dict[str, str]:
    """The headers of a request, to which the client adds its own."""
    return {"X-API-Key": KEY}


def tensor(drawings: np.ndarray[Any, Any], datatype: str = "UINT8", *, binary: bool = True) -> InferInput:
    given = InferInput("drawings", list(drawings.shape), datatype)
    given.set_data_from_numpy(drawings, binary_data=binary)
    return given


def body(data: Any = FLAT, shape: Any = (1, 784), datatype: str = "UINT8", **members: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "drawings", "shape": shape, "datatype": datatype, "data": data}], **members}


def error_of(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return str(response.json()["error"])


# --- with tritonclient ---


def test_triton_client_reads_health_and_metadata_without_a_key(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("digits")
    assert not triton.is_model_ready("letters")
    server = triton.get_server_metadata()
    assert (server["name"], server["version"]) == ("pixelwise", __version__)
    assert server["extensions"] == ["binary_tensor_data"]
    model = triton.get_model_metadata("digits")
    (version,) = model["versions"]
    assert triton.is_model_ready("digits", version)
    assert triton.get_model_metadata("digits", version) == model
    assert [(one["name"], one["datatype"], one["shape"]) for one in model["outputs"]] == [
        ("digit", "INT64", [-1]),
        ("scores", "FP32", [-1, 10]),
        ("not_a_digit", "FP32", [-1]),
    ]


def test_triton_client_works_below_api(client: TestClient) -> None:
    with served(client.app) as port, InferenceServerClient(f"127.0.0.1:{port}/api") as triton_client:
        assert triton_client.is_server_ready()
        assert triton_client.infer("digits", [tensor(SEVENS)], headers=with_key()).as_numpy("digit").tolist() == [7, 7]


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
@pytest.mark.parametrize(("datatype", "dtype", "side"), [("UINT8", np.uint8, (28, 28)), ("FP32", np.float32, (784,))])
def test_triton_client_infers_in_every_encoding(
    client: TestClient,
    triton: InferenceServerClient,
    binary_input: bool,
    binary_output: bool,
    datatype: str,
    dtype: Any,
    side: tuple[int, ...],
) -> None:
    drawings = np.concatenate([SEVENS, random_drawings(3)])
    given = tensor(drawings.reshape(5, *side).astype(dtype), datatype, binary=binary_input)
    names = ("scores", "digit", "not_a_digit")
    outputs = [InferRequestedOutput(name, binary_data=binary_output) for name in names]
    result = triton.infer("digits", [given], outputs=outputs, headers=with_key(), request_id="mine")
    answer = client.post("/classify/batch", json={"images": drawings.tolist()}).json()["results"]
    assert result.as_numpy("digit").tolist() == [int(one["prediction"]) for one in answer]
    assert result.as_numpy("digit").dtype == np.int64
    scores = np.array([list(one["scores"].values()) for one in answer], np.float32)
    np.testing.assert_array_equal(result.as_numpy("scores"), scores)
    np.testing.assert_array_equal(
        result.as_numpy("not_a_digit"), np.array([one["not_a_digit"] for one in answer], np.float32)
    )
    response = result.get_response()
    assert (response["id"], response["model_name"]) == ("mine", "digits")
    assert [one["name"] for one in response["outputs"]] == list(names)
    ids = response["parameters"]["ids"].split(",")
    records = [client.get(f"/results/{id_}").json() for id_ in ids]
    assert [one["prediction"] for one in records] == [one["prediction"] for one in answer]


def test_triton_client_gets_all_outputs_as_bytes_by_default(triton: InferenceServerClient, database_url: str) -> None:
    result = triton.infer("digits", [tensor(SEVENS)], headers=with_key())
    assert result.as_numpy("digit").tolist() == [7, 7]
    assert result.as_numpy("scores").shape == (2, 10)
    assert result.as_numpy("not_a_digit").shape == (2,)
    assert all("binary_data_size" in one["parameters"] for one in result.get_response()["outputs"])
    drawings = rows(database_url, "SELECT pixels FROM v_drawings")
    assert [bytes(row["pixels"]) for row in drawings] == [SEVENS[0].tobytes()] * 2


def test_triton_client_stores_a_thousand_drawings_and_no_more(triton: InferenceServerClient, database_url: str) -> None:
    result = triton.infer("digits", [tensor(random_drawings(1000))], headers=with_key())
    assert result.as_numpy("digit").shape == (1000,)
    assert stored(database_url) == (1000, 1000)
    with pytest.raises(InferenceServerException, match="n from 1 to 1000") as refused:
        triton.infer("digits", [tensor(random_drawings(1001))], headers=with_key())
    assert refused.value.status() == "400"
    assert stored(database_url) == (1000, 1000)


def test_triton_client_gets_errors_with_their_status(triton: InferenceServerClient) -> None:
    sevens = [tensor(SEVENS)]
    with pytest.raises(InferenceServerException, match="Invalid API key") as refused:
        triton.infer("digits", sevens, headers={"X-API-Key": "wrong"})
    assert refused.value.status() == "401"
    with pytest.raises(InferenceServerException, match="no such version; its version is v") as refused:
        triton.infer("digits", sevens, model_version="99", headers=with_key())
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match="Not Found") as refused:
        triton.infer("letters", sevens, headers=with_key())
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match="compressed") as refused:
        triton.infer("digits", sevens, headers=with_key(), request_compression_algorithm="gzip")
    assert refused.value.status() == "415"
    top_three = [InferRequestedOutput("scores", class_count=3)]
    with pytest.raises(InferenceServerException, match="Unknown name"):
        triton.infer("digits", sevens, outputs=top_three, headers=with_key())


def test_triton_client_waits_and_repeats_a_request_by_its_key(triton: InferenceServerClient, database_url: str) -> None:
    first, second = (triton.async_infer("digits", [tensor(SEVENS)], headers=with_key()).get_result() for _ in range(2))
    assert first.get_response()["parameters"] != second.get_response()["parameters"]
    once = {**with_key(), "Idempotency-Key": "once"}
    first, second = (triton.infer("digits", [tensor(SEVENS)], headers=once) for _ in range(2))
    assert first.get_response()["parameters"] == second.get_response()["parameters"]
    assert stored(database_url) == (6, 6)


# --- over plain HTTP ---


@pytest.mark.parametrize(
    ("data", "shape"), [(FLAT, [1, 784]), ([FLAT], [1, 784]), (FLAT, [1, 28, 28]), ([SEVEN], [1, 28, 28])]
)
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_data_may_be_flat_or_nested(sqlite_client: TestClient, data: Any, shape: list[int], datatype: str) -> None:
    response = sqlite_client.post(INFER, json=body(data, shape, datatype))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["id"] == response.headers["x-request-id"]
    digit, scores, not_a_digit = answer["outputs"]
    assert (digit["data"], digit["shape"]) == ([7], [1])
    assert (len(scores["data"]), scores["shape"]) == (10, [1, 10])
    assert not_a_digit["data"][0] < 0.5


def test_requested_outputs_are_returned_in_their_order(sqlite_client: TestClient) -> None:
    asked = [{"name": "scores"}, {"name": "digit", "parameters": {"binary_data": True}}]
    response = sqlite_client.post(INFER, json=body(outputs=asked))
    length = int(response.headers[JSON_LENGTH])
    scores, digit = json.loads(response.content[:length])["outputs"]
    assert (scores["name"], digit["name"], digit["parameters"]) == ("scores", "digit", {"binary_data_size": 8})
    assert np.frombuffer(response.content[length:], "<i8").tolist() == [7]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (body([256] * 784), "whole numbers from 0 to 255"),
        (body([-1] * 784), "whole numbers from 0 to 255"),
        (body([0.5] * 784, datatype="FP32"), "multiply by 255"),
        (body([10**400] * 784), "whole numbers from 0 to 255"),
        (body([True, *FLAT[1:]]), "must be numbers"),
        (body(["7", *FLAT[1:]]), "must be numbers"),
        (body([None, *FLAT[1:]]), "must be numbers"),
        (body([[1, 2], [3]]), "has the shape"),
        (body([]), "has the shape [0]"),
        (body(FLAT[1:]), "has the shape [783]"),
        (body([SEVEN]), "has the shape [1, 28, 28]"),
        (body(shape=[1, 28, 27]), "the shape must be"),
        (body(shape=[0, 784]), "n from 1 to 1000"),
        (body(shape=[1001, 784]), "n from 1 to 1000"),
        (body(shape=[784]), "body.inputs.0.shape"),
        (body(datatype="FP16"), "body.inputs.0.datatype"),
        (body(None), "neither `data` nor `binary_data_size`"),
        ({"inputs": []}, "body.inputs"),
        ({"inputs": [*body()["inputs"], *body()["inputs"]]}, "body.inputs"),
        (body(outputs=[{"name": "digits"}]), "body.outputs.0.name"),
        (body(id=7), "body.id"),
        ({}, "body.inputs: Field required"),
    ],
)
def test_other_tensors_are_refused_and_nothing_is_stored(
    sqlite_client: TestClient, sqlite_url: str, wrong: dict[str, Any], said: str
) -> None:
    assert said in error_of(sqlite_client.post(INFER, json=wrong), 400)
    assert stored(sqlite_url) == (0, 0)


@pytest.mark.parametrize(
    ("dtype", "number"), [("<f4", np.nan), ("<f4", np.inf), ("<f4", -1), ("<f4", 256), ("<f4", 0.1)]
)
def test_binary_floats_must_be_whole_numbers(sqlite_client: TestClient, dtype: str, number: float) -> None:
    response = post_binary(sqlite_client, np.full(784, number, dtype).tobytes(), datatype="FP32")
    assert "whole numbers from 0 to 255" in error_of(response, 400)


def post_binary(client: TestClient, data: bytes, length: object = None, **changes: Any) -> Any:
    given = {"name": "drawings", "shape": [1, 784], "datatype": "UINT8", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [given | changes]}).encode()
    headers = {JSON_LENGTH: str(len(head) if length is None else length)}
    return client.post(INFER, content=head + data, headers=headers)


def test_binary_tensor_must_have_its_declared_length(sqlite_client: TestClient) -> None:
    assert post_binary(sqlite_client, bytes(FLAT)).json()["outputs"][0]["data"] == [7]
    assert "783 bytes follow" in error_of(post_binary(sqlite_client, bytes(783)), 400)
    longer = post_binary(sqlite_client, bytes(785), parameters={"binary_data_size": 784})
    assert "785 bytes follow" in error_of(longer, 400)
    assert "JSON" in error_of(post_binary(sqlite_client, bytes(784), length=5), 400)
    declared = post_binary(sqlite_client, bytes(FLAT), parameters={"binary_data_size": int("9" * 100)})
    assert "999" not in error_of(declared, 400)
    for length in ("", "-1", "0", "1.5", "x", 10_000, "9" * 30):
        assert JSON_LENGTH in error_of(post_binary(sqlite_client, bytes(784), length=length), 400)


def test_key_is_the_same_for_both_addresses_of_the_model(sqlite_client: TestClient, sqlite_url: str) -> None:
    once = {"Idempotency-Key": "once"}
    versioned = f"/v2/models/digits/versions/{runtime_of(sqlite_client).classifier.version}/infer"
    first, second = (sqlite_client.post(address, json=body(), headers=once) for address in (INFER, versioned))
    assert first.json()["parameters"] == second.json()["parameters"]
    assert stored(sqlite_url) == (1, 1)


def test_each_drawing_counts_towards_the_rate_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="3/minute")
    two = body([FLAT, FLAT], [2, 784])
    assert client.post(INFER, json=two).status_code == 200
    refused = client.post(INFER, json=two)
    assert "3 per 1 minute" in error_of(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    assert stored(sqlite_url) == (2, 2)


def test_every_error_has_the_form_of_the_protocol(client: TestClient, database_url: str) -> None:
    version = runtime_of(client).classifier.version
    assert error_of(client.post(INFER, headers={"X-API-Key": "wrong"}), 401) == "Invalid API key"
    assert error_of(client.get("/v2/models/digits/versions/0"), 404).endswith(f"its version is {version}")
    assert error_of(client.get("/v2/nothing"), 404)
    assert error_of(client.put(INFER), 405)
    assert "larger than 8388608 bytes" in error_of(client.post(INFER, content=bytes(8 * 1024 * 1024 + 1)), 413)
    versioned = f"/v2/models/digits/versions/{version}/infer"
    assert "larger than 8388608 bytes" in error_of(client.post(versioned, content=bytes(8 * 1024 * 1024 + 1)), 413)
    assert "Unknown name" in error_of(client.get("/api/v2?colour=red"), 400)
    with hidden(database_url, "predictions"):
        refused = client.post(versioned, json=body())
        assert "nothing was stored" in error_of(refused, 503)
        assert int(refused.headers["retry-after"]) > 0
    with hidden(database_url, "alembic_version"):
        assert "schema" in error_of(client.get("/v2/health/ready"), 503)
        assert "schema" in error_of(client.get("/v2/models/digits/ready"), 503)


def test_other_paths_keep_their_problems(sqlite_client: TestClient) -> None:
    for path in ("/v2x", "/results?colour=red", "/v1"):
        assert sqlite_client.get(path).headers["content-type"] == "application/problem+json"
