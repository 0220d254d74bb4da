"""What a run is doing, as live lines on a terminal; nothing where standard error is no terminal."""

from __future__ import annotations

import logging
import sys
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TextIO

from target_batch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_batch.api.client import Counters
    from target_batch.api.clock import Clock
    from target_batch.fates import Tally

EVERY: Final = 0.5
"""Seconds between two pictures."""

WINDOW: Final = 5.0
"""Seconds over which a rate is measured."""

MOST_STREAMS: Final = 12


class Progress:
    """Draws a line per stream and one for the run; `limit` is in custom IDs a second."""

    def __init__(self, clock: Clock, counters: Counters, output: TextIO | None = None) -> None:
        self._clock = clock
        self._counters = counters
        self._output = output or sys.stderr
        self.live = self._output.isatty()
        self._drawn = 0
        self._next = 0.0
        self._seen: deque[tuple[float, int]] = deque()
        self._began = clock.monotonic()
        if self.live:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._make_room)

    def _make_room(self, _: logging.LogRecord) -> bool:
        """Take the live lines away before a log line is written; as a filter, let it pass."""
        self.clear()
        return True

    def draw(self, tallies: dict[str, Tally], limit: float, size: tuple[int, int] | None = None) -> None:
        """Draw the state of things, at most every half second; `size` is (bytes read, bytes in all)."""
        now = self._clock.monotonic()
        if not self.live or now < self._next or not tallies:
            return
        self._next = now + EVERY
        rate = self._rate(now, sum(tally.delivered for tally in tallies.values()))
        self.clear()
        lines = [*_streams(tallies), self._run(rate, limit, size)]
        self._output.write("\n".join(lines) + "\n")
        self._output.flush()
        self._drawn = len(lines)

    def clear(self) -> None:
        """Take the live lines away, so that a log line or the end finds a clean place."""
        if self._drawn:
            self._output.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def table(self, tallies: dict[str, Tally]) -> None:
        """Write the totals as a table."""
        if not self.live or not tallies:
            return
        self.clear()
        columns = ("read", "delivered", "merged", "unchanged", "ignored", "rejected", "undelivered")
        width = max(len(clean(name, 40)) for name in [*tallies, "stream"])
        self._output.write(f"{'stream':{width}}" + "".join(f"{name:>13}" for name in columns) + "\n")
        for name, tally in tallies.items():
            counts = tally.as_dict()
            cells = "".join(f"{counts[column]:13,}" for column in columns)
            self._output.write(f"{clean(name, 40):{width}}{cells}\n")
        self._output.flush()

    def _rate(self, now: float, delivered: int) -> float:
        self._seen.append((now, delivered))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (delivered - before) / (now - then) if now > then else 0.0

    def _run(self, rate: float, limit: float, size: tuple[int, int] | None) -> str:
        line = f"  {rate:,.0f} records/s delivered, {rate / limit:.0%} of the limit"
        counters = self._counters
        line += f"; {counters.requests:,} requests, {counters.retries:,} retries"
        if size is not None and size[0]:
            share = min(1.0, size[0] / size[1])
            left = (self._clock.monotonic() - self._began) * (1 - share) / share
            line += f"; {share:.0%} read, about {timedelta(seconds=round(left))} left"
        return line


def _streams(tallies: dict[str, Tally]) -> Iterable[str]:
    shown = list(tallies.items())
    for name, tally in shown[:MOST_STREAMS]:
        yield (
            f"  {clean(name, 40):30} {tally.read:>12,} read {tally.delivered:>12,} delivered"
            f" {tally.rejected:>9,} rejected"
        )
    if len(shown) > MOST_STREAMS:
        yield f"  … and {len(shown) - MOST_STREAMS} more streams"
