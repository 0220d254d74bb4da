"""Plain text for terminals: tables, wrapped lines, and numbers in words."""

from __future__ import annotations

import os
from textwrap import fill
from typing import TYPE_CHECKING, Final
from unicodedata import combining, east_asian_width

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_CELL: Final = 44
POORER: Final = str.maketrans("·─…", "--~")
GAP: Final = "  "
BETWEEN: Final = "   "
"""Gap between two columns of a table."""

READABLE: Final = 100
"""Maximum columns of a paragraph, even on a wider terminal."""

ANY_WIDTH: Final = 10_000
"""Columns of a table that is not written to a terminal."""


def width(text: str) -> int:
    """Return the number of columns that a text takes on a terminal."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shortened(text: str, longest: int) -> str:
    """Shorten a text to at most `longest` columns."""
    if width(text) <= longest:
        return text
    while width(text) >= longest:
        text = text[:-1]
    return text + "…"


def room() -> int | None:
    """Return the columns of standard output; None if it is not a terminal and COLUMNS is not set."""
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
    """Lay out clean rows under their heads; `right` has an `r` for each column aligned to the right.

    If `columns` (default: the terminal's) cannot hold the longest words, each row becomes a block of lines.
    """
    shown = [[shortened(cell, longest) for cell in row] for row in rows]
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
    """Return the width of each column, at least that of its longest word; None if they do not fit."""
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
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - a run without a table does without it
    from rich.console import Console  # noqa: PLC0415 - same
    from rich.table import Table  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style=None)
    for place, head in enumerate(heads):
        side = "right" if right[place : place + 1] == "r" else "left"
        made.add_column(Text(head), justify=side, width=widths[place])  # type: ignore[arg-type]
    for row in rows:
        made.add_row(*map(Text, row))
    console = Console(width=ANY_WIDTH, color_system=None, legacy_windows=False, _environ={})
    with console.capture() as capture:
        console.print(made)
    return [line.rstrip() for line in capture.get().splitlines()]


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """Yield each row as a block with one line per cell, beside its head; empty cells are left out."""
    wide = max(map(width, heads))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for head, cell in zip(heads, row, strict=True):
            if cell:
                pad = " " * (wide - width(head))
                yield wrapped(f"{head}{pad}{GAP}{cell}", 0, columns, hanging=wide + len(GAP))


def is_plain() -> bool:
    """Return whether colours are unwanted, or not supported by the terminal."""
    return bool(os.environ.get("NO_COLOR")) or is_dumb()


def is_dumb() -> bool:
    """Return whether the terminal supports text only, so that written lines cannot be erased."""
    return os.environ.get("TERM") == "dumb"


def spelled(text: str, encoding: str | None) -> str:
    """Replace characters that an output cannot encode by others of the same width."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        known = text.translate(POORER)
        return known.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
    return text


def wrapped(text: str, indent: int, columns: int | None = None, hanging: int | None = None) -> str:
    """Break a text between words into lines of at most `columns` (default: a readable width).

    The first line is indented by `indent`, the others by `hanging` (default: the same).
    """
    return fill(
        text,
        columns or min(room() or READABLE, READABLE),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hanging is None else hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )


def fitted(text: str, hanging: int = 0) -> str:
    """Break a line between words if standard output is too narrow for it; otherwise leave it whole."""
    columns = room()
    if columns is None or width(click.unstyle(text)) <= columns:
        return text
    return wrapped(text, 0, columns, hanging=hanging)


def number(count: float) -> str:
    """Format a number with thousands separators."""
    return f"{count:,}"


def counted(count: int, what: str) -> str:
    """Format a count with its noun, in the singular for 1."""
    return f"{number(count)} {what if count == 1 else what + 's'}"


def duration(seconds: float) -> str:
    """Format a duration in its two largest units."""
    whole = round(seconds)
    if not whole:
        return "less than a second"
    parts = [(whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second")]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(counted(count, unit) for count, unit in parts[first : first + 2] if count)


def share(part: int, whole: int) -> str:
    """Format a share in per cent, as 0 % or 100 % only if it is exactly that."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "less than 1 %"
    return "more than 99 %" if 99 < percent < 100 else f"{percent:.0f} %"  # noqa: PLR2004 - per cent
