"""Every unusual input line has a defined meaning, and an error shows the line number but not the line."""

from __future__ import annotations

import io
import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.errors import InputError
from target_batch.singer.messages import Message, record_in, row_of
from target_batch.singer.reader import LineReader

RECORD = {"type": "RECORD", "stream": "s", "record": {"a": 1}}


def read(raw: bytes, *, torn: bool = False) -> tuple[list[Message], LineReader, list[str]]:
    """Read bytes to their end; return the messages, the reader and its warnings."""
    reader, messages, warnings = LineReader(), list[Message](), list[str]()
    reader.warn = warnings.append
    reader.tolerates_torn_end = torn
    kinds = ("RECORD", "SCHEMA", "STATE", "BATCH", "ACTIVATE_VERSION")
    reader.process_lines(io.BytesIO(raw), dict.fromkeys(kinds, messages.append))
    return messages, reader, warnings


def line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(line(RECORD), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + line(RECORD), id="BOM"),
        pytest.param(line(RECORD).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\n  \n\r\n" + line(RECORD), id="blank lines"),
        pytest.param(line(RECORD)[:-1], id="no line break at the end"),
        pytest.param(line({**RECORD, "time_extracted": "2026-01-01T00:00:00Z"}), id="more keys"),
    ],
)
def test_these_lines_are_read_as_one_record(raw: bytes) -> None:
    messages, reader, _ = read(raw)
    assert [message.record for message in messages] == [{"a": 1}]
    assert record_in(reader.line) == {"a": 1}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"canary\n", id="not JSON"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary"}\n', id="an unclosed object"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary', id="cut off at the end"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary\xff"}}\n', id="not UTF-8"),
        pytest.param(b'["canary"]\n', id="a list"),
        pytest.param(b'{"stream":"canary"}\n', id="no type"),
        pytest.param(b'{"type":"RECORD","record":"canary"}\n', id="a record that is not an object"),
        pytest.param(b"[" * 100_000 + b"\n", id="nested without end"),
        pytest.param(line(RECORD) + b"\xef\xbb\xbf" + line(RECORD), id="a BOM in the middle"),
    ],
)
def test_these_lines_stop_the_run_and_are_not_shown(raw: bytes) -> None:
    with pytest.raises(InputError) as stopped:
        read(raw)
    assert f"Line {(raw.count(b'{') > 1 and raw.count(bytes([10]))) or 1} " in str(stopped.value)
    assert "canary" not in str(stopped.value)


def test_an_unfinished_last_line_is_skipped_in_a_rejects_file_only() -> None:
    messages, _, warnings = read(line(RECORD) + b'{"type":"REC', torn=True)
    assert len(messages) == 1
    assert "Line 2 is cut off" in warnings[0]


def test_an_unknown_message_type_is_reported_once() -> None:
    _, _, warnings = read(line({"type": "HEARTBEAT"}) * 3 + line({"type": "OTHER\n\x1b"}))
    assert warnings == [
        "Messages of type 'HEARTBEAT' are ignored.",
        "Messages of type 'OTHER?' are ignored.",
    ]


def test_numbers_keep_every_digit() -> None:
    raw = b'{"type":"RECORD","record":{"a":0.1234567890123456789,"b":36893488147419103232,"c":1e400}}\n'
    record = read(raw)[0][0].record
    assert record == {"a": Decimal("0.1234567890123456789"), "b": 2**65, "c": Decimal("1E+400")}


def test_nan_reaches_the_mapping_and_the_source_line_stays_valid_json() -> None:
    """Python taps write NaN: the mapping rejects the value, and the record can be written to the rejects."""
    messages, reader, _ = read(b'{"type":"RECORD","stream":"s","record":{"a":NaN,"b":1}}\n')
    record = messages[0].record
    assert record is not None
    assert record["a"] != record["a"]
    assert record_in(reader.line) == {"a": "nan", "b": 1}


@pytest.mark.parametrize("number", [b"1e9999999999999999999999", b"-0e-9999999999999999999999", b"7" * 5000])
def test_a_number_that_is_too_large_is_treated_like_nan(number: bytes) -> None:
    """The line is valid JSON, so it must not end the run."""
    messages, reader, _ = read(b'{"type":"RECORD","stream":"s","record":{"a":' + number + b',"b":1}}\n')
    record = messages[0].record
    assert record is not None
    assert record["a"] != record["a"]
    assert reader.odd
    assert record_in(reader.line) == {"a": "nan", "b": 1}


def test_a_state_keeps_its_exact_bytes() -> None:
    value = b'{ "bookmarks" : {"a":1.50 , "b":[ 1,2 ]} }'
    messages, _, _ = read(b'{"type":"STATE","value":' + value + b"}\n")
    assert bytes(messages[0].value) == value


def test_a_stop_ends_the_reading_after_the_current_message() -> None:
    reader, seen = LineReader(), list[Message]()

    def stop(message: Message) -> None:
        seen.append(message)
        reader.stopped = True

    reader.process_lines(io.BytesIO(line(RECORD) * 5), {"RECORD": stop})
    assert len(seen) == 1


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text()), max_size=20), st.data())
def test_chunks_may_break_anywhere(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """The messages do not depend on how the bytes are split into chunks."""
    raw = b"".join(line({"type": "RECORD", "record": record}) for record in records)

    class Dribbling(io.RawIOBase):
        """Returns a few bytes at a time."""

        position = 0

        def read(self, _: int = -1) -> bytes:
            step = data.draw(st.integers(1, 40))
            part = raw[self.position : self.position + step]
            self.position += len(part)
            return part

    reader, messages = LineReader(), list[Message]()
    reader.process_lines(Dribbling(), {"RECORD": messages.append})  # type: ignore[arg-type]
    assert [message.record for message in messages] == records


def test_a_line_that_is_too_long_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tap that never writes a line break cannot fill the memory; the lines before are read."""
    monkeypatch.setattr("target_batch.singer.reader.LONGEST_LINE", 2 * 1024 * 1024)
    good = json.dumps(RECORD).encode() + b"\n"
    fits = json.dumps({**RECORD, "record": {"a": "x" * 1024 * 1024}}).encode() + b"\n"
    messages, _, _ = read(good + fits + good)
    assert len(messages) == 3
    longest = good.rstrip().ljust(2 * 1024 * 1024) + b"\n"
    messages, _, _ = read(longest + good + longest)
    assert len(messages) == 3
    with pytest.raises(InputError, match="Line 1 is longer than 2 MiB"):
        read(b" " + longest)
    with pytest.raises(InputError, match="Line 2 is longer than 2 MiB"):
        read(good + b"x" * 5 * 1024 * 1024)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"type":"SCHEMA","stream":"u","schema":[]}', "its `schema` is array instead of object"),
        (b'{"type":"SCHEMA","stream":5,"schema":{}}', "its `stream` is int instead of str"),
        (
            b'{"type":"SCHEMA","stream":"u","key_properties":"id"}',
            "its `key_properties` is str instead of array",
        ),
        (
            b'{"type":"SCHEMA","stream":"u","key_properties":[5]}',
            "its `key_properties` is int instead of str",
        ),
        (b'{"type":"RECORD","stream":"u","record":"x"}', "its `record` is str instead of object"),
        (b'{"type":5}', "its `type` is int instead of str"),
        (b'{"stream":"u"}', "it is a JSON object without `type`"),
        (b"[1]", "it is not a JSON object"),
    ],
)
def test_an_invalid_message_is_refused_with_its_problem(raw: bytes, problem: str) -> None:
    with pytest.raises(InputError) as stopped:
        read(raw + b"\n")
    assert f"Line 1 of the input is not a Singer message: {problem}." in str(stopped.value)


def test_a_line_made_of_an_odd_record_changes_only_what_json_lacks() -> None:
    """A finite number stays a number, NaN and bytes become words, and half a surrogate pair a sign."""
    odd = {"ratio": 1.5, "score": math.nan, "raw": b"x", "name": "a\ud800", "in": [{"far": -math.inf}]}
    found = record_in(row_of(odd).line)
    assert found == {
        "ratio": 1.5,
        "score": "nan",
        "raw": "(bytes)",
        "name": "a\ufffd",
        "in": [{"far": "-inf"}],
    }
