"""Locks of the database decide which run holds an audience and what dead runs left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from target_batch.ledger.database import Ledger
from target_batch.ledger.members import Row, Snapshot, Staging, TakenOverError
from target_batch.ledger.tables import arrivals, audiences

if TYPE_CHECKING:
    from pathlib import Path


def arrived(ledger: Ledger) -> set[str]:
    with ledger.begin() as connection:
        return set(connection.scalars(sa.select(arrivals.c.member)))


def test_an_audience_is_held_until_its_run_ends(ledger_url: str, tmp_path: Path) -> None:
    """The lock does not expire, and it is released in any case when the run ends."""
    first, second = Ledger(ledger_url, tmp_path), Ledger(ledger_url, tmp_path)
    held, wanted = Snapshot(first, "place", "vip"), Snapshot(second, "place", "vip")
    assert held.hold("cohort") is None
    assert "another run is mirroring it" in (wanted.hold("cohort") or "")
    assert Snapshot(second, "place", "other").hold("cohort") is None
    first.close()
    assert wanted.hold("cohort") is None
    second.close()


def test_a_run_that_lost_its_audience_to_another_one_stops_before_it_writes(
    ledger_url: str, tmp_path: Path
) -> None:
    """Its sessions were cut, so another run took it for dead and took the audience over."""
    first, second = Ledger(ledger_url, tmp_path), Ledger(ledger_url, tmp_path)
    held, wanted = Snapshot(first, "place", "vip"), Snapshot(second, "place", "vip")
    assert held.hold("cohort") is None
    first.release()
    if second.in_postgresql:
        others = (  # waits until they have ended, for a session that is ending still holds its locks
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        )
        with second.begin() as connection:
            connection.execute(sa.text(f"{others} AND datname = current_database()"))
    assert wanted.hold("cohort") is None
    with pytest.raises(TakenOverError, match="Another run took over audience 'vip'"):
        held.doubt_removes(["u1"])
    held.release()
    with second.begin() as connection:
        assert connection.scalar(sa.select(audiences.c.held_by)) == second.run
    first.close()
    second.close()


def test_the_staged_rows_of_a_dead_run_are_deleted_and_those_of_a_live_run_are_kept(
    ledger_url: str, tmp_path: Path
) -> None:
    first, second = Ledger(ledger_url, tmp_path), Ledger(ledger_url, tmp_path)
    for ledger, member in ((first, "u1"), (second, "u2")):
        staging = Staging(ledger)
        staging.put(Row("vip", member, b"{}", 1, b"{}"))
        staging.flush()
    third = Ledger(ledger_url, tmp_path)
    Staging(third)
    assert arrived(third) == {"u1", "u2"}
    first.close()
    Staging(third)
    assert arrived(third) == {"u2"}
    second.close()
    third.close()
