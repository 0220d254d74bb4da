"""The log of requests: the most recent ones, and totals of all."""

from collections import Counter, deque
from itertools import islice
from typing import Final

from msgspec import Struct

KEPT: Final = 10_000
"""Requests kept one by one; older ones live on in the totals."""


class RequestRow(Struct):
    """One request as the log shows it.

    Attributes:
        number: From 1, in order of arrival.
        method: HTTP method.
        path: Path without the query; an app's key is replaced by its label.
        endpoint: What was called, such as ``profiles/update``; empty for an unknown route.
        status: Status of the answer; 0 when the connection ended without one.
        entries: Custom IDs or members in the body.
        bytes: Length of the body.
        at: Unix time of the arrival, in seconds.
        seconds: From the arrival to the end of the answer.
        since_start: From the start of the local Batch to the arrival, in seconds.
        fault: Kind of the scripted fault that was applied; empty without one.
        partial_errors: Number of partial errors in the answer.
        applied: Whether anything of it was applied.
    """

    number: int
    method: str
    path: str
    endpoint: str
    status: int
    entries: int
    bytes: int
    at: float
    seconds: float
    since_start: float
    fault: str
    partial_errors: int
    applied: bool


class Requests:
    """The log itself."""

    def __init__(self) -> None:
        self._rows: deque[RequestRow] = deque(maxlen=KEPT)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.faults: Counter[str] = Counter()
        self.bytes = 0
        self.partial_errors = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self.total = 0

    def enter(self) -> int:
        """Count a request in; return its number."""
        self.total += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return self.total

    def leave(self, row: RequestRow) -> None:
        """Count a request out and keep its row."""
        self.in_flight -= 1
        self._rows.append(row)
        self.statuses[row.endpoint or "unknown", row.status] += 1
        self.bytes += row.bytes
        self.partial_errors += row.partial_errors
        if row.fault:
            self.faults[row.fault] += 1

    def page(self, start: int, limit: int) -> list[RequestRow]:
        """Return rows with a number of at least `start`, in the order in which they ended."""
        rows = (row for row in self._rows if row.number >= start)
        return list(islice(rows, limit))

    def latest(self, limit: int) -> list[RequestRow]:
        """Return the most recent rows, oldest first."""
        return list(islice(self._rows, max(0, len(self._rows) - limit), None))
