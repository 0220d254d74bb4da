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
from target_batch.delivery.audience_requests import AudienceRequest, PendingChanges
from target_batch.delivery.index_polling import Audience, IndexPolling
from target_batch.delivery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.common.clock import Clock
    from target_batch.common.operations import AudienceChange
    from target_batch.common.records import Ticket
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.index_polling import AcceptedRequest, PollTiming

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
        timing: PollTiming,
        longest_wait: float,
    ) -> None:
        self._senders = senders
        self._fates = fates
        self._timing = timing
        self._now = clock.monotonic
        self._longest_wait = longest_wait
        self._waiting = PendingChanges(clock.monotonic)
        self._open: list[AudienceRequest] = []
        self._index = IndexPolling(timing)
        self._looking = False
        self._threads = Workers("batch-audiences", 1)
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
        requests = list(self._waiting.take(name))
        self._open += requests
        for request in requests:
            while self._threads.in_flight > len(self._senders):
                self._progress(BLOCKED_WAIT)
            request.open_answers = request.open_indexes = len(self._senders)
            label = request.members[-1].change.display_name
            for sender in self._senders:
                self._threads.submit(
                    partial(sender.change, name, label, request.bodies),
                    partial(self._answered, Audience(sender, name), request),
                )

    def _answered(self, audience: Audience, request: AudienceRequest, receipt: Receipt) -> None:
        if receipt.failure is not None:
            self._failure = self._failure or receipt.failure
            return
        for index, refusals in sorted(receipt.refused.items()):
            member = request.members[index]
            if member.tickets:
                self._fates.refused(member.tickets, refusals)
                member.tickets = []
        request.answered()
        if receipt.token is not None and self._timing.waits:
            self._index.accepted(audience, receipt.token, request)
        else:
            self._confirmed(request)

    def _confirmed(self, request: AudienceRequest) -> None:
        request.open_indexes -= 1
        if request.open_indexes:
            return
        self._open.remove(request)
        self._fates.all_delivered(list(request.delivered()))
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
        audience, asked = due
        self._looking = True
        self._threads.submit(
            partial(audience.sender.look, audience.name, asked.token),
            partial(self._looked, audience, asked),
        )

    def _looked(self, audience: Audience, asked: AcceptedRequest, look: Look | Receipt) -> None:
        self._looking = False
        if isinstance(look, Receipt):
            self._failure = self._failure or look.failure
            return
        try:
            for request in self._index.seen(audience, asked, look):
                self._confirmed(request)
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
                self._timing.pause_until(self._index.next_poll)
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
        lines = [request.line for request in self._open]
        if (waiting := self._waiting.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)
