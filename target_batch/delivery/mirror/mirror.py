"""Mirror: the stream contains all members of its audiences, and only the differences are sent.

Nothing is changed before the input has proved complete and every plan has passed every guard. The members
that a call may change are marked as unknown in the ledger from before the call until its answer, so that the
next run repairs the effects of a crash.

A stream is complete if a STATE or an ACTIVATE_VERSION comes after its last record. A STATE does not count if
the tap has marked it as written in the middle of a stream, or if it is empty, as taps write it when they are
terminated. For a stream without records, the message must come after the last record of the whole input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.errors import MirrorRefusedError, StopRun
from target_batch.common.operations import Ticket
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.delivery.mirror.plan import Guards, MirrorPlan
from target_batch.ledger.members import Count, Row, Snapshot, Staging, fed_before
from target_batch.ledger.tables import members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_batch.batch_api.answers import Refusal
    from target_batch.common.operations import AudienceChange, Origin, ProfileUpdate, Tally
    from target_batch.config.options import StreamOptions
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.mirror.destinations import Destination
    from target_batch.ledger.database import Ledger


class Completeness:
    """The evidence that one stream is complete; `tallies` count the records of all streams."""

    def __init__(self, stream: str, tallies: Mapping[str, Tally]) -> None:
        self._stream = stream
        self._tallies = tallies
        self._read_before = -1
        self._input_before = -1
        self.is_under_way = False
        """Whether the last STATE was written while the tap was still working on the stream."""

    def state(self, value: bytes) -> None:
        """Process a STATE."""
        self.is_under_way = self._under_way(value)
        if not self.is_under_way:
            self._read_before = self._read()
            if not self._read_before:
                self._input_before = self._read_in_all()

    def activated(self) -> None:
        """Process an ACTIVATE_VERSION of the stream; one before its first record is ignored."""
        if self._read():
            self._read_before = self._read()

    def holds(self) -> bool:
        """Return whether no record of the stream (of any stream, if it is empty) came after the evidence."""
        if self._read_before != self._read():
            return False
        return self._read() > 0 or self._input_before == self._read_in_all()

    def _read(self) -> int:
        tally = self._tallies.get(self._stream)
        return tally.read if tally else 0

    def _read_in_all(self) -> int:
        return sum(tally.read for tally in self._tallies.values())

    def _under_way(self, state: bytes) -> bool:
        """Return whether a state comes from the middle of a stream: it is marked so, empty, or unreadable."""
        try:
            value = msgspec.json.decode(state)
        except msgspec.DecodeError:
            return True
        if not isinstance(value, dict):
            return value is None
        syncing = value.get("currently_syncing")
        return not value or bool(syncing and self._may_be_mine(syncing)) or self._is_marked(value)

    def _is_marked(self, state: dict[str, Any]) -> bool:
        bookmarks = state.get("bookmarks")
        if not isinstance(bookmarks, dict):
            return False
        found = [self._stream] if self._stream in bookmarks else filter(self._may_be_mine, bookmarks)
        return any(_holds_markers(bookmarks[name]) for name in found)

    def _may_be_mine(self, name: Any) -> bool:
        """Return whether a tap may mean this stream: a stream map may have given it another name."""
        return name == self._stream or not isinstance(name, str) or name not in self._tallies


def _holds_markers(bookmark: Any) -> bool:
    """Return whether a bookmark, or one of its partitions, is marked as unfinished."""
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions")
    parts = partitions if isinstance(partitions, list) else []
    return "progress_markers" in bookmark or any(_holds_markers(part) for part in parts)


_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
"""Deterministic, so that a column that has moved in its schema does not change any hash."""


class MirrorDelivery:
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
    ) -> None:
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
        self._completeness = Completeness(stream, fates.tallies)
        self._held: list[Snapshot] = []
        self._labels: dict[str, str] = {}
        self._origin: Origin | None = None
        self._open_since: int | None = None
        self._finished = self.failed = False

    def put(self, operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> None:
        """Stage one row."""
        self._since(ticket.line)
        self._origin = ticket.origin
        row, label = _row(operation, ticket)
        self._labels[row.name] = label
        self._staging.put(row)

    def state(self, line: int, value: bytes) -> None:
        """Take a STATE as evidence that the stream is complete, unless it was written in the middle."""
        self._since(line)
        self._completeness.state(value)

    def activated(self, stream: str, line: int) -> None:
        """Take an ACTIVATE_VERSION as evidence that its stream is complete."""
        _ = line
        if stream == self._stream:
            self._completeness.activated()

    def _since(self, line: int) -> None:
        """Hold the states from this line on: an empty stream has to be delivered, too."""
        if self._open_since is None:
            self._open_since = line

    def flush(self) -> None:
        """Do nothing: a mirror waits for the end of its stream."""

    def settle(self, timeout: float = 0.0) -> None:
        """Do nothing: a mirror waits for the end of its stream."""

    def salvage(self) -> None:
        """Do nothing: no request is in flight."""

    @property
    def waiting(self) -> bool:
        """Always false: a checkpoint does not send a mirror."""
        return False

    @property
    def in_flight(self) -> int:
        """Always 0: calls are made one at a time, and each waits for its answer."""
        return 0

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
        except StopRun:
            self.failed = True
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
        plans: list[tuple[MirrorPlan, str]] = []
        for destination in self._destinations:
            fed = fed_before(self._ledger, destination.scope, self._stream)
            if names:
                self._report_missing(fed.difference(names))
            plans += [(self._plan(destination, name), name) for name in names or sorted(fed)]
        unchanged = [self._unchanged(plans, name) for name in names]
        for plan, name in plans:
            plan.apply(self._stream, self._labels.get(name, name))
        self._ledger.take_stock(members)
        self._count(unchanged)

    def _guard_completeness(self) -> None:
        """Refuse a stream that was not read to its end, because members may be missing from it."""
        option = f"streams.{clean(self._stream)}.complete_at"
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
            f"`{option}` to `end_of_input`: the end of the input is then taken as proof, so a tap that dies "
            "unnoticed removes everybody it did not get to, up to `max_audience_shrink`"
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
        plan.look()
        if (why := plan.objection(self._guards())) is not None:
            self._refuse(why)
        return plan

    def _guards(self) -> Guards:
        """Return the guards; rejected rows without a usable ID do not count, as they cannot name members."""
        tally = self._fates.tally(self._stream)
        nameless = sum(tally.reasons[reason.code] for reason in NAMELESS)
        return Guards(self._max_shrink, self._options.allow_empty, max(0, tally.rejected - nameless))

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

    def refused(self, name: str, member: str, refusals: Sequence[Refusal]) -> bool:
        """Settle the records of a member that Batch refused; return whether there are any.

        A member refused by one destination is still sent to the others, but settled only once.
        """
        found = self._staging.last_word(name, member)
        if found is None or self._origin is None:
            return False
        if not found.refused:
            tickets = [Ticket(self._origin, found.line, found.source)] * found.records
            self._fates.refused(tickets, refusals)
        return True

    def _unchanged(self, plans: Sequence[tuple[MirrorPlan, str]], name: str) -> Count:
        """Count the rows that are already up to date in every destination, before anything is sent."""
        every = [plan.unchanged() for plan, planned in plans if planned == name]
        there = self._staging.count(self._staging.wanted(name), *(one.there for one in every))
        gone = self._staging.count(self._staging.unwanted(name), *(one.gone for one in every))
        return Count(there.members + gone.members, there.records + gone.records)

    def _count(self, unchanged: Sequence[Count]) -> None:
        """Settle every staged record as unchanged or delivered; refused ones are settled already."""
        every, refused = self._staging.count(), self._staging.refused()
        kept = sum(count.records for count in unchanged)
        sent = every.records - refused.records - kept
        members = every.members - refused.members - sum(count.members for count in unchanged)
        self._fates.mirrored(self._stream, unchanged=kept, delivered=sent, merged=sent - members)


NAMELESS = (Reason.MISSING_CUSTOM_ID, Reason.INVALID_CUSTOM_ID)


def _row(operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> tuple[Row, str]:
    """Return the row and the label of a membership, from an audience change or a boolean attribute."""
    if hasattr(operation, "custom_id"):
        ((name, value),) = operation.attributes.items()
        body = _encode({"id": operation.custom_id}) if value else None
        return Row(name, operation.custom_id, body, ticket.line, ticket.source), name
    member: dict[str, Any] = {"id": operation.member}
    if operation.attributes:
        member["attributes"] = operation.attributes
    if operation.tags:
        member["tags"] = operation.tags
    body = _encode(member) if operation.add else None
    return Row(operation.audience, operation.member, body, ticket.line, ticket.source), operation.display_name
