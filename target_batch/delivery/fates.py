"""The one place where the fate of a record is settled.

A record is delivered (Batch's answer says so), rejected (by Batch or by the mapping, and written to the
rejects) or undelivered, which is the default until its fate is settled here. `ignored` and `unchanged`
records did not have to be sent.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from target_batch.common.errors import DeliveryError
from target_batch.common.operations import Spared, Tally
from target_batch.common.properties import value_at
from target_batch.common.reasons import STOPPING, Issue, Reason
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from target_batch.batch_api.answers import Refusal
    from target_batch.common.operations import Ticket

BREAKER_AFTER: Final = 1000
"""Records of a stream that must be read before the share of rejected ones can stop the run."""

REFUSED: Final = Reason.REFUSED_BY_BATCH.code
STOPPING_CODES: Final = frozenset(reason.code for reason in STOPPING)


class Rejects(Protocol):
    """The place where rejected records, and rejected parts of records, are written."""

    def write(self, ticket: Ticket, issues: Sequence[Issue], *, whole: bool, replay: bool) -> None:
        """Write one record, either whole or only the rejected part."""


class Fates:
    """Counts every record once and writes every rejection."""

    def __init__(self, rejects: Rejects, max_rejected_share: float) -> None:
        self._rejects = rejects
        self._max_rejected_share = max_rejected_share
        self._tripped: DeliveryError | None = None
        self.tripped_by: str | None = None
        """The stream in which too large a share of the records was rejected."""
        self.tallies: dict[str, Tally] = {}
        self.spared = Spared()

    def tally(self, stream: str) -> Tally:
        """Return the counts of a stream."""
        return self.tallies.setdefault(stream, Tally())

    def ignored(self, stream: str, reason: str) -> None:
        """Settle a record that does not ask for anything."""
        tally = self.tally(stream)
        tally.ignored += 1
        tally.reasons[reason] += 1

    def rejected(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Settle a record that is rejected as a whole.

        It is counted once it is written. A state that covers it is emitted only after it is on disk.
        """
        self._rejects.write(ticket, issues, whole=True, replay=replay)
        tally = ticket.origin.tally
        tally.rejected += 1
        for issue in issues:
            tally.reasons[issue.reason.code] += 1
        if any(issue.reason.stops for issue in issues):
            tally.stopping += 1
            if tally.judged >= BREAKER_AFTER:
                self._watch(ticket.origin.stream, tally)

    def went_without(self, ticket: Ticket, issues: Sequence[Issue], *, replay: bool = True) -> None:
        """Write the parts of a record that were dropped; the fate of the record is settled elsewhere."""
        written = [issue for issue in issues if not issue.counted_only]
        if written:
            self._rejects.write(ticket, written, whole=False, replay=replay)
        for issue in issues:
            ticket.origin.tally.reasons[issue.reason.code] += 1

    def delivered(self, tickets: Sequence[Ticket]) -> None:
        """Settle the records of one entry or one member that Batch accepted."""
        self.all_delivered((tickets,))

    def all_delivered(self, groups: Sequence[Sequence[Ticket]]) -> None:
        """Settle the records of many entries that Batch accepted, one group of records per entry."""
        for origin, count in Counter([tickets[0].origin for tickets in groups]).items():
            origin.tally.delivered += count
        for tickets in [group for group in groups if len(group) > 1]:
            for ticket in tickets[1:]:
                ticket.origin.tally.delivered += 1
                ticket.origin.tally.merged += 1

    def unchanged(self, tickets: Sequence[Ticket]) -> None:
        """Settle records whose content Batch already has."""
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
        """Settle the records of one entry that Batch refused, wholly or in part.

        `named` holds the names of the tickets' events, `properties` the names of the attributes inside
        those events, and `attributes` the names of the profile's attributes, both as sent and bare.

        An event that may have been applied must not be sent again. This is the case if a refusal names
        neither an attribute nor an event, a name that fits more than one of them, or an attribute of an
        event, and also if an earlier attempt was `doubted`. Only a call that contained nothing else and was
        refused as a whole at the first attempt is certain not to have applied anything.
        """
        wholly: dict[int, list[Issue]] = {}
        partly: dict[int, list[Issue]] = {}
        unsure = doubted and bool(named)
        for refusal in refusals:
            index, issue = _traced(tickets, refusal, named)
            by_name = {which: issue for which, name in enumerate(named) if name and name == refusal.attribute}
            by_property = _with_property(tickets, refusal, properties)
            is_attribute = index is not None or refusal.attribute in attributes
            unsure |= bool(by_property) or len(by_name) > 1 or (bool(by_name) and is_attribute)
            whole = by_property | by_name | _with_nothing_else(tickets, refusal)
            for which, one in whole.items():
                wholly.setdefault(which, []).append(one)
            if not whole and (refusal.attribute is None or index is None):
                for ticket in tickets:
                    self.rejected(ticket, (issue,), replay=not named or (refusal.alone and not doubted))
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

    def mirrored(self, stream: str, *, unchanged: int, delivered: int, merged: int) -> None:
        """Settle the staged rows of a mirror: those already up to date and those that were sent."""
        tally = self.tally(stream)
        tally.unchanged += unchanged
        tally.delivered += delivered
        tally.merged += merged

    def moved(self, stream: str, *, added: int = 0, removed: int = 0) -> None:
        """Count members that a mirror added to an audience or removed from it."""
        tally = self.tally(stream)
        tally.added += added
        tally.removed += removed

    def tripped(self) -> DeliveryError | None:
        """Return the error to stop with if too large a share of a stream was rejected, else None."""
        return self._tripped

    def look_back(self) -> None:
        """Check at the end of the input for streams of which nothing at all could be sent.

        Streams with records refused by Batch do not count: the call has shown that keys and address are
        right.

        Raises:
            DeliveryError: there is such a stream, or too large a share of a stream was rejected.
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


def _traced(tickets: Sequence[Ticket], refusal: Refusal, named: Sequence[str]) -> tuple[int | None, Issue]:
    """Return the index of the last record that set the refused profile attribute, and the issue."""
    attribute = refusal.attribute or ""
    for index in reversed(range(len(tickets))):
        if any(named[index : index + 1]) or (name := _source(tickets[index], attribute)) is None:
            continue
        if len(tickets) == 1 or attribute in tickets[index].origin.sets(tickets[index].record):
            return index, _issue(refusal, name)
    return None, _issue(refusal, None)


def _with_property(
    tickets: Sequence[Ticket], refusal: Refusal, properties: Sequence[AbstractSet[str]]
) -> dict[int, Issue]:
    """Return an issue for each record whose event has the refused attribute.

    The attribute may be the event's or the profile's: Batch documents neither the values of `category`,
    which might distinguish them, nor at which depth an attribute is named.
    """
    attribute = refusal.attribute or ""
    return {
        index: _issue(refusal, _source(tickets[index], attribute))
        for index, names in enumerate(properties)
        if attribute in names
    }


def _with_nothing_else(tickets: Sequence[Ticket], refusal: Refusal) -> dict[int, Issue]:
    """Return an issue for each record that sets only the refused attribute."""
    attribute = refusal.attribute
    return {
        index: _issue(refusal, None)
        for index, ticket in enumerate(tickets)
        if attribute and ticket.origin.only_attribute(ticket.record) == attribute
    }


def _issue(refusal: Refusal, name: str | None) -> Issue:
    return Issue(Reason.REFUSED_BY_BATCH, name, refusal.attribute or "", refusal.reason)


def _source(ticket: Ticket, attribute: str) -> str | None:
    """Return the property from which a record set an attribute: the first one with a value, or the first."""
    names, record = ticket.origin.properties_of(attribute), ticket.record
    return next((name for name in names if value_at(record, name) is not None), next(iter(names), None))
