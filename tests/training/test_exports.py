"""Exports as training data: training, test, and no overlap."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.analysis import export_files
from app.analysis.export_files import Array
from app.classifier import Classifier
from tests.support.export_files import DIGITS, NOT_DIGITS, fill, on_side, pixels_of
from tests.support.project_copy import PROJECT
from tests.support.service import random_drawings
from training.exported import Exported, Extra, load, together
from training.mnist import NOT_A_DIGIT, Digits

NOTHING = np.empty((0, 28, 28), np.uint8)
DRAWINGS, OTHERS = np.split(random_drawings(14), 2)
ARRAYS = {
    "x_train": DRAWINGS[:3],
    "y_train": np.array([1, 7, 3], np.uint8),
    "ids_train": np.array([1, 2, 3]),
    "x_test": DRAWINGS[3:5],
    "y_test": np.array([1, 9], np.uint8),
    "ids_test": np.array([14, 15]),
    "x_none": DRAWINGS[5:],
    "ids_none": np.array([6, 7]),
    "test_none": np.array([False, True]),
}


def write(path: Path, manifest: bytes = b'{"sha256":"3b6e"}', **overrides: Any) -> Path:
    """Write an export of three training drawings, two test drawings and two labelled `none`."""
    arrays = {name: array for name, array in {**ARRAYS, **overrides}.items() if array is not None}
    written = export_files.npz(manifest, (Array(n, a.dtype, a.shape, [a.tobytes()]) for n, a in arrays.items()))
    path.write_bytes(b"".join(written))
    return path


@pytest.fixture
def export(tmp_path: Path) -> Exported:
    return load(write(tmp_path / "corrected.npz"))


def test_export_of_the_service_is_read(sqlite_client: TestClient, sqlite_url: str, tmp_path: Path) -> None:
    fill(sqlite_url)
    path = tmp_path / "corrected.npz"
    path.write_bytes(sqlite_client.get("/export?test_share=0.3&include_unlabelled=true").content)
    read = load(path)
    assert (read.name, len(read.sha256)) == ("corrected.npz", 64)
    # Predictions are neither trained nor measured on.
    for part, rows in (
        (read.train, on_side(DIGITS, test=False, share=0.3)),
        (read.test, on_side(DIGITS, test=True, share=0.3)),
    ):
        assert part.labels.tolist() == [int(row.label or "") for row in rows]
        assert part.labels.dtype == np.int64
        assert part.images.tobytes() == b"".join(map(pixels_of, rows))
    assert read.test_ids.tolist() == [row.id for row in on_side(DIGITS, test=True, share=0.3)]
    assert read.no_digit.tobytes() == b"".join(map(pixels_of, on_side(NOT_DIGITS, test=False, share=0.3)))
    assert read.no_digit_test.tobytes() == b"".join(map(pixels_of, on_side(NOT_DIGITS, test=True, share=0.3)))


def test_export_without_rows_is_read(sqlite_client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "empty.npz"
    path.write_bytes(sqlite_client.get("/export").content)
    extra = together([load(path)], NOTHING, NOTHING)
    assert (extra.digits.images.shape, extra.digits.labels.shape, extra.left_out) == ((0, 28, 28), (0,), 0)


def test_training_splits_are_combined_and_not_a_digit_has_its_own_label(export: Exported, tmp_path: Path) -> None:
    others = {"x_train": OTHERS[:3], "x_test": OTHERS[3:5], "x_none": OTHERS[5:]}
    more = load(write(tmp_path / "more.npz", **others))
    extra = together([export, more], NOTHING, NOTHING)
    # One digit of ten is kept to choose the epoch.
    assert extra.check.labels.tolist() == [1]
    np.testing.assert_array_equal(extra.check.images, DRAWINGS[[0]])
    assert extra.digits.labels.tolist() == [7, 3, NOT_A_DIGIT, 1, 7, 3, NOT_A_DIGIT]
    np.testing.assert_array_equal(extra.digits.images, np.concatenate([DRAWINGS[[1, 2, 5]], OTHERS[[0, 1, 2, 5]]]))
    assert (extra.no_digits, extra.relabelled) == (2, 0)


def test_equal_drawings_are_trained_on_once_with_the_last_label(export: Exported, tmp_path: Path) -> None:
    changed = {"x_train": DRAWINGS[[2, 1, 5]], "y_train": np.array([3, 1, 8], np.uint8), "x_none": DRAWINGS[[0, 6]]}
    later = load(write(tmp_path / "later.npz", **changed))
    extra = together([export, later], NOTHING, NOTHING)
    read = zip(*map(np.concatenate, zip(extra.check, extra.digits, strict=True)), strict=True)
    labels = {image.tobytes(): label for image, label in read}
    assert [labels[image.tobytes()] for image in DRAWINGS[[0, 1, 2, 5]]] == [NOT_A_DIGIT, 1, 3, 8]
    assert len(extra.check.labels) + len(extra.digits.labels) == len(labels) == 4
    assert extra.relabelled == 3


def test_last_of_equal_drawings_in_an_export_has_the_label(tmp_path: Path) -> None:
    ids = {"ids_train": np.array([2, 9, 4]), "ids_none": np.array([6, 7])}
    mixed = load(write(tmp_path / "mixed.npz", x_none=DRAWINGS[[1, 6]], **ids))
    later = load(write(tmp_path / "later.npz", x_none=DRAWINGS[[0, 6]], **ids))
    for export, image, label in ((mixed, DRAWINGS[1], 7), (later, DRAWINGS[0], NOT_A_DIGIT)):
        read = zip(*map(np.concatenate, zip(*together([export], NOTHING, NOTHING)[:2], strict=True)), strict=True)
        assert [each for drawing, each in read if drawing.tobytes() == image.tobytes()] == [label]


def test_export_named_twice_changes_nothing(export: Exported) -> None:
    once, twice = together([export], NOTHING, NOTHING), together([export, export], NOTHING, NOTHING)
    for part, again in zip((*once.digits, *once.check), (*twice.digits, *twice.check), strict=True):
        np.testing.assert_array_equal(part, again)
    assert twice.relabelled == 0


def test_without_exports_nothing_is_added() -> None:
    extra = together([], DRAWINGS, DRAWINGS)
    assert (len(extra.digits.labels), extra.digits.labels.dtype, extra.no_digits) == (0, np.int64, 0)


def test_test_drawing_that_another_export_trains_on_is_refused(export: Exported, tmp_path: Path) -> None:
    swapped = {"x_train": DRAWINGS[[0, 4, 2]], "x_test": DRAWINGS[[6, 6]]}
    other = load(write(tmp_path / "other-seed.npz", **swapped))
    with pytest.raises(ValueError, match=r"corrected\.npz: test drawings are also in the training data \(ids 15\)"):
        together([export, other], NOTHING, NOTHING)


def test_test_drawing_labelled_none_elsewhere_is_refused(export: Exported, tmp_path: Path) -> None:
    other = load(write(tmp_path / "none.npz", x_none=DRAWINGS[[3, 6]]))
    with pytest.raises(ValueError, match=r"corrected\.npz.*\(ids 14\)"):
        together([export, other], NOTHING, NOTHING)


def test_test_drawing_without_a_digit_that_another_export_trains_on_is_refused(
    export: Exported, tmp_path: Path
) -> None:
    swapped = {"x_train": DRAWINGS[[0, 6, 2]], "x_none": DRAWINGS[[5, 5]], "test_none": np.zeros(2, bool)}
    other = load(write(tmp_path / "other-seed.npz", **swapped))
    with pytest.raises(ValueError, match=r"corrected\.npz.*\(ids 7\)"):
        together([export, other], NOTHING, NOTHING)


def test_test_drawing_from_mnist_training_data_is_refused(export: Exported) -> None:
    with pytest.raises(ValueError, match=r"\(ids 14, 15\)"):
        together([export], DRAWINGS[3:5], NOTHING)


def test_drawing_from_mnist_test_set_is_never_trained_on(export: Exported) -> None:
    extra = together([export], NOTHING, DRAWINGS[[1, 4, 5]])
    assert [*extra.check.labels, *extra.digits.labels] == [1, 3]
    np.testing.assert_array_equal(np.concatenate([extra.check.images, extra.digits.images]), DRAWINGS[[0, 2]])
    assert extra.left_out == 2


@pytest.mark.parametrize(
    ("count", "share"), [(0, 0), (10, 0.002), (499, 0.0998), (500, 0.1), (6_000, 0.1), (50_000, 0.1)]
)
def test_exports_take_a_tenth_of_an_epoch_but_no_drawing_is_shown_too_often(count: int, share: float) -> None:
    labels = np.zeros(count, np.int64)
    assert Extra(Digits(NOTHING, labels), Digits(NOTHING, labels[:0]), 0, 0).share(100_000) == pytest.approx(share)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_train": None},
        {"test_none": None},
        {"x_train": DRAWINGS[:2]},
        {"y_train": np.array([1, 7, 10], np.uint8)},
        {"x_test": DRAWINGS[3:5].astype(np.float32)},
        {"x_test": DRAWINGS[3:5, :, :27]},
        {"x_none": DRAWINGS[0]},
        {"test_none": np.array([True])},
        {"labelled_train": np.array([True])},
        {"manifest": b"[]"},
        {"manifest": b"nonsense"},
    ],
    ids=lambda wrong: str(list(wrong)),
)
def test_file_that_is_not_an_export_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = write(tmp_path / "wrong.npz", **wrong)
    with pytest.raises(ValueError, match=r"wrong\.npz is not an NPZ export of PixelWise"):
        load(path)


def test_export_without_pixels_is_refused_with_the_reason(
    sqlite_client: TestClient, sqlite_url: str, tmp_path: Path
) -> None:
    fill(sqlite_url)
    path = tmp_path / "table.npz"
    path.write_bytes(sqlite_client.get("/export?without_pixels=true").content)
    with pytest.raises(
        ValueError, match=r"table\.npz was made without pixels; export it again without --without-pixels"
    ):
        load(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 half", b'{"id":1}\n'])
def test_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not an NPZ export"):
        load(path)


def test_part_of_an_export_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "part.npz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="is not an NPZ export"):
        load(path)


def test_pickle_in_an_export_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "wicked.npz"
    np.savez(path, x_train=np.array([print], object))
    with pytest.raises(ValueError, match="is not an NPZ export"):
        load(path)


# PyTorch prefers its other exporter.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_written_model_gives_the_same_answers(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the training has an environment of its own")
    from onnx import load as load_model

    from training.calibrate import Calibration
    from training.export import export as write_model
    from training.export import restore

    shipped = PROJECT / "models/digits.onnx"
    metadata = {item.key: item.value for item in load_model(str(shipped)).metadata_props}
    calibration = Calibration(float(metadata["temperature"]), float(metadata["offset"]))
    write_model(restore(shipped), calibration, "v3", tmp_path / "again.onnx")
    first, again = Classifier(shipped), Classifier(tmp_path / "again.onnx")
    assert (again.version, again.classes) == ("v3", first.classes)
    for one, other in zip(first.classify_batch(DRAWINGS), again.classify_batch(DRAWINGS), strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=0.002)
        assert one["not_a_digit"] == pytest.approx(other["not_a_digit"], abs=0.002)


def test_training_does_not_continue_from_another_model(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the training has an environment of its own")
    from onnx import load as load_model
    from onnx import save

    from training.export import restore

    shutil.copy(PROJECT / "models/digits.onnx", tmp_path / "other.onnx")
    model = load_model(str(tmp_path / "other.onnx"))
    model.graph.initializer[0].name = "other"
    save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(ValueError, match="was not written by this training"):
        restore(tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="was not written by this training"):
        restore(PROJECT / "README.md")
