"""Unusual input and output: encodings, NaN, lone surrogates, states that were cut short."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from feeding import collected
from singer import INTEGER, NUMBER, STRING, record, schema, state, users
from target_process import config_file, encoded, finished, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

USERS = {"user_id": STRING, "seat": INTEGER, "name": STRING, "score": NUMBER}


@pytest.mark.parametrize("locale", ["latin-1", "ascii"])
def test_a_state_is_emitted_as_the_bytes_it_came_in(tmp_path: Path, batch: LocalBatch, locale: str) -> None:
    """Text on the standard output follows the locale; a state does not."""
    line = '{"type": "STATE", "value": {"town": "Orléans €"}}'
    process = start(config_file(tmp_path, batch.url), env={"PYTHONIOENCODING": locale})
    out, log = process.communicate(encoded([*users(1, 1), line]), timeout=30)
    assert (process.returncode, out.decode()) == (0, '{"town": "Orléans €"}\n'), log


def test_a_state_that_is_not_strict_json_keeps_its_values(tmp_path: Path, batch: LocalBatch) -> None:
    """Python's taps write NaN, and escape half of a surrogate pair; the next run gets both back."""
    value = {"rate": float("nan"), "cut": "x\ud800", "n": 1.5}
    ended = run(tmp_path, batch.url, [*users(1, 1), state(value)])
    assert (ended.code, ended.emitted) == (0, ['{"rate": NaN, "cut": "x\\ud800", "n": 1.5}']), ended.log


def test_a_state_beside_nan_keeps_every_digit(tmp_path: Path, batch: LocalBatch) -> None:
    """The value passes as it is written, whatever surrounds it."""
    value = '{"value": [1.10, 12345678901234567890.12345], "n": NaN,  "at": "é"}'
    line = ' { "x" : {"value": 1} , "type":"STATE", "value" :' + value + ' , "value2": [] } '
    ended = run(tmp_path, batch.url, [*users(1, 1), line])
    assert (ended.code, ended.emitted) == (0, [value]), ended.log


def test_a_state_that_is_not_utf8_stops_the_run_at_its_line(tmp_path: Path, batch: LocalBatch) -> None:
    """The state before it passes, and the error does not mention the standard output."""
    lines = encoded([*users(1, 1), state({"seen": 1})]) + b'{"type": "STATE", "value": {"town": "\xe9"}}\n'
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.emitted) == (1, ['{"seen": 1}'])
    assert "Line 4 is a STATE message whose `value` is not UTF-8. Correct the tap" in ended.log
    assert "standard output" not in ended.log


def test_nan_behind_a_stream_map_does_not_become_null(tmp_path: Path, batch: LocalBatch) -> None:
    """A null in the rejects would delete the attribute when they are replayed."""
    lines = [schema("users", USERS), record("users", user_id="u1", score=float("nan"))]
    ended = run(tmp_path, batch.url, lines, stream_maps={"users": {"more": "'x'"}})
    assert ended.code == 0
    assert [row["score"] for row in ended.rejects()] == ["nan"]


def test_nan_from_a_stream_map_does_not_become_null(tmp_path: Path, batch: LocalBatch) -> None:
    """The line is strict JSON; only the expression makes a number of its text."""
    texts = {"user_id": STRING, "score": STRING}
    lines = [schema("users", texts), record("users", user_id="u1", score="nan")]
    ended = run(tmp_path, batch.url, lines, stream_maps={"users": {"score": "float(score)"}})
    assert ended.code == 0
    assert [row["score"] for row in ended.rejects()] == ["nan"]


def test_a_record_nested_too_deep_for_a_stream_map_is_rejected_alone(
    tmp_path: Path, batch: LocalBatch
) -> None:
    deep = '{"user_id": "u1", "name": ' + '{"a":' * 600 + "1" + "}" * 601
    line = f'{{"type": "RECORD", "stream": "users", "record": {deep}}}'
    lines = [schema("users", USERS), line, record("users", user_id="u2", seat=2)]
    ended = run(tmp_path, batch.url, lines, stream_maps={"users": {"more": "'x'"}})
    assert ended.code == 0, ended.log
    assert batch.attributes("u2") == {"seat": 2, "more": "x"}
    assert len(ended.rejects()) == 1


@pytest.mark.parametrize("maps", [None, {"users": {}}], ids=["plain", "behind a stream map"])
@pytest.mark.parametrize("value", [float("nan"), "x\ud800"], ids=["nan", "surrogate"])
def test_what_json_cannot_hold_is_not_replayed_as_text(
    tmp_path: Path, batch: LocalBatch, value: object, maps: dict[str, object] | None
) -> None:
    """An untyped property would take the text that stands for it in the rejects."""
    lines = [schema("users", {**USERS, "any": {}}), record("users", user_id="u1", seat=1, any=value)]
    ended = run(tmp_path, batch.url, lines, stream_maps=maps)
    (path,) = ended.reject_files()
    again = finished(config_file(tmp_path, batch.url), b"", "--input", str(path))
    assert again.code == 0, again.log
    assert batch.attributes("u1") == {"seat": 1}
    assert again.totals("users")["reasons"] == {"not_replayable": 1}


@pytest.mark.parametrize("maps", [None, {"users": {}}], ids=["plain", "behind a stream map"])
def test_a_name_with_a_lone_surrogate_does_not_end_the_run(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, object] | None
) -> None:
    """The rejects hold the property under the name that JSON can hold."""
    lines = [
        schema("users", USERS),
        record("users", user_id="u1", seat=1, **{"\ud800q": {"x": 1}}),
        record("users", user_id="u2", seat=2, **{"\ud800": "v"}),
        record("users", user_id="u3", seat=3),
    ]
    ended = run(tmp_path, batch.url, lines, stream_maps=maps)
    assert ended.code == 0, ended.log
    assert [batch.attributes(f"u{n}")["seat"] for n in (1, 2, 3)] == [1, 2, 3]
    for row, name in zip(ended.rejects(), ("\ufffdq", "\ufffd"), strict=True):
        assert name in row
        assert [mark["property"] for mark in row["_batch_reject"]] == [name]


def test_a_lone_surrogate_in_a_batch_file_rejects_its_attribute(tmp_path: Path, batch: LocalBatch) -> None:
    """Rows of files that are not strict JSON are read like such lines of the input."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"user_id": "u1", "name": "x\ud800", "seat": 1}) + "\n")
    message = {"type": "BATCH", "stream": "users", "encoding": {"format": "jsonl"}, "manifest": [str(path)]}
    ended = run(tmp_path, batch.url, [schema("users", USERS), json.dumps(message)])
    assert ended.code == 0
    assert batch.attributes("u1") == {"seat": 1}
    assert ended.codes() == ["invalid_text"]


def test_a_refused_attribute_is_traced_to_the_records_that_may_have_set_it(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Batch does not say whether it means the event with this property, so the event is not replayed."""
    events = {"user_id": STRING, "event": STRING, "seat": INTEGER}
    lines = [schema("users", USERS), schema("events", events), record("users", user_id="u1", seat=1)]
    lines += [record("events", user_id="u1", event="seen", seat=2), record("users", user_id="u2", seat=3)]
    batch.fault({"partial_errors": [{"category": "c", "bulk_index": 0, "reason": "no", "attribute": "seat"}]})
    ended = run(tmp_path, batch.url, lines, late_events="now")
    assert ended.code == 0
    (user,), (event,) = ended.rejects("users"), ended.rejects("events")
    for row in (user, event):
        (mark,) = row.pop("_batch_reject")
        assert (mark["property"], mark["replay"]) == ("seat", False)
    assert user == {"user_id": "u1", "seat": 1}
    assert event == {"user_id": "u1", "event": "seen", "seat": 2}
    assert (ended.totals("users")["delivered"], ended.totals("events")["rejected"]) == (2, 1)


@pytest.mark.parametrize("torn", [False, True], ids=["empty", "torn"])
def test_a_replay_goes_on_from_states_that_a_crash_cut_short(
    tmp_path: Path, batch: LocalBatch, *, torn: bool
) -> None:
    """The run before ended without a state, or in the middle of one."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"user_id": "u{n}"}}\n' for n in range(5)))
    states = tmp_path / "states.jsonl"
    whole = json.dumps({"replay": {"file": str(rows), "rows": 3}}) + "\n"
    states.write_text(whole + whole[:20] if torn else "")
    options = ("--stream", "users", "--state", str(states), str(rows))
    ended = collected(
        start(config_file(tmp_path, batch.url), *options, command=["replay"]), tmp_path / "work"
    )
    assert ended.code == 0, ended.log
    assert len(batch.journal()) == (2 if torn else 5)
    assert ("is empty, so this replay begins at the beginning" in ended.log) is not torn
