"""Every moment at which a run of the stock SDK can damage data or state, and the test that it is safe here.

| window | situation | module | test |
|---|---|---|---|
| W1 | signal during a request | windows | test_a_signal_during_a_request_waits_for_its_answer |
| W1 | signal at a random instant | signals | test_a_signal_at_a_random_instant_loses_nothing |
| W1b | signal while the API fails | signals | test_a_failing_api_does_not_delay_the_stop |
| W2 | second signal | windows | test_more_signals_change_nothing |
| W2 | signal in the final drain | signals | test_a_signal_in_the_final_drain_changes_nothing |
| W3 | state before the answer | windows | test_no_state_is_emitted_before_its_answer |
| W4 | refused rows, false 2xx answers | scenarios | test_a_scenario_ends_as_promised |
| W5 | schema change | windows | test_a_schema_change_keeps_the_order |
| W6 | BATCH message after records | windows | test_a_batch_message_does_not_overtake_records |
| W7 | ACTIVATE_VERSION | windows | test_activate_version_does_not_overtake_records |
| W8 | same key in two requests | windows | test_an_id_is_not_in_two_requests_at_once |
| W9 | state only at the end | windows | test_states_are_emitted_while_the_tap_is_writing |
| W9 | crash after crash | crashes | test_a_chain_of_kills_loses_nothing |
| W10 | float in a state | windows | test_a_state_is_emitted_byte_for_byte |
| W11 | idle tap | signals | test_an_idle_tap_does_not_delay_the_delivery |
| W12 | empty state | windows | test_an_empty_state_never_replaces_a_full_one |
| W13 | one failing stream | windows | test_a_failing_stream_does_not_interrupt_the_others |
| W14 | invalid record kept | windows | test_a_value_that_breaks_its_schema_is_never_sent |
| W15 | lost answer | windows | test_a_lost_answer_duplicates_only_that_request |
"""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from feeding import Feeder, arrived, collected, wait_until
from singer import INTEGER, STRING, record, schema, state, users
from target_process import config_file, encoded, run, start
from verdict import Journal, Sent, judge

if TYPE_CHECKING:
    from local_batch import LocalBatch

pytestmark = pytest.mark.chaos

QUICK = {"checkpoint_records": 5, "checkpoint_seconds": 0.2, "max_retry_seconds": 5}


def test_every_window_has_its_test() -> None:
    """The table at the top of this file names tests that exist."""
    named = re.findall(r"\| (\w+) \| (test_\w+) \|", __doc__ or "")
    assert len(named) == 19
    for module, name in named:
        assert f"def {name}(" in Path(__file__).with_name(f"test_{module}.py").read_text()


def test_a_signal_during_a_request_waits_for_its_answer(tmp_path: Path, batch: LocalBatch) -> None:
    """W1: the request in flight is finished and confirmed, then the state is emitted; exit code 143."""
    batch.fault({"delay": 1.0})
    process = start(config_file(tmp_path, batch.url, **QUICK))
    lines = users(1, 20, every=20)
    feeder = Feeder(process, lines)
    wait_until(arrived(batch), process)
    process.send_signal(signal.SIGTERM)
    assert batch.journal() == []
    ended = collected(process, tmp_path / "work")
    feeder.stop()
    assert (ended.code, ended.emitted) == (143, ['{"seen": 20}'])
    assert judge(Sent(lines), ended, batch.journal()).held == 20
    assert batch.summary()["requests"]["total"] == 1


def test_more_signals_change_nothing(tmp_path: Path, batch: LocalBatch) -> None:
    """W2: however many signals arrive in the final drain, the first decides and everything is confirmed."""
    batch.fault({"delay": 0.6})
    process = start(config_file(tmp_path, batch.url, **QUICK))
    lines = users(1, 20, every=20)
    Feeder(process, lines)
    wait_until(arrived(batch), process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    # The system may deliver two signals in reverse order, so wait until the first one was handled.
    assert any(b"SIGINT: reading has stopped" in line for line in process.stderr)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    ended = collected(process, tmp_path / "work")
    assert (ended.code, ended.emitted) == (130, ['{"seen": 20}'])
    assert judge(Sent(lines), ended, batch.journal()).held == 20


def test_no_state_is_emitted_before_its_answer(tmp_path: Path, batch: LocalBatch) -> None:
    """W3: no state is written while the request is in flight, even if the checkpoint is overdue."""
    batch.fault({"delay": 0.6})
    process = start(config_file(tmp_path, batch.url, **QUICK))
    Feeder(process, users(1, 20, every=5))
    assert process.stdout is not None
    wait_until(arrived(batch), process)
    begun = time.monotonic()
    passed = json.loads(process.stdout.readline())["seen"]
    assert len(batch.journal()) >= passed
    assert time.monotonic() - begun > 0.4
    process.send_signal(signal.SIGTERM)
    assert collected(process, tmp_path / "work").code == 143


def test_a_schema_change_keeps_the_order(tmp_path: Path, batch: LocalBatch) -> None:
    """W5: records of an older schema reach Batch before those of a newer one."""
    lines = []
    for seat in range(1, 40):
        if seat % 4 == 1:
            lines.append(schema("users", {"user_id": STRING, "seat": INTEGER, f"more_{seat}": STRING}))
        lines.append(record("users", user_id=f"u{seat % 3}", seat=seat, **{f"more_{seat // 4 * 4 + 1}": "x"}))
    batch.fault({"delay": 0.1}, nth={"every": 2})
    ended = run(tmp_path, batch.url, [*lines, state({"seen": 39})])
    verdict = judge(Sent(lines), ended, batch.journal())
    assert (ended.code, verdict.inversions, verdict.held) == (0, 0, 39)
    assert [batch.attributes(f"u{n}")["seat"] for n in range(3)] == [39, 37, 38]


def test_a_batch_message_does_not_overtake_records(tmp_path: Path, batch: LocalBatch) -> None:
    """W6: records before a BATCH message are delivered before its file, also if the file is refused."""
    file = tmp_path / "part.jsonl"
    file.write_text("".join(json.dumps({"user_id": "u1", "seat": seat}) + "\n" for seat in (8, 9)))
    message = {"type": "BATCH", "stream": "users", "encoding": {"format": "jsonl"}}
    lines = [*users(1, 3, every=3), json.dumps({**message, "manifest": [file.as_uri()]})]
    ended = run(tmp_path, batch.url, lines)
    journal = Journal(batch.journal())
    assert ended.emitted == ['{"seen": 3}']
    assert journal.seats["u1"] == sorted(journal.seats["u1"])
    assert journal.seats["u1"][-1] == (9 if ended.code == 0 else 1)
    assert (journal.seats["u2"], journal.seats["u3"]) == ([2], [3])
    assert "Traceback" not in ended.log


def test_activate_version_does_not_overtake_records(tmp_path: Path, batch: LocalBatch) -> None:
    """W7: records before and after the message are sent in order; one for an unknown stream is ignored."""
    version = json.dumps({"type": "ACTIVATE_VERSION", "stream": "users", "version": 1})
    unknown = json.dumps({"type": "ACTIVATE_VERSION", "stream": "nobody", "version": 1})
    after = record("users", user_id="u1", seat=2)
    lines = [unknown, *users(1, 1), version, after, state({"seen": 2})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.emitted) == (0, ['{"seen": 2}'])
    verdict = judge(Sent(lines), ended, batch.journal())
    assert (verdict.inversions, verdict.held) == (0, 2)
    assert batch.attributes("u1")["seat"] == 2


def test_an_id_is_not_in_two_requests_at_once(tmp_path: Path, batch: LocalBatch) -> None:
    """W8: a later update of an ID waits for the answer to the earlier one; other IDs do not wait."""
    batch.fault({"delay": 0.8}, contains_id="u1", times=1)
    lines = [*users(0, 0), *users(1, 5)[1:], *(record("users", user_id="u1", seat=n) for n in (6, 7))]
    lines += [record("users", user_id=f"v{n}", seat=n) for n in range(8, 30)]
    process = start(config_file(tmp_path, batch.url, **{**QUICK, "checkpoint_seconds": 0.1}))
    assert process.stdin is not None
    for count, part in ((1, lines[:2]), (2, lines[2:7]), (3, lines[7:])):
        process.stdin.write(encoded(part))
        process.stdin.flush()
        wait_until(arrived(batch, count), process)
    process.stdin.close()
    ended = collected(process, tmp_path / "work")
    journal = Journal(batch.journal())
    assert ended.code == 0
    assert batch.journal()[1]["custom_id"] == "v8", "others do not wait"
    assert journal.seats["u1"] in ([1, 7], [1, 6, 7])
    assert journal.inversions() == 0


def test_states_are_emitted_while_the_tap_is_writing(tmp_path: Path, batch: LocalBatch) -> None:
    """W9: states are emitted at checkpoints as answers arrive, once each, in order and never too early."""
    lines = users(1, 2000, every=10)
    config = config_file(tmp_path, batch.url, checkpoint_records=200, max_updates_per_second=100_000)
    process = start(config)
    feeder = Feeder(process, lines)
    assert process.stdout is not None
    first = process.stdout.readline().decode().strip()
    assert not feeder.done.is_set()
    wait_until(feeder.done.is_set, process)
    assert process.stdin is not None
    process.stdin.close()
    ended = collected(process, tmp_path / "work")
    ended.out = f"{first}\n{ended.out}"
    verdict = judge(Sent(lines), ended, batch.journal())
    assert ended.code == 0
    assert verdict.problems() == []
    assert 3 <= len(ended.emitted) <= 25
    assert verdict.last == verdict.newest


def test_a_state_is_emitted_byte_for_byte(tmp_path: Path, batch: LocalBatch) -> None:
    """W10: floats, large numbers, spaces and escapes of a state are not changed."""
    values = [
        '{"bookmark": 1.50, "big": 123456789012345678901234567890, "tiny": 1e-400}',
        '{ "z":"caf\\u00e9",  "a": [1.0, null, {"\\ud83d\\ude00": true}] }',
        '{"line": "\u2028 é"}',
    ]
    lines = [schema("users", {"user_id": STRING, "seat": INTEGER})]
    for number, value in enumerate(values):
        lines += [record("users", user_id=f"u{number}", seat=number)]
        lines += [f'{{"type": "STATE", "value": {value}}}']
    for cut, expected in ((1, values), (10_000, values[-1:])):
        (folder := tmp_path / str(cut)).mkdir()
        ended = run(folder, batch.url, lines, checkpoint_records=cut)
        assert ended.code == 0
        assert ended.emitted[-1:] == values[-1:]
        assert [value for value in values if value in ended.emitted] == ended.emitted
        assert len(ended.emitted) <= len(expected)


def test_an_empty_state_never_replaces_a_full_one(tmp_path: Path, batch: LocalBatch) -> None:
    """W12: `{}` is not a bookmark, so the full state before it is the last one emitted."""
    lines = [*users(1, 3, every=3), state({}), record("users", user_id="u4", seat=4), state({})]
    ended = run(tmp_path, batch.url, lines)
    assert (ended.code, ended.emitted) == (0, ['{"seen": 3}'])
    assert len(batch.journal()) == 4


def test_a_failing_stream_does_not_interrupt_the_others(tmp_path: Path, batch: LocalBatch) -> None:
    """W13: if audiences fail, users in flight are still finished and counted; later states are held."""
    batch.fault({"answer": {"status": 503}}, path="*/audiences/*")
    batch.fault({"delay": 0.5}, path="*/profiles/*")
    lines = [*users(1, 20, every=20), schema("cohorts", {"user_id": STRING, "cohort": STRING})]
    lines += [record("cohorts", user_id=f"u{n}", cohort="big") for n in range(1, 21)]
    ended = run(tmp_path, batch.url, [*lines, state({"seen": 40})], max_retry_seconds=1)
    assert ended.code == 1
    assert len(batch.journal()) == ended.totals("users")["delivered"] == 20
    assert ended.totals("cohorts")["undelivered"] == 20
    assert ended.emitted == ['{"seen": 20}']


def test_a_value_that_breaks_its_schema_is_never_sent(tmp_path: Path, batch: LocalBatch) -> None:
    """W14: the value is written to the rejects, never converted; the rest of the record is sent."""
    lines = [schema("users", {"user_id": STRING, "seat": INTEGER, "city": STRING})]
    seats = ("7", 7, 7.5)
    lines += [record("users", user_id=f"u{n}", seat=seat, city="Lyon") for n, seat in enumerate(seats)]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    held = [batch.attributes(f"u{n}") for n in range(3)]
    assert held == [{"city": "Lyon"}, {"city": "Lyon", "seat": 7}, {"city": "Lyon"}]
    assert [row["seat"] for row in ended.rejects()] == ["7", 7.5]
    assert set(ended.codes()) == {"schema_violation"}


def test_a_lost_answer_duplicates_only_that_request(tmp_path: Path, batch: LocalBatch) -> None:
    """W15: without idempotency keys each event is sent twice, but not more often, and this is counted."""
    properties = {"user_id": STRING, "event": STRING, "seat": INTEGER}
    lines = [schema("events", properties)]
    lines += [record("events", user_id=f"u{n % 40}", event="seen", seat=n) for n in range(80)]
    batch.fault({"accept_then": "close"}, path="*/profiles/*", nth=[1])
    lines.append(state({"seen": 80}))
    ended = run(tmp_path, batch.url, lines, late_events="now")
    verdict = judge(Sent(lines), ended, batch.journal())
    assert (ended.code, verdict.problems()) == (0, [])
    assert verdict.duplicates == 80
    assert ended.run["possibly_twice"] == 80
