"""Good values are sent: neither bad values nor rules of a SCHEMA beyond types hold them back."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from singer import DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state
from target_process import run
from verdict import unbalanced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch
    from target_process import Ended

ROWS = 1500


def users(properties: dict[str, Any], *records: str, **keywords: Any) -> list[str]:
    """Return a stream of users; `records` are JSON, `keywords` stand beside `properties` in the SCHEMA."""
    whole = {"type": "object", "properties": {"user_id": STRING, **properties}, **keywords}
    head = {"type": "SCHEMA", "stream": "users", "schema": whole, "key_properties": []}
    lines = [f'{{"type":"RECORD","stream":"users","record":{one}}}' for one in records]
    return [json.dumps(head), *lines, state({"seen": len(records)})]


def loaded(folder: Path, batch: LocalBatch, lines: list[str], **settings: Any) -> Ended:
    """Load lines in a run that succeeds and whose counts add up."""
    ended = run(folder, batch.url, lines, **settings)
    assert ended.code == 0, ended.log
    assert unbalanced(ended) == []
    return ended


def test_good_values_are_sent_and_any_number_of_invalid_ones_is_on_disk(
    tmp_path: Path, batch: LocalBatch
) -> None:
    words = ["yes", "no", "whatever"] * ROWS
    lines = [schema("users", {"user_id": STRING, "email_marketing": STRING})]
    lines += [record("users", user_id=f"u{n}", email_marketing=word) for n, word in enumerate(words)]
    ended = loaded(tmp_path, batch, lines)
    answers = [entry["attributes"].get("$email_marketing") for entry in batch.journal()]
    assert answers.count("subscribed") == ROWS
    assert answers.count("unsubscribed") == ROWS
    assert len(ended.rejects()) == ROWS
    assert ended.totals("users")["reasons"] == {"invalid_consent": ROWS}


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ({"type": "number", "multipleOf": 0.01}, "0.429999999999999993"),
        ({"type": "number", "minimum": 5}, "1"),
        ({"type": "string", "pattern": "^x"}, '"abc"'),
        ({"type": "string", "enum": ["x"]}, '"abc"'),
        ({"type": "string", "minLength": 9}, '"abc"'),
        ({"type": "string", "format": "ipv4"}, '"abc"'),
        ({"type": "array", "minItems": 3}, '["abc"]'),
        ({"const": "x"}, '"abc"'),
        ({"not": {"type": "string"}}, '"abc"'),
    ],
)
def test_rules_of_a_schema_beyond_types_reject_no_value(
    tmp_path: Path, batch: LocalBatch, declared: Any, value: str
) -> None:
    ended = loaded(tmp_path, batch, users({"p": declared}, f'{{"user_id":"u","p":{value}}}'))
    assert batch.attributes("u") == {"p": json.loads(value)}
    assert ended.rejects() == []


@pytest.mark.parametrize(
    "beyond",
    [
        {"required": ["name", "ghost"]},
        {"minProperties": 9},
        {"additionalProperties": False},
        {"propertyNames": {"pattern": "^z"}},
        {"dependentRequired": {"p": ["q"]}},
        {"if": {}, "then": False},
    ],
)
def test_rules_of_a_schema_about_whole_records_reject_no_record(
    tmp_path: Path, batch: LocalBatch, beyond: Any
) -> None:
    ended = loaded(tmp_path, batch, users({"p": STRING}, '{"user_id":"u","p":"x","q":"y"}', **beyond))
    assert batch.attributes("u") == {"p": "x", "q": "y"}
    assert ended.rejects() == []


def test_without_properties_in_the_schema_values_are_sent_by_their_json_types(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """Document databases send such a SCHEMA."""
    head = {"type": "SCHEMA", "stream": "users", "schema": {"type": "object"}, "key_properties": ["user_id"]}
    lines = [json.dumps(head), record("users", user_id="u", n=1, text="x", flag=True, words=["a"])]
    loaded(tmp_path, batch, lines)
    assert batch.attributes("u") == {"n": 1, "text": "x", "flag": True, "words": ["a"]}


@pytest.mark.parametrize(
    ("properties", "row", "attributes", "rejected"),
    [
        ({"a.b": INTEGER, "a": STRING}, {"a.b": "bad", "a": "good"}, {"a": "good"}, {"a.b": "bad"}),
        (
            {"Owner": STRING, "Owner.Name": INTEGER},
            {"Owner": "o", "Owner.Name": "bad"},
            {"owner": "o"},
            {"Owner.Name": "bad"},
        ),
        (
            {"user_id.kind": STRING, "p": STRING},
            {"user_id.kind": 5, "p": "x"},
            {"p": "x"},
            {"user_id.kind": 5},
        ),
        ({"": STRING, "p": STRING}, {"": "x", "p": "y"}, {"p": "y"}, {"": "x"}),
    ],
)
def test_a_good_value_is_sent_beside_a_bad_one_that_is_on_disk(
    tmp_path: Path, batch: LocalBatch, properties: Any, row: Any, attributes: Any, rejected: Any
) -> None:
    ended = loaded(tmp_path, batch, users(properties, json.dumps({"user_id": "u", **row})))
    assert batch.attributes("u") == attributes
    (kept,) = ended.rejects()
    del kept["_batch_reject"]
    assert kept == {"user_id": "u", **rejected}


def test_a_property_that_loses_its_name_is_counted_but_not_written_row_by_row(
    tmp_path: Path, batch: LocalBatch
) -> None:
    lines = users(
        {"firstName": STRING, "first_name": STRING},
        *[f'{{"user_id":"u{n}","firstName":"a","first_name":"b"}}' for n in range(20)],
    )
    ended = loaded(tmp_path, batch, lines)
    assert batch.attributes("u7") == {"first_name": "b"}
    assert ended.rejects() == []
    assert ended.totals("users")["reasons"] == {"name_collision": 20}
    assert ended.log.count("`firstName` is left out") == 1


def test_types_come_through_references_inside_the_schema(tmp_path: Path, batch: LocalBatch) -> None:
    moment = {"type": ["string", "null"], "format": "date-time"}
    properties = {
        "t": {"$ref": "#/definitions/ts"},
        "deep": {"$ref": "#/definitions/again"},
        "u": {"allOf": [moment]},
        "mix": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}, {"type": "null"}]},
        "escaped": {"$ref": "#/$defs/a~1b%20c"},
        "circle": {"$ref": "#/definitions/circle"},
        "n": {"type": "string", "format": "x-singer.decimal"},
    }
    definitions = {
        "ts": moment,
        "again": {"$ref": "#/definitions/ts"},
        "circle": {"$ref": "#/definitions/circle"},
    }
    when = "2024-01-01T00:00:00Z"
    first = {
        "user_id": "u1",
        "t": when,
        "deep": when,
        "u": when,
        "mix": when,
        "escaped": when,
        "circle": "x",
        "n": "1.5",
    }
    second = {"user_id": "u2", "t": "0000-00-00", "mix": "soon"}
    lines = users(
        properties,
        json.dumps(first),
        json.dumps(second),
        definitions=definitions,
        **{"$defs": {"a/b c": moment}},
    )
    ended = loaded(tmp_path, batch, lines)
    sent = {entry["custom_id"]: entry["attributes"] for entry in batch.journal()}
    dated = {f"date({name})" for name in ("t", "deep", "u", "mix", "escaped")}
    assert sent["u1"].keys() == dated | {"circle", "n"}
    assert sent["u1"]["n"] == 1.5
    assert sent["u2"] == {"mix": "soon"}
    assert ended.codes() == ["invalid_date"]


@pytest.fixture
def listener() -> Iterator[tuple[str, list[int]]]:
    """A server that counts its connections."""
    met: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def count() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                met.append(1)
                connection.close()

        threading.Thread(target=count, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", met


@pytest.mark.parametrize(
    "settings", [{}, {"dry_run": True}, {"flattening_enabled": True, "flattening_max_depth": 1}]
)
def test_a_schema_opens_no_connection_and_no_file(
    tmp_path: Path, batch: LocalBatch, listener: tuple[str, list[int]], settings: Any
) -> None:
    """External references are ignored, and each is reported once."""
    url, met = listener
    secret = tmp_path / "secret.json"
    secret.write_text('{"type": "integer"}')
    properties = {
        "a": {"$ref": f"{url}/a.json"},
        "b": {"$ref": secret.as_uri()},
        "c": {"$ref": "relative.json#/x"},
        "d": {"$ref": "#/definitions/nothing"},
        "e": {"$dynamicRef": f"{url}/e"},
    }
    row = json.dumps({"user_id": "u", **dict.fromkeys(properties, "x")})
    ended = loaded(
        tmp_path, batch, users(properties, row, **{"$id": f"{url}/", "$schema": f"{url}/meta"}), **settings
    )
    assert met == []
    if "dry_run" not in settings:
        assert batch.attributes("u") == dict.fromkeys(properties, "x")
    assert ended.log.count("is not fetched") == (0 if "flattening_enabled" in settings else 4)
    assert ended.rejects() == []


@pytest.mark.parametrize(
    ("target", "text", "value"),
    [
        ("number(p)", "1.50", 1.5),
        ("number(p)", " 7 ", 7),
        ("integer(p)", "7.0", 7),
        ("boolean(p)", "Yes", True),
        ("boolean(p)", "0", False),
        ("number(p)", "1,5", None),
        ("integer(p)", "7.5", None),
        ("boolean(p)", "perhaps", None),
        ("integer(p)", "", None),
    ],
)
def test_text_of_a_csv_file_is_converted_as_the_mapping_says(
    tmp_path: Path, batch: LocalBatch, target: str, text: str, value: Any
) -> None:
    lines = users({"col": STRING}, json.dumps({"user_id": "u", "col": text}))
    ended = loaded(tmp_path, batch, lines, streams={"users": {"attributes": {"col": target}}})
    assert batch.attributes("u") == ({} if value is None else {"p": value})
    assert len(ended.rejects()) == (value is None and text != "")


def test_whole_numbers_in_integer_columns_stay_whole(tmp_path: Path, batch: LocalBatch) -> None:
    lines = users({"n": INTEGER}, '{"user_id":"u","n":7.0}')
    loaded(tmp_path, batch, lines)
    value = batch.attributes("u")["n"]
    assert (value, type(value)) == (7, int)


def test_numbers_beyond_the_range_of_batch_are_rejected_alone(tmp_path: Path, batch: LocalBatch) -> None:
    """Batch takes integers of 64 bits and finite doubles."""
    bounds = '"i":9223372036854775808,"low":-9223372036854775809,"ok":9223372036854775807'
    row = f'{{"user_id":"u","n":1e400,{bounds}}}'
    lines = users({"n": NUMBER, "i": INTEGER, "low": INTEGER, "ok": INTEGER}, row)
    ended = loaded(tmp_path, batch, lines)
    assert batch.attributes("u") == {"ok": 9223372036854775807}
    assert ended.codes() == ["invalid_number"] * 3


def test_an_unsupported_result_of_a_stream_map_rejects_only_its_attribute(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """A date is sent; a set has no form in JSON."""
    maps = {"users": {"day": "datetime.date(2024, 1, 2)", "odd": "{1, 2}"}}
    lines = users({"p": STRING, "at": DATE_TIME}, '{"user_id":"u","p":"x"}')
    ended = loaded(tmp_path, batch, lines, stream_maps=maps)
    (sent,) = batch.journal()
    assert sent["attributes"] == {"p": "x", "date(day)": "2024-01-02T00:00:00Z"}
    assert ended.codes() == ["unsupported_value"]


@pytest.mark.parametrize("reading", ["refused", "last_wins"])
@pytest.mark.parametrize("later", ['"unknown"', "null"])
def test_a_column_of_dates_and_texts_keeps_the_last_one(
    tmp_path: Path, batch: LocalBatch, reading: str, later: str
) -> None:
    """`date(born)` and `born` are never sent together, as it is not known whether Batch takes both."""
    batch.post("settings", {"readings": {"repeated_name": reading}})
    either = {"anyOf": [DATE_TIME, {"type": ["string", "null"]}]}
    rows = [f'{{"user_id": "u1", "born": {value}, "seat": 1}}' for value in ('"2024-01-01T00:00:00Z"', later)]
    ended = loaded(tmp_path, batch, users({"born": either, "seat": INTEGER}, *rows), nulls="delete")
    batch.post("settings", {"readings": {"repeated_name": "refused"}})
    assert ended.rejects() == []
    assert all(len({"born", "date(born)"} & entry["attributes"].keys()) == 1 for entry in batch.journal())
    assert batch.attributes("u1").get("born") == (None if later == "null" else "unknown")
