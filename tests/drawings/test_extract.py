"""Digits are found in pictures of any size and come out in MNIST's form."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from app.classifier import classify, classify_batch
from app.classifier.normalise import normalise
from app.drawings.extract import drawing_of
from app.drawings.image_files import read_image
from app.drawings.shape import DIGITS
from tests.support.digit_images import STROKES, cropped, digit_in, encoded, photographed, picture
from training.mnist import Digits

Drawing = npt.NDArray[np.uint8]


def drawn(image: Image.Image) -> Drawing:
    return drawing_of(np.asarray(image))


def read(image: Image.Image) -> str:
    return classify(drawn(image))["prediction"]


def difference(one: Drawing, other: Drawing) -> float:
    return float(abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("digit", STROKES)
@pytest.mark.parametrize("size", [0.08, 0.3, 0.7])
@pytest.mark.parametrize("side", [100, 280, 1000])
def test_drawing_has_the_form_of_an_mnist_digit(digit: str, size: float, side: int) -> None:
    drawing = drawn(picture(digit, side, size=size, pen=0.1 * size, place=(0.5, 0.48)))
    assert (drawing.shape, drawing.dtype, drawing.max()) == ((28, 28), np.uint8, 255)
    # The classifier's own normalisation changes little.
    assert difference(normalise(drawing[np.newaxis])[0], drawing) < 6
    assert classify(drawing)["prediction"] == digit


@pytest.mark.parametrize("digit", STROKES)
@pytest.mark.parametrize("pen", [0.001, 0.004, 0.03, 0.1])
@pytest.mark.parametrize("side", [280, 1000, 4000])
def test_thin_and_thick_lines_are_read_on_every_canvas(digit: str, pen: float, side: int) -> None:
    assert read(picture(digit, side, pen=pen)) == digit


@pytest.mark.parametrize("digit", STROKES)
def test_thin_line_is_not_faint_where_two_lines_cross(digit: str) -> None:
    drawing = drawn(picture(digit, 1000, pen=0.001))
    assert np.count_nonzero(drawing == 255) > 10


@pytest.mark.parametrize("digit", STROKES)
@pytest.mark.parametrize("pen", [0.01, 0.06, 0.1])
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_digit_that_touches_the_edges_is_read(digit: str, pen: float, ink: int, paper: int) -> None:
    assert read(picture(digit, size=0.98, pen=pen, ink=ink, paper=paper)) == digit


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize("margin", [0, 2, 4])
@pytest.mark.parametrize("bold", [0, 1, 2])
@pytest.mark.parametrize("ink", [0, 255])
def test_digit_cropped_to_its_ink_is_read(digit: str, margin: int, bold: int, ink: int) -> None:
    strokes = cropped(digit, margin=margin, bold=bold, ink=ink)
    assert digit_in(encoded(strokes)) == digit
    sheet = Image.new("L", strokes.size, 255 - ink)
    sheet.paste(strokes, mask=strokes.getchannel("A"))
    assert digit_in(encoded(sheet)) == digit
    assert digit_in(encoded(sheet, "JPEG")) == digit


@pytest.mark.parametrize("place", [(0.2, 0.2), (0.8, 0.25), (0.15, 0.85), (0.85, 0.85), (0.5, 0.5)])
@pytest.mark.parametrize("size", [0.05, 0.2])
def test_position_of_the_digit_does_not_matter(place: tuple[float, float], size: float) -> None:
    image = picture("4", 1000, size=size, pen=0.1 * size, place=place)
    centred = drawn(picture("4", 1000, size=size, pen=0.1 * size))
    assert difference(drawn(image), centred) < 6
    assert read(image) == "4"


@pytest.mark.parametrize("side", [28, 60, 280, 1000])
def test_light_on_dark_is_the_same_drawing_as_dark_on_light(side: int) -> None:
    image = picture("2", side)
    assert (drawn(image) == drawn(Image.eval(image, lambda level: 255 - level))).all()


@pytest.mark.parametrize(("ink", "paper"), [(0, 40), (60, 0), (230, 255), (255, 200), (120, 140), (140, 100)])
def test_faint_ink_is_read(ink: int, paper: int) -> None:
    assert read(picture("7", ink=ink, paper=paper)) == "7"


@pytest.mark.parametrize("shape", [(100, 2000), (2000, 100), (28, 600), (600, 28)])
def test_digit_on_a_long_strip_is_read(shape: tuple[int, int]) -> None:
    height, width = shape
    strip = Image.new("L", (width, height), 255)
    side = min(shape)
    strip.paste(picture("4", side, pen=0.08, size=0.7), ((width - side) // 3, (height - side) // 3))
    assert read(strip) == "4"


@pytest.mark.parametrize("side", [96, 200])
def test_picture_that_has_ink_everywhere_is_not_blank(side: int) -> None:
    checkerboard = (np.indices((side, side)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert drawn(Image.fromarray(checkerboard)).any()


@pytest.mark.parametrize("side", [280, 1000])
def test_specks_do_not_move_the_digit(side: int) -> None:
    image = picture("4", side, size=0.4)
    clean = drawn(image)
    random = np.random.default_rng(3)
    for x, y in random.integers(0, side, (30, 2)).tolist():
        image.putpixel((x, y), 0)
    assert difference(drawn(image), clean) < 4


@pytest.mark.parametrize("digit", STROKES)
@pytest.mark.parametrize(
    "light",
    [
        {"slope": 0},
        {"slope": 0.4},
        {"slope": 0.8},
        {"shadow": 0.3},
        {"shadow": 0.5},
        {"slope": 0, "shadow": 0.7, "noise": 2},
        {"noise": 25},
    ],
    ids=["even", "sloping", "steep", "shadow", "dark shadow", "black shadow", "noisy"],
)
@pytest.mark.parametrize(("ink", "pen"), [(60, 0.03), (170, 0.02)], ids=["pen", "pencil"])
def test_photograph_of_a_sheet_is_read(digit: str, light: dict[str, float], ink: int, pen: float) -> None:
    assert read(photographed(picture(digit, 900, size=0.4, ink=ink, pen=pen), **light)) == digit


@pytest.mark.parametrize("digit", STROKES)
def test_photograph_of_chalk_on_a_board_is_read(digit: str) -> None:
    assert read(photographed(picture(digit, 900, size=0.5, ink=230, paper=70, pen=0.03), slope=0.6)) == digit


@pytest.mark.parametrize("light", [{"slope": 0}, {"slope": 0.4}, {"slope": 0.8}, {"noise": 25}])
@pytest.mark.parametrize("side", [100, 280, 900])
def test_photograph_of_a_blank_sheet_is_blank(light: dict[str, float], side: int) -> None:
    assert not drawn(photographed(Image.new("L", (side, side), 255), **light)).any()


@pytest.mark.parametrize("side", [29, 100, 280])
def test_mnist_digits_enlarged_keep_their_form(side: int) -> None:
    drawing = drawn(picture("4", 28, pen=0.09))
    larger = Image.fromarray(255 - normalise(drawing[np.newaxis])[0]).resize((side, side), Image.Resampling.BICUBIC)
    assert difference(drawn(larger), normalise(drawing[np.newaxis])[0]) < 15


def test_mnist_digits_rendered_as_files_are_read_as_well_as_themselves(mnist_test: Digits) -> None:
    digits, labels = mnist_test.images[:400], mnist_test.labels[:400].astype(str)
    read_back = []
    for number, digit in enumerate(digits):
        large = Image.fromarray(255 - digit).resize((280, 280), Image.Resampling.BICUBIC)
        read_back.append(read_image(encoded(large, ("PNG", "JPEG")[number % 2])))

    def right(drawings: Drawing) -> int:
        answers = [answer["prediction"] for answer in classify_batch(drawings)]
        return int((np.array(answers) == labels).sum())

    assert right(digits) >= 396
    assert right(np.stack(read_back)) >= right(digits) - 1


def test_every_mnist_digit_saved_as_an_image_is_unchanged(mnist_test: Digits) -> None:
    for digit in mnist_test.images[:300]:
        assert (read_image(encoded(Image.fromarray(digit))) == digit).all()
