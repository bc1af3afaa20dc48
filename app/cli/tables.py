from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from app.analysis.number_texts import format_p, format_share
from app.cli.terminal import output
from app.logs.printable import printable
from app.schemas.backup import BackupManifest
from app.schemas.stats import LabelledAccuracy

_MIN_TEXT_WIDTH: Final = 10
_GAP: Final = 2
_MAX_BAR_LENGTH: Final = 20


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, with_headings: bool = True, blank_before: bool = False
) -> None:
    """Print a table, or each row as facts if the terminal is too narrow."""
    console = output()
    rows = [list(row) for row in rows]
    columns = [_Column(heading, [row[number] for row in rows]) for number, heading in enumerate(headings)]
    widths = _column_widths(columns, console.width)
    if blank_before:
        console.print()
    if widths is None:
        _print_rows_as_facts(headings, rows)
        return
    # In a pipe each line is a row. A box adds a character between columns.
    box, padding = (SIMPLE_HEAD, _GAP - 1) if console.is_terminal else (None, _GAP)
    table = Table(box=box, padding=(0, padding, 0, 0), show_header=with_headings, show_edge=False, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.heading, justify="right" if column.is_number else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _print_rows_as_facts(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for number, row in enumerate(rows):
        if number:
            output().print()
        print_facts(dict(zip(headings, row, strict=True)))


def print_facts(facts: Mapping[str, object]) -> None:
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(Text(name), _cell(value))
    output().print(grid)


def format_bar(count: int, largest: int) -> str:
    return "█" * round(_MAX_BAR_LENGTH * count / max(largest, 1))


class Share(float):
    """A share of 0 to 1, written as a percentage."""


class PValue(float):
    """Written as < 0.001 rather than 0."""


def share(value: float | None) -> Share | None:
    return None if value is None else Share(value)


def format_range(low: float, high: float, decimals: int = 1) -> str:
    return f"{format_share(low, decimals)} to {format_share(high, decimals)}"


def format_accuracy(accuracy: LabelledAccuracy) -> str | None:
    if accuracy.accuracy is None or accuracy.interval is None:
        return None
    interval = format_range(*accuracy.interval)
    return f"{format_share(accuracy.accuracy)} ({interval}; {accuracy.correct} of {accuracy.labelled})"


def format_digits(accuracy: LabelledAccuracy) -> str | None:
    if accuracy.accuracy_of_digits is None:
        return None
    right = f"{accuracy.correct} of {accuracy.labelled - accuracy.not_a_digit}"
    return f"{format_share(accuracy.accuracy_of_digits)} ({right})"


def format_digit_or_not(accuracy: LabelledAccuracy) -> str | None:
    """Say how well the model tells digits from other drawings."""
    if (found := accuracy.digit_or_not) is None:
        return None
    return f"{found.none_found} of {found.none} found, {found.digits_refused} of {found.digits} digits refused"


def format_prediction_count(manifest: BackupManifest) -> str:
    return f"{manifest.rows.get('predictions', 0):,} predictions"


def format_top_scores(scores: Mapping[str, float]) -> str:
    highest = sorted(scores.items(), key=lambda item: -item[1])[:3]
    return "  ".join(f"{digit} {format_share(score)}" for digit, score in highest)


def format_value(value: object) -> str:
    """Format a value; times in UTC."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case Share():
            return format_share(value)
        case PValue():
            return format_p(value)
        case float():
            return f"{value:.3f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case _:
            return printable(str(value))


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(format_value(value))


class _Column:
    """The widths of a column. Headings and texts may fold, numbers and times may not."""

    def __init__(self, heading: str, values: Sequence[object]) -> None:
        self.heading = heading
        self.is_number = any(isinstance(value, int | float) for value in values)
        lengths = [cell_len(format_value(value)) for value in values]
        self.full_width = max([len(heading), *lengths])
        folded = [
            min(length, _MIN_TEXT_WIDTH) if isinstance(value, str) else length
            for length, value in zip(lengths, values, strict=True)
        ]
        self.min_width = max([0, *map(len, heading.split()), *folded])


def _column_widths(columns: Sequence[_Column], room: int) -> list[int] | None:
    """Return None if the columns do not fit."""
    widths = [column.min_width for column in columns]
    spare = room - sum(widths) - _GAP * (len(widths) - 1)
    if spare < 0:
        return None
    # The longest texts share what the other columns leave.
    missing = [column.full_width - column.min_width for column in columns]
    for done, number in enumerate(sorted(range(len(missing)), key=missing.__getitem__)):
        more = min(missing[number], spare // (len(missing) - done))
        widths[number] += more
        spare -= more
    return widths
