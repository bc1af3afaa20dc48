"""Drift: ink statistics, comparisons, false and missed alarms."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy

from app.analysis.drift import Observations, compare, population_stability
from app.config import ConfigurationError, get_settings
from app.drawings.ink_statistics import INK, ink_statistics
from app.drawings.shape import SIDE, by_digit
from app.schemas.drift import DriftSignal, Thresholds
from benchmarks.drift import FAULTS, comparisons, observe, part_of, shifted
from training.mnist import Digits
from training.strokes import draw

THRESHOLDS = Thresholds(p=0.01, psi=0.1)

Drawing = npt.NDArray[np.uint8]


def rectangle(height: int, width: int, top: int, left: int, ink: int = 200) -> Drawing:
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    drawing[top : top + height, left : left + width] = ink
    return drawing


def circle(pen: float) -> Drawing:
    """An antialiased circle."""
    y, x = np.mgrid[:SIDE, :SIDE] - 13.5
    inside = pen / 2 - abs(np.hypot(x, y) - 9)
    return np.rint(255 * np.clip(inside + 0.5, 0, 1)).astype(np.uint8)


def measured(drawing: Drawing) -> dict[str, float]:
    (row,) = ink_statistics(drawing[np.newaxis])
    return dict(zip(INK, row.tolist(), strict=True))


def test_rectangle_is_measured_exactly() -> None:
    found = measured(rectangle(10, 6, top=2, left=20))
    assert found.pop("stroke_width") > 0
    # Its middle is (23, 7), the canvas's (14, 14).
    expected = {"ink": 10 * 6 * 200 / 784, "peak": 200, "box": 10, "offset_x": 9, "offset_y": -7}
    assert found == pytest.approx(expected, abs=1e-4)


def test_blank_drawing_measures_zero() -> None:
    assert measured(np.zeros((SIDE, SIDE), np.uint8)) == dict.fromkeys(INK, 0)


def test_full_canvas_has_no_offset() -> None:
    found = measured(np.full((SIDE, SIDE), 255, np.uint8))
    assert (found["ink"], found["peak"], found["box"]) == (255, 255, 28)
    assert (found["offset_x"], found["offset_y"]) == pytest.approx((0, 0), abs=1e-4)


@pytest.mark.parametrize("pen", [2.0, 3.0, 4.0, 6.0])
def test_stroke_is_as_wide_as_the_pen(pen: float) -> None:
    assert measured(circle(pen))["stroke_width"] == pytest.approx(pen, rel=0.06)


def test_a_thinner_stroke_is_measured_as_thinner_even_below_two_pixels() -> None:
    widths = [measured(circle(pen))["stroke_width"] for pen in (1.0, 1.5, 2.0)]
    assert 1 < widths[0] < widths[1] < widths[2]


def test_faint_ink_changes_only_ink_and_peak() -> None:
    dark, faint = measured(circle(2)), measured((circle(2) * 0.3).astype(np.uint8))
    assert faint["ink"] == pytest.approx(0.3 * dark["ink"], rel=0.02)
    assert faint["peak"] == 76
    for name in ("box", "offset_x", "offset_y", "stroke_width"):
        assert faint[name] == pytest.approx(dark[name], abs=0.02)


def test_shift_changes_only_the_offsets() -> None:
    drawing = rectangle(8, 3, top=10, left=12)
    before, after = measured(drawing), measured(shifted(drawing[np.newaxis], down=4, right=-5)[0])
    assert after.pop("offset_x") == pytest.approx(before.pop("offset_x") - 5, abs=1e-4)
    assert after.pop("offset_y") == pytest.approx(before.pop("offset_y") + 4, abs=1e-4)
    assert after == before


def test_faint_noise_moves_neither_box_nor_place() -> None:
    drawing = rectangle(8, 8, top=3, left=3)
    noise = np.random.default_rng(1).integers(0, 50, drawing.shape, np.uint8)
    clean, noisy = measured(drawing), measured(np.maximum(drawing, noise))
    for name in ("box", "offset_x", "offset_y", "peak"):
        assert noisy[name] == pytest.approx(clean[name], abs=1e-4)


def test_drawings_of_a_batch_are_measured_independently() -> None:
    drawings = np.stack([np.zeros((SIDE, SIDE), np.uint8), circle(2), rectangle(28, 1, 0, 27, ink=255)])
    assert [dict(zip(INK, row.tolist(), strict=True)) for row in ink_statistics(drawings)] == [
        measured(drawing) for drawing in drawings
    ]
    assert ink_statistics(drawings[:0]).shape == (0, len(INK))


def test_stability_index_is_the_sum_over_the_classes() -> None:
    # With half a count each: shares 3/4 and 1/4 against 1/4 and 3/4, so 2 * 1/2 ln 3.
    assert population_stability(np.array([7, 2]), np.array([2, 7])).psi == pytest.approx(np.log(3))


def test_stability_index_is_0_for_equal_and_finite_for_disjoint_windows() -> None:
    same = np.array([30, 0, 70])
    assert population_stability(same, same).psi == 0
    assert 5 < population_stability(np.array([300, 0]), np.array([0, 300])).psi < 20


def test_classes_empty_in_both_windows_are_ignored() -> None:
    window, reference = np.array([50, 60]), np.array([500, 400])
    padded = population_stability(np.append(window, [0, 0]), np.append(reference, [0, 0]))
    assert padded == population_stability(window, reference)


@pytest.mark.parametrize("ink", [None, 7.0])
def test_histograms_count_every_drawing(ink: float | None) -> None:
    window, reference = observations(300), observations(1000, seed=2, ink=ink)
    digits, *others = [signal.histogram for signal in compare(window, reference, THRESHOLDS)]
    assert digits.edges == list(range(11))
    assert digits.window == pytest.approx(np.bincount(window.digits, minlength=10) / 300)
    for values, before, found in zip(
        [window.confidence, *window.ink.T], [reference.confidence, *reference.ink.T], others, strict=True
    ):
        both = np.concatenate([values, before])
        assert (found.edges[0], found.edges[-1]) == pytest.approx((both.min(), both.max()))
        assert (sum(found.window), sum(found.reference)) == pytest.approx((1, 1))
        assert np.diff(found.edges) == pytest.approx(np.diff(found.edges)[0], rel=1e-3)
        below = np.cumsum(found.reference)[:-1]
        assert below == pytest.approx([np.mean(before < edge) for edge in found.edges[1:-1]])


@pytest.mark.parametrize(("window", "reference"), [(300, 300), (300, 10_000), (1000, 3000)])
def test_stability_index_by_chance_is_its_mean_without_drift(window: int, reference: int) -> None:
    rng = np.random.default_rng(1)
    pairs = zip(rng.multinomial(window, [0.1] * 10, 1000), rng.multinomial(reference, [0.1] * 10, 1000), strict=True)
    found = [population_stability(*pair) for pair in pairs]
    assert np.mean([one.psi for one in found]) == pytest.approx(found[0].by_chance, rel=0.07)


def observations(size: int, seed: int = 1, confidence: float | None = None, ink: float | None = None) -> Observations:
    """Random answers, or with constant confidence or ink."""
    rng = np.random.default_rng(seed)
    digits, values = rng.integers(0, 10, size), rng.random(size)
    drawn = Observations(digits, values, np.full(size, np.nan), rng.normal(size=(size, 6)).astype(np.float32))
    drawn.confidence[:] = drawn.confidence if confidence is None else confidence
    drawn.ink[:] = drawn.ink if ink is None else ink
    return drawn


def signal_of(name: str, *windows: Observations, thresholds: Thresholds = THRESHOLDS) -> DriftSignal:
    (found,) = [one for one in compare(*windows, thresholds) if one.name == name]
    return found


def test_every_property_is_compared_once() -> None:
    names = [one.name for one in compare(observations(300), observations(300, seed=2), THRESHOLDS)]
    assert names == ["digits", "confidence", *INK]


def test_values_are_compared_with_a_kolmogorov_smirnov_test() -> None:
    window, reference = observations(300), observations(900, seed=2)
    one = signal_of("confidence", window, reference)
    known = scipy.stats.ks_2samp(window.confidence, reference.confidence, method="asymp")
    assert (one.test, one.statistic, one.p) == ("kolmogorov-smirnov", known.statistic, known.pvalue)
    assert (one.window, one.reference) == (window.confidence.mean(), reference.confidence.mean())


def test_digits_are_compared_with_a_chi_square_test() -> None:
    window = observations(300)._replace(digits=np.repeat([0, 1], [180, 120]))
    reference = observations(300)._replace(digits=np.repeat([0, 1, 2], [100, 150, 50]))
    one = signal_of("digits", window, reference)
    # Expected counts are 140, 135 and 25 in each row.
    assert (one.test, one.statistic) == ("chi-square", pytest.approx(2 * (40**2 / 140 + 15**2 / 135 + 25**2 / 25)))
    assert one.p == pytest.approx(scipy.stats.chi2.sf(one.statistic, 2))
    assert one.window == by_digit([0.6, 0.4, *[0] * 8])
    assert one.reference == pytest.approx(by_digit([1 / 3, 1 / 2, 1 / 6, *[0] * 7]))


def test_p_is_corrected_for_the_number_of_signals() -> None:
    found = compare(observations(300), observations(300, seed=2), THRESHOLDS)
    smallest = min(found, key=lambda one: one.p)
    assert smallest.adjusted_p == pytest.approx(min(1, len(found) * smallest.p))
    assert all(one.adjusted_p >= one.p for one in found)


def test_significant_but_small_difference_is_not_drift() -> None:
    window, reference = observations(10_000), observations(50_000, seed=2)
    one = signal_of("confidence", window._replace(confidence=window.confidence * 0.95), reference)
    assert one.adjusted_p < 1e-4
    assert one.psi < one.psi_threshold
    assert not one.drifted


def test_large_but_insignificant_difference_is_not_drift() -> None:
    window, reference = observations(300), observations(300, seed=2)
    shifted_window = window._replace(confidence=window.confidence * 0.7)
    assert signal_of("confidence", shifted_window, reference).drifted
    one = signal_of("confidence", shifted_window, reference, thresholds=Thresholds(p=1e-30, psi=0.1))
    assert one.psi > one.psi_threshold
    assert not one.drifted


def test_threshold_is_higher_for_small_windows() -> None:
    found = compare(observations(300), observations(300, seed=2), THRESHOLDS)
    # Ten bins: 9 * (1/300 + 1/300).
    assert [one.psi_threshold for one in found] == pytest.approx([0.16] * len(found))


@pytest.mark.parametrize("value", [0.0, 1.0, 255.0])
def test_windows_of_one_value_do_not_differ(value: float) -> None:
    same = observations(300, confidence=value, ink=value)._replace(digits=np.full(300, 7))
    other = observations(1000, confidence=value, ink=value)._replace(digits=np.full(1000, 7))
    for one in compare(same, other, THRESHOLDS):
        assert (one.statistic, one.p, one.adjusted_p) == (0, 1, 1)
        assert (one.psi, one.psi_threshold, one.drifted) == (0, THRESHOLDS.psi, False)


@pytest.mark.parametrize(("usual", "found"), [(1.0, 0.999), (0.0, 0.001), (0.5, 0.4999), (0.5, 0.5001)])
def test_leaving_a_constant_value_is_drift_in_either_direction(usual: float, found: float) -> None:
    one = signal_of("confidence", observations(300, confidence=found), observations(300, confidence=usual))
    assert one.drifted
    assert one.psi > 1


def test_most_frequent_value_has_its_own_bin() -> None:
    reference = observations(1000)
    reference.confidence[:700] = 0.5
    window = observations(300, confidence=0.5, seed=2)
    one = signal_of("confidence", window, reference)
    assert one.drifted
    # Nine quantiles, seven of them equal, give five bins.
    assert one.psi_threshold == pytest.approx(0.1 + 4 * (1 / 300 + 1 / 1000))


@pytest.fixture(scope="session", params=["mnist", "virtual hand"])
def images(request: pytest.FixtureRequest) -> Drawing:
    """Drawings of MNIST's test set, or synthetic strokes; with the faults' scope, pytest would make them repeatedly."""
    if request.param == "virtual hand":
        return draw(3500, np.random.default_rng(1))[0]
    digits: Digits = request.getfixturevalue("mnist_test")
    return digits.images[:3500]


@pytest.fixture(scope="module")
def usual(images: Drawing) -> Observations:
    return observe(images)


@pytest.fixture(scope="module", params=FAULTS)
def fault(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def faulty(images: Drawing, fault: str) -> Observations:
    """Observations of the first drawings with a fault; benchmarks/drift.py has more drawings and trials."""
    return observe(FAULTS[fault](images[:1500]))


def names_of(signals: list[DriftSignal]) -> set[str]:
    return {signal.name for signal in signals if signal.drifted}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(300, 300), (1000, 2000)])
def test_at_most_one_false_alarm_in_a_hundred_windows(usual: Observations, sizes: tuple[int, int]) -> None:
    drifted = [names_of(signals) for signals in comparisons(usual, usual, sizes, share=0, trials=100)]
    assert len(drifted) == 100
    assert sum(map(bool, drifted)) <= 1


@pytest.mark.slow
def test_faulty_drawings_are_noticed_within_300(usual: Observations, faulty: Observations) -> None:
    for signals in comparisons(part_of(usual, np.arange(1500)), faulty, (300, 300), share=1, trials=50):
        assert names_of(signals)


NAMED = {"4 pixels right": {"offset_x"}, "4 pixels up": {"offset_y"}, "faint, 0.3 of the ink": {"ink", "peak"}}


@pytest.mark.parametrize("fault", NAMED, indirect=True)
def test_the_signals_name_the_fault(usual: Observations, faulty: Observations, fault: str) -> None:
    for names in map(names_of, comparisons(part_of(usual, np.arange(1500)), faulty, (300, 1000), share=1, trials=20)):
        assert NAMED[fault] <= names - {"digits"} == names


@pytest.mark.parametrize("name", ["DRIFT_P_VALUE", "DRIFT_PSI"])
@pytest.mark.parametrize("value", ["0", "-0.1", "nan", "inf", "much"])
def test_invalid_threshold_is_refused(settings_environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    settings_environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        get_settings()


def test_every_p_value_is_below_one(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("DRIFT_P_VALUE", "1")
    with pytest.raises(ConfigurationError, match=r"^DRIFT_P_VALUE: "):
        get_settings()
