"""Plain text in columns: aligned by what a terminal shows, cut where it would run over."""

from __future__ import annotations

import os
from textwrap import fill
from typing import TYPE_CHECKING, Final
from unicodedata import combining, east_asian_width

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.box import Box

LONGEST_CELL: Final = 44
POORER: Final = str.maketrans("·─…", "--~")
GAP: Final = "  "
BETWEEN: Final = "   "
"""What stands between two columns of a table."""

READABLE: Final = 100
"""Columns of a paragraph where there is room for more."""

ANY_WIDTH: Final = 10_000
"""Columns of a table that is not for a terminal."""


def width(text: str) -> int:
    """Return the columns that a terminal gives a text."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, longest: int) -> str:
    """Return a text that takes at most `longest` columns."""
    if width(text) <= longest:
        return text
    while width(text) >= longest:
        text = text[:-1]
    return text + "…"


def room() -> int | None:
    """Return the columns of standard output; None where it is not a terminal and COLUMNS is not set."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or None
    except OSError:
        return None


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: str = "",
    longest: int = LONGEST_CELL,
    columns: int | None = None,
) -> Iterator[str]:
    """Lay clean rows out under their heads; `right` has an `r` where a column is aligned to the right.

    Where `columns` (else the terminal) are too few for the longest words, each row becomes a block of lines.
    """
    shown = [[cut(cell, longest) for cell in row] for row in rows]
    columns = columns or room() or ANY_WIDTH
    widths = _widths([heads, *shown], columns)
    if widths is None:
        yield from _blocks(heads, shown, columns)
        return
    head, rule, *lines = _laid_out(heads, shown, right, widths)
    yield click.style(head, bold=True)
    yield click.style(rule, dim=True)
    yield from lines


def _widths(rows: Sequence[Sequence[str]], columns: int) -> list[int] | None:
    """Return how wide each column is, none narrower than its longest word; None where that is too wide."""
    cells = list(zip(*rows, strict=True))
    least = [max(width(word) for cell in column for word in cell.split(" ")) for column in cells]
    wide = [max(map(width, column)) for column in cells]
    left = columns - len(BETWEEN) * (len(wide) - 1)
    while sum(wide) > left:
        place = max(range(len(wide)), key=lambda index: wide[index] - least[index])
        if wide[place] == least[place]:
            return None
        wide[place] -= 1
    return wide


def _laid_out(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: str, widths: Sequence[int]
) -> list[str]:
    from rich.console import Console  # noqa: PLC0415 - a run without a table does without it
    from rich.table import Table  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    made = Table(box=_rule(), show_edge=False, pad_edge=False, header_style=None)
    for place, head in enumerate(heads):
        side = "right" if right[place : place + 1] == "r" else "left"
        made.add_column(Text(head), justify=side, width=widths[place])  # type: ignore[arg-type]
    for row in rows:
        made.add_row(*map(Text, row))
    console = Console(width=ANY_WIDTH, color_system=None, legacy_windows=False, _environ={})
    with console.capture() as capture:
        console.print(made)
    return [line.rstrip() for line in capture.get().splitlines()]


def _rule() -> Box:
    """Return the lines of a table: one under the heads."""
    from rich.box import Box  # noqa: PLC0415 - a run without a table does without it

    return Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """Give the cells of each row on lines of their own, beside their heads; empty ones are left out."""
    wide = max(map(width, heads))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for head, cell in zip(heads, row, strict=True):
            if cell:
                pad = " " * (wide - width(head))
                yield wrapped(f"{head}{pad}{GAP}{cell}", 0, columns, hanging=wide + len(GAP))


def is_plain() -> bool:
    """Tell whether colours are unwanted here, or the terminal knows none."""
    return bool(os.environ.get("NO_COLOR")) or is_dumb()


def is_dumb() -> bool:
    """Tell whether the terminal takes text only, so that nothing written can be taken back."""
    return os.environ.get("TERM") == "dumb"


def spelled(text: str, encoding: str | None) -> str:
    """Return a text in letters that an output can write, each as wide as what it stands for."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        known = text.translate(POORER)
        return known.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
    return text


def wrapped(text: str, indent: int, columns: int | None = None, hanging: int | None = None) -> str:
    """Break a text between words into lines of at most `columns`, else as wide as is easily read.

    The first line is indented by `indent`, the others by `hanging`, else by the same.
    """
    wide = columns or min(room() or READABLE, READABLE)
    rest = " " * (indent if hanging is None else hanging)
    blanks = " " * indent
    return fill(
        text,
        wide,
        initial_indent=blanks,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fitted(text: str, hanging: int = 0) -> str:
    """Break one line between words where standard output is too narrow for it; leave it whole elsewhere."""
    columns = room()
    return (
        text
        if columns is None or width(click.unstyle(text)) <= columns
        else wrapped(text, 0, columns, hanging=hanging)
    )


def number(count: float) -> str:
    """Write a number for people."""
    return f"{count:,}"


def counted(count: int, what: str) -> str:
    """Write a number with what it counts, in the singular where it is one."""
    return f"{number(count)} {what if count == 1 else what + 's'}"


def duration(seconds: float) -> str:
    """Write a time for people, in its two largest units."""
    whole = round(seconds)
    if not whole:
        return "less than a second"
    parts = [(whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second")]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(counted(count, unit) for count, unit in parts[first : first + 2] if count)


def share(part: int, whole: int) -> str:
    """Write a share in per cent, never 0 % or 100 % where it is not."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "less than 1 %"
    return "more than 99 %" if 99 < percent < 100 else f"{percent:.0f} %"  # noqa: PLR2004 - per cent
