"""`skip_unchanged`, process by process: what Batch has already is not sent, what it may lack always is."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from singer import DATE_TIME, STRING, record, schema, state

from tests.audiences.cohorts import DONE, feed, kill, numbered, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.audiences.cohorts import Loader

AN_HOUR_AGO = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
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
    assert sent(skipping, since) == [("u50", {"team": "red"})]


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
    lite.age(22)
    assert lite.run(lines).totals("users")["unchanged"] == 40, "three quarters of 30 days are not over"
    lite.age(4)
    some = lite.run(lines).totals("users")["delivered"]
    assert 0 < some < 40, "they expire on different days"
    lite.age(30)
    assert lite.run(lines).totals("users")["delivered"] == 40
    assert lite.run(lines).totals("users")["unchanged"] == 40
    lite.age(2)
    assert lite.run(lines, unchanged_max_age_days=1).totals("users")["delivered"] == 40


def test_a_clock_that_goes_back_is_no_reason_to_skip(lite: Loader) -> None:
    lines = [USERS, *users(["u1"]), state(DONE)]
    lite.run(lines)
    lite.age(-5)
    assert lite.run(lines).totals("users")["delivered"] == 1


def happened(*numbers: int, **columns: Any) -> list[str]:
    """Make events of one user, a minute apart."""
    times = [(AN_HOUR_AGO + timedelta(minutes=number)).isoformat() for number in numbers]
    return [record("events", user_id="u1", event="opened", time=time, **columns) for time in times]


def names_of_events(loader: Loader) -> list[str]:
    """Return the events that Batch accepted."""
    return [event["name"] for line in loader.batch.journal() for event in line["events"]]


def test_an_event_goes_once_and_takes_no_attribute_with_it(skipping: Loader) -> None:
    """A tap reads its bookmark's rows again: they are known, beside attributes that changed or did not."""
    events = happened(1, 2)
    lines = [USERS, *users(["u1", "u2"]), EVENTS, *events, state(DONE)]
    assert skipping.run(lines).code == 0
    found = skipping.run([USERS, *users(["u1", "u2"]), EVENTS, *events, *happened(3), state(DONE)])
    assert found.code == 0, found.log
    assert found.codes() == []
    assert names_of_events(skipping) == ["opened"] * 3
    assert (found.totals("events")["delivered"], found.totals("events")["unchanged"]) == (1, 2)
    assert (found.totals("users")["delivered"], found.totals("users")["unchanged"]) == (0, 2)
    assert skipping.batch.journal()[-1]["attributes"] == {}
    assert found.run["spared"] == {"profiles": 1, "attributes": 2, "events": 2}
    assert "not sent, as Batch has it: 1 profile, 2 attributes, 2 events" in found.log


def test_an_event_is_known_by_its_key_or_by_all_that_is_said_of_it(lite: Loader) -> None:
    """What a pipeline adds does not matter, nor what else changed in a row that has a key."""
    keyed = schema(
        "events", dict.fromkeys(("id", "user_id", "event", "note"), STRING) | {"time": DATE_TIME}, ["id"]
    )
    mine = {"id": "1", "note": "a"}
    for columns in (mine, mine | {"note": "b"}, mine | {"_sdc_extracted_at": "2026-01-01"}):
        assert lite.run([keyed, *happened(1, **columns), state(DONE)]).code == 0
    assert len(names_of_events(lite)) == 1
    lite.run([keyed, *happened(1, id="2"), state(DONE)])
    assert len(names_of_events(lite)) == 2, "another key is another event"
    lite.run([keyed, *happened(2, id="2"), state(DONE)])
    assert len(names_of_events(lite)) == 3, "and so is another time, where a key is not one"
    plain = schema("plain_events", {"user_id": STRING, "event": STRING, "note": STRING, "time": DATE_TIME})
    rows = [
        line.replace('"events"', '"plain_events"')
        for line in (*happened(1, note="a"), *happened(1, note="b"))
    ]
    for _ in range(2):
        lite.run([plain, *rows, state(DONE)])
    assert len(names_of_events(lite)) == 5, "two records that differ are two events"


def test_events_are_forgotten_when_batch_would_not_take_them_any_more(lite: Loader) -> None:
    """A day and a margin: the ledger does not grow with the years."""
    lite.run([EVENTS, *happened(*range(30)), state(DONE)])
    with contextlib.closing(sqlite3.connect(lite.folder / "work" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE target_batch_events SET hour = hour - 31")
    lite.run([EVENTS, *happened(40), state(DONE)])
    with contextlib.closing(sqlite3.connect(lite.folder / "work" / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM target_batch_events").fetchone() == (1,)


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
    """Each stream sends what the other one changed since, and only that."""
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    orders = [ORDERS, record("order_users", user_id="u1", spend="12"), state(DONE)]
    skipping.run(mine)
    skipping.run(orders)
    for _ in range(2):
        for lines, plan in ((crm_users("plus"), "plus"), (mine, "free")):
            found = skipping.run(lines)
            assert found.code == 0, found.log
            assert skipping.batch.attributes("u1") == {"plan": plan, "spend": "12", "city": "Lyon"}
    since = len(skipping.batch.journal())
    for lines in (mine, orders):
        assert skipping.run(lines).code == 0
    assert sent(skipping, since) == [], "nobody else wrote since"
    skipping.run(crm_users("plus"))
    assert sent(skipping, since) == [("u1", {"plan": "plus"})]


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
    """Traits of a Segment message are attributes as those of a table are."""
    messages = schema("segment", {"type": STRING, "userId": STRING, "traits": {"type": ["object", "null"]}})
    identify = record("segment", type="identify", userId="u1", traits={"plan": "trial"})
    mine = [USERS, *users(["u1"], "free"), state(DONE)]
    lite.run(mine)
    found = lite.run([messages, identify, state(DONE)], streams={"segment": {"kind": "segment"}})
    assert found.code == 0, found.log
    assert lite.batch.attributes("u1") == {"plan": "trial"}
    since = len(lite.batch.journal())
    for _ in range(2):
        lite.run(mine)
    assert sent(lite, since) == [("u1", {"plan": "free"})]


def test_what_a_cohort_wrote_is_written_again(skipping: Loader) -> None:
    """A mirror that becomes an attribute, and a table that writes the same attribute: the later one wins."""
    cohort = {"kind": "audiences", "mode": "mirror", "audience": "vip", "as_attribute": True}
    settings = {"streams": {"cohort": cohort}}
    table = schema("users", {"user_id": STRING, "vip": {"type": ["boolean", "null"]}}, ["user_id"])
    out = [table, record("users", user_id="u1", vip=False), state(DONE)]
    head = schema("cohort", {"user_id": STRING}, ["user_id"])
    members = [head, record("cohort", user_id="u1"), state(DONE)]
    for lines, is_in in ((out, False), (members, True), (out, False), (out, False)):
        assert skipping.run(lines, **settings).code == 0
        assert skipping.batch.attributes("u1") == {"vip": is_in}
    assert len(skipping.batch.journal()) == 3


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


def test_ids_that_differ_by_case_are_two_people(skipping: Loader) -> None:
    skipping.run([USERS, *users(["u1"], "free"), *users(["U1"], "plus"), state(DONE)])
    found = skipping.run([USERS, *users(["U1"], "free"), *users(["u1"], "plus"), state(DONE)])
    assert (found.totals("users")["delivered"], found.totals("users")["unchanged"]) == (2, 0)


def test_a_column_that_changes_its_type_has_changed(lite: Loader) -> None:
    """`1` and `"1"` are two values to Batch, and so is a number that became one with a fraction."""
    for kind, value in (("string", "1"), ("integer", 1), ("number", 1.5), ("boolean", True)):
        columns = {"user_id": STRING, "plan": {"type": [kind, "null"]}}
        lines = [
            schema("users", columns, ["user_id"]),
            record("users", user_id="u1", plan=value),
            state(DONE),
        ]
        for delivered in (1, 0):
            assert lite.run(lines).totals("users")["delivered"] == delivered
        assert lite.batch.attributes("u1") == {"plan": value}


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


@pytest.mark.parametrize("policy", ["send", "skip"])
def test_an_event_whose_answer_was_lost_is_sent_again_or_not_as_is_set(lite: Loader, policy: str) -> None:
    """What shares the entry goes on without it; the same event is no longer in doubt once it was accepted."""
    lost = {"accept_then": {"delay": {"seconds": 0, "then": "reset"}}}
    lite.batch.fault(lost, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(["u1"]), EVENTS, *happened(1), state(DONE)]
    found = lite.run(lines, events_in_doubt=policy)
    assert found.code == 0, found.log
    again = policy == "send"
    assert names_of_events(lite) == ["opened"] * (1 + again)
    assert lite.batch.attributes("u1") == {"plan": "free"}
    assert len(lite.batch.journal()) == 2, "attributes are sent again, they are the same twice"
    assert (found.run["retries"], found.run["possibly_twice"]) == (1, 1 + again)
    assert sum(found.run["trouble"].values()) == 1
    counts = found.totals("events")
    assert (counts["delivered"], counts["ignored"]) == ((1, 0) if again else (0, 1))
    assert counts["reasons"] == ({} if again else {"event_in_doubt": 1})
    found = lite.run(lines, events_in_doubt=policy)
    assert names_of_events(lite) == ["opened"] * (1 + again)
    assert found.totals("events")["unchanged" if again else "ignored"] == 1


def test_an_event_that_is_not_sent_again_leaves_a_trace_of_the_lost_answer(lite: Loader) -> None:
    lite.batch.fault({"accept_then": "reset"}, path="*/profiles/*", nth=[1])
    found = lite.run([EVENTS, *happened(1), state(DONE)], events_in_doubt="skip")
    assert found.code == 0, found.log
    assert (found.run["retries"], found.run["possibly_twice"]) == (0, 0), "nothing went again"
    assert sum(found.run["trouble"].values()) == 1


@pytest.mark.parametrize("policy", ["send", "skip"])
@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_after_a_kill_no_event_that_is_known_goes_twice(
    skipping: Loader, policy: str, *, applied: bool
) -> None:
    """What was accepted before the kill is known; what was on the wire is in doubt, and goes as is set."""
    settings = {"events_in_doubt": policy, "checkpoint_seconds": 0.1}
    hang = {"delay": {"seconds": 60, "then": "reset"}}
    skipping.batch.fault({"accept_then": hang} if applied else hang, path="*/profiles/*", nth=[2])
    process = skipping.cold(**settings)
    feed(process, [EVENTS, *happened(1, 2), state({"at": 2})])
    assert process.stdout is not None
    assert process.stdout.readline(), "the first events are accepted and their state has passed"
    feed(process, happened(3, 4))
    wait_for(skipping.batch.hits)
    kill(process)
    skipping.unhang()
    found = skipping.run([EVENTS, *happened(1, 2, 3, 4, 5), state(DONE)], **settings)
    assert found.code == 0, found.log
    again = 2 if policy == "send" else 0
    counts = found.totals("events")
    assert (counts["unchanged"], counts["delivered"], counts["ignored"]) == (2, 1 + again, 2 - again)
    assert found.run["possibly_twice"] == again
    assert len(names_of_events(skipping)) == 3 + again + 2 * applied


@pytest.mark.parametrize("policy", ["send", "skip"])
def test_an_event_of_which_an_attribute_was_refused_is_in_doubt(lite: Loader, policy: str) -> None:
    """Batch may have applied it without the attribute, or not at all: no reject repeats it, the rule does."""
    error = {"category": "event", "bulk_index": 0, "attribute": "price", "reason": "no"}
    lite.batch.fault({"partial_errors": [error]}, path="*/profiles/*", nth=[1])
    lines = [EVENTS, *happened(1, price="3"), state(DONE)]
    found = lite.run(lines, events_in_doubt=policy, max_rejected_share=1)
    assert found.code == 0, found.log
    assert [row["_batch_reject"][0]["replay"] for row in found.rejects("events")] == [False]
    assert found.totals("events")["rejected"] == 1
    found = lite.run(lines, events_in_doubt=policy)
    assert found.totals("events")["delivered" if policy == "send" else "ignored"] == 1


def test_a_refused_name_inside_an_object_of_an_event_leaves_it_in_doubt(lite: Loader) -> None:
    """Batch does not say at which depth the attribute is that it means."""
    error = {"category": "event", "bulk_index": 0, "attribute": "plan", "reason": "no"}
    lite.batch.fault({"partial_errors": [error]}, path="*/profiles/*", nth=[1])
    columns = {"user_id": STRING, "event": STRING, "item": {"type": "object"}, "time": DATE_TIME}
    events = [schema("events", columns), *happened(1, item={"parts": [{"plan": "free"}]})]
    lines = [USERS, *users(["u1"]), *events, state(DONE)]
    found = lite.run(lines, max_rejected_share=1)
    assert found.code == 0, found.log
    assert [row["_batch_reject"][0]["replay"] for row in found.rejects("events")] == [False]
    assert found.totals("events")["rejected"] == 1
    assert lite.run(lines).totals("events")["delivered"] == 1


@pytest.mark.parametrize("category", ["event", "attribute"])
def test_a_refused_name_that_a_profile_and_an_event_share_leaves_the_event_in_doubt(
    lite: Loader, category: str
) -> None:
    """Both are in one entry, and Batch does not say whose attribute it means."""
    error = {"category": category, "bulk_index": 0, "attribute": "plan", "reason": "no"}
    lite.batch.fault({"partial_errors": [error]}, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(["u1"]), EVENTS, *happened(1, plan="free"), state(DONE)]
    found = lite.run(lines, max_rejected_share=1)
    assert found.code == 0, found.log
    assert found.totals("events")["rejected"] == 1
    assert lite.run(lines).totals("events")["delivered"] == 1
