"""The classifier: its answers, refused files, and accuracy."""

import inspect
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from app.classifier import Classification, Classifier, ModelError, classify, classify_batch, get_classifier
from app.classifier.normalise import normalise
from app.classifier.onnx_model import PREPROCESSING
from app.config import PROJECT_FOLDER
from app.schemas.classify import SEVEN
from tests.support.http_fixtures import Start
from tests.support.model_files import second_model, tiny_model
from tests.support.service import DRAWING, random_drawings
from training.mnist import Digits

MODEL = PROJECT_FOLDER / "models/digits.onnx"
DIGITS = [str(digit) for digit in range(10)]

pytestmark = pytest.mark.usefixtures("settings_environment")


def test_answer_names_the_best_class_its_confidence_and_every_score() -> None:
    for answer in classify_batch(random_drawings(20)):
        assert list(answer) == ["prediction", "confidence", "not_a_digit", "scores"]
        assert list(answer["scores"]) == DIGITS
        assert {type(score) for score in answer["scores"].values()} == {float}
        assert all(0 <= score <= 1 for score in answer["scores"].values())
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["confidence"] == max(answer["scores"].values()) == answer["scores"][answer["prediction"]]


def test_single_and_batch_answers_are_equal() -> None:
    drawings = random_drawings(40)
    for drawing, answer in zip(drawings, classify_batch(drawings), strict=True):
        alone = classify(drawing)
        assert alone["prediction"] == answer["prediction"]
        assert list(alone["scores"].values()) == pytest.approx(list(answer["scores"].values()), abs=2e-6)


def test_answers_are_equal_in_every_thread() -> None:
    drawing = random_drawings(1)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: classify_batch(drawing)[0], range(64)))
    assert all(answer == answers[0] for answer in answers)


def test_empty_batch_has_no_answers() -> None:
    assert classify_batch(np.zeros((0, 28, 28), np.uint8)) == []


def test_drawings_are_not_changed_and_need_not_be_contiguous() -> None:
    drawings = random_drawings(4)
    before = drawings.copy()
    drawings.setflags(write=False)
    assert classify_batch(drawings[::2]) == classify_batch(np.ascontiguousarray(drawings[::2]))
    np.testing.assert_array_equal(drawings, before)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((28, 28), np.uint8),
        np.zeros((1, 28, 27), np.uint8),
        np.zeros((1, 784), np.uint8),
        np.zeros((1, 1, 28, 28), np.uint8),
        np.zeros(0, np.uint8),
        np.zeros((1, 28, 28), np.float32),
        np.zeros((1, 28, 28), np.int64),
        np.zeros((1, 28, 28), bool),
    ],
    ids=lambda images: f"{images.dtype}{images.shape}",
)
def test_another_shape_or_dtype_is_refused(images: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(N, 28, 28\)"):
        classify_batch(images)


@pytest.mark.parametrize("shape", [(28,), (27, 28), (1, 28, 28), (784,)])
def test_one_drawing_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"):
        classify(np.zeros(shape, np.uint8))


def changed_model(folder: Path, old: bytes, new: bytes) -> Path:
    """The model with a piece of metadata replaced by another of the same length."""
    content = MODEL.read_bytes()
    assert content.count(old) == 1
    assert len(old) == len(new)
    path = folder / "changed.onnx"
    path.write_bytes(content.replace(old, new))
    return path


def assert_refused(path: Path, words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)) as refused:
        Classifier(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).isprintable()


def test_missing_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert_refused(tmp_path / "gone.onnx", "No such file")
    assert_refused(tmp_path, "Is a directory")


@pytest.mark.parametrize("size", [0, 1000, -1])
def test_truncated_model_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "torn.onnx"
    path.write_bytes(MODEL.read_bytes()[:size])
    assert_refused(path, "is not a PixelWise model")


def test_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(random_drawings(100).tobytes())
    assert_refused(path, "is not a PixelWise model")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(b"\x07version", b"\x07virsion", "is not a PixelWise model", id="no version"),
        pytest.param(b"\x07classes", b"\x07glasses", "is not a PixelWise model", id="no classes"),
        pytest.param(b'"0", "1", ', b"          ", "made for another version", id="eight classes"),
        pytest.param(b'["0",', b'{"0",', "is not a PixelWise model", id="classes that are no list"),
        pytest.param(
            PREPROCESSING.encode(), PREPROCESSING.encode().upper(), "made for another version", id="other preprocessing"
        ),
    ],
)
def test_model_with_other_metadata_is_refused(tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    assert_refused(changed_model(tmp_path, old, new), words)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"version": ""}, "has an empty version"),
        ({"version": "v\n3"}, "has a version with control characters"),
        ({"version": "v\x003"}, "has a version with control characters"),
        ({"classes": '[null, "1"]'}, "is not a PixelWise model"),
        ({"classes": "10"}, "is not a PixelWise model"),
    ],
)
def test_version_and_classes_are_texts(tmp_path: Path, metadata: dict[str, str], words: str) -> None:
    assert_refused(tiny_model(tmp_path, columns=10, metadata=metadata), words)


# Flatten leaves the logits as they are.
@pytest.mark.parametrize("last", ["LogSoftmax", "Flatten"])
def test_model_that_does_not_return_probabilities_is_refused(tmp_path: Path, last: str) -> None:
    assert_refused(tiny_model(tmp_path, columns=11, last=last), "outside 0 to 1; it needs a softmax")


@pytest.mark.parametrize("count", [1, 2])
def test_model_for_a_fixed_number_of_drawings_is_refused(tmp_path: Path, count: int) -> None:
    assert_refused(tiny_model(tmp_path, columns=10, count=count), "export it with a variable first dimension")


def test_model_of_ten_columns_does_not_tell_what_is_not_a_digit(tmp_path: Path) -> None:
    for answer in Classifier(tiny_model(tmp_path, columns=10)).classify_batch(random_drawings(3)):
        assert answer["not_a_digit"] is None
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_eleventh_column_is_the_probability_of_no_digit(tmp_path: Path) -> None:
    path = tiny_model(tmp_path, columns=11)
    # Rows of different greys; the noise of a drawing is the same in all rows.
    drawings = np.random.default_rng(1).integers(0, 256, (200, 28, 1), np.uint8).repeat(28, axis=2)
    (output,) = onnxruntime.InferenceSession(path).run(None, {"images": normalise(drawings)})
    for row, answer in zip(output, Classifier(path).classify_batch(drawings), strict=True):
        assert answer["not_a_digit"] == pytest.approx(row[10], abs=1e-6)
        assert answer["not_a_digit"] == round(answer["not_a_digit"], 6)
        assert list(answer["scores"].values()) == pytest.approx(row[:10].tolist(), abs=1e-6)
        assert answer["confidence"] == max(answer["scores"].values()) == answer["scores"][answer["prediction"]]
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    # It may be the largest of all, and never becomes the prediction.
    assert (output[:, 10] > output[:, :10].max(axis=1)).any()


@pytest.mark.parametrize(
    ("columns", "metadata"),
    [(11, {}), (11, {"not_a_digit": "false"}), (10, {"not_a_digit": "true"})],
)
def test_model_whose_columns_are_not_those_of_its_metadata_is_refused(
    tmp_path: Path, columns: int, metadata: dict[str, str]
) -> None:
    assert_refused(tiny_model(tmp_path, columns=columns, metadata=metadata), "made for another version")


def test_service_returns_the_version_of_another_model(
    fresh_classifier: None, start: Start, sqlite_url: str, tmp_path: Path
) -> None:
    version = get_classifier().version.encode()
    before = b"\x07version\x12" + bytes([len(version)])
    path = changed_model(tmp_path, before + version, before + b"w" + version[1:])
    get_classifier.cache_clear()
    client = start(DATABASE_URL=sqlite_url, MODEL_PATH=str(path))
    other = f"w{version.decode()[1:]}"
    assert client.get("/health").json()["model_version"] == other
    assert client.post("/classify", json=DRAWING).json()["model_version"] == other
    assert client.get("/results").json()["results"][0]["model_version"] == other


def test_version_comes_from_the_file_and_not_from_the_code() -> None:
    assert get_classifier().version == "v2"
    assert '"v2"' not in inspect.getsource(inspect.getmodule(Classifier))  # type: ignore[arg-type]


def test_model_is_no_larger_than_a_megabyte() -> None:
    assert MODEL.stat().st_size <= 1_000_000


# The following tests are about the shipped model.


def test_plain_seven_is_read() -> None:
    answer = classify(np.array(SEVEN, np.uint8))
    assert answer["prediction"] == "7"
    assert answer["confidence"] > 0.9


@pytest.mark.parametrize("corner", [(-4, -7), (-4, 6), (4, -7), (4, 6)])
def test_plain_seven_is_read_in_every_corner(corner: tuple[int, int]) -> None:
    assert classify(np.roll(np.array(SEVEN, np.uint8), corner, axis=(0, 1)))["prediction"] == "7"


@pytest.fixture(scope="module")
def mnist_answers(mnist_test: Digits) -> list[Classification]:
    """The shipped model's answers to MNIST's test set."""
    return Classifier(MODEL).classify_batch(mnist_test.images)


def right_ones(answers: list[Classification], digits: Digits) -> npt.NDArray[np.bool_]:
    return np.array([int(answer["prediction"]) for answer in answers]) == digits.labels


def test_mnist_is_read(mnist_answers: list[Classification], mnist_test: Digits) -> None:
    assert right_ones(mnist_answers, mnist_test).mean() >= 0.996


def test_confidence_is_calibrated_on_mnist(mnist_answers: list[Classification], mnist_test: Digits) -> None:
    confidence = np.mean([answer["confidence"] for answer in mnist_answers])
    assert confidence == pytest.approx(right_ones(mnist_answers, mnist_test).mean(), abs=0.005)


RANDOM = np.random.default_rng(7)
SHEETS = (100, 28, 28)
NOTHING_TO_READ = {
    "blank": np.zeros((1, 28, 28), np.uint8),
    "full": np.full((1, 28, 28), 255, np.uint8),
    "grey": np.full((1, 28, 28), 128, np.uint8),
    "noise": RANDOM.integers(0, 256, SHEETS, np.uint8),
    "faint noise": RANDOM.integers(0, 40, SHEETS, np.uint8),
    "black and white noise": (RANDOM.random(SHEETS) < 0.5).astype(np.uint8) * 255,
    "normal noise": RANDOM.normal(0, 60, SHEETS).clip(0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("sheets", NOTHING_TO_READ.values(), ids=NOTHING_TO_READ)
def test_confidence_is_low_for_drawings_that_are_not_digits(sheets: npt.NDArray[np.uint8]) -> None:
    assert max(answer["confidence"] for answer in classify_batch(sheets)) < 0.5


def test_scores_of_a_model_with_permuted_classes_are_stored_by_digit(
    fresh_classifier: None, start: Start, sqlite_url: str, tmp_path: Path
) -> None:
    path = second_model(tmp_path, classes="9876543210", order=range(9, -1, -1))
    client = start(DATABASE_URL=sqlite_url, MODEL_PATH=str(path))
    answer = client.post("/classify", json=DRAWING).json()
    assert answer["prediction"] == "7"
    assert max(answer["scores"], key=answer["scores"].__getitem__) == "7"
    assert client.get(f"/results/{answer['id']}").json()["scores"] == answer["scores"]
    (item,) = client.get("/review").json()["results"]
    assert item["scores"] == answer["scores"]
    (line,) = client.get("/export?format=jsonl&include_unlabelled=true").text.splitlines()
    assert json.loads(line)["scores"] == answer["scores"]


def test_service_refuses_a_model_whose_classes_are_not_the_ten_digits(
    fresh_classifier: None, settings_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings_environment.setenv("MODEL_PATH", str(second_model(tmp_path, classes=["none", *"123456789"])))
    with pytest.raises(ModelError, match="classes are not the ten digits"):
        get_classifier()
