"""Tables that fit: folded on a narrow terminal, one row in one line where nobody looks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from app.cli.terminal import output, plain

# So narrow a column of texts may become.
FOLDED: Final = 10
GAP: Final = 2
LONGEST_BAR: Final = 20


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, with_headings: bool = True, below: bool = False
) -> None:
    """Print a table, below something else or not; where there is no room for it, each row line by line."""
    console = output()
    kept = [list(row) for row in rows]
    columns = [_Column(heading, [row[place] for row in kept]) for place, heading in enumerate(headings)]
    widths = _widths(columns, console.width)
    if below:
        console.print()
    if widths is None:
        for number, row in enumerate(kept):
            if number:
                console.print()
            print_facts(dict(zip(headings, row, strict=True)))
        return
    # In a pipe each line is a row, with nothing drawn between them; a box is one wide between two columns.
    box, padding = (SIMPLE_HEAD, GAP - 1) if console.is_terminal else (None, GAP)
    table = Table(box=box, padding=(0, padding, 0, 0), show_header=with_headings, show_edge=False, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.heading, justify="right" if column.is_number else "left", overflow="fold", width=width)
    for row in kept:
        table.add_row(*map(_cell, row))
    console.print(table)


def print_facts(known: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    grid = Table.grid(padding=(0, GAP))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in known.items():
        grid.add_row(Text(name), _cell(value))
    output().print(grid)


def bar(count: int, most: int) -> str:
    """Return a bar for a table: as long as it may be when the count is the largest there is."""
    return "█" * round(LONGEST_BAR * count / max(most, 1))


def written(value: object) -> str:
    """Return a value as tables show it: times in UTC to the second, numbers to three places, nothing as a dash."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case _:
            return plain(str(value))


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(written(value))


class _Column:
    """A column before it is known how wide it can be. Headings and texts may be folded, numbers and times are not."""

    def __init__(self, heading: str, values: Sequence[object]) -> None:
        self.heading = heading
        self.is_number = any(isinstance(value, int | float) for value in values)
        lengths = [cell_len(written(value)) for value in values]
        self.wanted = max([len(heading), *lengths])
        narrow = [
            min(length, FOLDED) if isinstance(value, str) else length
            for length, value in zip(lengths, values, strict=True)
        ]
        self.least = max([0, *map(len, heading.split()), *narrow])


def _widths(columns: Sequence[_Column], room: int) -> list[int] | None:
    """Return how wide each column is, or None when not even the narrowest fit."""
    widths = [column.least for column in columns]
    spare = room - sum(widths) - GAP * (len(widths) - 1)
    if spare < 0:
        return None
    # Whoever wants least is served first, so that the longest texts share what is left.
    wants = [column.wanted - column.least for column in columns]
    for served, place in enumerate(sorted(range(len(wants)), key=wants.__getitem__)):
        more = min(wants[place], spare // (len(wants) - served))
        widths[place] += more
        spare -= more
    return widths
