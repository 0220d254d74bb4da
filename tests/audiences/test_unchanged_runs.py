"""`skip_unchanged` in whole runs: data that Batch holds is not sent again, but data that it may lack is."""

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
    """A loader that skips unchanged data, with both kinds of ledger."""
    loader.settings = {"skip_unchanged": True, "ledger_url": ledger_url}
    return loader


@pytest.fixture
def lite(loader: Loader) -> Loader:
    """The same with SQLite only, for tests that do not depend on the kind of ledger."""
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
    """Count the calls with profiles."""
    return sum(row["endpoint"].startswith("profiles/") for row in loader.batch.requests())


def test_a_stream_without_changes_makes_no_request(skipping: Loader) -> None:
    """The second run of a full table uses no quota, and its state is emitted."""
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


def test_only_new_and_changed_records_are_sent(skipping: Loader) -> None:
    """A value that changes back is a change as well."""
    skipping.run([USERS, *users(numbered(1, 50)), state(DONE)])
    since = len(skipping.batch.journal())
    changed = [USERS, *users(numbered(1, 48)), *users(["u49"], "plus"), *users(["u50", "u51"]), state(DONE)]
    assert skipping.run(changed).code == 0
    assert sorted(sent(skipping, since)) == [("u49", {"plan": "plus"}), ("u51", {"plan": "free"})]
    since = len(skipping.batch.journal())
    assert skipping.run([USERS, *users(numbered(1, 51)), state(DONE)]).code == 0
    assert sent(skipping, since) == [("u49", {"plan": "free"})]


def test_a_new_column_is_sent_only_for_rows_that_have_it(skipping: Loader) -> None:
    """A new column in the SCHEMA does not make unchanged profiles be sent again."""
    skipping.run([USERS, *users(numbered(1, 50)), state(DONE)])
    since = len(skipping.batch.journal())
    wider = schema("users", {"user_id": STRING, "plan": STRING, "team": STRING}, ["user_id"])
    one = record("users", user_id="u50", plan="free", team="red")
    for _ in range(2):
        assert skipping.run([wider, *users(numbered(1, 49)), one, state(DONE)]).code == 0
    assert sent(skipping, since) == [("u50", {"team": "red"})]


def test_a_null_is_sent_once(lite: Loader) -> None:
    """Deleting an attribute is a change, and deleting it again is not."""
    lite.run([USERS, *users(["u1"]), state(DONE)])
    gone = [USERS, record("users", user_id="u1", plan=None), state(DONE)]
    since = len(lite.batch.journal())
    assert lite.run(gone).code == 0
    assert sent(lite, since) == [("u1", {"plan": None})]
    assert lite.run(gone).totals("users")["unchanged"] == 1


def test_unchanged_data_is_sent_again_after_the_age_limit(lite: Loader) -> None:
    """This corrects profiles that were changed in Batch by something else."""
    lines = [USERS, *users(numbered(1, 40)), state(DONE)]
    lite.run(lines)
    lite.age(22)
    assert lite.run(lines).totals("users")["unchanged"] == 40, "three quarters of 30 days are not over yet"
    lite.age(4)
    some = lite.run(lines).totals("users")["delivered"]
    assert 0 < some < 40, "entries must expire on different days"
    lite.age(30)
    assert lite.run(lines).totals("users")["delivered"] == 40
    assert lite.run(lines).totals("users")["unchanged"] == 40
    lite.age(2)
    assert lite.run(lines, unchanged_max_age_days=1).totals("users")["delivered"] == 40


def test_data_is_sent_again_if_the_clock_went_back(lite: Loader) -> None:
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


def test_an_event_is_sent_once_and_without_unchanged_attributes(skipping: Loader) -> None:
    """Events that a tap reads again at its bookmark are known and are not sent again."""
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


def test_an_event_is_recognised_by_its_key_or_by_all_its_data(lite: Loader) -> None:
    """Columns added by a pipeline do not matter, nor do other changes in a row with a key."""
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
    assert len(names_of_events(lite)) == 3, "another time is another event, even with the same key"
    plain = schema("plain_events", {"user_id": STRING, "event": STRING, "note": STRING, "time": DATE_TIME})
    rows = [
        line.replace('"events"', '"plain_events"')
        for line in (*happened(1, note="a"), *happened(1, note="b"))
    ]
    for _ in range(2):
        lite.run([plain, *rows, state(DONE)])
    assert len(names_of_events(lite)) == 5, "two records that differ are two events"


def test_events_that_are_too_old_for_batch_are_deleted_from_the_ledger(lite: Loader) -> None:
    """They are kept for a day and a margin, so the ledger does not grow over the years."""
    lite.run([EVENTS, *happened(*range(30)), state(DONE)])
    with contextlib.closing(sqlite3.connect(lite.folder / "work" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE target_batch_events SET hour = hour - 31")
    lite.run([EVENTS, *happened(40), state(DONE)])
    with contextlib.closing(sqlite3.connect(lite.folder / "work" / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM target_batch_events").fetchone() == (1,)


def test_a_value_that_another_stream_overwrote_is_sent_again(lite: Loader) -> None:
    """If two streams write one attribute, the later row wins, even if it equals that of the last run."""
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


def test_the_later_stream_wins_in_separate_runs_too(skipping: Loader) -> None:
    """Each stream sends only the values that the other one has changed since."""
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
    assert sent(skipping, since) == [], "no other stream wrote since"
    skipping.run(crm_users("plus"))
    assert sent(skipping, since) == [("u1", {"plan": "plus"})]


def test_an_attribute_with_another_type_is_the_same_attribute(lite: Loader) -> None:
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


def test_a_value_that_a_segment_message_overwrote_is_sent_again(lite: Loader) -> None:
    """Traits of a Segment message are attributes like those of a table."""
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


def test_a_value_that_a_cohort_overwrote_is_sent_again(skipping: Loader) -> None:
    """If a mirrored cohort and a table write the same attribute, the later one wins."""
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


def test_refused_data_is_sent_again(lite: Loader) -> None:
    """Only an entry that Batch accepted completely is skipped."""
    error = {"errors": [{"bulk_index": 1, "reason": "INVALID", "category": "x", "attribute": "plan"}]}
    lite.batch.fault({"partial_errors": error}, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    assert lite.run(lines).code == 0
    found = lite.run(lines)
    assert (found.totals("users")["delivered"], found.totals("users")["unchanged"]) == (1, 2)
    assert lite.batch.attributes("u2") == {"plan": "free"}


def test_a_refused_profile_does_not_stop_later_runs(lite: Loader) -> None:
    """It is rejected again, although all others are unchanged and no call of the run is accepted."""
    lite.batch.fault({"refuse_ids": ["u2"]})
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    for unchanged in (0, 2, 2):
        found = lite.run(lines)
        assert found.code == 0, found.log
        counts = found.totals("users")
        assert (counts["unchanged"], counts["rejected"]) == (unchanged, 1)


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_data_in_flight_during_a_crash_is_sent_again(skipping: Loader, *, applied: bool) -> None:
    """Batch may or may not have applied it."""
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


def test_ids_that_differ_in_case_are_different_users(skipping: Loader) -> None:
    skipping.run([USERS, *users(["u1"], "free"), *users(["U1"], "plus"), state(DONE)])
    found = skipping.run([USERS, *users(["U1"], "free"), *users(["u1"], "plus"), state(DONE)])
    assert (found.totals("users")["delivered"], found.totals("users")["unchanged"]) == (2, 0)


def test_a_value_of_another_type_is_a_change(lite: Loader) -> None:
    """For Batch `1`, `"1"`, `1.5` and `true` are different values."""
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


def test_the_ledger_keeps_projects_apart(lite: Loader) -> None:
    lines = [USERS, *users(["u1"]), state(DONE)]
    lite.run(lines)
    assert lite.run(lines, project_key="project_other").totals("users")["delivered"] == 1


def test_everything_is_sent_again_after_the_ledger_was_lost(lite: Loader) -> None:
    lines = [USERS, *users(numbered(1, 3)), state(DONE)]
    lite.run(lines)
    (lite.folder / "work" / "ledger.db").unlink()
    assert lite.run(lines).totals("users")["delivered"] == 3


def test_the_ledger_does_not_contain_attribute_values(lite: Loader) -> None:
    """It stores hashes, so a copy of the file does not expose personal data."""
    lite.run([USERS, *users(["u1"], "canary-plan"), state(DONE)])
    assert b"canary-plan" not in (lite.folder / "work" / "ledger.db").read_bytes()


@pytest.mark.parametrize("policy", ["send", "skip"])
def test_events_in_doubt_decides_whether_an_event_with_a_lost_answer_is_sent_again(
    lite: Loader, policy: str
) -> None:
    """The attributes of the entry are sent again in both cases; an event accepted later is not in doubt."""
    lost = {"accept_then": {"delay": {"seconds": 0, "then": "reset"}}}
    lite.batch.fault(lost, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(["u1"]), EVENTS, *happened(1), state(DONE)]
    found = lite.run(lines, events_in_doubt=policy)
    assert found.code == 0, found.log
    again = policy == "send"
    assert names_of_events(lite) == ["opened"] * (1 + again)
    assert lite.batch.attributes("u1") == {"plan": "free"}
    assert len(lite.batch.journal()) == 2, "attributes are sent again"
    assert (found.run["retries"], found.run["possibly_twice"]) == (1, 1 + again)
    assert sum(found.run["trouble"].values()) == 1
    counts = found.totals("events")
    assert (counts["delivered"], counts["ignored"]) == ((1, 0) if again else (0, 1))
    assert counts["reasons"] == ({} if again else {"event_in_doubt": 1})
    found = lite.run(lines, events_in_doubt=policy)
    assert names_of_events(lite) == ["opened"] * (1 + again)
    assert found.totals("events")["unchanged" if again else "ignored"] == 1


def test_a_lost_answer_is_counted_even_if_the_event_is_not_sent_again(lite: Loader) -> None:
    lite.batch.fault({"accept_then": "reset"}, path="*/profiles/*", nth=[1])
    found = lite.run([EVENTS, *happened(1), state(DONE)], events_in_doubt="skip")
    assert found.code == 0, found.log
    assert (found.run["retries"], found.run["possibly_twice"]) == (0, 0), "nothing was sent again"
    assert sum(found.run["trouble"].values()) == 1


@pytest.mark.parametrize("policy", ["send", "skip"])
@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_after_a_kill_no_accepted_event_is_sent_twice(
    skipping: Loader, policy: str, *, applied: bool
) -> None:
    """Events in flight are in doubt, and `events_in_doubt` decides whether they are sent again."""
    settings = {"events_in_doubt": policy, "checkpoint_seconds": 0.1}
    hang = {"delay": {"seconds": 60, "then": "reset"}}
    skipping.batch.fault({"accept_then": hang} if applied else hang, path="*/profiles/*", nth=[2])
    process = skipping.cold(**settings)
    feed(process, [EVENTS, *happened(1, 2), state({"at": 2})])
    assert process.stdout is not None
    assert process.stdout.readline(), "the state of the first events was not emitted"
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
def test_an_event_with_a_refused_attribute_is_in_doubt(lite: Loader, policy: str) -> None:
    """Batch may have applied it without the attribute: only `events_in_doubt` may send it again."""
    error = {"category": "event", "bulk_index": 0, "attribute": "price", "reason": "no"}
    lite.batch.fault({"partial_errors": [error]}, path="*/profiles/*", nth=[1])
    lines = [EVENTS, *happened(1, price="3"), state(DONE)]
    found = lite.run(lines, events_in_doubt=policy, max_rejected_share=1)
    assert found.code == 0, found.log
    assert [row["_batch_reject"][0]["replay"] for row in found.rejects("events")] == [False]
    assert found.totals("events")["rejected"] == 1
    found = lite.run(lines, events_in_doubt=policy)
    assert found.totals("events")["delivered" if policy == "send" else "ignored"] == 1


def test_an_event_with_a_refused_attribute_inside_an_object_is_in_doubt(lite: Loader) -> None:
    """A refusal does not say at which depth the attribute is."""
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
def test_an_event_that_shares_a_refused_name_with_its_profile_is_in_doubt(
    lite: Loader, category: str
) -> None:
    """Both are in one entry, and a refusal does not say whose attribute it means."""
    error = {"category": category, "bulk_index": 0, "attribute": "plan", "reason": "no"}
    lite.batch.fault({"partial_errors": [error]}, path="*/profiles/*", nth=[1])
    lines = [USERS, *users(["u1"]), EVENTS, *happened(1, plan="free"), state(DONE)]
    found = lite.run(lines, max_rejected_share=1)
    assert found.code == 0, found.log
    assert found.totals("events")["rejected"] == 1
    assert lite.run(lines).totals("events")["delivered"] == 1
