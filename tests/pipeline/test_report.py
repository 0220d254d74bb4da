"""The demo's verdict can be negative: any difference between the two sides shows in a line."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from demo.local_batch import Held, LocalBatch
from demo.report import Line, Rejects, compare, read_rejects

if TYPE_CHECKING:
    from pathlib import Path

    from demo.database import Database

ROW = {
    "orders": 2,
    "cds_bought": 6,
    "spend": Decimal("89.00"),
    "date(first_purchase)": "1997-01-12",
    "date(last_purchase)": "1997-01-12",
    "date(updated_at)": "2026-11-22T21:20:01",
}
PROFILE = {
    **ROW,
    "spend": 89,
    "date(first_purchase)": "1997-01-12T00:00:00Z",
    "date(last_purchase)": "1997-01-12T00:00:00Z",
    "date(updated_at)": "2026-11-22T21:20:01.094852Z",
}
EVENT = {"name": "purchase", "attributes": {"amount": Decimal("77.00")}}


class FakeDatabase:
    """One customer, a big spender, with an old purchase and one of today."""

    def customers(self) -> dict[str, dict[str, Any]]:
        return {"2": dict(ROW)}

    def members(self) -> set[str]:
        return {"2"}

    def figures(self) -> dict[str, Any]:
        return {"purchases": 2, "today": 1, "amount_today": Decimal("77.00")}


class FakeBatch:
    """A local Batch that holds what a test gives it."""

    def __init__(
        self, profile: dict[str, Any] | None, members: set[str], events: list[dict[str, Any]]
    ) -> None:
        self._held = Held({} if profile is None else {"2": profile}, events)
        self._members = members

    def held(self) -> Held:
        return self._held

    def members(self, audience: str) -> set[str]:
        return self._members if audience == "big_spenders" else set()


def lines(batch: FakeBatch, rejected: set[int] | None = None) -> list[Line]:
    rejects = Rejects({1} if rejected is None else rejected, Counter())
    return compare(cast("Database", FakeDatabase()), cast("LocalBatch", batch), rejects)


def test_both_sides_agree_where_they_hold_the_same() -> None:
    assert all(line.agrees for line in lines(FakeBatch(PROFILE, {"2"}, [EVENT])))


@pytest.mark.parametrize(
    ("batch", "rejected"),
    [
        pytest.param(FakeBatch(None, {"2"}, [EVENT]), {1}, id="a profile is missing"),
        pytest.param(FakeBatch({**PROFILE, "orders": 3}, {"2"}, [EVENT]), {1}, id="wrong value"),
        pytest.param(FakeBatch({**PROFILE, "extra": 1}, {"2"}, [EVENT]), {1}, id="one too many"),
        pytest.param(FakeBatch(PROFILE, set(), [EVENT]), {1}, id="a member is missing"),
        pytest.param(FakeBatch(PROFILE, {"3"}, [EVENT]), {1}, id="another member"),
        pytest.param(FakeBatch(PROFILE, {"2"}, []), {1}, id="an event is missing"),
        pytest.param(FakeBatch(PROFILE, {"2"}, [EVENT, EVENT]), {1}, id="an event came twice"),
        pytest.param(FakeBatch(PROFILE, {"2"}, [EVENT]), set(), id="a reject is missing"),
    ],
)
def test_a_difference_shows(batch: FakeBatch, rejected: set[int]) -> None:
    assert not all(line.agrees for line in lines(batch, rejected))


def test_a_purchase_rejected_by_two_runs_counts_once(tmp_path: Path) -> None:
    record = {"purchase_id": 7, "_batch_reject": [{"code": "event_outside_window"}]}
    files = [tmp_path / "1.singer.jsonl", tmp_path / "2.singer.jsonl"]
    for file in files:
        messages: list[dict[str, Any]] = [{"type": "SCHEMA"}, {"type": "RECORD", "record": record}]
        file.write_text("".join(f"{json.dumps(message)}\n" for message in messages))
    assert read_rejects(files) == Rejects({7}, Counter({"event_outside_window": 1}))
