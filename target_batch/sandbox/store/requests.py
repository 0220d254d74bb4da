"""The request log: the most recent requests with their contents, and totals of all requests."""

from collections import Counter, deque
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Final, NamedTuple

from msgspec import Struct

KEPT: Final = 10_000
"""Maximum number of requests kept; older ones remain only in the totals."""
CONTENT_BYTES: Final = 32 * 1024 * 1024
"""Maximum total size of the queries, bodies and answers kept; the oldest are dropped first."""


class Content(NamedTuple):
    """The contents of a request and its answer.

    Attributes:
        query: Raw query string.
        body: Complete body.
        answer: Answer body, or the raw bytes written to the connection instead; may be cut off.
        answer_bytes: Length of the complete answer.
    """

    query: str
    body: bytes
    answer: bytes
    answer_bytes: int

    @property
    def size(self) -> int:
        """Number of bytes kept."""
        return len(self.query) + len(self.body) + len(self.answer)


class RequestRow(Struct):
    """One request, as shown in the log.

    Attributes:
        number: Sequence number, from 1 in order of arrival.
        method: HTTP method.
        path: Path without the query, with an app's key replaced by its label.
        endpoint: Endpoint called, such as ``profiles/update``; empty if the route is unknown.
        status: Status of the answer; 0 if the connection ended without one.
        entries: Number of custom IDs or members in the body.
        bytes: Length of the body.
        at: Unix time of arrival, in seconds.
        seconds: Seconds from arrival to the end of the answer.
        since_start: Seconds from the start of the local Batch to arrival.
        fault: Kind of the scripted fault that was applied; empty if there was none.
        partial_errors: Number of partial errors in the answer.
        applied: Whether any part of the call was applied.
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

    @property
    def is_problem(self) -> bool:
        """Whether it failed, at least in part, or a fault acted on it."""
        succeeded = HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES
        return not succeeded or self.partial_errors > 0 or bool(self.fault)


class Search(NamedTuple):
    """A search of the log.

    Attributes:
        text: Part of the path (ignoring case) or of a body or answer (case-sensitive).
        problems: Whether to return only problems.
    """

    text: str = ""
    problems: bool = False


class Requests:
    """The request log."""

    def __init__(self) -> None:
        self._rows: deque[RequestRow] = deque()
        self._contents: dict[int, Content] = {}
        self._held = 0
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.faults: Counter[str] = Counter()
        self.bytes = 0
        self.partial_errors = 0
        self.problems = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self.total = 0

    def __len__(self) -> int:
        return len(self._rows)

    def enter(self) -> int:
        """Count an incoming request and return its number."""
        self.total += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return self.total

    def leave(self, row: RequestRow, content: Content) -> None:
        """Count a finished request and store its row and content, dropping the oldest if necessary."""
        self.in_flight -= 1
        self._rows.append(row)
        self._contents[row.number] = content
        self._held += content.size
        self._forget()
        self.statuses[row.endpoint or "unknown", row.status] += 1
        self.bytes += row.bytes
        self.partial_errors += row.partial_errors
        self.problems += row.is_problem
        if row.fault:
            self.faults[row.fault] += 1

    def page(self, start: int, limit: int) -> list[RequestRow]:
        """Return rows numbered `start` or higher, in the order in which the requests ended."""
        rows = (row for row in self._rows if row.number >= start)
        return list(islice(rows, limit))

    def latest(self, limit: int) -> list[RequestRow]:
        """Return the most recent rows, oldest first."""
        return list(islice(self._rows, max(0, len(self._rows) - limit), None))

    def find(self, search: Search, start: int, limit: int) -> tuple[int, list[RequestRow]]:
        """Search the rows kept, newest first; return the number of matches and the requested page."""
        found = list(self._matching(search))
        return len(found), found[start : start + limit]

    def one(self, number: int) -> tuple[RequestRow, Content | None] | None:
        """Return one row and its content, if that is still kept; return None if the number is unknown."""
        row = next((row for row in self._rows if row.number == number), None)
        return (row, self._contents.get(number)) if row else None

    def _matching(self, search: Search) -> Iterator[RequestRow]:
        folded, raw = search.text.casefold(), search.text.encode("utf-8", "surrogatepass")
        for row in reversed(self._rows):
            if search.problems and not row.is_problem:
                continue
            content = self._contents.get(row.number)
            in_content = content is not None and (raw in content.body or raw in content.answer)
            if in_content or folded in row.path.casefold():
                yield row

    def _forget(self) -> None:
        """Drop the oldest row and the oldest contents that exceed the limits."""
        if len(self._rows) > KEPT:
            self._drop(self._rows.popleft().number)
        while self._held > CONTENT_BYTES:
            self._drop(next(iter(self._contents)))

    def _drop(self, number: int) -> None:
        if content := self._contents.pop(number, None):
            self._held -= content.size
