"""Reading a ledger of either kind shows what is certain, and does not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from target_batch.common.errors import ConfigurationError
from target_batch.ledger.accepted import Outcome, ProfileMemory, ProfileReader
from target_batch.ledger.database import Ledger, opened_copy, opened_to_read
from target_batch.ledger.held import tag_of
from target_batch.ledger.tables import versions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SEAT, PLAN = tag_of("seat"), tag_of("plan")


def accept(ledger: Ledger, ids: Iterable[str], *, answered: bool = True) -> None:
    """Send two attributes of some profiles, with an answer or without."""
    memory = ProfileMemory(ledger, "project", 30, lambda: 0.0)
    with ledger.turn() as connection:
        claim, _ = memory.claim(connection, [(id_, {"seat": 1, "plan": "free"}, b"") for id_ in ids])
        if answered and claim is not None:
            memory.record(connection, claim, Outcome())


def opened(url: str, folder: Path) -> Ledger:
    found = opened_to_read(url, folder)
    assert found is not None
    return found


def test_accepted_values_are_known_and_values_in_doubt_are_not(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiles are looked up by ID and counted in parts, without disturbing a run at the same time."""
    monkeypatch.setattr("target_batch.ledger.accepted.ROWS_AT_ONCE", 7)
    ledger = Ledger(ledger_url, tmp_path)
    accept(ledger, [f"u{number}" for number in range(21)])
    with ledger.turn() as connection:
        memory = ProfileMemory(ledger, "project", 30, lambda: 0.0)
        claim, _ = memory.claim(connection, [("u1", {"seat": 2}, b"")])
    accept(ledger, ["new"], answered=False)
    reading = opened(ledger_url, tmp_path)
    reader = ProfileReader(reading, "project")
    first, second, new, stranger, again = reader.known(["u0", "u1", "new", "stranger", "u0"])
    assert first.holds(SEAT, "seat", 1)
    assert first.holds(PLAN, "plan", "free")
    assert not first.holds(SEAT, "seat", 2)
    assert not first.holds(SEAT, "date(seat)", 1)
    assert second.hashes.keys() == {PLAN}
    assert (new.hashes, stranger.hashes) == ({}, {})
    assert again == first
    assert (reader.count({SEAT}), reader.count({PLAN, SEAT}), reader.count({tag_of("x")})) == (20, 21, 0)
    assert next(ProfileReader(reading, "other").known(["u0"])).hashes == {}
    reading.close()
    assert claim is not None
    with ledger.turn() as connection:
        memory.record(connection, claim, Outcome())
    ledger.close()


def test_reading_does_not_create_a_missing_ledger(tmp_path: Path, ledger_url: str) -> None:
    assert opened_to_read(ledger_url, tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", [-1, 1])
def test_reading_refuses_a_ledger_of_another_version_without_changing_it(
    ledger_url: str, tmp_path: Path, step: int
) -> None:
    ledger = Ledger(ledger_url, tmp_path)
    with ledger.begin() as connection:
        connection.execute(sa.update(versions).values(version=versions.c.version + step))
        other = connection.scalar(sa.select(versions.c.version))
    with pytest.raises(ConfigurationError, match="written by another version"):
        opened_to_read(ledger_url, tmp_path)
    with ledger.begin() as connection:
        assert connection.scalar(sa.select(versions.c.version)) == other
    ledger.close()


def test_copying_the_ledger_for_a_dry_run_neither_waits_for_a_writer_nor_blocks_it(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has what a run has committed, but not its open transaction, and the run goes on."""
    monkeypatch.setattr("target_batch.ledger.database.BUSY_SECONDS", 1)
    ledger = Ledger(ledger_url, tmp_path)
    accept(ledger, ["u1", "u2"])
    memory = ProfileMemory(ledger, "project", 30, lambda: 0.0)
    with ledger.turn() as connection:
        memory.claim(connection, [("u2", {"seat": 2}, b""), ("u3", {"seat": 3}, b"")])
        (tmp_path / "copy").mkdir()
        copy = opened_copy(ledger_url, tmp_path, tmp_path / "copy")
    first, second, third = ProfileReader(copy, "project").known(["u1", "u2", "u3"])
    assert first.hashes.keys() == second.hashes.keys() == {SEAT, PLAN}
    assert not third.hashes
    copy.close()
    (after,) = ProfileReader(ledger, "project").known(["u2"])
    assert after.hashes.keys() == {PLAN}
    ledger.close()
