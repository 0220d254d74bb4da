"""The one place that settles a record's fate.

A record is delivered (Batch's answer says so), rejected (Batch or the mapping blames it, and it is
written down) or undelivered, which it stays until it is settled here. `ignored` and `unchanged` are the
two ways in which nothing had to be sent.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from target_batch.common.errors import DeliveryError
from target_batch.common.operations import Spared, Tally
from target_batch.common.paths import value_at
from target_batch.common.reasons import STOPPING, Issue, Reason
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from target_batch.batch_api.answers import Refusal
    from target_batch.common.operations import Ticket

BREAKER_AFTER: Final = 1000
"""Records of a stream that were read before the share of rejected ones can stop the run."""


REFUSED: Final = Reason.REFUSED_BY_BATCH.code
STOPPING_CODES: Final = frozenset(reason.code for reason in STOPPING)


class Rejects(Protocol):
    """Where what was refused is written down."""

    def write(self, ticket: Ticket, issues: Sequence[Issue], *, whole: bool, replay: bool) -> None:
        """Write one record, whole or only what was refused of it."""


class Fates:
    """Counts every record once and writes down every refusal."""

    def __init__(self, rejects: Rejects, max_rejected_share: float) -> None:
        self._rejects = rejects
        self._max_rejected_share = max_rejected_share
        self._tripped: DeliveryError | None = None
        self.tripped_by: str | None = None
        """The stream of which too large a share was rejected."""
        self.tallies: dict[str, Tally] = {}
        self.spared = Spared()

    def tally(self, stream: str) -> Tally:
        """Return the counts of a stream."""
        return self.tallies.setdefault(stream, Tally())

    def ignored(self, stream: str, reason: str) -> None:
        """Settle a record that asks for nothing."""
        tally = self.tally(stream)
        tally.ignored += 1
        tally.reasons[reason] += 1

    def rejected(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Settle a record that is refused as a whole.

        It counts once it is written; no state that covers it passes before it is on the disk.
        """
        self._rejects.write(ticket, issues, whole=True, replay=replay)
        tally = ticket.origin.tally
        tally.rejected += 1
        self._note(ticket, issues)
        if any(issue.reason.stops for issue in issues):
            tally.stopping += 1
            if tally.judged >= BREAKER_AFTER:
                self._watch(ticket.origin.stream, tally)

    def went_without(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Write down what a record went without; its own fate is settled elsewhere."""
        written = [issue for issue in issues if not issue.counted_only]
        if written:
            self._rejects.write(ticket, written, whole=False, replay=replay)
        self._note(ticket, issues)

    def delivered(self, tickets: Sequence[Ticket]) -> None:
        """Settle the records of one entry, or of one member, that Batch accepted."""
        self.all_delivered((tickets,))

    def all_delivered(self, groups: Sequence[Sequence[Ticket]]) -> None:
        """Settle the records of many entries that Batch accepted, a group of records an entry."""
        for origin, count in Counter([tickets[0].origin for tickets in groups]).items():
            origin.tally.delivered += count
        for tickets in [group for group in groups if len(group) > 1]:
            for ticket in tickets[1:]:
                ticket.origin.tally.delivered += 1
                ticket.origin.tally.merged += 1

    def unchanged(self, tickets: Sequence[Ticket]) -> None:
        """Settle the records of an entry that Batch has already."""
        for ticket in tickets:
            ticket.origin.tally.unchanged += 1

    def refused(
        self,
        tickets: Sequence[Ticket],
        refusals: Sequence[Refusal],
        *,
        named: Sequence[str] = (),
        properties: Sequence[AbstractSet[str]] = (),
        attributes: AbstractSet[str] = frozenset(),
        doubted: bool = False,
    ) -> None:
        """Settle the records of one entry that Batch blames.

        `named` are the names of the tickets' events; `properties` the names inside them and `attributes`
        those of the profile's attributes, as they were sent and bare.

        An event that may have been applied must not be sent again. That is so where a refusal names neither
        an attribute nor an event, what can be more than one of them, or an attribute of an event, and where
        an attempt before was `doubted`: only a call that held nothing else and was refused as a whole at the
        first attempt applied nothing.
        """
        wholly: dict[int, list[Issue]] = {}
        partly: dict[int, list[Issue]] = {}
        unsure = doubted and bool(named)
        for refusal in refusals:
            index, issue = _traced(tickets, refusal, named)
            by_name = {which: issue for which, name in enumerate(named) if name and name == refusal.attribute}
            by_property = _with_property(tickets, refusal, properties)
            happened = by_property | by_name
            is_attribute = index is not None or refusal.attribute in attributes
            unsure |= bool(by_property) or len(by_name) > 1 or (bool(by_name) and is_attribute)
            whole = {**happened, **_with_nothing_else(tickets, refusal)}
            for which, one in whole.items():
                wholly.setdefault(which, []).append(one)
            if not whole and (refusal.attribute is None or index is None):
                self._all_refused(tickets, issue, replay=not named or (refusal.alone and not doubted))
                return
            if index is not None and index not in whole:
                partly.setdefault(index, []).append(issue)
        for index, issues in partly.items():
            if index not in wholly:
                self.went_without(tickets[index], issues, replay=not named)
        for index, issues in wholly.items():
            self.rejected(tickets[index], issues, replay=not unsure)
        if taken := [ticket for index, ticket in enumerate(tickets) if index not in wholly]:
            self.delivered(taken)

    def _all_refused(self, tickets: Sequence[Ticket], issue: Issue, *, replay: bool) -> None:
        for ticket in tickets:
            self.rejected(ticket, (issue,), replay=replay)

    def mirrored(self, stream: str, *, unchanged: int, delivered: int, merged: int) -> None:
        """Settle the staged rows of a mirror: those that were true already, and those that were sent."""
        tally = self.tally(stream)
        tally.unchanged += unchanged
        tally.delivered += delivered
        tally.merged += merged

    def moved(self, stream: str, *, added: int = 0, removed: int = 0) -> None:
        """Count members that a mirror added to an audience, or removed from it."""
        tally = self.tally(stream)
        tally.added += added
        tally.removed += removed

    def tripped(self) -> DeliveryError | None:
        """Return the error to stop with, once too large a share of a stream was rejected."""
        return self._tripped

    def look_back(self) -> None:
        """At the end of the input, look for streams of which nothing at all could be sent.

        What Batch refused is not among them: a call has shown then that keys and address are right.

        Raises:
            DeliveryError: there is one, or too large a share of a stream was rejected.
        """
        for stream, tally in self.tallies.items():
            is_nothing = tally.stopping == tally.judged > 0 and REFUSED not in tally.reasons
            if is_nothing or tally.judged >= BREAKER_AFTER:
                self._watch(stream, tally)
        if self._tripped is not None:
            raise self._tripped

    def _watch(self, stream: str, tally: Tally) -> None:
        if self._tripped is None and tally.stopping > tally.judged * self._max_rejected_share:
            reason = max(STOPPING_CODES & tally.reasons.keys(), key=lambda code: tally.reasons[code])
            self.tripped_by = stream
            self._tripped = DeliveryError(
                f"Stream '{clean(stream)}': {tally.stopping} of {tally.judged} records were rejected, "
                f"most of them for `{reason}`, more than `max_rejected_share` ({self._max_rejected_share}) "
                "allows. They are in the rejects (`target-batch rejects` shows them), the state is held. "
                "Correct the cause and run again, or raise the setting."
            )

    @staticmethod
    def _note(ticket: Ticket, issues: Iterable[Issue]) -> None:
        reasons = ticket.origin.tally.reasons
        for issue in issues:
            reasons[issue.reason.code] += 1


def _traced(
    tickets: Sequence[Ticket], refusal: Refusal, named: Sequence[str] = ()
) -> tuple[int | None, Issue]:
    """Find the record that set the refused attribute of the profile: the last one of those that set it."""
    attribute = refusal.attribute or ""
    for index in reversed(range(len(tickets))):
        if any(named[index : index + 1]) or (name := _source(tickets[index], attribute)) is None:
            continue
        if len(tickets) == 1 or attribute in tickets[index].origin.sets(tickets[index].record):
            return index, Issue(Reason.REFUSED_BY_BATCH, name, attribute, refusal.reason)
    return None, Issue(Reason.REFUSED_BY_BATCH, None, attribute, refusal.reason)


def _with_property(
    tickets: Sequence[Ticket], refusal: Refusal, properties: Sequence[AbstractSet[str]]
) -> dict[int, Issue]:
    """Return the records whose events have the refused attribute: it may be theirs, not the profile's.

    Batch documents neither words for `category` that would tell, nor at which depth an attribute is named.
    """
    attribute = refusal.attribute or ""
    which = [index for index, names in enumerate(properties) if attribute in names]
    return {
        index: Issue(Reason.REFUSED_BY_BATCH, _source(tickets[index], attribute), attribute, refusal.reason)
        for index in which
    }


def _with_nothing_else(tickets: Sequence[Ticket], refusal: Refusal) -> dict[int, Issue]:
    """Return the records that asked for nothing but the refused attribute."""
    attribute = refusal.attribute or ""
    return {
        index: Issue(Reason.REFUSED_BY_BATCH, None, attribute, refusal.reason)
        for index, ticket in enumerate(tickets)
        if attribute and ticket.origin.only_attribute(ticket.record) == attribute
    }


def _source(ticket: Ticket, attribute: str) -> str | None:
    """Return the property from which a record has set an attribute: the first with a value, if any has."""
    names, record = ticket.origin.properties_of(attribute), ticket.record
    return next((name for name in names if value_at(record, name) is not None), next(iter(names), None))
