"""The HTML page of a replay, a single file without scripts."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.analysis.number_texts import format_p_with_name, format_share
from app.analysis.replay.flips import ComparedDrawing
from app.drawings.image_files import write_png
from app.schemas.replay import ReplayReport

# The report's JSON has all pairs.
PAIRS_SHOWN: Final = 60

_environment = Environment(
    loader=PackageLoader("app.analysis.replay", "."),
    autoescape=True,  # Versions and predictions may be any text.
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(report: ReplayReport, flips: Sequence[ComparedDrawing], drawings: Mapping[int, bytes]) -> str:
    """Return the page with these flips and their drawings of 784 bytes."""
    return _environment.get_template("replay.html").render(
        report=report,
        pairs=report.flips[:PAIRS_SHOWN],
        flips=[(flip, _outcome(flip)) for flip in flips],
        number_of_flips=report.drawings - report.agreement.agreed,
        pictures={id_: _picture(pixels) for id_, pixels in drawings.items()},
    )


def _outcome(flip: ComparedDrawing) -> str:
    if flip.label is None:
        return "unlabelled"
    return "new" if flip.label == flip.new else "stored" if flip.label == flip.stored else "neither"


def _picture(pixels: bytes) -> str:
    return f"data:image/png;base64,{b64encode(write_png(pixels)).decode()}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.2%}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2%} to {interval[1]:.2%}"


def _thousands(number: int) -> str:
    return f"{number:,}"


_environment.filters.update(
    percent=_percent, confidence=format_share, interval=_interval, thousands=_thousands, p=format_p_with_name
)
