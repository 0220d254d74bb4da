"""The plan for one audience in one destination: finds the differences, checks the guards, sends changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import sqlalchemy as sa

from target_batch.common.redaction import clean
from target_batch.ledger.members import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.batch_api.answers import Refusal
    from target_batch.batch_api.bulk import Receipt
    from target_batch.delivery.mirror.destinations import Destination
    from target_batch.ledger.members import Snapshot, Staging


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits of a plan: the share of members it may remove; none if rows could not be read."""

    max_shrink: float
    allow_empty: bool
    unread: int


class Unchanged(NamedTuple):
    """Conditions for rows that are up to date: of members to be in the audience, and of those to be out."""

    there: sa.ColumnElement[bool]
    gone: sa.ColumnElement[bool]


class Journal(Protocol):
    """The interface to which a plan reports its actions and the members that Batch refuses."""

    def tell(self, note: str) -> None:
        """Report something that the user should act upon."""

    def inform(self, note: str) -> None:
        """Report what is about to happen."""

    def moved(self, *, added: int = 0, removed: int = 0) -> None:
        """Count members that were added or removed."""

    def refused(self, name: str, member: str, refusals: Sequence[Refusal]) -> bool:
        """Settle the records of a member that Batch refused; return whether there are any."""


class MirrorPlan:
    """Makes one audience in one destination equal to the stream."""

    def __init__(
        self, destination: Destination, snapshot: Snapshot, staging: Staging, journal: Journal
    ) -> None:
        self._destination = destination
        self._snapshot = snapshot
        self._staging = staging
        self._journal = journal
        self._name = snapshot.name
        where = f" ({destination.where})" if destination.where else ""
        self._shown = f"'{clean(snapshot.name)}'{where}"

    def look(self) -> None:
        """Find out the current members and the changes to make, and log them."""
        name = self._name
        in_ledger = self._snapshot.is_known()
        there = in_ledger and self._destination.exists(name)
        self._by_difference = there or not self._destination.can_replace
        self._strangers = not in_ledger and not self._destination.can_replace
        if self._strangers:
            self._snapshot.doubt_named_exits(self._staging)
        self._size = self._snapshot.size(self._staging)
        if self._by_difference:
            if self._size.same:
                self._destination.vouch()
            self._before = self._size.before
            self.text = str(self._size)
            news = "" if in_ledger else " (new to the ledger, which does not know who was in it before)"
        else:
            self._before = 0 if in_ledger else self._destination.size(name) or 0
            self.text = f"replace {self._before} by {self._size.after}"
            news = " (it is not in Batch any more)" if in_ledger else " (it is not in the ledger)"
        self._journal.inform(f"Audience {self._shown}: {self.text}{news}")

    def unchanged(self) -> Unchanged:
        """Return the conditions for staged rows that need not be sent; a replacement sends every member."""
        if not self._by_difference:
            return Unchanged(sa.false(), sa.true())
        return Unchanged(self._snapshot.has(), self._snapshot.lacks())

    def objection(self, guards: Guards) -> str | None:
        """Return why a guard refuses the plan, or None if all guards allow it."""
        size, before = self._size, self._before
        losing = size.removes if self._by_difference else before - size.after
        if losing <= 0 or self._strangers:
            return None
        audience = f"audience {self._shown} would lose {losing} of its {before} members ({self.text})"
        if guards.unread and guards.max_shrink < 1:
            return (
                f"{audience}, but {guards.unread} rows were rejected and may be about them. Correct those "
                "rows, or set `max_audience_shrink` to 1 for one run to remove them all the same"
            )
        emptied = guards.allow_empty and not size.after and not guards.unread
        if losing > before * guards.max_shrink and not emptied:
            return (
                f"{audience}, more than `max_audience_shrink` ({guards.max_shrink}) allows. "
                "If that is meant, raise it for one run"
            )
        if not self._by_difference and not size.after:
            return (
                f"{audience}, but the ledger does not know who they are, and Batch replaces nobody by "
                "nobody. Remove the audience in Batch's dashboard"
            )
        return None

    def apply(self, stream: str, label: str) -> None:
        """Send the differences, and wait until they and the changes of earlier runs have taken effect.

        Raises:
            StopRun: a call could not be delivered; its members are marked as unknown in the ledger.
        """
        changes = not self._by_difference or self._size.adds + self._size.removes > 0
        indexing = self._snapshot.begin(stream, known=self._by_difference, changes=changes)
        token, replaced = self._add(label)
        if replaced:
            removal = self._remove(label)
            token = token if removal is None else removal
        else:
            self._journal.tell(f"Batch refused every member of {self._shown}, so it stays as it is.")
        if token is None and indexing and not changes:
            token = ""
        if token is not None:
            self._settle(token)
        if indexing:
            self._snapshot.indexed()

    def _add(self, label: str) -> tuple[str | None, bool]:
        """Add members; if the ledger does not know the present ones, the first call replaces them all.

        Return the last token, and False if Batch refused every member of such a replacement.
        """
        token, after, calls = None, "", 0
        replaced = self._by_difference or not self._size.after
        if self._by_difference and not self._size.adds:
            return token, replaced
        while adds := self._snapshot.next_adds(self._staging, after, self._destination.chunk):
            span = Span(after, adds[-1].member)
            after = adds[-1].member
            make = self._destination.add if replaced else self._destination.replace
            self._snapshot.doubt_adds(self._staging, span)
            receipt = _accepted(make(self._name, label, [add.body for add in adds]))
            refused = {adds[index].member: found for index, found in receipt.refused.items()}
            self._reject(refused)
            self._journal.moved(added=len(adds) - len(refused))
            if replaced:
                self._snapshot.added(self._staging, span, list(refused))
            elif len(refused) < len(adds):
                self._snapshot.replaced(self._staging, span, list(refused))
                replaced = True
            calls += 1
            if calls.bit_count() == 1 and len(adds) == self._destination.chunk:
                self._snapshot.take_stock()
            token = token if receipt.token is None else receipt.token
        return token, replaced

    def _remove(self, label: str) -> str | None:
        token, after = None, ""
        if self._by_difference and not self._size.removes:
            return token
        while members := self._snapshot.next_removes(self._staging, after, self._destination.chunk):
            after = members[-1]
            self._snapshot.doubt_removes(members)
            receipt = _accepted(self._destination.remove(self._name, label, members))
            self._not_removed({members[index]: found for index, found in receipt.refused.items()})
            gone = [member for index, member in enumerate(members) if index not in receipt.refused]
            self._snapshot.removed(gone)
            self._journal.moved(removed=len(gone))
            token = token if receipt.token is None else receipt.token
        return token

    def _reject(self, refused: dict[str, Any]) -> int:
        """Reject the records of members that Batch refused; return the number of members without records."""
        named = [self._journal.refused(self._name, member, found) for member, found in refused.items()]
        self._staging.refuse(self._name, list(refused))
        return named.count(False)

    def _not_removed(self, refused: dict[str, Any]) -> None:
        """Settle members whose removal was refused, and report those without records; a later run retries."""
        if silent := self._reject(refused):
            self._journal.tell(f"Batch refused to remove {silent} members of {self._shown}; they stay in it.")

    def _settle(self, token: str) -> None:
        """Wait for indexing, and compare the size with the ledger: others may change the audience, too."""
        counted = self._destination.settle(self._name, token)
        sure, possible = self._snapshot.counts()
        if counted is None or sure <= counted <= possible:
            return
        what = f"Batch counts {counted} members in {self._shown} where {possible} are expected"
        if counted > possible:
            what += ": something else adds to this audience, and members unknown to the ledger stay in it"
        elif self._size.same and self._by_difference:
            self._snapshot.doubt_everybody()
            what += ": something else took members out. The next run adds them all again"
        else:
            what += ": something else takes members out, or its index is still at work"
        self._journal.tell(f"{what}.")


def _accepted(receipt: Receipt) -> Receipt:
    """Return the receipt, or raise the error that prevented the delivery."""
    if receipt.failure is not None:
        raise receipt.failure
    return receipt
