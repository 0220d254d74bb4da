"""Malformed input: each kind has a defined outcome, and messages give a line's number, never its content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from singer import INTEGER, NUMBER, STRING, record, schema, state, users
from target_process import encoded, run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

CANARY = "canary-value-77aa"
BEFORE = users(1, 3, every=3)
"""A schema, three records and a state: five lines, all of which are good."""
PROPERTIES = {"user_id": STRING, "seat": INTEGER, "name": STRING, "score": NUMBER}


def custom_ids(batch: LocalBatch) -> list[str]:
    """Return the custom IDs of the journal, in order."""
    return [line["custom_id"] for line in batch.journal()]


@pytest.mark.parametrize(
    ("stream", "properties", "settings"),
    [
        ("products", {"user_id": STRING}, ("products", "kind")),
        ("signup_events", {"name": STRING}, ("signup_events", "custom_id")),
    ],
    ids=["no kind", "no custom ID"],
)
def test_a_stream_without_kind_or_custom_id_stops_the_run_at_its_schema(
    tmp_path: Path,
    batch: LocalBatch,
    stream: str,
    properties: dict[str, object],
    settings: tuple[str, ...],
) -> None:
    """The run ends with 2; earlier records are confirmed, and nothing of the stream is sent."""
    after = [schema(stream, properties), record(stream, user_id="p1", name=CANARY), *users(4, 5, every=1)]
    ended = run(tmp_path, batch.url, [*BEFORE, *after])
    assert ended.code == 2
    assert custom_ids(batch) == ["u1", "u2", "u3"]
    assert ended.emitted == ['{"seen": 3}']
    assert all(name in ended.log for name in settings)
    assert CANARY not in ended.log
    assert ended.totals("users")["delivered"] == 3


MALFORMED = {
    "no JSON": f"this is not JSON {CANARY}".encode(),
    "half an object": f'{{"type": "RECORD", "stream": "users", "record": {{"user_id": "{CANARY}"'.encode(),
    "invalid UTF-8": b'{"type": "RECORD", "stream": "users", "record": {"user_id": "canary-value-77aa\xe9"}}',
    "a list": f'["{CANARY}"]'.encode(),
    "an object without type": f'{{"x": "{CANARY}"}}'.encode(),
    "a RECORD without record": f'{{"type": "RECORD", "stream": "users", "x": "{CANARY}"}}'.encode(),
    "a RECORD that is a list": f'{{"type": "RECORD", "stream": "users", "record": ["{CANARY}"]}}'.encode(),
    "a RECORD before its SCHEMA": (
        f'{{"type": "RECORD", "stream": "leads", "record": {{"user_id": "{CANARY}"}}}}'
    ).encode(),
    "a SCHEMA with a list of properties": (
        f'{{"type": "SCHEMA", "stream": "leads", "schema": {{"properties": ["{CANARY}"]}}}}'
    ).encode(),
    "a BATCH before its SCHEMA": (
        b'{"type": "BATCH", "stream": "leads", "encoding": {"format": "jsonl"}, "manifest": ["file:///no"]}'
    ),
    "20 MB of nothing": CANARY.encode() * 1_200_000,
}


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_line_that_is_not_a_singer_message_stops_the_run(
    tmp_path: Path, batch: LocalBatch, line: bytes
) -> None:
    """The run ends with 1 and the line's number; earlier records are delivered and their state passes."""
    given = encoded(BEFORE) + line + b"\n" + encoded(users(4, 5, every=1))
    ended = run(tmp_path, batch.url, given)
    assert ended.code == 1
    assert custom_ids(batch) == ["u1", "u2", "u3"]
    assert ended.emitted == ['{"seen": 3}']
    assert "Line 6 " in ended.log.split("ERROR", 1)[1]
    assert CANARY not in ended.log + ended.out
    assert "Traceback" not in ended.log
    assert "Internal error" not in ended.log
    assert len(ended.log) < 5_000


def test_a_last_line_that_is_cut_off_stops_the_run(tmp_path: Path, batch: LocalBatch) -> None:
    """A line that was cut off means that the tap crashed, so the input is not complete."""
    given = encoded(BEFORE) + record("users", user_id="u4", name=CANARY)[:-9].encode()
    ended = run(tmp_path, batch.url, given)
    assert ended.code == 1
    assert custom_ids(batch) == ["u1", "u2", "u3"]
    assert ended.emitted == ['{"seen": 3}']
    assert CANARY not in ended.log


def test_a_bom_blank_lines_and_crlf_are_ignored(tmp_path: Path, batch: LocalBatch) -> None:
    """A file saved by an editor loads like any other, even if its last line has no line break."""
    given = "\r\n".join(["\r\n", *BEFORE, "", "   ", *users(4, 5)[1:], "\t", state({"seen": 5})])
    ended = run(tmp_path, batch.url, b"\xef\xbb\xbf" + given.encode())
    assert ended.code == 0
    assert custom_ids(batch) == ["u1", "u2", "u3", "u4", "u5"]
    assert ended.emitted == ['{"seen": 5}']


def test_a_bom_before_the_first_message_is_ignored(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, b"\xef\xbb\xbf" + encoded(BEFORE))
    assert ended.code == 0
    assert custom_ids(batch) == ["u1", "u2", "u3"]


def test_an_unknown_message_type_is_ignored_with_one_warning(tmp_path: Path, batch: LocalBatch) -> None:
    unknown = json.dumps({"type": "PING", "stream": "users", "value": CANARY})
    ended = run(tmp_path, batch.url, [unknown, *BEFORE, unknown, unknown])
    assert ended.code == 0
    assert ended.log.count("PING") == 1
    assert CANARY not in ended.log
    assert ended.emitted == ['{"seen": 3}']


def test_for_rows_instead_of_singer_messages_the_log_names_the_right_command(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """A file of rows is easily mistaken for a Singer file, and would otherwise load as an empty one."""
    rows = [json.dumps({"type": kind, "userId": CANARY}) for kind in ("identify", "track")]
    for given, code in ((rows, 0), (['{"user_id": "u1"}'], 1), (["user_id,email"], 1)):
        ended = run(tmp_path, batch.url, given)
        assert ended.code == code
        assert ended.log.count("Rows are not Singer messages: `target-batch explain` shows") == 1
        assert CANARY not in ended.log


def test_an_empty_input_succeeds_without_a_request(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, b"")
    assert (ended.code, ended.emitted) == (0, [])
    assert batch.summary()["requests"]["total"] == 0


def test_of_a_line_of_20_mb_only_the_value_that_is_too_long_is_rejected(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The rest of the profile is sent, the value is in the rejects, and the log stays short."""
    lines = [
        schema("users", PROPERTIES),
        record("users", user_id="u1", seat=1, name=CANARY + "x" * 20_000_000),
        record("users", user_id="u2", seat=2, name="Ada"),
        state({"seen": 2}),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    assert batch.attributes("u1") == {"seat": 1}
    assert batch.attributes("u2") == {"seat": 2, "name": "Ada"}
    assert ended.codes() == ["value_too_long"]
    assert len(ended.rejects()[0]["name"]) == 20_000_000 + len(CANARY)
    assert ended.emitted == ['{"seen": 2}']
    assert CANARY not in ended.log
    assert len(ended.log) < 5_000


def test_nan_and_infinity_reject_only_their_attribute(tmp_path: Path, batch: LocalBatch) -> None:
    """Numbers that JSON does not have are rejected; the rejects file is still valid JSON."""
    lines = [
        schema("users", PROPERTIES),
        record("users", user_id="u1", seat=1, score=float("nan")),
        record("users", user_id="u2", seat=2, score=float("-inf")),
        record("users", user_id="u3", seat=3, score=0.5),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    held = [batch.attributes(f"u{n}") for n in (1, 2, 3)]
    assert held == [{"seat": 1}, {"seat": 2}, {"seat": 3, "score": 0.5}]
    assert ended.totals("users")["delivered"] == 3
    assert sum(ended.totals("users")["reasons"].values()) == 2
    for path in ended.reject_files():
        for line in path.read_text().splitlines():
            json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize("maps", [None, {"users": {}}], ids=["plain", "behind a stream map"])
def test_a_lone_surrogate_rejects_at_most_its_attribute(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, object] | None
) -> None:
    """In an attribute, only that attribute is rejected; in a custom ID, its record."""
    lines = [
        schema("users", PROPERTIES),
        record("users", user_id="u1", seat=1, name="half \ud800"),
        record("users", user_id="u\udfff", seat=2),
        record("users", user_id="u3", seat=3),
    ]
    ended = run(tmp_path, batch.url, lines, stream_maps=maps)
    assert ended.code == 0
    assert custom_ids(batch) == ["u1", "u3"], "half an ID is another ID"
    assert batch.attributes("u1") == {"seat": 1}
    assert ended.codes() == ["invalid_text", "invalid_text"]


def test_numbers_texts_and_escapes_arrive_exactly(tmp_path: Path, batch: LocalBatch) -> None:
    """Large integers, decimals, escapes and line separators reach Batch as they were written."""
    name = 'quote " slash \\ \u2028 \u00e9 \U0001f600 tab\t'
    lines = [
        schema("users", PROPERTIES),
        record("users", user_id="u1", seat=2**53 + 1, name=name),
        '{"type": "RECORD", "stream": "users", "record": {"user_id": "u2", "score": 0.1234567890123456789}}',
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    assert batch.attributes("u1") == {"seat": 2**53 + 1, "name": name}
    assert batch.attributes("u2")["score"] == pytest.approx(0.12345678901234568, abs=1e-18)


@pytest.mark.parametrize("maps", [None, {"users": {}}], ids=["plain", "behind a stream map"])
def test_extreme_numbers_are_sent_or_rejected_alone(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, object] | None
) -> None:
    """Integers and decimals beyond a float are sent exactly or rejected, and the run goes on."""
    numbers = ["1e400", "-1e400", "1e-400", str(2**70), f"-{2**63}", "-0.0", "1" * 400, "0." + "1" * 400]
    lines = [schema("users", PROPERTIES)]
    for place, number in enumerate(numbers):
        row = f'{{"user_id": "u{place}", "seat": {place}, "score": {number}}}'
        lines.append(f'{{"type": "RECORD", "stream": "users", "record": {row}}}')
    ended = run(tmp_path, batch.url, [*lines, state({"seen": 1})], stream_maps=maps)
    assert ended.code == 0, ended.log
    assert ended.emitted == ['{"seen": 1}']
    sent = {line["custom_id"] for line in batch.journal() if "score" in line["attributes"]}
    refused = {row["user_id"] for row in ended.rejects()}
    assert sent | refused == {f"u{place}" for place in range(len(numbers))}
    assert not sent & refused


def test_a_message_before_its_schema_is_reported_with_its_type(tmp_path: Path, batch: LocalBatch) -> None:
    for kind in ("RECORD", "BATCH"):
        ended = run(tmp_path, batch.url, MALFORMED[f"a {kind} before its SCHEMA"] + b"\n")
        assert f"Line 1 is a {kind} before its SCHEMA." in ended.log
