"""Numbers, times and truth values are read in one form each."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas.drift import DriftQuery
from app.schemas.export import ExportQuery
from app.schemas.keys import KeyName
from app.schemas.results import MAX_NOTES, NotesUpdate, ResultsQuery
from app.schemas.types import Flag, Id, Label, Moment, Port, Text
from tests.support.service import SECONDS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T12:00", NOON),
        ("2026-11-20 12:00:00", NOON),
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20t12:00:00z", NOON),
        ("2026-11-20T12:00:00.000000000Z", NOON),
        ("2026-11-20T12:00:00-00:00", NOON),
        ("2026-11-20T17:45:00+05:45", NOON),
        ("2026-11-20T17:45:00+0545", NOON),
        ("2026-11-20T17:45:00 05:45", NOON),
        ("1900-01-01", datetime(1900, 1, 1, tzinfo=UTC)),
        ("1900-01-01T00:00:00-12:00", datetime(1900, 1, 1, 12, tzinfo=UTC)),
        ("9000-12-31T23:59:59.999999Z", datetime(9000, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_time_is_read_as_utc(text: str, time: datetime) -> None:
    read = TypeAdapter(Moment).validate_python(text)
    assert (read, read.tzinfo) == (time, UTC)
    # A service may check it a second time.
    assert TypeAdapter(Moment).validate_python(read) == time


@pytest.mark.parametrize(
    "text",
    [
        *("2026", "20271231", "0", "-1", "1795000000", "1e9", "1795000000.5", "2026-11", "2026-325", "2026-W47-5"),
        *("20261120T120000Z", "2026-11-20T12", "2026-11-20T12Z", "2026-11-20Z", "26-11-20", "2026-1-2", "2026/11/20"),
        *("20.11.2026", "yesterday", "now", "noon", "", " ", "2026-11-20 ", " 2026-11-20", "2026-11-20\n", "P1D"),
        *("2026-13-01", "2026-02-30", "2026-11-20T24:00:00", "2026-11-20T12:60:00", "2026-11-20T12:00:60Z"),
        *("2026-11-20T12:00:00+24:00", "2026-11-20T12:00:00+5", "2026-11-20T12:00:00 Europe/Berlin", "+02026-11-20"),
        *("\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0660", "\uff12\uff10\uff12\uff16-11-20"),
        *("2026-11-20T12:00:00.Z", "2026-11-20_12:00:00", "2026-11-20\0"),
        *("1899-12-31T23:59:59Z", "1900-01-01T00:00:00+14:00", "9000-12-31T23:59:59-12:00", "9001-01-01"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "10000-01-01", "0000-01-01"),
    ],
)
def test_other_text_is_no_time(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(text)


@pytest.fixture
def _little_processor_time() -> Iterator[None]:
    """Fail a test that takes seconds of processor time, as one with a quadratic regular expression would for hours."""

    def fail(*_: object) -> None:
        pytest.fail("the test takes too long")

    signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


@pytest.mark.usefixtures("_little_processor_time")
@pytest.mark.parametrize("kind", [Moment, Id, Port, Flag, Text, Label, KeyName])
@pytest.mark.parametrize("piece", ["T00:00", "2026-11-20T00:00 ", " 00:00", "0.", "1", "\0", "a-"])
def test_long_text_is_checked_once(kind: Any, piece: str) -> None:
    try:
        TypeAdapter(kind).validate_python(piece * 200_000)
    except ValidationError:
        return
    assert kind is Text


WRONG_INTEGERS = [
    "1_0",
    "+10",
    " 10",
    "10 ",
    "10\n",
    "1e1",
    "10.0",
    "0x10",
    "\uff11\uff10",
    "\u0661\u0660",
    "--1",
    "",
    "ten",
    "10,0",
    "9" * 5000,
]
WRONG_NUMBERS = [
    "0_1",
    "+0.5",
    " 0.5",
    "0.5 ",
    "5e-1",
    ".5",
    "1.",
    "0,5",
    "nan",
    "inf",
    "-Infinity",
    "\uff11",
    "",
    "\u00bd",
]


@pytest.mark.parametrize("text", WRONG_INTEGERS)
def test_whole_number_is_decimal_digits(text: str) -> None:
    for kind in (Id, Port):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)
    for query, name in ((ResultsQuery, "limit"), (DriftQuery, "last"), (DriftQuery, "reference_last")):
        with pytest.raises(ValidationError):
            query.model_validate({name: text})


@pytest.mark.parametrize("text", WRONG_NUMBERS)
def test_fraction_is_a_plain_decimal(text: str) -> None:
    for query, name in ((ResultsQuery, "min_confidence"), (ExportQuery, "max_confidence"), (ExportQuery, "test_share")):
        with pytest.raises(ValidationError):
            query.model_validate({name: text})


@pytest.mark.parametrize("text", ["1", "0", "yes", "on", "t", "TRUE", "", " true", "none"])
def test_truth_value_is_true_or_false(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Flag).validate_python(text)
    for query, name in ((ResultsQuery, "labelled"), (ExportQuery, "include_unlabelled")):
        with pytest.raises(ValidationError):
            query.model_validate({name: text})


def test_documented_forms_are_accepted() -> None:
    values: dict[str, Any] = {"limit": "010", "min_confidence": "0", "max_confidence": "0.50", "labelled": "False"}
    query = ResultsQuery.model_validate(values)
    assert (query.limit, query.min_confidence, query.max_confidence, query.labelled) == (10, 0, 0.5, False)
    assert TypeAdapter(Id).validate_python("9223372036854775807") == 2**63 - 1


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_text_that_no_database_stores_is_refused(character: str) -> None:
    for shape, name in ((NotesUpdate, "notes"), (ResultsQuery, "notes_contains"), (ExportQuery, "seed")):
        with pytest.raises(ValidationError):
            shape.model_validate({name: f"a{character}\nb"})


def test_length_of_a_text_is_counted_in_characters() -> None:
    assert NotesUpdate(notes="\n🎉" * (MAX_NOTES // 2)).notes
    with pytest.raises(ValidationError, match=f"at most {MAX_NOTES} characters"):
        NotesUpdate(notes="🎉" * (MAX_NOTES + 1))
