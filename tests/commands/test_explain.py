"""`target-batch explain` shows what the target would do with a sample."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from singer import DATE_TIME, STRING, record, schema
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

    from tests.commands.running import Command

USERS = """user_id,Email,phone,accountType,signup date,logins,a name that is much too long for Batch
7,ana@example.com,+33612345678,Pro,2026-01-02,3,x
8,not an address,,Free,2026-01-03,5,y
,bob@example.com,,Free,2026-02-03,1,z
"""
NOON = "2026-03-01T12:00:00Z"


def as_json(command: Command, *options: object, given: str | bytes = b"") -> dict[str, Any]:
    """Return what the command reports of the only stream."""
    done = command("explain", *options, "--format", "json", given=given)
    assert done.exit_code == 0, done.output
    (stream,) = json.loads(done.output)["streams"]
    found: dict[str, Any] = stream
    return found


def test_rows_of_csv_become_a_table(command: Command, tmp_path: Path) -> None:
    """It shows attributes with type and example, unsent columns with the reason, and lines with issues."""
    (tmp_path / "users.csv").write_text(USERS)
    done = command("explain", "--input", "users.csv")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0] == "users  3 records, 2 would go (2 of them without an attribute), 1 rejected"
    columns = [line.split() for line in lines]
    assert ["Email", "$email_address", "string", "ana@example.com"] in columns
    assert ["accountType", "account_type", "string", "Pro"] in columns
    assert "2026-01-02 → 2026-01-02T00:00:00Z" in done.output
    assert "no Batch name can be made of it" in done.output
    assert any("missing_custom_id" in line and "line 4" in line for line in lines)
    assert "schema     inferred from these rows" in done.output


ODD_ROWS = (
    '{"user_id": "u1", "seat": NaN, "plan": "\\ud800"}',
    '{"user_id": "u2", "seat": 1e999999999999999999999, "plan": "a"}',
)


@pytest.mark.parametrize("is_singer", [True, False], ids=["singer", "rows"])
def test_rows_that_are_not_strict_json_are_judged_as_in_a_run(command: Command, *, is_singer: bool) -> None:
    """NaN, an exponent beyond any number and half a surrogate pair reject only their own properties."""
    lines = list(ODD_ROWS)
    if is_singer:
        properties = {"user_id": STRING, "seat": {"type": "number"}, "plan": STRING}
        lines = [schema("users", properties)]
        lines += [f'{{"type": "RECORD", "stream": "users", "record": {row}}}' for row in ODD_ROWS]
    found = as_json(command, "--stream", "users", given="\n".join(lines))
    assert (found["records"]["read"], found["records"]["sent_in_part"]) == (2, 2)
    counts = {reason["code"]: reason["count"] for reason in found["reasons"]}
    assert counts == {"invalid_number": 2, "invalid_text": 1}
    examples = {row["property"]: row["example"] for row in found["properties"]}
    assert (examples["seat"], examples["plan"]) == ("nan", "a")


def test_no_line_is_wider_than_a_wide_terminal(command: Command) -> None:
    row = {"user_id": "u1", "text": "x" * 500, "name of a property " * 5: "日本語" * 40}
    done = command("explain", "--stream", "users", given=json.dumps(row))
    assert max(map(len, done.output.splitlines())) < 180


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised_in_the_header(command: Command, delimiter: str) -> None:
    found = as_json(command, "--stream", "users", given=USERS.replace(",", delimiter))
    assert found["records"]["read"] == 3
    assert found["custom_id"] == "user_id"


def test_text_that_only_looks_like_a_number_stays_text(command: Command) -> None:
    """Leading zeros and signs belong to postcodes and phone numbers."""
    rows = "user_id,postcode,phone,score,ok\n1,01230,+33612345678,1.50,true\n2,75001,+33612345679,2,false\n"
    found = as_json(command, "--stream", "users", given=rows)
    types = {row["property"]: row["type"] for row in found["properties"]}
    assert types == {
        "user_id": "integer",
        "postcode": "string",
        "phone": "string",
        "score": "number",
        "ok": "boolean",
    }


def test_segment_messages_are_recognised_by_their_shape(command: Command) -> None:
    """The report has their kind, traits, events and late events, and messages with only an anonymous ID."""
    messages: list[dict[str, Any]] = [
        {"type": "identify", "userId": "u1", "traits": {"createdAt": "2020-01-01T00:00:00Z", "plan": "pro"}},
        {"type": "track", "userId": "u1", "event": "Order Completed", "timestamp": NOON},
        {"type": "track", "userId": "u1", "event": "Order Completed", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "page", "userId": "u1", "name": "Home", "timestamp": NOON},
        {"type": "track", "anonymousId": "a", "event": "Seen", "timestamp": NOON},
    ]
    given = "\n".join(json.dumps({"context": {}, **message}) for message in messages)
    found = as_json(command, "--stream", "archive", "--at", NOON, given=given)
    assert found["kind"] == "segment"
    attributes = {row["property"]: row["attribute"] for row in found["properties"]}
    assert attributes["traits.createdAt"] == "date(created_at)"
    assert found["names"] == {"order_completed": 1}
    assert found["budgets"]["events"]["met"] == 2
    assert found["budgets"]["events"]["late"] == 1
    codes = {met["code"]: met["lines"] for met in found["reasons"]}
    assert codes == {
        "event_outside_window": [3],
        "segment_type_not_selected": [4],
        "anonymous_message": [5],
    }


def test_the_fields_of_a_segment_message_beside_its_traits_are_listed(command: Command) -> None:
    """Every field is listed with its use: the custom ID, the time, and the fields that are never sent."""
    message = {
        "type": "page",
        "userId": "u1",
        "name": "Home",
        "timestamp": NOON,
        "messageId": "m",
        "context": {"ip": "192.0.2.1", "locale": "fr-FR"},
        "traits": {"plan": "pro"},
    }
    found = as_json(command, "--stream", "archive", "--at", NOON, given=json.dumps(message))
    notes = {row["property"]: row["note"] for row in found["properties"] if row["attribute"] is None}
    assert notes == {
        "type": "the message's type",
        "userId": "the custom ID",
        "timestamp": "the message's time: the first of them that it has",
        "name": "neither a trait nor a property: not sent",
        "messageId": "neither a trait nor a property: not sent",
        "context.ip": "neither a trait nor a property: not sent",
        "context.locale": "the language and region, in messages that identify",
    }


def test_a_property_that_is_never_sent_is_shown_with_the_reason(command: Command) -> None:
    properties = {"user_id": STRING, "email": STRING, "prefs": {"type": "object"}}
    lines = [
        schema("users", properties, ["user_id"]),
        record("users", user_id="u1", email="nobody", prefs={}),
    ]
    shown = command("explain", given="\n".join(lines)).output
    assert "nobody → refused" in shown
    assert "prefs: profiles have no objects" in shown


def test_a_schema_without_records_is_enough(command: Command) -> None:
    properties = {"user_id": STRING, "Full Name": STRING, "full_name": STRING, "born": DATE_TIME}
    found = as_json(command, given=schema("users", properties, ["user_id"]))
    rows = {row["property"]: row for row in found["properties"]}
    assert rows["born"]["attribute"] == "date(born)"
    assert rows["Full Name"]["reason"] == "name_collision"
    assert found["schema_inferred"] is False


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "many"])
def test_a_catalog_is_enough(command: Command, indent: int | None) -> None:
    """A tap's discovery writes a catalog: streams are explained by schema and keys, without records."""
    shape = {"type": ["null", "object"], "properties": {"nr": STRING, "signupAt": STRING}}
    keys = [{"breadcrumb": [], "metadata": {"table-key-properties": ["nr"]}}]
    streams = [
        {"tap_stream_id": "users", "stream": "users", "schema": shape, "metadata": keys},
        {"tap_stream_id": "leads", "schema": shape, "key_properties": ["nr"]},
    ]
    given = json.dumps({"streams": streams}, indent=indent)
    found = json.loads(command("explain", "--format", "json", given=given).output)["streams"]
    assert [(one["stream"], one["custom_id"], one["records"]["read"]) for one in found] == [
        ("users", "nr", 0),
        ("leads", "nr", 0),
    ]
    assert [row["attribute"] for row in found[0]["properties"]] == [None, "signup_at"]


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "many"])
def test_a_json_schema_is_enough(command: Command, tmp_path: Path, indent: int | None) -> None:
    shape = {"type": "object", "properties": {"user_id": STRING, "signupAt": STRING}}
    (tmp_path / "users.schema.json").write_text(json.dumps(shape, indent=indent))
    found = as_json(command, "--input", "users.schema.json")
    assert (found["stream"], found["schema_inferred"]) == ("users", False)
    assert [row["attribute"] for row in found["properties"]] == [None, "signup_at"]


def test_a_row_over_several_lines_is_not_taken_for_a_schema(command: Command) -> None:
    given = json.dumps({"user_id": "u1", "properties": {"a": 1}}, indent=2)
    done = command("explain", "--stream", "users", given=given)
    assert done.exit_code == 1
    assert "Line 1 of the input is not a JSON object." in done.output


def test_a_stream_of_unknown_kind_is_reported_as_in_a_run(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    lines = [schema("products", {"id": STRING}, ["id"])]
    done = command("explain", given="\n".join(lines))
    ended = run(tmp_path, batch.url, lines)
    assert done.exit_code == ended.code == 2
    assert "Stream 'products' is of no known kind." in ended.log
    assert "Stream 'products' is of no known kind." in " ".join(done.output.split())


def test_a_wrong_setting_is_reported_as_in_a_run(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, [], colour="blue")
    done = command("explain", "--config", tmp_path / "config.json", given=USERS)
    assert done.exit_code == ended.code == 2
    assert "Unknown setting: `colour`." in done.output
    assert "Unknown setting: `colour`." in ended.log


def test_attributes_and_events_are_counted_against_the_limits_of_batch(command: Command) -> None:
    """They are planned and actual attributes, long texts, late events, and the most events of one person."""
    properties = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "note": STRING}
    lines = [schema("events", properties)]
    for number in range(20):
        time = "2026-03-01T11:00:00Z" if number % 4 else "2026-02-01T00:00:00Z"
        note = "x" * (301 if number == 1 else 3)
        lines.append(record("events", user_id="u1", event="Seen It", time=time, note=note))
    given = "\n".join(lines)
    budgets = as_json(command, "--at", NOON, given=given)["budgets"]
    assert budgets == {
        "attributes": {"planned": 1, "most_in_a_record": 1, "limit": 20},
        "texts_too_long": 1,
        "events": {
            "met": 20,
            "late": 5,
            "most_of_one_custom_id": 15,
            "entries_for_them": 1,
            "limit_per_entry": 15,
        },
    }
    text = command("explain", "--at", NOON, given=given).output
    assert "25 % of the events are outside the 24 hours" in text
    assert "seen_it (15)" in text


def test_late_events_that_would_be_sent_without_their_time_are_counted(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "c.json").write_text('{"late_events": "now"}')
    lines = [
        schema("events", {"user_id": STRING, "event": STRING, "time": DATE_TIME}),
        record("events", user_id="u1", event="a", time="2026-02-01T00:00:00Z"),
    ]
    found = as_json(command, "--config", "c.json", "--at", NOON, given="\n".join(lines))
    assert found["budgets"]["events"]["late"] == 1
    assert found["records"]["sent"] == 1


def test_stream_maps_are_applied_as_in_a_run(command: Command, tmp_path: Path) -> None:
    """An alias, a computed property and a filter take effect before the mapping."""
    maps = {
        "people": {
            "__alias__": "users",
            "__filter__": "user_id != 'u2'",
            "user_id": "user_id",
            "shout": "name.upper()",
            "__else__": None,
        }
    }
    (tmp_path / "c.json").write_text(json.dumps({"stream_maps": maps}))
    lines = [schema("people", {"user_id": STRING, "name": STRING}, ["user_id"])]
    lines += [record("people", user_id=f"u{n}", name="ana" if n < 3 else None) for n in (1, 2, 3)]
    found = as_json(command, "--config", "c.json", given="\n".join(lines))
    assert found["stream"] == "users"
    assert {met["code"] for met in found["reasons"]} == {"filtered_by_stream_map", "stream_map_failed"}
    (shout,) = (row for row in found["properties"] if row["property"] == "shout")
    assert shout["sent"] == "ANA"


def test_a_stream_that_the_stream_maps_remove_is_not_shown(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"stream_maps": {"people": None}}))
    lines = [schema(name, {"user_id": STRING}, ["user_id"]) for name in ("people", "users")]
    lines += [record(name, user_id="u1") for name in ("people", "users")]
    found = as_json(command, "--config", "c.json", given="\n".join(lines))
    assert (found["stream"], found["records"]["sent"]) == ("users", 1)


@pytest.mark.parametrize("maps", [{"users": {"x": "(("}}, {"__x__": 1}], ids=["expression", "option"])
def test_a_wrong_stream_map_is_reported(command: Command, tmp_path: Path, maps: dict[str, Any]) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"stream_maps": maps}))
    done = command("explain", "--config", "c.json", "--stream", "users", given=USERS)
    assert done.exit_code == 2
    assert "The setting `stream_maps` is wrong" in done.output


def test_packed_files_are_unpacked(command: Command, tmp_path: Path) -> None:
    (tmp_path / "users.csv.gz").write_bytes(gzip.compress(USERS.encode()))
    assert as_json(command, "--input", "users.csv.gz")["stream"] == "users"


def test_the_number_of_records_can_be_limited(command: Command) -> None:
    lines = [schema("users", {"user_id": STRING})] + [record("users", user_id=f"u{n}") for n in range(9)]
    assert as_json(command, "--records", 4, given="\n".join(lines))["records"]["read"] == 4
    assert as_json(command, "--records", 0, given="\n".join(lines))["records"]["read"] == 9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "The input is empty."),
        (b'{"user_id": 1}\n{"user_id"', "Line 2 of the input is not a JSON object."),
        (b"user_id,name\n1,\xff\n", "Line 2 of the input is not UTF-8."),
        (
            b'{"type": "SCHEMA", "stream": "users", "schema": {"properties": {}}}\n{"type"',
            "Line 2 of the input",
        ),
        (b'{"type": "RECORD", "stream": "users", "record": {}}', "Line 1 is a RECORD before its SCHEMA."),
        (b"[1, 2]", "Line 1 of the input is not a JSON object."),
    ],
)
def test_an_unreadable_input_is_reported_with_its_line(command: Command, given: bytes, message: str) -> None:
    done = command("explain", "--stream", "users", given=given)
    assert done.exit_code == 1
    assert message in done.output


def test_a_row_with_more_cells_than_the_header_is_reported(command: Command) -> None:
    """The cells beyond the header would be lost silently."""
    done = command("explain", "--stream", "users", given="user_id,n\nu1,1\nu1,2,3\n")
    assert done.exit_code == 1
    assert "Line 3 of the input has 3 cells, the head has 2." in done.output


def test_columns_with_the_same_name_are_reported(command: Command) -> None:
    """All but the last of them would be lost silently."""
    done = command("explain", "--stream", "users", given="user_id,email,n,email\nu1,a@b.co,1,c@d.co\n")
    assert done.exit_code == 1
    assert "The head of the input has several columns of one name: `email`." in done.output
    assert "a@b.co" not in done.output


def test_an_option_that_names_a_missing_property_would_stop_the_target(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"streams": {"users": {"custom_id": "uid"}}}))
    done = command("explain", "--config", "c.json", "--stream", "users", given="user_id,n\nu1,1\n")
    text = " ".join(done.output.split())
    assert "The target would stop here" in text
    assert "`streams.users.custom_id` names the property `uid`" in text
    assert "It has: `user_id`, `n`." in text


def test_options_without_effect_are_reported(command: Command, tmp_path: Path) -> None:
    """Text and JSON report them; the text also reports entries that fit no stream."""
    streams = {"users": {"mode": "mirror"}, "user": {}}
    (tmp_path / "c.json").write_text(json.dumps({"streams": streams}))
    given = ("--config", "c.json", "--stream", "users")
    text = " ".join(command("explain", *given, given="user_id,n\nu1,1\n").output.split())
    assert "No meaning for a stream of kind `profiles`: `mode`. Set `streams.users.kind` if" in text
    assert "no stream of this input has: `user` (did you mean `users`?)." in text
    notes = as_json(command, *given, given="user_id,n\nu1,1\n")["notes"]
    assert [note for note in notes if "`mode`" in note]


def test_rows_from_a_pipe_need_a_stream_name(command: Command) -> None:
    done = command("explain", given=USERS)
    assert done.exit_code == 1
    assert "--stream" in done.output


def test_control_characters_of_a_sample_are_not_printed(command: Command) -> None:
    row = {"user_id": "u\u001b[31m1", "evil\u001b]0;x\u0007": "a\u009bb\u202ec"}
    done = command("explain", "--stream", "users", given=json.dumps(row))
    assert not [c for c in done.output if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")]


def curl_script(command: Command, config: Path, given: str) -> str:
    """Return the requests of a sample as a script."""
    done = command("explain", "--config", config, "--format", "curl", given=given)
    assert done.exit_code == 0, done.output
    script: str = done.output
    return script


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_commands_do_what_the_target_does(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """A shell runs them against the local Batch, which then holds what a run of the target leaves there."""
    lines = [
        schema("users", {"user_id": STRING, "it's": STRING, "born": DATE_TIME}, ["user_id"]),
        record("users", **{"user_id": "u1", "it's": "$HOME `x` \"q\" 'JSON'\nJSON\n", "born": NOON}),
        record("users", **{"user_id": "u1", "it's": "é", "born": None}),
        schema("cohorts", {"user_id": STRING, "cohort": STRING, "action": STRING}),
        record("cohorts", user_id="u1", cohort="Big spenders", action="add"),
        record("cohorts", user_id="u2", cohort="Big spenders", action="remove"),
    ]
    ended = run(tmp_path, batch.url, lines)
    assert ended.code == 0
    wanted = [(e["endpoint"], e.get("custom_id"), e.get("attributes"), e.get("id")) for e in batch.journal()]
    batch.reset()
    script = curl_script(command, tmp_path / "config.json", "\n".join(lines))
    assert "canary" not in script
    keys = {"REST_API_KEY": "k", "PROJECT_KEY": "p", "PATH": "/usr/bin:/bin", "NO_PROXY": "*"}
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script], capture_output=True, text=True, env=keys, check=True
    )
    assert done.stdout.count("SUCCESS") == 1
    got = [(e["endpoint"], e.get("custom_id"), e.get("attributes"), e.get("id")) for e in batch.journal()]
    assert sorted(got, key=repr) == sorted(wanted, key=repr)


def test_a_mirror_that_only_removes_is_shown_as_an_update(command: Command, tmp_path: Path) -> None:
    """Batch refuses to replace an audience by an empty one, and so does the target."""
    settings = {"streams": {"cohorts": {"audience": "vip", "mode": "mirror"}}}
    (tmp_path / "c.json").write_text(json.dumps(settings))
    lines = [
        schema("cohorts", {"user_id": STRING, "action": STRING}, ["user_id"]),
        record("cohorts", user_id="u1", action="remove"),
    ]
    script = curl_script(command, tmp_path / "c.json", "\n".join(lines))
    assert "/audiences/replace" not in script
    sent = script.partition("/audiences/update")[2].partition("<<'JSON'\n")[2].partition("\nJSON")[0]
    assert json.loads(sent) == {"name": "vip", "ids": [{"action": "remove", "id": "u1"}]}
    added = "\n".join([*lines, record("cohorts", user_id="u2", action="add")])
    sent = curl_script(command, tmp_path / "c.json", added).partition("/audiences/replace")[2]
    assert '"u2"' in sent
    assert '"u1"' not in sent


def test_people_whom_the_target_would_erase_are_counted(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """The last record of a person decides, as in a run, and the erasure request is among those shown."""
    settings: dict[str, Any] = {
        "streams": {"users": {"on_delete": "erase"}},
        "confirm_erasures": True,
        "app_api_keys": ["erasing-app"],
    }
    (tmp_path / "c.json").write_text(json.dumps(settings))
    seen = {"user_id": STRING, "seat": STRING, "_sdc_deleted_at": DATE_TIME}
    gone = [record("users", user_id=who, _sdc_deleted_at=NOON) for who in ("u8", "u9")]
    lines = [schema("users", seen), *gone, record("users", user_id="u8", seat="1")]
    found = as_json(command, "--config", tmp_path / "c.json", given="\n".join(lines))
    counts = found["records"]
    assert (counts["read"], counts["sent"], counts["erased"], counts["ignored"]) == (3, 1, 1, 1)
    done = command("explain", "--config", tmp_path / "c.json", given="\n".join(lines))
    assert done.output.startswith("users  3 records, 1 would go, 1 would erase a person, 1 ignored")
    script = curl_script(command, tmp_path / "c.json", "\n".join(lines))
    assert script.count("/gdpr/request") == 1
    assert json.loads(script.rpartition("<<'JSON'\n")[2].rpartition("\nJSON")[0]) == {
        "request_type": "remove",
        "id": {"type": "custom_id", "value": "u9"},
    }
    totals = run(tmp_path, batch.url, lines, **settings).totals("users")
    assert (totals["delivered"], totals["ignored"]) == (2, 1)


def test_a_curl_command_with_events_does_not_retry(command: Command, tmp_path: Path) -> None:
    """A second attempt might send an event twice; repeated attributes change nothing."""
    (tmp_path / "c.json").write_text("{}")
    users = [schema("users", {"user_id": STRING, "n": STRING}), record("users", user_id="u1", n="x")]
    events = [
        schema("events", {"user_id": STRING, "event": STRING, "time": DATE_TIME}),
        record("events", user_id="u1", event="seen", time=datetime.now(timezone.utc).isoformat()),
    ]
    assert "--retry" in curl_script(command, tmp_path / "c.json", "\n".join(users))
    script = curl_script(command, tmp_path / "c.json", "\n".join(events))
    assert '"seen"' in script
    assert "--retry" not in script


def test_explain_sends_no_request_and_writes_nothing(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    settings = {"api_url": batch.url, "ledger_url": "sqlite:///ledger.db", "skip_unchanged": True}
    (tmp_path / "c.json").write_text(json.dumps(settings))
    for form in ("text", "json", "curl"):
        done = command("explain", "--config", "c.json", "--stream", "users", "--format", form, given=USERS)
        assert done.exit_code == 0
    assert batch.summary()["requests"]["total"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_the_counts_of_explain_are_those_of_a_run(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """A run delivers and rejects as many records as `explain` announces, for the same reasons."""
    rows = list(csv.DictReader(USERS.splitlines()))
    names = [str(name) for name in rows[0]]
    lines = [schema("users", dict.fromkeys(names, STRING))]
    lines += [record("users", **{name: value or None for name, value in row.items()}) for row in rows]
    found = as_json(command, given="\n".join(lines))
    totals = run(tmp_path, batch.url, lines).totals("users")
    assert (found["records"]["sent"], found["records"]["rejected"]) == (
        totals["delivered"],
        totals["rejected"],
    )
    assert {met["code"]: met["count"] for met in found["reasons"]} == totals["reasons"]
