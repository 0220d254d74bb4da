"""`on_delete: erase` erases at Batch the people who were deleted at the source, once and with safeguards."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from feeding import wait_until
from local_batch import LocalBatch
from singer import DATE_TIME, INTEGER, STRING, record, schema, state
from target_process import Ended, config_file, encoded, ended, run, run_quickly, start

if TYPE_CHECKING:
    from pathlib import Path

APPS = ["erasing-app-1", "erasing-app-2"]
ERASING: dict[str, Any] = {
    "app_api_keys": APPS,
    "confirm_erasures": True,
    "streams": {"users": {"on_delete": "erase"}},
}
PROPERTIES = {"user_id": STRING, "seat": INTEGER, "_sdc_deleted_at": DATE_TIME}
WHEN = "2026-01-01T00:00:00Z"


def user(name: str | None, **more: Any) -> str:
    return record("users", user_id=name, seat=1, **more)


def gone(name: str | None) -> str:
    return record("users", user_id=name, _sdc_deleted_at=WHEN)


def stream(*records: str) -> list[str]:
    return [schema("users", PROPERTIES), *records, state({"seen": len(records)})]


def erased(batch: LocalBatch) -> list[tuple[str, str]]:
    """Return app and custom ID of every erasure request that the local Batch received."""
    return [(one["app"], one["custom_id"]) for one in batch.get("erasures")["erasures"]]


def people(batch: LocalBatch) -> list[str]:
    return [custom_id for _, custom_id in erased(batch)]


def recorded(ended: Ended) -> list[dict[str, Any]]:
    files = sorted((ended.work / "erasures").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_deleted_person_is_removed_from_each_app_once(tmp_path: Path, batch: LocalBatch) -> None:
    """Each erasure is on disk with the request's ID, but without the custom ID, before the state passes."""
    lines = stream(user("u1"), user("u2"), gone("canary-u9"), gone("canary-u9"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0, ended.log
    assert len({app for app, _ in erased(batch)}) == 2
    assert people(batch) == ["canary-u9"] * 2
    entries = recorded(ended)
    assert len(entries) == 2
    names = {one["id"] for one in batch.get("erasures")["erasures"]}
    assert {entry["request"] for entry in entries} == names
    assert ended.states == [{"seen": 4}]
    totals = ended.totals("users")
    assert (totals["read"], totals["delivered"], totals["undelivered"]) == (4, 4, 0)
    left = "".join(path.read_text() for path in ended.work.rglob("*.jsonl"))
    assert "canary-u9" not in left + ended.log
    assert not any(key in left + ended.log for key in APPS)


def test_by_default_no_person_is_erased(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), app_api_keys=APPS)
    assert ended.code == 0
    assert erased(batch) == []
    assert ended.totals("users")["ignored"] == 1


def test_an_erased_person_is_not_erased_again(tmp_path: Path, batch: LocalBatch) -> None:
    """A full-table tap repeats its deleted rows every night."""
    lines = stream(user("u1"), gone("u9"))
    assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0
    assert people(batch) == ["u9"] * 2
    assert ended.totals("users")["unchanged"] == 1


def test_a_person_who_returns_and_is_deleted_again_is_erased_again(tmp_path: Path, batch: LocalBatch) -> None:
    for lines in (stream(gone("u9")), stream(user("u9")), stream(gone("u9"))):
        assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    assert people(batch) == ["u9"] * 4


NOW = "%Y-%m-%dT%H:%M:%SZ"
OTHERS = {
    "another stream of profiles": (
        [schema("crm", {"user_id": STRING, "seat": INTEGER}), record("crm", user_id="u9", seat=5)],
        {"kind": "profiles"},
    ),
    "an event": (
        [
            schema("opened", {"user_id": STRING, "time": DATE_TIME}),
            record("opened", user_id="u9", time=time.strftime(NOW, time.gmtime(time.time() - 60))),
        ],
        {"kind": "events"},
    ),
    "a cohort as attribute": (
        [schema("vips", {"user_id": STRING}), record("vips", user_id="u9")],
        {"kind": "audiences", "as_attribute": True, "audience": "vips"},
    ),
}


@pytest.mark.parametrize(("lines", "options"), OTHERS.values(), ids=OTHERS)
def test_a_person_who_returns_by_another_stream_is_erased_again(
    tmp_path: Path, batch: LocalBatch, lines: list[str], options: dict[str, Any]
) -> None:
    """Anything that is sent for a person creates the profile again, even in a run without erasures."""
    other = json.loads(lines[0])["stream"]
    settings = {**ERASING, "streams": {**ERASING["streams"], other: options}}
    for given in (stream(gone("u9")), [*lines, state({"seen": 1})], stream(gone("u9")), stream(gone("u9"))):
        ended = run_quickly(tmp_path, batch.url, given, **settings)
        assert ended.code == 0, ended.log
    assert people(batch) == ["u9"] * 4
    assert batch.get("profiles")["profiles"] == []
    assert ended.totals("users")["unchanged"] == 1


COHORT: dict[str, Any] = {"kind": "audiences", "as_attribute": True, "audience": "vip", "mode": "mirror"}


def cohort(*names: str) -> list[str]:
    return [schema("vips", {"user_id": STRING}), *(record("vips", user_id=name) for name in names)]


def test_a_mirror_does_not_bring_an_erased_person_back(tmp_path: Path, batch: LocalBatch) -> None:
    """An erased person who left the cohort is not set to false; one who returns is a member again."""
    settings = {**ERASING, "max_audience_shrink": 1, "streams": {**ERASING["streams"], "vips": COHORT}}

    def load(*lines: str) -> None:
        ended = run_quickly(tmp_path, batch.url, [*lines, state({"done": True})], **settings)
        assert ended.code == 0, ended.log

    load(*stream(user("u1"), user("u2"), user("u3")), *cohort("u1", "u2", "u3"))
    load(*stream(gone("u1"), gone("u2")))
    load(*cohort("u2", "u3"))
    assert [one["id"] for one in batch.get("profiles")["profiles"]] == ["u3"]
    load(*stream(user("u1"), user("u2")))
    load(*cohort("u2", "u3"))
    assert [batch.attributes(name).get("vip") for name in ("u1", "u2", "u3")] == [None, True, True]


def test_an_erased_person_who_joins_a_cohort_can_leave_it_again(tmp_path: Path, batch: LocalBatch) -> None:
    """The ledger forgets erased people as they come back, but not that they have just joined."""
    settings = {**ERASING, "max_audience_shrink": 1, "streams": {**ERASING["streams"], "vips": COHORT}}
    for lines in (
        [*stream(user("u1"), user("u2")), *cohort("u2")],
        stream(gone("u1")),
        cohort("u1", "u2"),
        cohort("u2"),
    ):
        ended = run_quickly(tmp_path, batch.url, [*lines, state({"done": True})], **settings)
        assert ended.code == 0, ended.log
    assert [batch.attributes(name)["vip"] for name in ("u1", "u2")] == [False, True]


def test_the_last_record_of_a_person_decides(tmp_path: Path, batch: LocalBatch) -> None:
    """A person who is updated after the deletion is kept; one who is updated before it is erased."""
    lines = stream(user("here"), gone("here"), user("here"), user("gone"), gone("gone"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0
    assert people(batch) == ["gone"] * 2
    assert batch.attributes("here") == {"seat": 1}
    assert [one["id"] for one in batch.get("profiles")["profiles"]] == ["here"]
    order = [request["endpoint"] for request in batch.requests()]
    assert order.index("app/erase") > order.index("profiles/update")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confirm_erasures": False}, "Set `confirm_erasures` to true if that is meant"),
        ({"app_api_keys": []}, "`app_api_keys` is empty: Batch erases people app by app"),
    ],
)
def test_erasures_without_confirmation_or_app_keys_stop_before_anything_is_sent(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any], message: str
) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **(ERASING | settings))
    assert ended.code == 2
    assert message in ended.log
    assert batch.requests() == []


def test_suspiciously_many_erasures_are_refused_and_hold_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    """A table that was emptied by accident erases no profiles at Batch; updates are delivered."""
    lines = stream(*(user(f"u{n}") for n in range(40)), *(gone(f"g{n}") for n in range(11)))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 1
    assert "asks to erase 11 people with 51 records, more than `max_erasures_share` (0.1)" in ended.log
    assert ended.log.count("`max_erasures_share`") == 1
    assert erased(batch) == []
    assert ended.states == []
    assert ended.totals("users")["undelivered"] == 11
    assert batch.summary()["profiles"] == 40
    assert run_quickly(tmp_path, batch.url, lines, **ERASING, max_erasures_share=0.5).code == 0
    assert len(erased(batch)) == 22


def test_a_few_erasures_are_allowed_at_any_share(tmp_path: Path, batch: LocalBatch) -> None:
    assert run_quickly(tmp_path, batch.url, stream(*(gone(f"g{n}") for n in range(10))), **ERASING).code == 0
    assert len(erased(batch)) == 20


def test_a_dry_run_shows_erasures_but_requests_none(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **ERASING, dry_run=True)
    assert ended.code == 0, ended.log
    assert batch.requests() == []
    kept = [path for path in (ended.work / "dry-run").rglob("*.json") if "gdpr" in path.name]
    assert [json.loads(path.read_text())["id"]["value"] for path in kept] == ["u9", "u9"]
    assert not any(key in path.name for path in kept for key in APPS)
    assert not (ended.work / "erasures").exists()
    assert "2 erasures, 1 profile update and 0 audience calls" in ended.log


@pytest.mark.parametrize("reading", ["request_id", "absent", "no_body", "text", "null"])
def test_the_id_of_an_erasure_request_may_be_missing_or_elsewhere(
    tmp_path: Path, batch: LocalBatch, reading: str
) -> None:
    batch.choose(erasure_id=reading)
    ended = run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING)
    assert ended.code == 0
    assert people(batch) == ["u9"] * len(APPS), "once for each app"
    assert all((entry["request"] is None) == (reading != "request_id") for entry in recorded(ended))


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ({"answer": {"status": 401}}, 2, "Batch refuses the erasure (401"),
        ({"answer": {"status": 503}}, 1, "An erasure could not be requested (503"),
        ({"answer": {"status": 404}}, 1, "An erasure could not be requested (404"),
        ({"answer": {"status": 200, "json": {"error_code": "MISSING_PARAMETER"}}}, 1, "with `error_code`"),
        (
            {"answer": {"status": 200, "json": {"code": "MISSING_PARAMETER"}}},
            1,
            "whose `code` says otherwise",
        ),
        ({"answer": {"status": 200, "body": "<html>"}}, 1, "An erasure could not be requested"),
    ],
)
def test_an_erasure_that_batch_does_not_accept_holds_the_state(
    tmp_path: Path, batch: LocalBatch, fault: dict[str, Any], code: int, message: str
) -> None:
    """Earlier updates are delivered, and the next run requests the erasure again."""
    batch.fault(fault, "*/gdpr/request")
    lines = stream(user("u1"), gone("u9"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING, max_retry_seconds=0.5)
    assert ended.code == code
    assert message in ended.log
    assert ended.states == []
    assert batch.summary()["profiles"] == 1
    assert not any(key in ended.log for key in APPS)
    asked = [request for request in batch.requests() if request["path"].endswith("/gdpr/request")]
    assert len(asked) == 1 or fault["answer"]["status"] == 503, "a whole answer is not asked for again"
    batch.reset()
    assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    assert people(batch) == ["u9"] * 2


def test_an_app_that_accepted_an_erasure_is_not_asked_again(tmp_path: Path, batch: LocalBatch) -> None:
    """The second app fails, and the next run asks only that one."""
    failing = {"path": "*/gdpr/request", "nth": {"from": 2}}
    (fault,) = batch.script([{"match": failing, "do": {"answer": {"status": 503}}}])
    assert run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING, max_retry_seconds=0.5).code == 1
    (first,) = erased(batch)
    batch.post(f"faults/{fault}", {"enabled": False})
    assert run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING).code == 0
    assert len(erased(batch)) == 2
    assert len({first, *erased(batch)}) == 2


def test_a_person_whom_batch_refuses_to_erase_is_rejected_alone(tmp_path: Path, batch: LocalBatch) -> None:
    """Another erasure was accepted before, which proves that keys and address are right."""
    batch.fault({"answer": {"status": 400}}, "*/gdpr/request", nth=[3])
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1"), gone("g2"), gone("g3")), **ERASING)
    assert ended.code == 0, ended.log
    assert ended.codes("users") == ["refused_by_batch"]
    assert ended.states == [{"seen": 3}]
    assert people(batch) == ["g1", "g1", "g2", "g3", "g3"], "the other app was asked all the same"


def test_a_person_unknown_after_a_lost_answer_counts_as_erased(tmp_path: Path, batch: LocalBatch) -> None:
    """The request arrived although its answer was lost, so the retry finds no such person."""
    settings = {**ERASING, "app_api_keys": APPS[:1]}
    batch.choose(unknown_person="404")
    assert run_quickly(tmp_path, batch.url, stream(user("u1"), user("u9")), **settings).code == 0
    batch.fault({"accept_then": "reset"}, "*/gdpr/request", nth=[1])
    ended = run_quickly(tmp_path, batch.url, stream(gone("u9")), **settings)
    assert (ended.code, people(batch)) == (0, ["u9"]), ended.log
    assert (ended.totals("users")["delivered"], ended.rejects()) == (1, [])


def test_a_refusal_after_a_lost_answer_says_that_the_person_may_be_erased(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """A 400 may be about the request or about an erased person: the record is rejected with both reasons."""
    settings = {**ERASING, "app_api_keys": APPS[:1]}
    batch.choose(unknown_person="400")
    assert run_quickly(tmp_path, batch.url, stream(user("u1"), user("u9")), **settings).code == 0
    batch.fault({"accept_then": "reset"}, "*/gdpr/request", nth=[1])
    ended = run_quickly(tmp_path, batch.url, stream(gone("u9")), **settings)
    assert (ended.code, people(batch), ended.codes("users")) == (0, ["u9"], ["refused_by_batch"])
    said = "".join(path.read_text() for path in (ended.work / "rejects").rglob("*.jsonl"))
    assert "an attempt before was not answered, and may have erased the person" in said


@pytest.mark.parametrize("status", ["400", "404"])
def test_a_person_unknown_to_batch_does_not_stop_other_erasures(
    tmp_path: Path, batch: LocalBatch, status: str
) -> None:
    """Later erasures go on, and even a run with only this erasure passes its state."""
    batch.choose(unknown_person=status)
    lines = stream(gone("never"), user("u1"), gone("u1"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0, ended.log
    assert (ended.totals("users")["rejected"], ended.states) == (1, [{"seen": 3}])
    assert ended.codes("users") == ["refused_by_batch"] * 2, "by each app"
    assert people(batch) == ["u1", "u1"]
    ended = run_quickly(tmp_path, batch.url, stream(gone("never")), **ERASING)
    assert (ended.code, ended.totals("users")["rejected"], ended.states) == (0, 1, [{"seen": 1}])
    assert not any(key in ended.log for key in APPS)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("refusing", APPS)
def test_an_app_that_does_not_know_a_person_does_not_stop_the_other_apps(
    tmp_path: Path, batch: LocalBatch, refusing: str, status: int
) -> None:
    answer = {"status": status, "json": {"error_code": "ROUTE_NOT_FOUND", "error_message": "why"}}
    batch.fault({"answer": answer}, f"*/{refusing}/gdpr/request")
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1"), gone("g2")), **ERASING)
    assert ended.code == 0, ended.log
    assert ended.codes("users") == ["refused_by_batch"] * 2
    assert people(batch) == ["g1", "g2"]
    assert ended.totals("users")["rejected"] == 2


def test_if_every_erasure_is_refused_none_is_rejected_and_the_state_is_held(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """If none was ever accepted, the request itself may be wrong, so the rejects stay empty."""
    batch.fault({"answer": {"status": 400}}, "*/gdpr/request")
    lines = stream(*(gone(f"g{number}") for number in range(5)))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert (ended.code, ended.codes("users"), ended.states) == (1, [], [])
    assert "Batch refused every erasure, of 5 people (400" in ended.log
    batch.reset()
    assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    assert len(people(batch)) == 10


def test_a_person_unknown_after_a_lost_answer_does_not_prove_the_requests_right(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """No erasure was ever accepted, so the state is held, in this run and in the next one."""
    answer = {"status": 404, "json": {"error_code": "ROUTE_NOT_FOUND", "error_message": "why"}}
    batch.fault({"accept_then": "reset"}, "*/gdpr/request", nth=[1])
    batch.fault({"answer": answer}, "*/gdpr/request")
    lines = stream(*(gone(f"g{number}") for number in range(6)))
    for _ in range(2):
        ended = run_quickly(tmp_path, batch.url, lines, **{**ERASING, "app_api_keys": APPS[:1]})
        assert (ended.code, ended.codes("users"), ended.states) == (1, [], []), ended.log
        assert "Batch refused every erasure, of 5 people (404" in ended.log


def test_once_an_erasure_was_accepted_refused_people_are_rejected(tmp_path: Path, batch: LocalBatch) -> None:
    """An earlier run counts; otherwise five unknown people would hold the state every night."""
    batch.choose(unknown_person="404")
    first = stream(user("u1"), gone("u1"))
    assert run_quickly(tmp_path, batch.url, first, **ERASING).code == 0
    ended = run_quickly(tmp_path, batch.url, stream(*(gone(f"g{n}") for n in range(5))), **ERASING)
    assert (ended.code, ended.states, ended.totals("users")["rejected"]) == (0, [{"seen": 5}], 5)


def test_a_refusal_by_an_app_whose_key_does_not_work_holds_the_state(
    tmp_path: Path, batch: LocalBatch
) -> None:
    batch.fault({"answer": {"status": 400}}, f"*/{APPS[1]}/gdpr/request")
    batch.fault({"answer": {"status": 404}}, f"*/{APPS[1]}/custom-audience")
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1")), **ERASING)
    assert (ended.code, ended.codes("users"), ended.states) == (1, [], [])
    assert "from `app_api_keys`, key 2 of 2" in ended.log
    assert people(batch) == ["g1"], "and is not asked for again there"


def test_erasures_and_audiences_of_an_app_share_its_rate(tmp_path: Path) -> None:
    """The local Batch counts them together, and answers calls above the rate with 429."""
    members = [schema("cohort", {"user_id": STRING}), record("cohort", user_id="u1")]
    streams = {**ERASING["streams"], "cohort": {"destination": "app", "audience": "vip"}}
    settings = {**ERASING, "app_api_keys": APPS[:1], "streams": streams}
    with LocalBatch(tmp_path) as rated:
        ended = run(tmp_path, rated.url, [*members, *stream(gone("g1"), gone("g2"))], **settings)
        assert ended.code == 0, ended.log
        assert people(rated) == ["g1", "g2"]
        assert 429 not in [request["status"] for request in rated.requests()]


@pytest.mark.parametrize("name", [None, "", "null"])
def test_a_deleted_record_without_a_custom_id_is_rejected(
    tmp_path: Path, batch: LocalBatch, name: str | None
) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone(name)), **ERASING)
    assert ended.code == 0
    assert ended.codes("users") == ["missing_custom_id"]
    assert erased(batch) == []


def test_an_input_that_breaks_off_erases_no_person(tmp_path: Path, batch: LocalBatch) -> None:
    """The share of erasures is known only at the end of the input."""
    lines = [*stream(user("u1"), gone("u9")), '{"type": "RECORD", "str']
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 1
    assert erased(batch) == []
    assert ended.states == []
    assert batch.summary()["profiles"] == 1


def test_erasures_that_cannot_be_recorded_hold_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "erasures").write_text("a file in the way")
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **ERASING)
    assert ended.code == 1
    assert "The erasures" in ended.log
    assert ended.states == []
    assert "Traceback" not in ended.log


def test_an_erased_person_who_returns_is_sent_again(tmp_path: Path, batch: LocalBatch) -> None:
    """The ledger no longer assumes that Batch holds the profile."""
    for lines in (stream(user("u9")), stream(gone("u9")), stream(user("u9"))):
        assert run_quickly(tmp_path, batch.url, lines, **ERASING, skip_unchanged=True).code == 0
    assert len(erased(batch)) == 2
    assert batch.attributes("u9") == {"seat": 1}


def test_a_signal_before_the_end_erases_no_person_and_holds_the_state(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The run ends with 1, as not everything read is confirmed; later updates are delivered."""
    config = config_file(tmp_path, batch.url, **ERASING, checkpoint_records=1)
    lines = [*stream(user("u1")), gone("u9"), user("u2"), state({"seen": 3})]
    process = start(config)
    assert process.stdin is not None
    process.stdin.write(encoded(lines))
    process.stdin.flush()
    wait_until(lambda: batch.summary()["profiles"] == 2, process)
    process.send_signal(signal.SIGTERM)
    found = ended(process, config)
    assert (found.code, found.states, erased(batch)) == (1, [{"seen": 1}], []), found.log
    assert "no erasure was requested" in found.log
    assert found.totals("users")["undelivered"] == 1
