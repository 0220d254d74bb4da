"""A mirror makes an audience equal to its stream or refuses to; it never shrinks one by accident."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import DeliveryError, MirrorRefusedError
from target_batch.common.operations import AudienceChange, Origin, Ticket
from target_batch.config.settings import StreamOptions
from target_batch.delivery.fates import Fates
from target_batch.delivery.mirror import MirrorDelivery
from target_batch.ledger.database import Ledger
from target_batch.singer.messages import record_in

if TYPE_CHECKING:
    from collections.abc import Sequence


NEWEST = "t"


class NoRejects:
    """Rejects that are dropped."""

    def write(self, *_: Any, **__: Any) -> None:
        """Drop the reject."""


class CrashError(BaseException):
    """The process has died; a `BaseException`, so that the code under test does not catch it."""


class FakeAudience:
    """An audience in memory; a crash can happen before a call arrives or after it was applied."""

    scope = "test"
    where = ""
    chunk = 3
    can_replace = True

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}
        self.exists_ = False
        self.calls: list[str] = []
        self.crash_at: tuple[int, bool] | None = None
        self.smallest = 10**9

    def exists(self, name: str) -> bool:
        """Return whether the audience was created."""
        return self.exists_

    def size(self, name: str) -> int | None:
        """Return the number of members, None without an audience."""
        return len(self.members) if self.exists_ else None

    def _call(self, what: str, change: Any) -> Receipt:
        crash = self.crash_at is not None and len(self.calls) == self.crash_at[0]
        if crash and self.crash_at is not None and not self.crash_at[1]:
            raise CrashError
        self.exists_ = True
        change()
        self.calls.append(what)
        self.smallest = min(self.smallest, len(self.members))
        if crash:
            raise CrashError
        return Receipt(token=NEWEST)

    def expect(self, ids: Sequence[str]) -> None:
        """Do nothing."""

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Add members."""
        return self._call("add", lambda: self.members.update({json.loads(b)["id"]: b for b in bodies}))

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Remove members."""
        return self._call("remove", lambda: [self.members.pop(id_, None) for id_ in ids])

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Replace all members."""

        def change() -> None:
            self.members = {json.loads(b)["id"]: b for b in bodies}

        return self._call("replace", change)

    def vouch(self) -> None:
        """Accept all members."""

    def wait_until_indexed(self, name: str, token: str) -> int | None:
        """Return the size at once, because there is no index to wait for."""
        return len(self.members)


class World:
    """A ledger and an audience that outlive the runs."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.options = StreamOptions(kind="audiences", mode="mirror", audience="vip", **options)
        self.place = FakeAudience()
        self.logged: list[str] = []

    def run(self, ids: Sequence[str], *, complete: bool = True, shrink: float = 0.5) -> Fates:
        """Run the mirror over a stream of members."""
        fates = Fates(NoRejects(), 1.0)
        ledger = Ledger(f"sqlite:///{self.folder}/ledger.db", self.folder)
        delivery = MirrorDelivery(
            "cohort",
            self.options,
            [self.place],
            ledger=ledger,
            fates=fates,
            max_shrink=shrink,
            input_ended=lambda: True,
            tell=lambda _, note: self.logged.append(note),
            inform=self.logged.append,
        )
        tally = fates.tally("cohort")
        origin = Origin("cohort", {}, (), (), lambda _: (), record_in, tally)
        for line, member in enumerate(ids, start=2):
            tally.read += 1
            change = AudienceChange("vip", "VIP", member, add=True)
            delivery.put(change, Ticket(origin, line, b'{"type":"RECORD","record":{}}'))
        if complete:
            delivery.state(len(ids) + 3, b'{"done": true}')
        try:
            delivery.finish()
        finally:
            ledger.close()
        return fates

    @property
    def members(self) -> set[str]:
        """The IDs of the audience's members."""
        return set(self.place.members)


def numbered(first: int, last: int) -> list[str]:
    return [f"u{n}" for n in range(first, last + 1)]


def test_the_first_mirror_replaces_and_then_adds(tmp_path: Path) -> None:
    """Members beyond the first call are added and do not replace those of the first call."""
    world = World(tmp_path)
    world.run(numbered(1, 8))
    assert world.members == set(numbered(1, 8))
    assert world.place.calls == ["replace", "add", "add"]


def test_later_mirrors_send_only_the_differences(tmp_path: Path) -> None:
    """The plan is logged before the calls, and members that stay count as unchanged."""
    world = World(tmp_path)
    world.run(numbered(1, 8))
    world.place.calls.clear()
    fates = world.run(numbered(3, 9))
    assert world.members == set(numbered(3, 9))
    assert world.place.calls == ["add", "remove"]
    assert "Audience 'vip': +1 \N{MINUS SIGN}2 =6" in world.logged
    tally = fates.tally("cohort")
    assert (tally.delivered, tally.unchanged, tally.undelivered) == (1, 6, 0)


def test_an_unchanged_stream_makes_no_call(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(numbered(1, 4))
    world.place.calls.clear()
    fates = world.run([*numbered(1, 4), "u1"])
    assert world.place.calls == []
    assert fates.tally("cohort").unchanged == 5


def test_an_incomplete_stream_changes_nothing(tmp_path: Path) -> None:
    """A stream that was cut off must not remove members."""
    world = World(tmp_path)
    world.run(numbered(1, 4))
    with pytest.raises(MirrorRefusedError, match="did not prove complete"):
        world.run(numbered(1, 2), complete=False)
    assert world.members == set(numbered(1, 4))


def test_an_empty_stream_empties_the_audience_only_with_allow_empty(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(numbered(1, 4))
    with pytest.raises(MirrorRefusedError, match="allow_empty"):
        world.run([])
    assert world.members == set(numbered(1, 4))
    world.options = StreamOptions(kind="audiences", mode="mirror", audience="vip", allow_empty=True)
    world.run([])
    assert world.members == set()


def test_a_large_loss_is_refused_with_the_setting_that_allows_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(numbered(1, 8))
    with pytest.raises(MirrorRefusedError, match=r"lose 5 of its 8 members .*max_audience_shrink"):
        world.run(numbered(1, 3))
    assert world.members == set(numbered(1, 8))
    world.run(numbered(1, 3), shrink=1.0)
    assert world.members == set(numbered(1, 3))


def test_the_first_mirror_of_an_existing_audience_is_guarded_too(tmp_path: Path) -> None:
    """Without a snapshot, the mirror asks Batch for the size before it replaces members."""
    world = World(tmp_path)
    world.place.exists_ = True
    world.place.members = dict.fromkeys(numbered(1, 10), b"")
    with pytest.raises(MirrorRefusedError, match="lose 8 of its 10 members"):
        world.run(numbered(1, 2))
    assert len(world.members) == 10


def test_a_change_made_in_batch_by_something_else_is_not_noticed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(["a", "b", "c"])
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)
    ledger.close()
    world.place.members["a"] = b"stale"
    world.run(["a", "b", "c"])
    assert world.place.members["a"] == b"stale", "the ledger does not know of changes made elsewhere"


RUNS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(numbered(1, 12))),
        st.one_of(st.none(), st.tuples(st.integers(0, 6), st.booleans())),
        st.booleans(),
        st.sampled_from([0.5, 1.0]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None)
@given(RUNS)
def test_after_any_runs_and_crashes_the_audience_equals_the_stream(runs: list[Any]) -> None:
    """A run makes the audience equal to the stream or refuses and leaves it unchanged, also after crashes."""
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        for ids, crash, complete, shrink in runs:
            before = world.members
            world.place.smallest = len(before)
            world.place.crash_at = crash and (len(world.place.calls) + crash[0], crash[1])
            try:
                world.run(sorted(ids), complete=complete, shrink=shrink)
            except MirrorRefusedError:
                assert world.members == before
            except CrashError:
                if shrink < 1.0 and len(before) > world.place.chunk:
                    assert world.place.smallest >= min(world.place.chunk, len(ids))
            else:
                assert complete
                assert world.members == ids or (not ids and not before)
        final = set(numbered(1, 12))
        world.place.crash_at = None
        world.run(sorted(final))
        assert world.members == final


def test_a_ledger_that_is_not_a_database_is_refused_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database, and long enough to be read as one" * 50)
    with pytest.raises(DeliveryError, match="ledger_url"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)
