"""The ledger's part in delivery: which parts of entries must be sent, and recording Batch's answers.

The tables of attributes and of events are read and marked in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_batch.common.limits import MOST_NAMES
from target_batch.common.operations import bare, spellings_of, spellings_within
from target_batch.delivery.profile_buffer import Sending
from target_batch.ledger.accepted import Claim, EventMemory, Outcome, ProfileMemory, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from target_batch.batch_api.answers import Refusal
    from target_batch.batch_api.bulk import Receipt
    from target_batch.common.operations import Spared
    from target_batch.delivery.profile_buffer import Entry
    from target_batch.ledger.database import Ledger


@dataclass(slots=True)
class Memory:
    """The ledger's part in the delivery of profile updates.

    `spared` counts what is left out. `sent_names` collects the names of the attributes that are sent, up to
    about `MOST_NAMES`. With `risks_twice`, an event that may have reached Batch is sent again.
    """

    ledger: Ledger
    profiles: ProfileMemory
    events: EventMemory
    spared: Spared
    sent_names: set[str]
    risks_twice: bool = True

    def claim(self, entries: Sequence[Entry]) -> Sending:
        """Remove from entries what Batch already holds, and mark the rest as in flight in the ledger.

        Raises:
            StopRun: the ledger cannot be used; nothing may be sent.
        """
        identities = [identity for entry in entries for identity in entry.identities if identity]
        wanted = [(entry.custom_id, entry.attributes, entry.body) for entry in entries]
        with self.ledger.turn() as connection:
            claim, left = self.profiles.claim(connection, wanted)
            standings = self.events.claim(connection, identities) if identities else []
        sending = Sending(claim=claim)
        known = iter(standings)
        moved: dict[int, int] = {}
        for index, entry in enumerate(entries):
            if entry.identities:
                of_events = [next(known) if one else Standing.NEW for one in entry.identities]
                self._leave_out_events(entry, of_events, sending)
            self._leave_out_attributes(entry, left[index], sending)
            if entry.attributes or entry.events:
                moved[index] = len(sending.entries)
                sending.entries.append(entry)
        self._note_names(sending.entries)
        if claim is not None:
            sending.claim = Claim(claim.number, {moved[index]: one for index, one in claim.carried.items()})
        return sending

    def _leave_out_events(self, entry: Entry, standings: list[Standing], sending: Sending) -> None:
        doubts = standings.count(Standing.IN_DOUBT)
        if doubts and not self.risks_twice:
            sending.skipped += entry.leave_out([one is Standing.IN_DOUBT for one in standings])
            standings = [one for one in standings if one is not Standing.IN_DOUBT]
        elif doubts:
            self.spared.risked += doubts
        fresh = zip(entry.identities, standings, strict=True)
        sending.fresh.update(identity for identity, standing in fresh if standing is Standing.NEW)
        gone = entry.leave_out([one is Standing.ACCEPTED for one in standings])
        self.spared.events += len(gone)
        sending.unchanged += gone

    def _note_names(self, entries: Sequence[Entry]) -> None:
        for names in {tuple(entry.attributes) for entry in entries}:
            if len(self.sent_names) < MOST_NAMES:
                self.sent_names |= bare(names)

    def _leave_out_attributes(self, entry: Entry, left: dict[str, Any], sending: Sending) -> None:
        if not entry.attributes or len(left) == len(entry.attributes):
            return
        self.spared.attributes += len(entry.attributes) - len(left)
        if left:
            entry.attributes, entry.body = left, b""
            return
        self.spared.profiles += not entry.events
        sending.unchanged += entry.leave_attributes_out()

    def record(self, sending: Sending, receipt: Receipt) -> None:
        """Record the outcome of a request.

        Raises:
            StopRun: the ledger cannot be used; what was sent stays marked as in flight, so it is in doubt.
        """
        outcome = _outcome(sending.entries, receipt)
        accepted, withdrawn = _events(sending, receipt)
        with self.ledger.turn() as connection:
            if sending.claim is not None:
                self.profiles.record(connection, sending.claim, outcome)
            self.events.accepted(connection, accepted)
            self.events.withdraw(connection, withdrawn)


def _outcome(entries: Sequence[Entry], receipt: Receipt) -> Outcome:
    """Return the outcome of a request for the attributes of its entries."""
    if receipt.doubted:
        return Outcome(doubted=True)
    refused: dict[int, set[str]] = {}
    unsent = set(receipt.unconfirmed)
    for index, refusals in receipt.refused.items():
        if refusals[0].alone:
            unsent.add(index)
        else:
            named = _certainly_refused(entries[index], refusals)
            refused[index] = set(entries[index].attributes) if named is None else named
    return Outcome(refused, unsent)


def _certainly_refused(entry: Entry, refusals: Sequence[Refusal]) -> set[str] | None:
    """Return the refused attributes and events of an entry; None if that is not certain."""
    named = {refusal.attribute or "" for refusal in refusals}
    known = spellings_of(entry.attributes) | (set(entry.named) - {""})
    return named if named <= known else None


def _events(sending: Sending, receipt: Receipt) -> tuple[list[bytes], list[bytes]]:
    """Return the identities of events that Batch accepted, and of new ones that never reached it."""
    accepted: list[bytes] = []
    absent: list[bytes] = []
    for index, entry in enumerate(sending.entries):
        if not entry.events:
            continue
        names = [name for name in entry.named if name]
        for identity, name, event in zip(entry.identities, names, entry.events, strict=True):
            is_accepted = _is_accepted(index, name, event, entry, receipt)
            if identity and is_accepted:
                accepted.append(identity)
            elif is_accepted is False and identity in sending.fresh:
                absent.append(identity)
    return accepted, absent


def _is_accepted(index: int, name: str, event: dict[str, Any], entry: Entry, receipt: Receipt) -> bool | None:
    """Return whether Batch accepted an event; False if it certainly did not, None if neither is certain."""
    unless_doubted = None if receipt.doubted else False
    if index in receipt.unconfirmed:
        return unless_doubted
    refusals = receipt.refused.get(index)
    if not refusals:
        return True
    if refusals[0].alone:
        return unless_doubted
    named = _certainly_refused(entry, refusals)
    if named is None or named & spellings_within(event.get("attributes")):
        return None
    if name not in named:
        return True
    others = spellings_of(entry.attributes).union(*entry.properties())
    return unless_doubted if entry.named.count(name) == 1 and name not in others else None
