"""Lines in: every odd line has one clear meaning, and an error names the number only."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.errors import InputError
from target_batch.singer.messages import Message, record_in
from target_batch.singer.reader import LineReader

RECORD = {"type": "RECORD", "stream": "s", "record": {"a": 1}}


def read(raw: bytes, *, torn: bool = False) -> tuple[list[Message], LineReader, list[str]]:
    """Read bytes to their end: messages, the reader, and what it warned of."""
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
def test_these_lines_are_one_record(raw: bytes) -> None:
    messages, reader, _ = read(raw)
    assert [message.record for message in messages] == [{"a": 1}]
    assert record_in(reader.line) == {"a": 1}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"canary\n", id="no JSON"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary"}\n', id="an unclosed object"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary', id="cut off at the end"),
        pytest.param(b'{"type":"RECORD","record":{"a":"canary\xff"}}\n', id="no UTF-8"),
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


def test_a_torn_end_is_passed_over_in_a_rejects_file_only() -> None:
    messages, _, warnings = read(line(RECORD) + b'{"type":"REC', torn=True)
    assert len(messages) == 1
    assert "Line 2 is cut off" in warnings[0]


def test_unknown_types_are_told_once() -> None:
    _, _, warnings = read(line({"type": "HEARTBEAT"}) * 3 + line({"type": "OTHER\n\x1b"}))
    assert warnings == [
        "Messages of type 'HEARTBEAT' are ignored.",
        "Messages of type 'OTHER?' are ignored.",
    ]


def test_numbers_keep_every_digit() -> None:
    raw = b'{"type":"RECORD","record":{"a":0.1234567890123456789,"b":36893488147419103232,"c":1e400}}\n'
    record = read(raw)[0][0].record
    assert record == {"a": Decimal("0.1234567890123456789"), "b": 2**65, "c": Decimal("1E+400")}


def test_nan_reaches_the_mapping_and_its_source_stays_json() -> None:
    """Python taps write NaN: the mapping refuses the attribute, and the reject can be written."""
    messages, reader, _ = read(b'{"type":"RECORD","stream":"s","record":{"a":NaN,"b":1}}\n')
    record = messages[0].record
    assert record is not None
    assert record["a"] != record["a"]
    assert record_in(reader.line) == {"a": "nan", "b": 1}


@pytest.mark.parametrize("number", [b"1e9999999999999999999999", b"-0e-9999999999999999999999", b"7" * 5000])
def test_a_number_that_no_program_can_hold_is_refused_as_nan_is(number: bytes) -> None:
    """The line is JSON all the same: it must not end the run."""
    messages, reader, _ = read(b'{"type":"RECORD","stream":"s","record":{"a":' + number + b',"b":1}}\n')
    record = messages[0].record
    assert record is not None
    assert record["a"] != record["a"]
    assert reader.odd
    assert record_in(reader.line) == {"a": "nan", "b": 1}


def test_a_state_keeps_its_bytes() -> None:
    value = b'{ "bookmarks" : {"a":1.50 , "b":[ 1,2 ]} }'
    messages, _, _ = read(b'{"type":"STATE","value":' + value + b"}\n")
    assert bytes(messages[0].value) == value


def test_a_stop_ends_the_reading_after_the_message() -> None:
    reader, seen = LineReader(), list[Message]()

    def stop(message: Message) -> None:
        seen.append(message)
        reader.stopped = True

    reader.process_lines(io.BytesIO(line(RECORD) * 5), {"RECORD": stop})
    assert len(seen) == 1


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text()), max_size=20), st.data())
def test_chunks_may_break_anywhere(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """However the bytes arrive, the same messages come out."""
    raw = b"".join(line({"type": "RECORD", "record": record}) for record in records)

    class Dribbling(io.RawIOBase):
        """Gives a few bytes at a time."""

        position = 0

        def read(self, _: int = -1) -> bytes:
            step = data.draw(st.integers(1, 40))
            part = raw[self.position : self.position + step]
            self.position += len(part)
            return part

    reader, messages = LineReader(), list[Message]()
    reader.process_lines(Dribbling(), {"RECORD": messages.append})  # type: ignore[arg-type]
    assert [message.record for message in messages] == records


def test_a_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tap that never breaks its line fills no memory; what came before is read."""
    monkeypatch.setattr("target_batch.singer.reader.LONGEST_LINE", 2 * 1024 * 1024)
    good = json.dumps(RECORD).encode() + b"\n"
    fits = json.dumps({**RECORD, "record": {"a": "x" * 1024 * 1024}}).encode() + b"\n"
    messages, _, _ = read(good + fits + good)
    assert len(messages) == 3
    with pytest.raises(InputError, match="Line 2 is longer than 2 MiB"):
        read(good + b"x" * 5 * 1024 * 1024)


@pytest.mark.parametrize(
    ("raw", "said"),
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
def test_what_is_wrong_with_a_message_is_named(raw: bytes, said: str) -> None:
    with pytest.raises(InputError) as stopped:
        read(raw + b"\n")
    assert f"Line 1 of the input is not a Singer message: {said}." in str(stopped.value)
