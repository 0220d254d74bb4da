"""Mirror: the stream contains all members of its audiences, and only the differences are sent.

Nothing is changed before the input has proved complete and every plan has passed every guard. The members
that a call may change are marked as unknown in the ledger from before the call until its answer, so that the
next run repairs the effects of a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from target_batch.common.errors import MirrorRefusedError, StopRun
from target_batch.common.operations import Ticket
from target_batch.common.redaction import clean
from target_batch.delivery.audiences import as_member
from target_batch.delivery.base import Delivery
from target_batch.delivery.states import Completeness
from target_batch.ledger.members import Count, Row, Snapshot, Span, Staging, fed_before
from target_batch.ledger.tables import members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_batch.batch_api.answers import Refusal
    from target_batch.batch_api.bulk import Receipt
    from target_batch.common.operations import AudienceChange, Origin, ProfileUpdate
    from target_batch.config.settings import StreamOptions
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.mirror_destinations import Destination
    from target_batch.ledger.database import Ledger

_encode: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
"""Deterministic, so that a column that has moved in its schema does not change any hash."""


class MirrorDelivery(Delivery):
    """Stages the rows of one stream and, at the end, makes its audiences equal to it."""

    def __init__(  # noqa: PLR0913 - it is where the ledger, the destinations and the run meet
        self,
        stream: str,
        options: StreamOptions,
        destinations: Sequence[Destination],
        *,
        ledger: Ledger,
        fates: Fates,
        max_shrink: float,
        input_ended: Callable[[], bool],
        tell: Callable[[str, str], None],
        inform: Callable[[str], None],
        source: str | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._options = options
        self._destinations = destinations
        self._ledger = ledger
        self._fates = fates
        self._max_shrink = max_shrink
        self._input_ended = input_ended
        self._tell = tell
        self.inform = inform
        self._staging = Staging(ledger)
        self._completeness = Completeness(stream, fates.tallies, source)
        self._held: list[Snapshot] = []
        self._labels: dict[str, str] = {}
        self._origin: Origin | None = None
        self._open_since: int | None = None
        """The line from which on states are held: an empty stream has to be delivered, too."""
        self._finished = False

    def put(self, operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> None:
        """Stage one row."""
        if self._open_since is None:
            self._open_since = ticket.line
        self._origin = ticket.origin
        row, label = _row(operation, ticket)
        self._labels[row.name] = label
        self._staging.put(row)

    def state(self, line: int, value: bytes) -> None:
        """Take a STATE as evidence that the stream is complete, unless it was written in the middle."""
        if self._open_since is None:
            self._open_since = line
        self._completeness.state(value)

    def activated(self, stream: str) -> None:
        """Take an ACTIVATE_VERSION as evidence that its stream is complete."""
        if stream == self._stream:
            self._completeness.activated()

    def oldest_line(self) -> int | None:
        """Return the input line of the first row or STATE, until the mirror is done."""
        return self._open_since

    def finish(self) -> None:
        """Check the guards, plan, and send; only once, because the staged rows are dropped afterwards.

        Raises:
            MirrorRefusedError: a guard refused the mirror; nothing was changed.
            StopRun: a call could not be delivered.
        """
        if self._finished:
            return
        self._finished = True
        try:
            self._mirror()
        except StopRun as error:
            self._failure = error
            self._let_go()
            raise
        self._open_since = None
        self._let_go()

    def _let_go(self) -> None:
        """Release the ledger for others; if it does not answer, the next run finds this run dead."""
        for snapshot in self._held:
            snapshot.release()
        self._staging.drop()

    def _mirror(self) -> None:
        self._guard_completeness()
        if not self._staging.sort():
            self._refuse("the ledger has lost some of its rows. Run again")
        names = self._staging.names()
        if not names:
            self._guard_emptiness()
        plans: list[MirrorPlan] = []
        for destination in self._destinations:
            fed = fed_before(self._ledger, destination.scope, self._stream)
            if names:
                self._report_missing(fed.difference(names))
            plans += [self._plan(destination, name) for name in names or sorted(fed)]
        unchanged = [self._unchanged(plans, name) for name in names]
        for plan in plans:
            plan.apply(self._stream, self._labels.get(plan.name, plan.name))
        self._ledger.take_stock(members)
        self._count(unchanged)

    def _guard_completeness(self) -> None:
        """Refuse a stream that was not read to its end, because members may be missing from it."""
        if not self._input_ended():
            self._refuse(
                "the input did not prove complete: the run was stopped before its end. "
                "Let the tap run to its end"
            )
        if self._options.complete_at == "end_of_input" or self._completeness.holds():
            return
        if self._completeness.is_under_way:
            self._refuse(
                "the input did not prove complete: its last STATE says that the tap was still under way, so "
                "it died or was stopped. Let it run to its end"
            )
        self._refuse(
            "the input did not prove complete: it ended, but neither STATE nor ACTIVATE_VERSION came after "
            "the stream's last record. Either the tap died on the way, or it writes none at the end of a "
            "full table, as taps of the SDK do. If the tap's exit code was 0, set "
            f"`streams.{clean(self._stream)}.complete_at` to `end_of_input`: the end of the input is then "
            "taken as proof, so a tap that dies unnoticed removes everybody it did not get to, up to "
            "`max_audience_shrink`"
        )

    def _guard_emptiness(self) -> None:
        """Refuse an empty stream unless `allow_empty` is set: only the user can know whether it is right."""
        tally = self._fates.tally(self._stream)
        if tally.rejected:
            self._refuse(
                f"none of its {tally.read} rows could be read. Correct them: they are in the rejects"
            )
        if not self._options.allow_empty:
            self._refuse(
                "it holds no row, so every member of its audiences would be removed. "
                f"If that is meant, set `streams.{clean(self._stream)}.allow_empty` to true"
            )

    def _report_missing(self, missing: set[str]) -> None:
        if missing:
            shown = ", ".join(clean(name, 60) for name in sorted(missing)[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004 - as shown
            self.tell(f"no row came for {shown}{more}: their members stay as they are.")

    def _plan(self, destination: Destination, name: str) -> MirrorPlan:
        """Hold an audience for this run, plan its changes, and check the plan against the guards."""
        snapshot = Snapshot(self._ledger, destination.scope, name)
        if (why := snapshot.hold(self._stream)) is not None:
            self._refuse(f"audience '{clean(name)}': {why}")
        self._held.append(snapshot)
        if snapshot.fed_by not in {None, self._stream}:
            self.tell(
                f"audience '{clean(name)}' was mirrored from stream '{clean(snapshot.fed_by)}' until now. "
                "Give each stream audiences of its own, or they undo each other's work"
            )
        plan = MirrorPlan(destination, snapshot, self._staging, self)
        unread = self._fates.tally(self._stream).rejected
        why = plan.objection(self._max_shrink, unread, allow_empty=self._options.allow_empty)
        if why is not None:
            self._refuse(why)
        return plan

    def _refuse(self, why: str) -> None:
        raise MirrorRefusedError(
            f"Stream '{clean(self._stream)}' was not mirrored: {why}. Nothing was changed, the state is held."
        )

    def tell(self, note: str) -> None:
        """Report something that the user should act upon."""
        self._tell(self._stream, note)

    def moved(self, *, added: int = 0, removed: int = 0) -> None:
        """Count members that were added or removed."""
        self._fates.moved(self._stream, added=added, removed=removed)

    def reject(self, name: str, refused: Mapping[str, Sequence[Refusal]]) -> int:
        """Settle the records of members that Batch refused; return the number of members without records.

        A member refused by one destination is still sent to the others, but settled only once.
        """
        silent = 0
        for member, refusals in refused.items():
            found = self._staging.last_word(name, member)
            if found is None or self._origin is None:
                silent += 1
            elif not found.refused:
                tickets = [Ticket(self._origin, found.line, found.source)] * found.records
                self._fates.refused(tickets, refusals)
        self._staging.refuse(name, list(refused))
        return silent

    def _unchanged(self, plans: Sequence[MirrorPlan], name: str) -> Count:
        """Count the rows that are already up to date in every destination, before anything is sent."""
        conditions = [plan.unchanged() for plan in plans if plan.name == name]
        there = self._staging.count(self._staging.wanted(name), *(there for there, _ in conditions))
        gone = self._staging.count(self._staging.unwanted(name), *(gone for _, gone in conditions))
        return Count(there.members + gone.members, there.records + gone.records)

    def _count(self, unchanged: Sequence[Count]) -> None:
        """Settle every staged record as unchanged or delivered; refused ones are settled already."""
        every, refused = self._staging.count(), self._staging.refused()
        kept = sum(count.records for count in unchanged)
        sent = every.records - refused.records - kept
        sent_members = every.members - refused.members - sum(count.members for count in unchanged)
        self._fates.mirrored(self._stream, unchanged=kept, delivered=sent, merged=sent - sent_members)


def _row(operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> tuple[Row, str]:
    """Return the row and the label of a membership, from an audience change or a boolean attribute."""
    if hasattr(operation, "custom_id"):
        ((name, value),) = operation.attributes.items()
        body = _encode({"id": operation.custom_id}) if value else None
        return Row(name, operation.custom_id, body, ticket.line, ticket.source), name
    body = _encode(as_member(operation)) if operation.add else None
    return Row(operation.audience, operation.member, body, ticket.line, ticket.source), operation.display_name


class MirrorPlan:
    """Makes one audience in one destination equal to the stream.

    Making the plan asks Batch for the audience, notes in the ledger what is in doubt, and logs the changes.

    The mirror reports what the plan does, and settles the members that Batch refuses.
    """

    def __init__(
        self, destination: Destination, snapshot: Snapshot, staging: Staging, mirror: MirrorDelivery
    ) -> None:
        self._destination = destination
        self._snapshot = snapshot
        self._staging = staging
        self._mirror = mirror
        self.name = snapshot.name
        where = f" ({destination.where})" if destination.where else ""
        self._shown = f"'{clean(self.name)}'{where}"
        self._token: str | None = None
        in_ledger = snapshot.is_known()
        there = in_ledger and destination.exists(self.name)
        self._by_difference = there or not destination.can_replace
        self._strangers = not in_ledger and not destination.can_replace
        if self._strangers:
            snapshot.doubt_named_exits(staging)
        self._size = size = snapshot.size(staging)
        if self._by_difference:
            if size.same:
                destination.vouch()
            self._before = size.before
            self._text = str(size)
            news = "" if in_ledger else " (new to the ledger, which does not know who was in it before)"
        else:
            self._before = 0 if in_ledger else destination.size(self.name) or 0
            self._text = f"replace {self._before} by {size.after}"
            news = " (it is not in Batch any more)" if in_ledger else " (it is not in the ledger)"
        mirror.inform(f"Audience {self._shown}: {self._text}{news}")

    def unchanged(self) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        """Return conditions for rows that need not be sent: of wanted members, and of unwanted ones.

        A replacement sends every member.
        """
        if not self._by_difference:
            return sa.false(), sa.true()
        return self._snapshot.has(), self._snapshot.lacks()

    def objection(self, max_shrink: float, unread: int, *, allow_empty: bool) -> str | None:
        """Return why a guard refuses the plan, or None if all guards allow it.

        `max_shrink` is the share of members it may remove; if `unread` rows could not be read, it is 0.
        """
        size, before = self._size, self._before
        losing = size.removes if self._by_difference else before - size.after
        if losing <= 0 or self._strangers:
            return None
        audience = f"audience {self._shown} would lose {losing} of its {before} members ({self._text})"
        if unread and max_shrink < 1:
            return (
                f"{audience}, but {unread} rows were rejected and may be about them. Correct those rows, "
                "leave them out with a stream map, or set `max_audience_shrink` to 1 for one run to remove "
                "the members all the same"
            )
        emptied = allow_empty and not size.after and not unread
        if losing > before * max_shrink and not emptied:
            return (
                f"{audience}, more than `max_audience_shrink` ({max_shrink}) allows. "
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
        if self._add(label):
            self._remove(label)
        else:
            self._mirror.tell(f"Batch refused every member of {self._shown}, so it stays as it is.")
        if self._token is None and indexing and not changes:
            self._token = ""
        if self._token is not None:
            self._check_size(self._token)
        if indexing:
            self._snapshot.indexed()

    def _add(self, label: str) -> bool:
        """Add members; if the ledger does not know the present ones, the first call replaces them all.

        Return False if Batch refused every member of such a replacement.
        """
        after, calls = "", 0
        must_replace = not self._by_difference and self._size.after > 0
        if self._by_difference and not self._size.adds:
            return True
        while adds := self._snapshot.next_adds(self._staging, after, self._destination.chunk):
            span = Span(after, adds[-1].member)
            after = adds[-1].member
            make = self._destination.replace if must_replace else self._destination.add
            self._destination.expect([add.member for add in adds])
            self._snapshot.doubt_adds(self._staging, span)
            receipt = self._accepted(make(self.name, label, [add.body for add in adds]))
            refused = {adds[index].member: found for index, found in receipt.refused.items()}
            self._mirror.reject(self.name, refused)
            self._mirror.moved(added=len(adds) - len(refused))
            if not must_replace:
                self._snapshot.added(self._staging, span, list(refused))
            elif len(refused) < len(adds):
                self._snapshot.replaced(self._staging, span, list(refused))
                must_replace = False
            calls += 1
            if calls.bit_count() == 1 and len(adds) == self._destination.chunk:
                self._snapshot.take_stock()
        return not must_replace

    def _remove(self, label: str) -> None:
        """Remove members; a refused removal is tried again by a later run."""
        after = ""
        if self._by_difference and not self._size.removes:
            return
        while ids := self._snapshot.next_removes(self._staging, after, self._destination.chunk):
            after = ids[-1]
            self._snapshot.doubt_removes(ids)
            receipt = self._accepted(self._destination.remove(self.name, label, ids))
            refused = {ids[index]: found for index, found in receipt.refused.items()}
            if silent := self._mirror.reject(self.name, refused):
                self._mirror.tell(
                    f"Batch refused to remove {silent} members of {self._shown}; they stay in it."
                )
            self._snapshot.removed([member for member in ids if member not in refused])
            self._mirror.moved(removed=len(ids) - len(refused))

    def _accepted(self, receipt: Receipt) -> Receipt:
        """Return the receipt and keep its token, or raise the error that prevented the delivery."""
        if receipt.failure is not None:
            raise receipt.failure
        if receipt.token is not None:
            self._token = receipt.token
        return receipt

    def _check_size(self, token: str) -> None:
        """Wait for indexing, and compare the size with the ledger: others may change the audience, too."""
        counted = self._destination.wait_until_indexed(self.name, token)
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
        self._mirror.tell(f"{what}.")
