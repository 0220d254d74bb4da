"""Mirror: the stream is the whole truth of an audience; only the differences are sent.

Nothing is changed before the input has proved complete and every guard has let the plan pass. What a
call may change is unknown in the ledger from before the call until its answer, so that the next run
heals whatever a crash leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.errors import DeliveryError, StopRun
from target_batch.fates import Ticket
from target_batch.redaction import clean
from target_batch.staging import OPEN, REFUSED, SENT, Mirror, Row, Staging, fed_before

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.api.bulk import Receipt
    from target_batch.api.clock import Clock
    from target_batch.fates import Fates, Origin
    from target_batch.ledger import Ledger
    from target_batch.operations import AudienceChange, ProfileUpdate
    from target_batch.options import StreamOptions
    from target_batch.places import Place

_encode = msgspec.json.Encoder(decimal_format="number").encode


class MirrorRefusedError(DeliveryError):
    """A guard stands against the plan: nothing was changed, the state is held, exit code 1."""


class MirrorLane:
    """Stages the rows of one stream and, at the end, makes its audiences like it."""

    def __init__(  # noqa: PLR0913 - it is where the ledger, the places and the run meet
        self,
        stream: str,
        options: StreamOptions,
        places: Sequence[Place],
        *,
        ledger: Ledger,
        fates: Fates,
        clock: Clock,
        run: str,
        max_shrink: float,
        input_ended: Callable[[], bool],
        tell: Callable[[str, str], None],
        inform: Callable[[str], None],
    ) -> None:
        self._stream = stream
        self._options = options
        self._places = places
        self._ledger = ledger
        self._fates = fates
        self._clock = clock
        self._run = run
        self._max_shrink = max_shrink
        self._input_ended = input_ended
        self._tell = tell
        self._inform = inform
        self._staging = Staging(ledger, run, stream)
        self._labels: dict[str, str] = {}
        self._origin: Origin | None = None
        self._first_line: int | None = None
        self._last_line = self._proof_line = 0
        self.failed = False

    def put(self, operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> None:
        """Stage one row."""
        if self._first_line is None:
            self._first_line = ticket.line
        self._last_line = ticket.line
        self._origin = ticket.origin
        row, label = _row(operation, ticket)
        self._labels[row.name] = label
        self._staging.put(row)

    def state(self, line: int, value: bytes) -> None:
        """Take a STATE as proof that the stream was whole, unless it says that it is under way."""
        if not _under_way(value, self._stream):
            self._proof_line = line

    def activated(self, stream: str, line: int) -> None:
        """Take an ACTIVATE_VERSION as proof that its stream was whole."""
        if stream == self._stream:
            self._proof_line = line

    def flush(self) -> None:
        """Do nothing: a mirror waits for the end of its stream."""

    def settle(self, timeout: float = 0.0) -> None:
        """Do nothing: a mirror waits for the end of its stream."""

    def salvage(self) -> None:
        """Do nothing: there is nothing on the wire."""

    @property
    def waiting(self) -> bool:
        """Never: a checkpoint does not send a mirror."""
        return False

    @property
    def in_flight(self) -> int:
        """Nothing is on the wire between calls."""
        return 0

    def oldest_line(self) -> int | None:
        """The line of the first row, until the mirror is done."""
        return self._first_line

    def finish(self) -> None:
        """Guard, plan, send, and commit.

        Raises:
            MirrorRefusedError: a guard stands against it; nothing was changed.
            StopRun: a call could not be delivered.
        """
        try:
            self._staging.flush()
            self._mirror()
            self._count()
            self._first_line = None
        except StopRun:
            self.failed = True
            raise
        finally:
            self._staging.drop()

    def _mirror(self) -> None:
        if self._proof_line <= self._last_line or not self._input_ended():
            self._refuse(
                "the input did not prove complete: no STATE or ACTIVATE_VERSION came after its last record, "
                "or the run was stopped. Let the tap run to its end"
            )
        names = self._staging.names()
        plans: list[tuple[Place, Mirror, str, bool]] = []
        for place in self._places:
            fed = fed_before(self._ledger, place.scope, self._stream)
            self._report_missing(fed - set(names), rows=bool(names))
            for name in names or sorted(fed):
                mirror = Mirror(self._ledger, self._staging, place.scope, name, self._stream)
                plans.append((place, mirror, name, self._guard(place, mirror, name)))
        for place, mirror, name, known in plans:
            self._apply(place, mirror, name, known=known)

    def _report_missing(self, missing: set[str], *, rows: bool) -> None:
        if not missing:
            return
        shown = ", ".join(clean(name, 60) for name in sorted(missing)[:5])
        if not rows and not self._options.allow_empty:
            self._refuse(
                f"it holds no row, so every member of {len(missing)} audience(s) ({shown}) would be removed. "
                f"If that is meant, set `streams.{self._stream}.allow_empty` to true"
            )
        if rows:
            self._tell(self._stream, f"no row came for {shown}: their members stay as they are.")

    def _guard(self, place: Place, mirror: Mirror, name: str) -> bool:
        """Let a plan pass or refuse it; return whether the ledger knows the members."""
        if mirror.held_by_another(self._run, self._clock.time()):
            self._refuse(f"another run is at audience '{clean(name)}'. Let it end, then run again")
        size = mirror.size()
        if mirror.is_known():
            self._inform(f"Audience '{clean(name)}': {size}")
            before, after, plan = size.before, size.before - size.removes, str(size)
        else:
            before = place.size(name) or 0
            after, plan = size.adds + size.same, f"replace {before} by {size.adds + size.same}"
            self._inform(f"Audience '{clean(name)}' is not in the ledger: {plan}")
        allowed = self._options.allow_empty and not after
        if before - after > before * self._max_shrink and not allowed:
            self._refuse(
                f"audience '{clean(name)}' would shrink from {before} to {after} members ({plan}), more than "
                f"`max_audience_shrink` ({self._max_shrink}) allows. If that is meant, raise it for one run"
            )
        return mirror.is_known()

    def _refuse(self, why: str) -> None:
        raise MirrorRefusedError(
            f"Stream '{clean(self._stream)}' was not mirrored: {why}. Nothing was changed, the state is held."
        )

    def _apply(self, place: Place, mirror: Mirror, name: str, *, known: bool) -> None:
        label = self._labels.get(name, name)
        mirror.take(self._run, self._clock.time(), known=known or not place.can_replace)
        token = ""
        replaces = place.can_replace and not known
        while adds := mirror.next_adds(place.chunk):
            call = place.replace if replaces else place.add
            receipt = call(name, label, [body for _, body, _ in adds])
            refused = self._refused(name, adds, receipt)
            mirror.added([(member, hash_) for member, _, hash_ in adds if member not in refused])
            self._staging.mark(name, [member for member, _, _ in adds], SENT)
            if replaces:
                mirror.replaced()
                replaces = False
            token = self._continue(mirror, name, receipt) or token
        while not replaces and (removes := mirror.next_removes(place.chunk)):
            receipt = place.remove(name, label, removes)
            self._stop_at(receipt)
            mirror.removed(removes)
            self._staging.mark(name, removes, SENT)
            token = self._continue(mirror, name, receipt) or token
        place.settle(name, token)
        mirror.release(self._run)

    def _continue(self, mirror: Mirror, name: str, receipt: Receipt) -> str:
        if not mirror.still_mine(self._run, self._clock.time()):
            raise DeliveryError(
                f"Another run took audience '{clean(name)}' over, so this one stops and the state is held. "
                "Let only one run at a time mirror an audience."
            )
        return str(receipt.document.get("indexing_token", ""))

    def _stop_at(self, receipt: Receipt) -> None:
        if receipt.failure is not None:
            raise receipt.failure

    def _refused(self, name: str, adds: list[tuple[str, bytes, bytes]], receipt: Receipt) -> set[str]:
        """Reject the members that Batch refuses; stop if anything is unconfirmed."""
        self._stop_at(receipt)
        refused = {adds[index][0]: found for index, found in receipt.refused.items()}
        self._staging.mark(name, list(refused), REFUSED)
        for member, found in refused.items():
            line, source, records = self._staging.source(name, member)
            if self._origin is not None:
                tickets = [Ticket(self._origin, line, source)] * records
                self._fates.refused(tickets, found, repeatable=True)
        return set(refused)

    def _count(self) -> None:
        """Settle every staged record: sent ones are delivered, the others were true already."""
        counts = self._staging.counts()
        tally = self._fates.tally(self._stream)
        tally.unchanged += counts.get(OPEN, (0, 0))[1]
        sent, records = counts.get(SENT, (0, 0))
        tally.delivered += records
        tally.merged += records - sent


def _row(operation: AudienceChange | ProfileUpdate, ticket: Ticket) -> tuple[Row, str]:
    """Read a membership from either form: a change of an audience, or a boolean attribute."""
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


def _under_way(state: bytes, stream: str) -> bool:
    """Tell whether a state was written in the middle of a stream, as taps mark it."""
    try:
        value = msgspec.json.decode(state)
    except msgspec.DecodeError:
        return True
    if not isinstance(value, dict):
        return False
    bookmarks = value.get("bookmarks")
    bookmark = bookmarks.get(stream) if isinstance(bookmarks, dict) else None
    marked = isinstance(bookmark, dict) and "progress_markers" in bookmark
    return marked or value.get("currently_syncing") == stream
