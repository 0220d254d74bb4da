"""No key, no value of a record and no foreign control character is ever printed: canaries prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer import DATE_TIME, INTEGER, STRING, record, schema, state, users
from target_process import KEY, PROJECT, Ended, run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

CANARY = "canary-person-b7f4"
EVIL = f"\x1b]0;owned\x07\r\nERROR {CANARY} \x00\x9b31m\u202e\u2028"
LONGEST_LINE = 2_000


def printed(ended: Ended) -> str:
    """Return everything a run prints or leaves for people to read, rejects excepted."""
    names = "\n".join(str(path.relative_to(ended.work)) for path in ended.work.rglob("*"))
    return ended.log + ended.out + (ended.work / "runs.jsonl").read_text() + names


def assert_clean(text: str) -> None:
    """Assert that no canary and no control character is in a text."""
    assert KEY not in text
    assert CANARY not in text
    controls = {character for character in text if ord(character) < 32 or 127 <= ord(character) < 160}
    assert controls <= {"\n"}
    assert not set(text) & {"\u202e", "\u2028", "\u2029"}
    assert max(map(len, text.split("\n"))) < LONGEST_LINE
    assert "Traceback" not in text


def test_no_value_of_a_record_is_printed(tmp_path: Path, batch: LocalBatch) -> None:
    """Good values, bad values of every type and bad custom IDs stay out of log, run log and file names."""
    properties = {
        "user_id": STRING,
        "seat": INTEGER,
        "email": STRING,
        "phone": STRING,
        "language": STRING,
        "timezone": STRING,
        "born": DATE_TIME,
        "site": {"type": ["string", "null"], "format": "uri"},
        "tags": {"type": ["array", "null"]},
        "more": {"type": ["object", "null"]},
        "_sdc_deleted_at": DATE_TIME,
    }
    wrong = {name: CANARY for name in properties if name not in {"user_id", "email"}}
    lines = [
        schema("users", properties),
        record("users", user_id=CANARY, seat=1, email=f"{CANARY}@example.com"),
        record("users", user_id=f"{CANARY}-2", seat=2, email=CANARY, phone=CANARY, language=CANARY),
        record("users", user_id=f"{CANARY}-3", timezone=CANARY, born=CANARY, site=CANARY),
        record("users", user_id=f"{CANARY}-4", tags=[[CANARY]], more={CANARY: CANARY}),
        record("users", user_id=f"{CANARY}\n{CANARY}", seat=3),
        record("users", user_id=[CANARY], seat=3),
        record("users", user_id={CANARY: 1}, seat=3),
        record("users", **{**wrong, "user_id": CANARY * 100}),
        record("users", user_id="ok", unknown_property=CANARY),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    assert len(ended.rejects()) >= 6
    assert_clean(printed(ended))


def test_a_hostile_stream_name_is_made_harmless(tmp_path: Path, batch: LocalBatch) -> None:
    """Control characters, line breaks and path separators reach neither the log nor a file's name."""
    stream = f"../../../{EVIL[:40]}/users"
    lines = [
        schema(stream, {"user_id": STRING, f"{EVIL[:20]}": STRING}),
        record(stream, user_id=None, seat=1),
        record(stream, user_id="u1", seat=2, **{EVIL[:20]: "x" * 400}),
    ]
    ended = run(tmp_path, batch.url, lines, default_kind="profiles")
    assert ended.code == 0
    files = ended.reject_files()
    assert len(files) == 1
    assert files[0].parent == ended.work / "rejects"
    assert len(ended.rejects()) >= 1
    assert {path.name for path in tmp_path.iterdir()} <= {"work", "config.json"}
    log = ended.log + "".join(str(path.name) for path in files)
    controls = {character for character in log if ord(character) < 32 or 127 <= ord(character) < 160}
    assert controls <= {"\n"}
    assert not set(log) & {"\u202e", "\u2028"}
    assert not any(line.startswith("ERROR") for line in ended.log.split("\n"))


def test_a_stream_name_of_a_megabyte_does_not_fill_the_log(tmp_path: Path, batch: LocalBatch) -> None:
    stream = "x" * 1_000_000 + "_users"
    ended = run(tmp_path, batch.url, [schema(stream, {"user_id": STRING}), record(stream, user_id=None)])
    assert ended.code == 1
    assert max(map(len, ended.log.split("\n"))) < LONGEST_LINE
    assert len(ended.reject_files()) == 1


def test_a_hostile_stream_name_that_stops_the_run_is_made_harmless(tmp_path: Path, batch: LocalBatch) -> None:
    """A stream of unknown kind is named without its control characters."""
    stream = f"products {EVIL.replace(CANARY, 'x')}"
    ended = run(tmp_path, batch.url, [*users(1, 1), schema(stream, {"user_id": STRING})])
    assert ended.code == 2
    assert_clean(ended.log)


def test_a_hostile_message_type_is_made_harmless(tmp_path: Path, batch: LocalBatch) -> None:
    line = '{"type": "X\\u001b[31m\\r\\nERROR forged ' + "y" * 5_000 + '"}'
    ended = run(tmp_path, batch.url, [line, *users(1, 1)])
    assert ended.code == 0
    assert_clean(ended.log)


def test_a_hostile_answer_of_a_server_is_made_harmless(tmp_path: Path, batch: LocalBatch) -> None:
    """An answer that echoes key, record and escape codes leaves none of them in log or run log."""
    echo = {"error_code": f"BAD {EVIL} {KEY}", "error_message": f"{EVIL} Bearer {KEY} {CANARY}" * 500}
    headers = {"X-Echo": KEY, "Retry-After": "x" * 500}
    for status in (400, 401, 503):
        batch.reset()
        batch.fault({"answer": {"status": status, "json": echo, "headers": headers}})
        ended = run(tmp_path, batch.url, users(1, 3, every=1), max_retry_seconds=0.5)
        assert ended.code != 0
        assert ended.states == []
        assert_clean(printed(ended))


def test_a_reason_that_batch_gives_is_made_harmless_and_kept_without_keys(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The rejects hold Batch's reason on one short line; a key echoed in it is not kept."""
    reason = f"{EVIL} Bearer {KEY} {PROJECT} " + "z" * 10_000
    errors = [
        {"category": EVIL, "bulk_index": 0, "reason": reason},
        {"category": "c", "bulk_index": 1, "reason": reason, "attribute": f"{EVIL}{KEY}"},
    ]
    batch.fault({"partial_errors": errors})
    ended = run(tmp_path, batch.url, users(1, 3, every=3))
    assert ended.code == 0
    assert_clean(printed(ended))
    assert len(ended.codes()) == 2
    for path in ended.reject_files():
        text = path.read_text()
        assert KEY not in text
        assert "\x1b" not in text
        assert len(text) < 10_000


def test_a_state_is_written_to_stdout_only(tmp_path: Path, batch: LocalBatch) -> None:
    """A bookmark may hold personal data, so it goes to the standard output and nowhere else."""
    ended = run(tmp_path, batch.url, [*users(1, 2), state({"bookmark": CANARY})])
    assert ended.emitted == [f'{{"bookmark": "{CANARY}"}}']
    assert CANARY not in ended.log + (ended.work / "runs.jsonl").read_text()
