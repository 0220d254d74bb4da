"""`on_delete: erase`: who is deleted at the source is removed at Batch, once, behind guards."""

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
    """Return app and custom ID of every request that the local Batch got."""
    return [(one["app"], one["custom_id"]) for one in batch.get("erasures")["erasures"]]


def people(batch: LocalBatch) -> list[str]:
    return [custom_id for _, custom_id in erased(batch)]


def booked(ended: Ended) -> list[dict[str, Any]]:
    files = sorted((ended.work / "erasures").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_deleted_person_is_removed_from_each_app_once(tmp_path: Path, batch: LocalBatch) -> None:
    """On disk with the request's name, without the custom ID, before the state passes."""
    lines = stream(user("u1"), user("u2"), gone("canary-u9"), gone("canary-u9"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0, ended.log
    assert len({app for app, _ in erased(batch)}) == 2
    assert people(batch) == ["canary-u9"] * 2
    entries = booked(ended)
    assert len(entries) == 2
    names = {one["id"] for one in batch.get("erasures")["erasures"]}
    assert {entry["request"] for entry in entries} == names
    assert ended.states == [{"seen": 4}]
    totals = ended.totals("users")
    assert (totals["read"], totals["delivered"], totals["undelivered"]) == (4, 4, 0)
    left = "".join(path.read_text() for path in ended.work.rglob("*.jsonl"))
    assert "canary-u9" not in left + ended.log
    assert not any(key in left + ended.log for key in APPS)


def test_by_default_nobody_is_erased(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), app_api_keys=APPS)
    assert ended.code == 0
    assert erased(batch) == []
    assert ended.totals("users")["ignored"] == 1


def test_a_person_who_was_erased_is_not_asked_for_again(tmp_path: Path, batch: LocalBatch) -> None:
    """A full-table tap shows its deleted rows every night."""
    lines = stream(user("u1"), gone("u9"))
    assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0
    assert people(batch) == ["u9"] * 2
    assert ended.totals("users")["unchanged"] == 1


def test_who_comes_back_and_goes_again_is_erased_again(tmp_path: Path, batch: LocalBatch) -> None:
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
def test_who_comes_back_by_another_stream_is_erased_again(
    tmp_path: Path, batch: LocalBatch, lines: list[str], options: dict[str, Any]
) -> None:
    """Whatever is sent for a person makes the profile anew, in a run that erases nobody, too."""
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
    """Who has left the cohort since is not set to false; who comes back is in it again."""
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


def test_the_last_record_of_a_person_decides(tmp_path: Path, batch: LocalBatch) -> None:
    """An update behind the deletion means that the person is there; one ahead of it leaves nothing behind."""
    lines = stream(user("here"), gone("here"), user("here"), user("gone"), gone("gone"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 0
    assert people(batch) == ["gone"] * 2
    assert batch.attributes("here") == {"seat": 1}
    assert [one["id"] for one in batch.get("profiles")["profiles"]] == ["here"]
    order = [request["endpoint"] for request in batch.requests()]
    assert order.index("app/erase") > order.index("profiles/update")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"confirm_erasures": False}, "Set `confirm_erasures` to true if that is meant"),
        ({"app_api_keys": []}, "`app_api_keys` is empty: Batch erases people app by app"),
    ],
)
def test_what_is_not_confirmed_stops_before_anything_is_sent(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any], told: str
) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **(ERASING | settings))
    assert ended.code == 2
    assert told in ended.log
    assert batch.requests() == []


def test_suspiciously_many_are_refused_and_hold_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    """A table that was emptied by accident empties nothing at Batch; what is updated arrives."""
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


def test_a_few_are_allowed_whatever_their_share(tmp_path: Path, batch: LocalBatch) -> None:
    assert run_quickly(tmp_path, batch.url, stream(*(gone(f"g{n}") for n in range(10))), **ERASING).code == 0
    assert len(erased(batch)) == 20


def test_a_dry_run_erases_nobody_and_shows_whom_it_would(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **ERASING, dry_run=True)
    assert ended.code == 0, ended.log
    assert batch.requests() == []
    kept = [path for path in (ended.work / "dry-run").rglob("*.json") if "gdpr" in path.name]
    assert [json.loads(path.read_text())["id"]["value"] for path in kept] == ["u9", "u9"]
    assert not any(key in path.name for path in kept for key in APPS)
    assert not (ended.work / "erasures").exists()
    assert "2 erasures, 1 profile update and 0 audience calls" in ended.log


@pytest.mark.parametrize("reading", ["request_id", "absent", "no_body", "text", "null"])
def test_the_name_of_a_request_may_stand_elsewhere(tmp_path: Path, batch: LocalBatch, reading: str) -> None:
    batch.choose(erasure_id=reading)
    ended = run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING)
    assert ended.code == 0
    assert people(batch) == ["u9"] * len(APPS), "once for each app"
    assert all((entry["request"] is None) == (reading != "request_id") for entry in booked(ended))


@pytest.mark.parametrize(
    ("fault", "code", "told"),
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
def test_what_batch_does_not_take_holds_the_state(
    tmp_path: Path, batch: LocalBatch, fault: dict[str, Any], code: int, told: str
) -> None:
    """The updates ahead of it have arrived; the next run asks again."""
    batch.fault(fault, "*/gdpr/request")
    lines = stream(user("u1"), gone("u9"))
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING, max_retry_seconds=0.5)
    assert ended.code == code
    assert told in ended.log
    assert ended.states == []
    assert batch.summary()["profiles"] == 1
    assert not any(key in ended.log for key in APPS)
    asked = [request for request in batch.requests() if request["path"].endswith("/gdpr/request")]
    assert len(asked) == 1 or fault["answer"]["status"] == 503, "a whole answer is not asked for again"
    batch.reset()
    assert run_quickly(tmp_path, batch.url, lines, **ERASING).code == 0
    assert people(batch) == ["u9"] * 2


def test_what_one_app_has_taken_is_not_asked_of_it_again(tmp_path: Path, batch: LocalBatch) -> None:
    """The second app fails; the next run asks only that one."""
    failing = {"path": "*/gdpr/request", "nth": {"from": 2}}
    (fault,) = batch.script([{"match": failing, "do": {"answer": {"status": 503}}}])
    assert run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING, max_retry_seconds=0.5).code == 1
    (first,) = erased(batch)
    batch.post(f"faults/{fault}", {"enabled": False})
    assert run_quickly(tmp_path, batch.url, stream(gone("u9")), **ERASING).code == 0
    assert len(erased(batch)) == 2
    assert len({first, *erased(batch)}) == 2


def test_a_person_whom_batch_refuses_is_rejected_alone(tmp_path: Path, batch: LocalBatch) -> None:
    """Once another one was taken, so that keys and address are right."""
    batch.fault({"answer": {"status": 400}}, "*/gdpr/request", nth=[3])
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1"), gone("g2"), gone("g3")), **ERASING)
    assert ended.code == 0, ended.log
    assert ended.codes("users") == ["refused_by_batch"]
    assert ended.states == [{"seen": 3}]
    assert people(batch) == ["g1", "g1", "g2", "g3", "g3"], "the other app was asked all the same"


def test_a_person_unknown_after_a_lost_answer_was_erased(tmp_path: Path, batch: LocalBatch) -> None:
    """The answer was lost and not the request, so that the next attempt finds nobody."""
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
    """A 400 may be about the request or about a person who is gone: the record is kept, and says both."""
    settings = {**ERASING, "app_api_keys": APPS[:1]}
    batch.choose(unknown_person="400")
    assert run_quickly(tmp_path, batch.url, stream(user("u1"), user("u9")), **settings).code == 0
    batch.fault({"accept_then": "reset"}, "*/gdpr/request", nth=[1])
    ended = run_quickly(tmp_path, batch.url, stream(gone("u9")), **settings)
    assert (ended.code, people(batch), ended.codes("users")) == (0, ["u9"], ["refused_by_batch"])
    said = "".join(path.read_text() for path in (ended.work / "rejects").rglob("*.jsonl"))
    assert "an attempt before was not answered, and may have erased the person" in said


@pytest.mark.parametrize("status", ["400", "404"])
def test_a_person_whom_batch_does_not_know_stops_no_one_s_erasure(
    tmp_path: Path, batch: LocalBatch, status: str
) -> None:
    """Neither those behind, nor, if it is the only one, the run and with it the state, night after night."""
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
def test_an_app_that_does_not_know_a_person_keeps_no_other_from_being_asked(
    tmp_path: Path, batch: LocalBatch, refusing: str, status: int
) -> None:
    answer = {"status": status, "json": {"error_code": "ROUTE_NOT_FOUND", "error_message": "why"}}
    batch.fault({"answer": answer}, f"*/{refusing}/gdpr/request")
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1"), gone("g2")), **ERASING)
    assert ended.code == 0, ended.log
    assert ended.codes("users") == ["refused_by_batch"] * 2
    assert people(batch) == ["g1", "g2"]
    assert ended.totals("users")["rejected"] == 2


def test_where_everybody_is_refused_it_is_not_their_fault(tmp_path: Path, batch: LocalBatch) -> None:
    """With nothing ever accepted it may be the request itself: the state is held, the rejects stay empty."""
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
    """Nothing was ever accepted: the state is held, in this run and in the next one."""
    answer = {"status": 404, "json": {"error_code": "ROUTE_NOT_FOUND", "error_message": "why"}}
    batch.fault({"accept_then": "reset"}, "*/gdpr/request", nth=[1])
    batch.fault({"answer": answer}, "*/gdpr/request")
    lines = stream(*(gone(f"g{number}") for number in range(6)))
    for _ in range(2):
        ended = run_quickly(tmp_path, batch.url, lines, **{**ERASING, "app_api_keys": APPS[:1]})
        assert (ended.code, ended.codes("users"), ended.states) == (1, [], []), ended.log
        assert "Batch refused every erasure, of 5 people (404" in ended.log


def test_where_one_was_accepted_before_the_people_are_refused_and_not_the_requests(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """In an earlier run: otherwise five unknown people would hold the state night after night."""
    batch.choose(unknown_person="404")
    first = stream(user("u1"), gone("u1"))
    assert run_quickly(tmp_path, batch.url, first, **ERASING).code == 0
    ended = run_quickly(tmp_path, batch.url, stream(*(gone(f"g{n}") for n in range(5))), **ERASING)
    assert (ended.code, ended.states, ended.totals("users")["rejected"]) == (0, [{"seen": 5}], 5)


def test_a_refusal_by_an_app_whose_key_does_not_work_is_not_believed(
    tmp_path: Path, batch: LocalBatch
) -> None:
    batch.fault({"answer": {"status": 400}}, f"*/{APPS[1]}/gdpr/request")
    batch.fault({"answer": {"status": 404}}, f"*/{APPS[1]}/custom-audience")
    ended = run_quickly(tmp_path, batch.url, stream(gone("g1")), **ERASING)
    assert (ended.code, ended.codes("users"), ended.states) == (1, [], [])
    assert "from `app_api_keys`, key 2 of 2" in ended.log
    assert people(batch) == ["g1"], "and is not asked for again there"


def test_erasures_and_audiences_of_an_app_share_its_rate(tmp_path: Path) -> None:
    """The local Batch counts them together, and answers 429 to what is beyond."""
    members = [schema("cohort", {"user_id": STRING}), record("cohort", user_id="u1")]
    streams = {**ERASING["streams"], "cohort": {"destination": "app", "audience": "vip"}}
    settings = {**ERASING, "app_api_keys": APPS[:1], "streams": streams}
    with LocalBatch(tmp_path) as rated:
        ended = run(tmp_path, rated.url, [*members, *stream(gone("g1"), gone("g2"))], **settings)
        assert ended.code == 0, ended.log
        assert people(rated) == ["g1", "g2"]
        assert 429 not in [request["status"] for request in rated.requests()]


@pytest.mark.parametrize("name", [None, "", "null"])
def test_without_a_custom_id_nobody_can_be_erased(
    tmp_path: Path, batch: LocalBatch, name: str | None
) -> None:
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone(name)), **ERASING)
    assert ended.code == 0
    assert ended.codes("users") == ["missing_custom_id"]
    assert erased(batch) == []


def test_an_input_that_breaks_off_erases_nobody(tmp_path: Path, batch: LocalBatch) -> None:
    """What share is to be erased is known at the end only."""
    lines = [*stream(user("u1"), gone("u9")), '{"type": "RECORD", "str']
    ended = run_quickly(tmp_path, batch.url, lines, **ERASING)
    assert ended.code == 1
    assert erased(batch) == []
    assert ended.states == []
    assert batch.summary()["profiles"] == 1


def test_erasures_that_cannot_be_written_down_hold_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "erasures").write_text("a file in the way")
    ended = run_quickly(tmp_path, batch.url, stream(user("u1"), gone("u9")), **ERASING)
    assert ended.code == 1
    assert "The erasures" in ended.log
    assert ended.states == []
    assert "Traceback" not in ended.log


def test_what_was_erased_is_sent_again_when_the_person_comes_back(tmp_path: Path, batch: LocalBatch) -> None:
    """The ledger does not believe that Batch still holds it."""
    for lines in (stream(user("u9")), stream(gone("u9")), stream(user("u9"))):
        assert run_quickly(tmp_path, batch.url, lines, **ERASING, skip_unchanged=True).code == 0
    assert len(erased(batch)) == 2
    assert batch.attributes("u9") == {"seat": 1}


def test_a_signal_ahead_of_the_end_erases_nobody_and_holds_the_state(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Exit code 1, as not everything that was read is confirmed; the updates behind it have arrived."""
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
