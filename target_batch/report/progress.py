"""The progress of a run, as live lines; hidden unless standard error is a terminal with cursor control."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

import click

from target_batch.common.plain_text import BETWEEN, is_dumb, is_plain, number, shortened, spelled, table
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_batch.batch_api.client import Counters
    from target_batch.common.clock import Clock
    from target_batch.common.operations import Tally

EVERY: Final = 0.5
"""Seconds between two updates of the live lines."""

WINDOW: Final = 5.0
"""Seconds over which a rate is measured."""

MOST_STREAMS: Final = 12
LONGEST_NAME: Final = 40
USUAL_WIDTH: Final = 80
LEGIBLE: Final = 12
"""Minimum width at which a stream's name can be recognized, in terminal columns."""

LIVE: Final = (("read", 13), ("delivered", 13), ("rejected", 11), ("records/s", 11), ("of limit", 10))
"""The columns of the live lines and their widths."""

NARROW: Final = (("read", 10), ("delivered", 11), ("rejected", 10), ("records/s", 10), ("of limit", 9))
"""The same for a narrow terminal."""

WIDE_ENOUGH: Final = 72

ALWAYS: Final = ("read", "delivered", "rejected", "undelivered")
COUNTS: Final = ("read", "delivered", "merged", "unchanged", "ignored", "rejected", "undelivered")
"""The columns of the final table. Those that are 0 in all streams are hidden, unless they are in `ALWAYS`."""


class Quota(NamedTuple):
    """The custom IDs per second that Batch currently accepts, and the streams that share them."""

    per_second: float
    streams: frozenset[str]


class Pace(NamedTuple):
    """The current speed of a stream; `share` of the limit is None if a different limit applies.

    Requests keep to the limit, but answers arrive in bursts, so the share is capped at 1.
    """

    records: float
    share: float | None


class Progress:
    """Draws one line per stream and one for the run."""

    def __init__(
        self, clock: Clock, counters: Counters, output: TextIO | None = None, *, dry: bool = False
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._output = output or sys.stderr
        self.live = self._output.isatty() and not is_dumb()
        self._plain = is_plain()
        self._words = {"delivered": "would go"} if dry else {}
        self._drawn = 0
        self._next = 0.0
        self._seen: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()
        self._began = clock.monotonic()
        if self.live:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._make_room)

    def _make_room(self, _: logging.LogRecord) -> bool:
        """Clear the live lines before a log line is written; used as a filter that accepts every line."""
        self.clear()
        return True

    def draw(self, tallies: dict[str, Tally], quota: Quota, size: tuple[int, int] | None = None) -> None:
        """Draw the current state, at most every half second; `size` is (bytes read, bytes in total)."""
        now = self._clock.monotonic()
        if not self.live or now < self._next or not tallies:
            return
        self._next = now + EVERY
        paces = self._paces(now, tallies, quota)
        width = self._width() - 1
        lines = [*self._streams(tallies, paces, width), shortened(self._run(paces, quota, size), width)]
        self.clear()
        self._write("\n".join(lines))
        self._output.flush()
        self._drawn = len(lines)

    def clear(self) -> None:
        """Clear the live lines, to make room for a log line or the final output."""
        if self._drawn:
            self._output.write(f"\x1b[{self._drawn}F\x1b[J")
            self._output.flush()
            self._drawn = 0

    def table(self, tallies: dict[str, Tally]) -> None:
        """Write the totals as a table."""
        if not self.live or not tallies:
            return
        self.clear()
        names = [clean(name, LONGEST_NAME) for name in tallies]
        counts = [tally.as_dict() for tally in tallies.values()]
        if len(counts) > 1:
            names.append(f"all {len(counts)} streams")
            counts.append({name: sum(each[name] for each in counts) for name in COUNTS})
        shown = [name for name in COUNTS if name in ALWAYS or any(each[name] for each in counts)]
        heads, numbers = self._heads(shown), [[number(each[of]) for of in shown] for each in counts]
        taken = sum(max(map(len, column)) + len(BETWEEN) for column in zip(heads, *numbers, strict=True))
        room = self._width() - taken
        if room < LEGIBLE:  # too narrow for columns: `table` then puts each count on a line of its own
            room = LONGEST_NAME
        rows = [[shortened(name, room), *found] for name, found in zip(names, numbers, strict=True)]
        right = " " + "r" * len(shown)
        for line in table(["stream", *heads], rows, right=right, columns=self._width()):
            self._write(click.unstyle(line) if self._plain else line)
        self._output.flush()

    def _write(self, text: str) -> None:
        self._output.write(spelled(text, self._output.encoding) + "\n")

    def _width(self) -> int:
        """Return the current width of the terminal; a line that wraps could not be cleared."""
        try:
            return os.get_terminal_size(self._output.fileno()).columns or USUAL_WIDTH
        except OSError:
            return USUAL_WIDTH

    def _paces(self, now: float, tallies: dict[str, Tally], quota: Quota) -> dict[str, Pace]:
        counts = {name: (tally.delivered, tally.delivered - tally.merged) for name, tally in tallies.items()}
        self._seen.append((now, counts))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        seconds = (now - then) or math.inf
        paces = {}
        for name, (records, updates) in counts.items():
            old = before.get(name, (0, 0))
            bound = name in quota.streams and math.isfinite(quota.per_second)
            share = min(1.0, (updates - old[1]) / seconds / quota.per_second) if bound else None
            paces[name] = Pace((records - old[0]) / seconds, share)
        return paces

    def _streams(self, tallies: dict[str, Tally], paces: dict[str, Pace], width: int) -> Iterator[str]:
        columns = LIVE if width >= WIDE_ENOUGH else NARROW
        room = max(8, width - sum(wide for _, wide in columns))
        names = {name: shortened(clean(name, LONGEST_NAME), room) for name in list(tallies)[:MOST_STREAMS]}
        longest = max(len("stream"), *map(len, names.values()))
        heads = _line("stream", longest, self._heads([head for head, _ in columns]), columns)
        yield self._styled(shortened(heads, width), dim=True)
        for name, shown in names.items():
            tally, pace = tallies[name], paces[name]
            cells = [number(count) for count in (tally.read, tally.delivered, tally.rejected)]
            cells += [number(round(pace.records)), "" if pace.share is None else f"{pace.share:.0%}"]
            line = shortened(_line(shown, longest, cells, columns), width)
            yield self._styled(line, fg="yellow") if tally.rejected else line
        if len(tallies) > MOST_STREAMS:
            yield f"… and {len(tallies) - MOST_STREAMS} more streams"

    def _run(self, paces: dict[str, Pace], quota: Quota, size: tuple[int, int] | None) -> str:
        elapsed = self._clock.monotonic() - self._began
        parts = [f"{timedelta(seconds=round(elapsed))}"]
        shares = [pace.share for pace in paces.values() if pace.share is not None]
        if shares:
            parts.append(f"{min(1.0, sum(shares)):.0%} of {number(round(quota.per_second))} updates/s")
        counters = self._counters
        parts.append(f"{number(counters.requests)} requests, {number(counters.retries)} retries")
        if size is not None and size[0]:
            share = min(1.0, size[0] / size[1])
            left = timedelta(seconds=round(elapsed * (1 - share) / share))
            parts.append(f"{share:.0%} read, about {left} left")
        return " · ".join(parts)

    def _heads(self, names: Sequence[str]) -> list[str]:
        """Return the headings of columns, which differ in a dry run, as it does not deliver anything."""
        return [self._words.get(name, name) for name in names]

    def _styled(self, line: str, **style: bool | str) -> str:
        return line if self._plain else click.style(line, **style)  # type: ignore[arg-type]


def _line(name: str, longest: int, cells: list[str], columns: Sequence[tuple[str, int]]) -> str:
    """Return a live line with its columns aligned."""
    laid = (f"{cell:>{wide}}" for cell, (_, wide) in zip(cells, columns, strict=True))
    return (f"{name:{longest}}" + "".join(laid)).rstrip()
