"""Audience changes on their way: gathered per audience, one call after the other, then indexed.

Everything about audiences shares one request a second, so one thread carries it all; its order is
the order of arrival. Calls leave when they are full, when they have waited long enough, or when
nothing else wants the line. What is accepted counts as delivered once the index has it, if the run
waits for that.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import StopRun
from target_batch.delivery.audience_requests import Parcel, Waiting
from target_batch.delivery.indexing import Index, Where
from target_batch.delivery.workers import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.common.clock import Clock
    from target_batch.common.operations import AudienceChange
    from target_batch.common.records import Ticket
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.index_polling import Patience

BLOCKED_WAIT: Final = 0.5


class AudienceDelivery:
    """Delivers audience changes to one or more senders (an app audience goes to every key).

    A change waits at most `longest_wait` seconds for others that go with it.
    """

    def __init__(
        self,
        senders: Sequence[AudienceSender],
        fates: Fates,
        clock: Clock,
        patience: Patience,
        longest_wait: float,
    ) -> None:
        self._senders = senders
        self._fates = fates
        self._patience = patience
        self._now = clock.monotonic
        self._longest_wait = longest_wait
        self._waiting = Waiting(clock.monotonic)
        self._open: list[Parcel] = []
        self._index = Index(patience)
        self._looking = False
        self._threads = Threads("batch-audiences", 1)
        self._failure: StopRun | None = None

    def put(self, change: AudienceChange, ticket: Ticket) -> None:
        """Take a change in.

        Raises:
            StopRun: an earlier call could not be delivered.
        """
        name = self._waiting.put(change, ticket)
        if name is not None:
            self._dispatch(name)

    def flush(self) -> None:
        """Send everything that waits."""
        for name in self._waiting.names():
            self._dispatch(name)

    def checkpoint(self) -> None:
        """Use an idle line for the fullest audience; a busy one is better kept for full calls."""
        if self._waiting.records and not self._threads.in_flight:
            self._dispatch(self._waiting.fullest())

    def _dispatch(self, name: str) -> None:
        parcels = list(self._waiting.take(name))
        self._open += parcels
        for parcel in parcels:
            while self._threads.in_flight > len(self._senders):
                self._progress(BLOCKED_WAIT)
            parcel.open_answers = parcel.open_places = len(self._senders)
            label = parcel.members[-1].change.display_name
            for sender in self._senders:
                self._threads.submit(
                    partial(sender.change, name, label, parcel.bodies),
                    partial(self._answered, Where(sender, name), parcel),
                )

    def _answered(self, where: Where, parcel: Parcel, receipt: Receipt) -> None:
        if receipt.failure is not None:
            self._failure = self._failure or receipt.failure
            return
        for index, refusals in sorted(receipt.refused.items()):
            member = parcel.members[index]
            if member.tickets:
                self._fates.refused(member.tickets, refusals)
                member.tickets = []
        parcel.answered()
        token = receipt.document.get("indexing_token")
        if token and self._patience.waits:
            self._index.accepted(where, token, parcel)
        else:
            self._confirmed(parcel)

    def _confirmed(self, parcel: Parcel) -> None:
        parcel.open_places -= 1
        if parcel.open_places:
            return
        self._open.remove(parcel)
        self._fates.all_delivered(list(parcel.delivered()))
        self._failure = self._failure or self._fates.tripped()

    def settle(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived, and send what has waited long enough.

        Raises:
            StopRun: a call could not be delivered, or the index took too long.
        """
        self._progress(timeout)
        for name in self._waiting.older_than(self._now() - self._longest_wait):
            self._dispatch(name)

    def _progress(self, timeout: float) -> None:
        """Settle answers, and ask for the index if it is time."""
        self._threads.settle(timeout)
        if self._failure is not None:
            raise self._failure
        if self._looking or (due := self._index.due(busy=self._threads.in_flight > 0)) is None:
            return
        where, token = due
        self._looking = True
        self._threads.submit(
            partial(where.sender.look, where.name, token), partial(self._looked, where, token)
        )

    def _looked(self, where: Where, token: str, look: Look | Receipt) -> None:
        self._looking = False
        if isinstance(look, Receipt):
            self._failure = self._failure or look.failure
            return
        try:
            for parcel in self._index.seen(where, token, look):
                self._confirmed(parcel)
        except StopRun as error:
            self._failure = self._failure or error

    def finish(self) -> None:
        """Send everything, wait for every answer and, if asked, for the index.

        Raises:
            StopRun: something could not be delivered.
        """
        self.flush()
        while self._open:
            if self._index and not self._threads.in_flight:
                self._patience.pause_until(self._index.next_poll)
            self._progress(BLOCKED_WAIT)

    def salvage(self) -> None:
        """After a failure: settle one more answer of those on the wire."""
        self._threads.settle(BLOCKED_WAIT)

    @property
    def waiting(self) -> bool:
        """Whether a change has not left yet."""
        return self._waiting.records > 0

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""
        return self._failure is not None

    @property
    def in_flight(self) -> int:
        """Calls on the wire or in line."""
        return self._threads.in_flight

    def oldest_line(self) -> int | None:
        """The input line of the oldest record whose fate is open."""
        lines = [parcel.line for parcel in self._open]
        if (waiting := self._waiting.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)
