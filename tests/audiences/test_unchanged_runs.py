"""`skip_unchanged`, process by process: what Batch has already is not sent, what it may lack always is."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from singer import DATE_TIME, STRING, record, schema, state

from target_batch.ledger.database import Ledger
from target_batch.ledger.tables import payloads, writers
from tests.audiences.cohorts import DONE, feed, kill, numbered, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.audiences.cohorts import Loader

DAY = 86_400
USERS = schema("users", {"user_id": STRING, "plan": STRING}, ["user_id"])
EVENTS = schema("events", {"user_id": STRING, "event": STRING, "plan": STRING, "time": DATE_TIME})


@pytest.fixture
def skipping(loader: Loader, ledger_url: str) -> Loader:
    """Runs that skip what did not change, with either ledger."""
    loader.settings = {"skip_unchanged": True, "ledger_url": ledger_url}
    return loader


@pytest.fixture
def lite(loader: Loader) -> Loader:
    """The same on SQLite alone, where the ledger is not what is tested."""
    loader.settings = {"skip_unchanged": True}
    return loader


def users(ids: Iterable[str], plan: str = "free") -> list[str]:
    """Make records of the stream `users`."""
    return [record("users", user_id=id_, plan=plan) for id_ in ids]


def sent(loader: Loader, since: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """Return the accepted entries from a line of the journal on."""
    lines = loader.batch.journal()
    return [(line["custom_id"], line["attributes"]) for line in lines if line["n"] >= since]


def profile_calls(loader: Loader) -> int:
    """Count the calls that carried profiles."""
    return sum(row["endpoint"].startswith("profiles/") for row in loader.batch.requests())


def age(loader: Loader, days: float) -> None:
    """Make every entry of the SQLite ledger older."""
    with contextlib.closing(sqlite3.connect(loader.folder / "work" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE target_batch_payloads SET accepted = accepted - ?", (days * DAY,))


def test_a_stream_without_changes_makes_no_request(skipping: Loader) -> None:
    """A full table, twice: the second time costs nothing of the quota, and its state passes."""
    lines = [USERS, *users(numbered(1, 3000)), state(DONE)]
    assert skipping.run(lines).code == 0
    assert len(skipping.batch.journal()) == 3000
    calls = profile_calls(skipping)
    found = skipping.run(lines)
    assert found.code == 0, found.log
    assert profile_calls(skipping) == calls
    assert found.states == [DONE]
    counts = found.totals("users")
    assert (counts["delivered"], counts["unchanged"]) == (0, 3000)
    assert found.run["requests"] == 0


def test_what_changed_is_sent_and_nothing_else(skipping: Loader) -> None:
    """New ones, changed ones, changed back ones."""
    skipping.run([USERS, *users(numbered(1, 50)), state(DONE)])
    since = len(skipping.batch.journal())
    changed = [USERS, *users(numbered(1, 48)), *users(["u49"], "plus"), *users(["u50", "u51"]), state(DONE)]
    assert skipping.run(changed).code == 0
    assert sorted(sent(skipping, since)) == [("u49", {"plan": "plus"}), ("u51", {"plan": "free"})]
    since = len(skipping.batch.journal())
    assert skipping.run([USERS, *users(numbered(1, 51)), state(DONE)]).code == 0
    assert sent(skipping, since) == [("u49", {"plan": "free"})]


def test_a_new_column_is_sent_where_a_row_has_it(skipping: Loader) -> None:
    """A SCHEMA that grew is no reason to send a million profiles that did not change."""
    skipping.run([USERS, *users(numbered(1, 50)), state(DONE)])
    since = len(skipping.batch.journal())
    wider = schema("users", {"user_id": STRING, "plan": STRING, "team": STRING}, ["user_id"])
    one = record("users", user_id="u50", plan="free", team="red")
    for _ in range(2):
        assert skipping.run([wider, *users(numbered(1, 49)), one, state(DONE)]).code == 0
    assert sent(skipping, since) == [("u50", {"plan": "free", "team": "red"})]


def test_a_null_is_a_payload_of_its_own(lite: Loader) -> None:
    """Deleting an attribute is a change; deleting it again is none."""
    lite.run([USERS, *users(["u1"]), state(DONE)])
    gone = [USERS, record("users", user_id="u1", plan=None), state(DONE)]
    since = len(lite.batch.journal())
    assert lite.run(gone).code == 0
    assert sent(lite, since) == [("u1", {"plan": None})]
    assert lite.run(gone).totals("users")["unchanged"] == 1


def test_an_entry_expires_so_that_drift_heals(lite: Loader) -> None:
    """Somebody changed the profile in Batch; after the age limit it is put right again."""
    lines = [USERS, *users(numbered(1, 40)), state(DONE)]
    lite.run(lines)
    age(lite, 22)
    assert lite.run(lines).totals("users")["unchanged"] == 40, "three quarters of 30 days are not over"
    age(lite, 4)
    some = lite.run(lines).totals("users")["delivered"]
    assert 0 < some < 40, "they expire on different days"
    age(lite, 30)
    assert lite.run(lines).totals("users")["delivered"] == 40
    assert lite.run(lines).totals("users")["unchanged"] == 40
    age(lite, 2)
    assert lite.run(lines, unchanged_max_age_days=1).totals("users")["delivered"] == 40


def test_a_clock_that_goes_back_is_no_reason_to_skip(lite: Loader) -> None:
    lines = [USERS, *users(["u1"]), state(DONE)]
    lite.run(lines)
    age(lite, -5)
    assert lite.run(lines).totals("users")["delivered"] == 1


def test_events_of_the_same_user_are_always_sent(lite: Loader) -> None:
    """An event is never skipped, and one that shares an entry with attributes takes them with it."""
    now = datetime.now(timezone.utc).isoformat()
    opened = record("events", user_id="u1", event="opened", time=now)
    lines = [USERS, *users(["u1", "u2"]), EVENTS, opened, state(DONE)]
    assert lite.run(lines).code == 0
    found = lite.run(lines)
    assert found.code == 0, found.log
    assert found.codes() == []
    events = [event["name"] for line in lite.batch.journal() for event in line["events"]]
    assert events == ["opened", "opened"]
    assert found.totals("events")["delivered"] == 1
    assert lite.batch.attributes("u1") == {"plan": "free"}
    found = lite.run([USERS, *users(["u1", "u2"]), state(DONE)])
    assert found.code == 0, found.log
    assert lite.batch.attributes("u1") == {"plan": "free"}


def test_a_stream_that_changes_back_what_another_wrote_is_not_skipped(lite: Loader) -> None:
    """Two streams write one attribute: the later row wins, even where it is what it was last time."""
    crm = schema("crm_users", {"user_id": STRING, "plan": STRING}, ["user_id"])
    lines = [
        USERS,
        *users(["u1"], "free"),
        crm,
        record("crm_users", user_id="u1", plan="plus"),
        state(DONE),
    ]
    for _ in range(2):
        found = lite.run(lines)
        assert found.code == 0, found.log
        assert lite.batch.attributes("u1") == {"plan": "plus"}


CRM = schema("crm_users", {"user_id": STRING, "plan": STRING, "city": STRING}, ["user_id"])
ORDERS = schema("order_users", {"user_id": STRING, "spend": STRING}, ["user_id"])


def crm_users(plan: str) -> list[str]:
    """Make the whole stream `crm_users`."""
    return [CRM, record("crm_users", user_id="u1", plan=plan, city="Lyon"), state(DONE)]


def test_in_runs_of_their_own_the_later_stream_wins_too(skipping: Loader) -> None:
    """Each stream sends what it sent last time wherever the other one wrote since; others skip as ever."""
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    orders = [ORDERS, record("order_users", user_id="u1", spend="12"), state(DONE)]
    skipping.run(mine)
    skipping.run(orders)
    for _ in range(2):
        for lines, plan in ((crm_users("plus"), "plus"), (mine, "free")):
            found = skipping.run(lines)
            assert found.code == 0, found.log
            assert skipping.batch.attributes("u1") == {"plan": plan, "spend": "12", "city": "Lyon"}
    assert "Stream 'users': stream 'crm_users' writes 'plan', too" in found.log
    since = len(skipping.batch.journal())
    for lines in (mine, orders):
        assert skipping.run(lines).code == 0
    assert sent(skipping, since) == [], "nobody else wrote since"


def test_a_longer_memory_recalls_nothing_that_was_overwritten(skipping: Loader) -> None:
    """A day's memory is over, another stream writes the attribute; then the setting is raised."""
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    skipping.run(mine, unchanged_max_age_days=1)
    ledger = Ledger(skipping.settings["ledger_url"], skipping.folder)
    with ledger.begin() as connection:
        connection.execute(sa.update(payloads).values(accepted=payloads.c.accepted - 3 * DAY))
        connection.execute(sa.update(writers).values(until=writers.c.until - 3 * DAY))
    ledger.close()
    skipping.run(crm_users("plus"), unchanged_max_age_days=1)
    assert skipping.run(mine).code == 0
    assert skipping.batch.attributes("u1")["plan"] == "free"


def test_an_attribute_is_the_same_with_a_type_in_its_name(lite: Loader) -> None:
    """`date(plan)` of one stream overwrites `plan` of another one."""
    dated = schema("dated_users", {"user_id": STRING, "plan": DATE_TIME}, ["user_id"])
    other = [dated, record("dated_users", user_id="u1", plan="2026-01-02T00:00:00Z"), state(DONE)]
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    lite.run(mine)
    lite.run(other)
    since = len(lite.batch.journal())
    lite.run(mine)
    lite.run(other)
    assert [list(attributes) for _, attributes in sent(lite, since)] == [["plan"], ["date(plan)"]]


def test_what_a_stream_of_messages_wrote_is_written_again(lite: Loader) -> None:
    """Traits of a Segment message are not remembered, and overwrite what is."""
    messages = schema("segment", {"type": STRING, "userId": STRING, "traits": {"type": ["object", "null"]}})
    identify = record("segment", type="identify", userId="u1", traits={"plan": "trial"})
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    lite.run(mine)
    found = lite.run([messages, identify, state(DONE)], streams={"segment": {"kind": "segment"}})
    assert found.code == 0, found.log
    assert lite.batch.attributes("u1") == {"plan": "trial"}
    lite.run(mine)
    assert lite.batch.attributes("u1") == {"plan": "free"}


def test_what_batch_refused_is_not_remembered(lite: Loader) -> None:
    """Only an entry that was accepted as a whole is skipped."""
    error = {"errors": [{"bulk_index": 1, "reason": "INVALID", "category": "x", "attribute": "plan"}]}
    lite.batch.fault({"partial_errors": error}, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    assert lite.run(lines).code == 0
    found = lite.run(lines)
    assert (found.totals("users")["delivered"], found.totals("users")["unchanged"]) == (1, 2)
    assert lite.batch.attributes("u2") == {"plan": "free"}


def test_what_batch_refuses_stops_no_later_night(lite: Loader) -> None:
    """Where all others are unchanged nothing is accepted in this run; it is that profile all the same."""
    lite.batch.fault({"refuse_ids": ["u2"]})
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    for unchanged in (0, 2, 2):
        found = lite.run(lines)
        assert found.code == 0, found.log
        counts = found.totals("users")
        assert (counts["unchanged"], counts["rejected"]) == (unchanged, 1)


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_a_crash_skips_nothing_that_batch_may_lack(skipping: Loader, *, applied: bool) -> None:
    """What was on the wire when the process died is sent again."""
    skipping.run([USERS, *users(numbered(1, 5)), state(DONE)])
    hang = {"delay": {"seconds": 60, "then": "reset"}}
    skipping.batch.fault({"accept_then": hang} if applied else hang, path="*/profiles/*", nth=[1])
    changed = [USERS, *users(["u1"], "plus"), state(DONE)]
    process = skipping.cold()
    feed(process, changed, end=True)
    wait_for(skipping.batch.hits)
    kill(process)
    skipping.unhang()
    original = [USERS, *users(numbered(1, 5)), state(DONE)]
    found = skipping.run(original)
    assert found.code == 0, found.log
    assert found.totals("users")["delivered"] == 1
    assert skipping.batch.attributes("u1") == {"plan": "free"}


def test_another_project_is_another_memory(lite: Loader) -> None:
    lines = [USERS, *users(["u1"]), state(DONE)]
    lite.run(lines)
    assert lite.run(lines, project_key="project_other").totals("users")["delivered"] == 1


def test_a_lost_ledger_sends_everything_once_more(lite: Loader) -> None:
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    lite.run(lines)
    (lite.folder / "work" / "ledger.db").unlink()
    assert lite.run(lines).totals("users")["delivered"] == 3


def test_the_ledger_holds_no_attribute(lite: Loader) -> None:
    """Only hashes: a copy of the file gives nobody away."""
    lite.run([USERS, *users(["u1"], "canary-plan"), state(DONE)])
    assert b"canary-plan" not in (lite.folder / "work" / "ledger.db").read_bytes()
