"""How much of the quota a run uses: merged operations, and the endpoint that `auto` chooses."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from local_batch import LocalBatch
from singer import DATE_TIME, INTEGER, STRING, record, schema, state, users
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

USERS = {"user_id": STRING, "seat": INTEGER}
EVENTS = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "seat": INTEGER}


def endpoints(batch: LocalBatch) -> dict[str, int]:
    """Return the requests that were accepted, by endpoint."""
    found = batch.summary()["requests"]["by_endpoint"]
    return {name: answers["202"] for name, answers in found.items() if "202" in answers}


def test_users_and_events_of_one_custom_id_share_an_entry(tmp_path: Path, batch: LocalBatch) -> None:
    """Forty customers with twenty purchases each take two entries each: the customer and 15, and the rest."""
    now = datetime.now(timezone.utc).isoformat()
    lines = [schema("users", USERS), schema("events", EVENTS)]
    lines += [record("users", user_id=f"u{who}", seat=who) for who in range(40)]
    for seat in range(20):
        lines += [
            record("events", user_id=f"u{who}", event="bought", time=now, seat=seat) for who in range(40)
        ]
    lines += [record("users", user_id="u7", seat=777), state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.emitted) == (0, ['{"seen": 1}'])
    journal = batch.journal()
    assert Counter(line["custom_id"] for line in journal) == {f"u{who}": 2 for who in range(40)}
    assert sum(row["entries"] for row in batch.requests() if row["method"] == "POST") == 80
    first = journal[0]
    assert (first["attributes"], len(first["events"])) == ({"seat": 0}, 15)
    seats = [
        event["attributes"]["seat"]
        for line in journal
        if line["custom_id"] == "u3"
        for event in line["events"]
    ]
    assert seats == list(range(20))
    assert batch.attributes("u7") == {"seat": 777}
    assert ended.totals("users")["merged"] + ended.totals("events")["merged"] == 841 - 80
    assert "merging saved 761 updates of the quota" in ended.log


@pytest.mark.parametrize(
    ("people", "others", "expected"),
    [(600, 400, {"profiles/update": 5}), (600, 401, {"profiles/mass-update": 1})],
    ids=["1,000 together", "1,001 together"],
)
def test_auto_chooses_the_endpoint_by_the_number_of_custom_ids_at_once(
    tmp_path: Path, batch: LocalBatch, people: int, others: int, expected: dict[str, int]
) -> None:
    """Up to 1,000 custom IDs at once go to the quick endpoint, whether they get attributes or events."""
    timeless = {name: kind for name, kind in EVENTS.items() if name != "time"}
    lines = [*users(1, people), schema("events", timeless)]
    lines += [record("events", user_id=f"e{n}", event="seen", seat=n) for n in range(others)]
    ended = run(tmp_path, batch.url, [*lines, *lines[1:]], late_events="now")
    assert ended.code == 0
    assert endpoints(batch) == expected
    assert batch.summary()["profiles"] == people + others


def test_a_lowered_limit_does_not_overrun_the_quick_endpoint(tmp_path: Path) -> None:
    """Mass updates allow 1,000 a second and /profiles/update does not; no call is answered with 429."""
    with LocalBatch(tmp_path) as batch:
        ended = run(tmp_path, batch.url, users(1, 2500, every=100), max_updates_per_second=1000)
        assert ended.code == 0
        assert batch.summary()["requests"]["by_endpoint"].keys() == {"profiles/mass-update"}
        assert ended.run["throttled"] == 0
        batch.reset()
        ended = run(tmp_path, batch.url, users(1, 900, every=100), max_updates_per_second=1000)
        answers = batch.summary()["requests"]["by_endpoint"]
        assert (ended.code, {**answers["profiles/update"]}) == (0, {"202": 5})
