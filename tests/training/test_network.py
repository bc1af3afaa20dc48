"""The network: distortions, calibration, the training loop and the file that it writes."""

import json
from pathlib import Path

import numpy as np
import pytest

# The training has an environment of its own.
torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from app.classifier.normalise import normalise  # noqa: E402
from training import material, strokes, train  # noqa: E402
from training.augment import augment  # noqa: E402
from training.calibrate import OFFSETS, Calibration, calibrate, probabilities  # noqa: E402
from training.export import export, fused, restore  # noqa: E402
from training.exported import Extra  # noqa: E402
from training.mnist import NOT_A_DIGIT, Digits  # noqa: E402
from training.network import DigitNetwork, Teacher  # noqa: E402
from training.normalise import in_torch  # noqa: E402
from training.state import CheckpointError  # noqa: E402

DIGITS = Digits(*strokes.draw(120, np.random.default_rng(1)))
NONE = Extra(Digits(DIGITS.images[:0], DIGITS.labels[:0]), Digits(DIGITS.images[:0], DIGITS.labels[:0]), 0, 0)
# PyTorch prefers its other exporter.
exporting = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def made() -> material.Material:
    return material.collect(DIGITS, NONE, 1, None, every=40)


def test_exported_drawings_take_a_tenth_of_the_epoch() -> None:
    many = Digits(np.tile(DIGITS.images, (50, 1, 1)), np.tile(DIGITS.labels, 50))
    kinds = material.collect(DIGITS, NONE._replace(digits=many), 1, None, every=1_000).kinds
    weights = {kind.name: kind.weight for kind in kinds}
    assert weights["exported drawings"] / sum(kind.weight for kind in kinds) == pytest.approx(0.1)


@pytest.fixture
def network() -> DigitNetwork:
    """An untrained network whose batch normalisation is not the identity, as after training."""
    torch.manual_seed(1)
    network = DigitNetwork().eval()
    for layer in network.layers:
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias, std=0.1)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "EPOCH", 256)
    monkeypatch.setattr(train, "NEW", train.Recipe(64, 4e-3, 0.9, 1))


def test_distorted_digits_keep_their_labels_and_most_have_ink(made: material.Material) -> None:
    batch = made.batch(500, torch.Generator().manual_seed(1))
    images, labels = augment(batch, torch.Generator().manual_seed(2))
    assert torch.equal(labels, torch.cat([batch.ink.labels, batch.fields.labels]))
    assert (images.shape, images.dtype) == ((500, 1, 28, 28), torch.float32)
    assert float(images.min()) == 0
    assert float(images.max()) == 1
    digits = images[labels != NOT_A_DIGIT]
    assert float((digits.amax((1, 2, 3)) > 0.5).float().mean()) > 0.99


def test_digits_of_mnist_left_alone_look_as_in_the_service(made: material.Material) -> None:
    batch = made.batch(600, torch.Generator().manual_seed(1))
    images, labels = augment(batch, torch.Generator().manual_seed(2), light=1.0)
    plain = torch.from_numpy(normalise(batch.ink.images.numpy())).float() / 255
    same = (images[: len(plain), 0] == plain).all(dim=(1, 2))
    digits = labels[: len(plain)] != NOT_A_DIGIT
    assert 0.35 < float(same[digits].float().mean()) < 0.65, "half of them; the others are distorted a little"
    assert not same[~digits].any()


@pytest.mark.parametrize("kind", ["drawn", "random", "faint", "sparse"])
def test_normalisation_on_a_gpu_gives_the_pixels_of_the_service(kind: str) -> None:
    random = np.random.default_rng(5)
    drawings = random.integers(0, 256, (300, 28, 28), np.uint8)
    if kind == "drawn":
        drawings = DIGITS.images
    elif kind == "faint":
        drawings = DIGITS.images // random.integers(1, 40, (len(DIGITS.images), 1, 1), np.uint8)
    elif kind == "sparse":
        drawings[random.random(drawings.shape) < 0.99] = 0
    found = in_torch(torch.from_numpy(drawings)).numpy().astype(int)
    difference = abs(found - normalise(drawings))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_calibration_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(1)
    honest = torch.randn(4_000, 11, generator=generator) * 2
    honest[:, -1] = -6
    labels = torch.multinomial(torch.softmax(honest, 1), 1, generator=generator).squeeze(1)
    digit = labels != NOT_A_DIGIT
    found = calibrate(honest[digit] * 1.7, labels[digit].numpy())
    assert found.temperature == pytest.approx(1.7, abs=0.1)
    assert found.offset in OFFSETS


@exporting
def test_written_model_answers_eleven_numbers_and_says_so(network: DigitNetwork, tmp_path: Path) -> None:
    calibration = Calibration(1.3, -1.5)
    path = tmp_path / "model.onnx"
    export(network, calibration, "v9", path)
    session = onnxruntime.InferenceSession(path.read_bytes())
    (answers,) = session.run(None, {"images": normalise(DIGITS.images)})
    expected = probabilities(train.logits(network, torch.from_numpy(normalise(DIGITS.images))), calibration).numpy()
    assert answers[:, 10] == pytest.approx(expected[:, 10], abs=1e-5)
    assert answers[:, :10] == pytest.approx(expected[:, :10] + expected[:, 10:] / 10, abs=1e-5)
    assert answers[:, :10].sum(axis=1) == pytest.approx(1, abs=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["version"], metadata["not_a_digit"]) == ("v9", "true")
    assert json.loads(metadata["classes"]) == [str(digit) for digit in range(10)]


@exporting
def test_restored_network_is_the_one_that_was_written(network: DigitNetwork, tmp_path: Path) -> None:
    export(network, Calibration(1.3, -1.5), "v9", tmp_path / "model.onnx")
    restored = restore(tmp_path / "model.onnx")
    before, after = (train.logits(n, torch.from_numpy(normalise(DIGITS.images))) for n in (network, restored))
    assert after.numpy() == pytest.approx(before.numpy(), abs=1e-4)


@exporting
def test_training_does_not_continue_from_a_model_of_ten_classes(network: DigitNetwork, tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    export(network, Calibration(1.0, -2.0), "v1", path)
    model = onnx.load(path)
    kept = [item for item in model.metadata_props if item.key != "not_a_digit"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"old\.onnx knows ten classes only"):
        restore(path)


def weights(network: DigitNetwork) -> np.ndarray:
    return torch.cat([value.flatten().float() for value in network.state_dict().values()]).numpy()


@pytest.mark.usefixtures("small_steps")
def test_interrupted_training_goes_on_as_if_nothing_happened(
    made: material.Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "state.pt"
    whole = train.train(made, [], epochs=2, seed=1)

    def stop(network: DigitNetwork, validation: train.Validation) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "error", stop)
        with pytest.raises(KeyboardInterrupt):
            train.train(made, [train.Validation("all", DIGITS)], epochs=2, seed=1, checkpoint=checkpoint)
    resumed = train.train(made, [], epochs=2, seed=1, checkpoint=checkpoint)
    assert weights(resumed.network) == pytest.approx(weights(whole.network), abs=1e-5)
    assert resumed.seconds > 0


@pytest.mark.usefixtures("small_steps")
def test_network_learns_from_its_teacher_more_than_from_labels(
    made: material.Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "EPOCH", 64 * 30)
    teacher = Teacher()
    last = teacher.layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(10 * torch.eye(11)[3])
    taught = train.train(made, [], epochs=1, seed=1, teachers=[teacher]).network
    read = torch.softmax(train.logits(taught, torch.from_numpy(normalise(DIGITS.images))), 1)
    assert float(read[:, 3].mean()) > 0.6


@pytest.mark.usefixtures("small_steps")
def test_finished_training_is_read_again_and_not_continued(made: material.Material, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.pt"
    first = train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)
    again = train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)
    assert np.array_equal(weights(again.network), weights(first.network))
    assert again.seconds == first.seconds


@pytest.mark.usefixtures("small_steps")
def test_checkpoint_of_another_training_is_refused(
    made: material.Material, network: DigitNetwork, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state.pt"
    train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)
    written = checkpoint.read_bytes()
    others = made, material.collect(DIGITS, NONE._replace(digits=DIGITS), 1, None, every=1_000)
    for name, drawings, options in (
        ("--epochs", others[0], {"epochs": 2, "seed": 1}),
        ("--seed", others[0], {"epochs": 1, "seed": 2}),
        ("--start-from", others[0], {"epochs": 1, "seed": 1, "start": fused(network)}),
        ("--teacher", others[0], {"epochs": 1, "seed": 1, "teachers": [Teacher()]}),
        ("drawings", others[1], {"epochs": 1, "seed": 1}),
    ):
        with pytest.raises(CheckpointError, match=rf"another training \(different: {name}\); name another file"):
            train.train(drawings, [], checkpoint=checkpoint, **options)
    assert checkpoint.read_bytes() == written


@pytest.mark.usefixtures("small_steps")
def test_file_that_does_not_name_its_training_is_refused(made: material.Material, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.pt"
    train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)
    content = torch.load(checkpoint, weights_only=True)
    del content["plan"]
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match="the checkpoint of another training; name another file"):
        train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)
    for other in (b"", b"nonsense", checkpoint.read_bytes()[:999]):
        checkpoint.write_bytes(other)
        with pytest.raises(CheckpointError, match="is not a checkpoint"):
            train.train(made, [], epochs=1, seed=1, checkpoint=checkpoint)


@pytest.mark.usefixtures("small_steps")
def test_fine_tuning_stays_near_the_network_it_starts_from(made: material.Material, network: DigitNetwork) -> None:
    start = fused(network)
    tuned = train.train(made, [], epochs=1, seed=1, start=start).network
    moved = np.abs(weights(tuned) - weights(start)).mean()
    assert 0 < moved < np.abs(weights(start)).mean() / 4
