"""The log of requests: the most recent ones with what they held, and totals of all."""

from collections import Counter, deque
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Final, NamedTuple

from msgspec import Struct

KEPT: Final = 10_000
"""Requests kept one by one; older ones live on in the totals."""
CONTENT_BYTES: Final = 32 * 1024 * 1024
"""Bytes of bodies and answers kept, all together; the oldest go first."""


class Content(NamedTuple):
    """What a request and its answer held.

    Attributes:
        query: The query of its path.
        body: Its body, complete.
        answer: The answer's body as far as it is kept, or what was written to the connection instead.
        answer_bytes: Length of that when complete.
    """

    query: str
    body: bytes
    answer: bytes
    answer_bytes: int

    @property
    def size(self) -> int:
        """Bytes kept of it."""
        return len(self.query) + len(self.body) + len(self.answer)


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

    @property
    def is_problem(self) -> bool:
        """Whether it failed, in part at least, or a fault acted on it."""
        succeeded = HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES
        return not succeeded or self.partial_errors > 0 or bool(self.fault)


class Search(NamedTuple):
    """What the log is asked for.

    Attributes:
        text: Part of the path in any case, or of a body or an answer as it is written.
        problems: Only what is a problem.
    """

    text: str = ""
    problems: bool = False


class Requests:
    """The log itself."""

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
        """Count a request in; return its number."""
        self.total += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return self.total

    def leave(self, row: RequestRow, content: Content) -> None:
        """Count a request out and keep its row, and what it held as long as there is room."""
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
        """Return rows with a number of at least `start`, in the order in which they ended."""
        rows = (row for row in self._rows if row.number >= start)
        return list(islice(rows, limit))

    def latest(self, limit: int) -> list[RequestRow]:
        """Return the most recent rows, oldest first."""
        return list(islice(self._rows, max(0, len(self._rows) - limit), None))

    def find(self, search: Search, start: int, limit: int) -> tuple[int, list[RequestRow]]:
        """Search the rows kept, newest first; return how many there are, and the page asked for."""
        found = list(self._matching(search))
        return len(found), found[start : start + limit]

    def one(self, number: int) -> tuple[RequestRow, Content | None] | None:
        """Return one row with what the request held as far as that is kept; None for an unknown number."""
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
        """Let go of the oldest rows, and of the oldest contents."""
        if len(self._rows) > KEPT:
            self._drop(self._rows.popleft().number)
        while self._held > CONTENT_BYTES:
            self._drop(next(iter(self._contents)))

    def _drop(self, number: int) -> None:
        if content := self._contents.pop(number, None):
            self._held -= content.size
