"""What Batch has accepted and not indexed yet, and when it is asked for that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.delivery.audience_requests import Parcel
    from target_batch.delivery.index_polling import Patience

BESIDE_CALLS: Final = 15.0
"""Seconds after which the index is asked for although changes wait for their turn: one call in 15, so
that the state passes on the way, too."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where an audience is: the platform (and key), by its sender, and the audience's name."""

    sender: AudienceSender
    name: str


class Accepted(NamedTuple):
    """A call that was accepted: its token, when that was, and what it carried."""

    token: str
    since: float
    parcel: Parcel


@dataclass(slots=True)
class Unindexed:
    """The accepted calls of one audience, oldest first; `asked` is the token that was asked for last."""

    calls: deque[Accepted] = field(default_factory=deque)
    next_poll: float = 0.0
    asked: str = ""

    def token(self, *, newest: bool) -> str:
        """Choose what to ask for: the newest, or what was asked for until that is indexed."""
        asked = self.asked in {call.token for call in self.calls}
        self.asked = self.asked if asked and not newest else self.calls[-1].token
        return self.asked


class Index:
    """Keeps accepted calls until Batch shows that it has indexed them."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._audiences: dict[Where, Unindexed] = {}
        self._asked_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._audiences)

    @property
    def next_poll(self) -> float:
        """The moment before which nothing is asked."""
        return min(unindexed.next_poll for unindexed in self._audiences.values())

    def accepted(self, where: Where, token: str, parcel: Parcel) -> None:
        """Keep an accepted call."""
        now = self._patience.begin()
        if not self._audiences:
            self._asked_at = now
        unindexed = self._audiences.setdefault(where, Unindexed())
        unindexed.calls.append(Accepted(token, now, parcel))
        unindexed.next_poll = now

    def due(self, *, busy: bool) -> tuple[Where, str] | None:
        """Return what to ask for now; while changes wait for their turn that is rarely anything."""
        if not self._audiences:
            return None
        if busy:
            if self._patience.begin() < self._asked_at + BESIDE_CALLS:
                return None
            where = min(self._audiences, key=lambda where: self._audiences[where].calls[0].since)
        else:
            where = min(self._audiences, key=lambda where: self._audiences[where].next_poll)
            if not self._patience.is_due(self._audiences[where].next_poll):
                return None
        self._asked_at = self._patience.begin()
        return where, self._audiences[where].token(newest=not busy)

    def seen(self, where: Where, token: str, look: Look) -> list[Parcel]:
        """Take in what Batch shows; return what is indexed: a call, and all that came before it.

        Raises:
            StopRun: it takes too long.
        """
        unindexed = self._audiences[where]
        if not look.indexed:
            oldest = unindexed.calls[0].since
            unindexed.next_poll = self._patience.next_poll(oldest)
            self._patience.check(oldest, where.name, look.state)
            return []
        indexed: list[Parcel] = []
        done = False
        while not done:
            call = unindexed.calls.popleft()
            indexed.append(call.parcel)
            done = call.token == token
        if not unindexed.calls:
            del self._audiences[where]
        return indexed
