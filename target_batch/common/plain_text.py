"""Plain text in columns: aligned by what a terminal shows, cut where it would run over."""

from __future__ import annotations

import os
from itertools import zip_longest
from typing import TYPE_CHECKING, Final
from unicodedata import combining, east_asian_width

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_CELL: Final = 44
POORER: Final = str.maketrans("·─…", "--~")
GAP: Final = "  "


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


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: str = "", longest: int = LONGEST_CELL
) -> Iterator[str]:
    """Lay clean rows out under their heads; `right` has an `r` where a column is aligned to the right."""
    shown = [[cut(cell, longest) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(heads, *shown, strict=True)]
    yield click.style(_line(heads, widths, right), bold=True)
    yield click.style(GAP.join("─" * wide for wide in widths), dim=True)
    for row in shown:
        yield _line(row, widths, right)


def _line(cells: Sequence[str], widths: Sequence[int], right: str) -> str:
    aligned = []
    for cell, wide, side in zip_longest(cells, widths, right[: len(cells)], fillvalue=" "):
        pad = " " * (int(wide) - width(str(cell)))
        aligned.append(pad + str(cell) if side == "r" else str(cell) + pad)
    return GAP.join(aligned).rstrip()


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


def wrapped(text: str, indent: int, columns: int = 100) -> str:
    """Break a text into lines of at most `columns`, each indented."""
    return click.wrap_text(text, columns, " " * indent, " " * indent)


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
