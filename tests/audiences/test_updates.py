"""Update mode: changes are sent in order and in full calls, and each audience is created once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer import record, state
from target_process import KEY, PROJECT

from tests.audiences.cohorts import DONE, feed, head, kill, numbered, rows, wait_for

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

HEADERS = {"Authorization": f"Bearer {KEY}", "X-Batch-Project": PROJECT}
LONG = 20_000
"""Seconds of the fast clock that are longer than any reading takes, even on a busy machine."""

EXISTS = {"error_code": "AUDIENCE_ALREADY_EXISTS", "error_message": "an audience of this name exists"}


def create(loader: Loader, name: str) -> None:
    """Create an audience outside the target."""
    body = {"name": name, "type": "custom_ids", "display_name": "theirs"}
    answer = requests.post(
        f"{loader.batch.url}/2.11/audiences/create", json=body, headers=HEADERS, timeout=20
    )
    assert answer.status_code == 202, answer.text


def label(loader: Loader, name: str) -> str:
    """Return the label of an audience."""
    found: str = loader.batch.get(f"audiences/project/{name}")["label"]
    return found


def test_the_last_action_on_an_id_wins_together_with_its_attributes(loader: Loader) -> None:
    """This holds within a call and across calls, and a removal has no attributes."""
    loader.settings = {"streams": {"cohort": {"attributes": {"tier": "tier"}, "audience": "vip"}}}
    columns = ("action", "tier")
    word = {"u1": ["add", "remove"], "u2": ["remove", "add"], "u3": ["add", "add"]}
    lines = [head("cohort", *columns)]
    for turn, tier in enumerate(["tin", "gold"]):
        lines += [record("cohort", user_id=who, action=words[turn], tier=tier) for who, words in word.items()]
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    page = loader.batch.get("audiences/project/vip")["ids"]
    assert {row["id"]: row["attributes"]["tier"] for row in page} == {"u2": "gold", "u3": "gold"}
    assert found.totals("cohort")["merged"] == 3
    found = loader.run([lines[0], *rows(["u2"], action="exited"), state(DONE)])
    assert found.code == 0, found.log
    assert loader.members() == {"u3"}


def test_changes_of_an_id_stay_in_order_across_calls(loader: Loader) -> None:
    """A member that is added in one call and removed in the next is not in the audience."""
    crowd = numbered(1, 10_000)
    lines = [head("cohort", "action"), record("cohort", user_id="x", action="add")]
    lines += [*rows(crowd, action="add"), record("cohort", user_id="x", action="remove")]
    lines += [*rows(crowd, action="remove"), record("cohort", user_id="y", action="add"), state(DONE)]
    found = loader.run(lines)
    assert found.code == 0, found.log
    assert loader.members("cohort") == {"y"}
    sizes = [size for word, size in loader.calls("update") if word == "update"]
    assert max(sizes) <= 10_000
    assert sum(sizes) == 20_003


@pytest.mark.parametrize("every", [0, 1500])
def test_frequent_states_do_not_make_small_calls(loader: Loader, every: int) -> None:
    """At one request a second, a checkpoint must not send a call that is half empty."""
    lines = [head()]
    for number, line in enumerate(rows(numbered(1, 45_000)), start=1):
        lines.append(line)
        if every and number % every == 0:
            lines.append(state({"seen": number}))
    found = loader.run([*lines, state(DONE)], checkpoint_seconds=LONG)
    assert found.code == 0, found.log
    assert len(loader.calls("update")) == 5
    assert len(loader.members("cohort")) == 45_000
    assert found.states[-1] == DONE


def test_other_messages_between_records_do_not_make_small_calls(loader: Loader) -> None:
    """Neither ACTIVATE_VERSION nor a new SCHEMA nor a BATCH file sends a call that is not full."""
    file = loader.folder / "more.jsonl"
    file.write_text("".join(json.dumps({"user_id": member}) + "\n" for member in numbered(5001, 6000)))
    batch = {"type": "BATCH", "stream": "cohort", "encoding": {"format": "jsonl"}}
    between = [
        json.dumps({"type": "ACTIVATE_VERSION", "stream": "cohort", "version": 1}),
        head("cohort", "note"),
        *[head("users"), head("users", "plan")],
        json.dumps(batch | {"manifest": [file.as_uri()]}),
    ]
    lines = [head()]
    for start, message in zip(range(1, 5001, 1000), between, strict=True):
        lines += [*rows(numbered(start, start + 999)), message]
    found = loader.run([*lines, state(DONE)], checkpoint_seconds=LONG)
    assert found.code == 0, found.log
    assert loader.calls("update") == [("update", 6000)]


def test_rows_with_large_unused_columns_do_not_make_small_calls(loader: Loader) -> None:
    """Only the data that is sent limits the size of a call."""
    lines = [head("cohort", "note"), *rows(numbered(1, 12_000), note="x" * 900), state(DONE)]
    found = loader.run(lines, checkpoint_seconds=LONG)
    assert found.code == 0, found.log
    assert [size for _, size in loader.calls("update")] == [10_000, 2000]


def test_many_audiences_of_one_stream_and_one_audience_per_stream_are_filled(loader: Loader) -> None:
    """Each is created once, with its original name as its label, after one listing for all of them."""
    lines = [head("memberships", "cohort")]
    lines += [record("memberships", user_id=f"u{n}", cohort=f"Cohort n° {n % 7}") for n in range(70)]
    lines += [head("lost_cohort"), *rows(["a", "b"], "lost_cohort")]
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    audiences = {one["name"]: one for one in loader.batch.get("audiences")["audiences"]}
    assert len(audiences) == 8
    assert audiences["Cohort_ndeg_3"]["label"] == "Cohort n° 3"
    assert audiences["Cohort_ndeg_3"]["members"] == 10
    assert audiences["lost_cohort"]["members"] == 2
    assert len(loader.calls("create")) == 8
    assert len(loader.calls("list")) == 1, "one listing for all of them"
    assert not (found.work / "ledger.db").exists(), "the ledger was created without need"


def test_the_display_name_comes_from_its_property(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": {"display_name_property": "label"}}}
    lines = [head("cohort", "cohort", "label"), *rows(["u1"], cohort="c1", label="Big spenders")]
    assert loader.run([*lines, state(DONE)]).code == 0
    assert label(loader, "c1") == "Big spenders"


def test_an_audience_on_the_second_page_of_the_list_is_not_created_again(loader: Loader) -> None:
    for number in range(120):
        create(loader, f"theirs_{number}")
    created = len(loader.calls("create"))
    loader.settings = {"streams": {"cohort": {"audience": "theirs_110"}}}
    found = loader.run([head(), *rows(["u1"]), state(DONE)])
    assert found.code == 0, found.log
    assert loader.members("theirs_110") == {"u1"}
    assert len(loader.calls("create")) == created
    assert label(loader, "theirs_110") == "theirs"


@pytest.mark.parametrize("status", [400, 409])
def test_an_audience_that_is_created_elsewhere_at_the_same_time_is_used(loader: Loader, status: int) -> None:
    """It is missing in the list, but the refusal to create it means that it exists."""
    create(loader, "vip")
    empty = {"status": 200, "json": {"audiences": [], "count": 0, "has_more": False}}
    loader.batch.fault({"answer": empty}, path="*/audiences/list*")
    loader.batch.fault({"answer": {"status": status, "json": EXISTS}}, path="*/audiences/create")
    loader.settings = {"streams": {"cohort": {"audience": "vip"}}}
    found = loader.run([head(), *rows(["u1"]), state(DONE)])
    assert found.code == 0, found.log
    assert loader.members() == {"u1"}
    assert label(loader, "vip") == "theirs"


def test_an_audience_that_cannot_be_created_stops_the_run(loader: Loader) -> None:
    """The refusal is reported once a view has shown that the audience does not exist."""
    refused = {"error_code": "TOO_MANY_AUDIENCES", "error_message": "no more"}
    loader.batch.fault({"answer": {"status": 400, "json": refused}}, path="*/audiences/create")
    found = loader.run([head(), *rows(["u1"]), state(DONE)])
    assert found.code == 1
    assert "400 TOO_MANY_AUDIENCES, audience 'cohort' does not exist and cannot be created" in found.log
    assert found.states == []


NAMES: list[tuple[list[Any], dict[str, set[str]], int]] = [
    (["VIP!", "VIP?", "VIP!"], {"VIP_": {"u0", "u2"}}, 1),
    (["VIP", "vip", "Vip"], {"VIP": {"u0"}, "vip": {"u1"}, "Vip": {"u2"}}, 0),
    ([" vip ", "vip", "x" * 256], {"vip": {"u0", "u1"}}, 1),
]


@pytest.mark.parametrize(("names", "expected", "rejected"), NAMES, ids=["cleaned", "case", "trimmed"])
def test_two_different_names_never_share_an_audience(
    loader: Loader, names: list[Any], expected: dict[str, set[str]], rejected: int
) -> None:
    lines = [record("cohort", user_id=f"u{n}", cohort=name) for n, name in enumerate(names)]
    found = loader.run([head("cohort", "cohort"), *lines, state(DONE)])
    assert found.code == 0, found.log
    assert {name: loader.members(name) for name in expected} == expected
    assert found.totals("cohort")["rejected"] == rejected


def test_the_same_name_may_be_used_in_different_destinations(loader: Loader) -> None:
    """An audience, an app's audience and an attribute may have the same name."""
    loader.settings = {
        "app_api_keys": ["app-key-1"],
        "streams": {
            "app_cohort": {"destination": "app"},
            "flag_cohort": {"as_attribute": True},
        },
    }
    lines: list[str] = []
    for stream, name in (("cohort", "a_b"), ("app_cohort", "a b"), ("flag_cohort", "A-B")):
        lines += [head(stream, "cohort"), *rows(["u1"], stream, cohort=name)]
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    assert found.codes() == []
    assert loader.members("a_b") == {"u1"}
    assert loader.batch.audience("a_b", "app-key-1") == {"u1"}
    assert loader.batch.attributes("u1") == {"a_b": True}


def test_two_streams_may_feed_one_audience(loader: Loader) -> None:
    """In update mode each stream changes only the members that it names."""
    loader.settings = {"streams": {"*_cohort": {"audience": "vip"}}}
    lines = [head("a_cohort"), *rows(["u1", "u2"], "a_cohort"), head("b_cohort", "action")]
    lines += [*rows(["u2"], "b_cohort", action="left"), *rows(["u3"], "b_cohort", action="joined")]
    found = loader.run([*lines, state(DONE)])
    assert found.code == 0, found.log
    assert loader.members() == {"u1", "u3"}


def test_a_400_for_a_call_rejects_only_the_bad_member(loader: Loader) -> None:
    """The call is split until the bad member is alone."""
    loader.batch.fault({"refuse_ids": ["u7"]})
    found = loader.run([head(), *rows(numbered(1, 20)), state(DONE)])
    assert found.code == 0, found.log
    assert loader.members("cohort") == set(numbered(1, 20)) - {"u7"}
    assert [row["user_id"] for row in found.rejects("cohort")] == ["u7"]
    counts = found.totals("cohort")
    assert (counts["delivered"], counts["rejected"]) == (19, 1)


def test_an_idle_tap_does_not_delay_the_delivery(loader: Loader) -> None:
    """Changes older than `checkpoint_seconds` are sent, indexed and confirmed without new input."""
    process = loader.cold()
    feed(process, [head(), *rows(["u1", "u2"]), state({"seen": 2})])
    wait_for(lambda: len(loader.calls("update")) == 1)
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"seen": 2}\n'
    feed(process, [*rows(["u3"]), state(DONE)], end=True)
    assert process.wait(30) == 0
    kill(process)
    assert loader.members("cohort") == {"u1", "u2", "u3"}
