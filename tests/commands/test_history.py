"""`runs` and `rejects` show what runs left behind, as text and as data."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from singer import INTEGER, STRING, record, schema, state, users
from target_process import KEY, PROJECT, config_file, finished, run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

    from tests.commands.running import Command

PRIVATE = "somebody@canary.example"
LINES = [
    schema("users", {"user_id": STRING, "email": STRING, "seat": INTEGER}, ["user_id"]),
    record("users", user_id="u1", email=f"{PRIVATE} no address", seat=1),
    record("users", user_id=None, email=PRIVATE, seat=2),
    record("users", user_id="u3", email=PRIVATE, seat=3),
    record("users", user_id="", email=PRIVATE, seat=4),
    state({"seen": 4}),
]


@pytest.fixture
def work(tmp_path: Path, batch: LocalBatch) -> Path:
    """A work folder after one run with rejects; its configuration is `config.json` beside it."""
    ended = run(tmp_path, batch.url, LINES)
    assert ended.code == 0
    return ended.work


def messages(text: str) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Return the schemas and the records of Singer lines, by stream."""
    schemas: dict[str, dict[str, Any]] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    for line in text.splitlines():
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            schemas[message["stream"]] = message
        else:
            assert message["stream"] in schemas
            records.setdefault(message["stream"], []).append(message["record"])
    return schemas, records


def test_runs_are_a_table(command: Command, work: Path) -> None:
    done = command("runs", "--config", "config.json")
    assert done.exit_code == 0
    head, _, row = done.output.splitlines()
    assert head.split() == [
        "started", "(UTC)", "seconds", "exit", "stream", "read", "delivered", "rejected", "reasons",
    ]  # fmt: skip
    cells = row.split()
    assert cells[3:8] == ["0", "users", "4", "2", "2"]
    assert row.endswith("missing_custom_id 2, invalid_email 1")
    assert work.exists()


def test_a_count_has_a_column_only_if_it_is_not_always_zero(
    command: Command, work: Path, tmp_path: Path, batch: LocalBatch
) -> None:
    settings = {"skip_unchanged": True, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    config = config_file(tmp_path, batch.url, work_path=str(work), **settings)
    for _ in range(2):
        assert finished(config, users(1, 3)).code == 0
    head, _, first, second, third, held = command("runs", "--config", "config.json").output.splitlines()
    counts = ["read", "delivered", "unchanged", "rejected"]
    assert head.split()[5:9] == counts
    assert [row.split()[5:9] for row in (first, second, third)] == [
        ["4", "2", "0", "2"],
        ["3", "3", "0", "0"],
        ["3", "0", "3", "0"],
    ]
    assert "not sent, as Batch has it: 3 profiles" in held


def test_the_table_shows_only_the_last_runs(command: Command, work: Path, tmp_path: Path) -> None:
    """Data formats hold all runs, since a warehouse that reads the sync log once a day would miss some."""
    for _ in range(2):
        finished(tmp_path / "config.json", LINES[:1])
    rows = command("runs", "--config", "config.json", "--last", 2).output.splitlines()[2:]
    assert len(rows) == 2
    first = (work / "runs.jsonl").read_text().splitlines()[1]
    with (work / "runs.jsonl").open("a") as log:
        log.writelines(f"{json.dumps(json.loads(first) | {'run': str(n)})}\n" for n in range(9))
    assert len(command("runs", "--config", "config.json").output.splitlines()[2:]) == 10
    assert (
        len(json.loads(command("runs", "--config", "config.json", "--format", "json", "--last", 2).output))
        == 2
    )
    _, records = messages(command("runs", "--config", "config.json", "--format", "singer").output)
    assert len(records["target_batch_runs"]) == 12
    found = json.loads(command("runs", "--config", "config.json", "--format", "json").output)
    assert len(found) == 12
    assert found[0] == json.loads(first)


def test_runs_as_singer_streams_are_rows_for_a_warehouse(command: Command, work: Path) -> None:
    done = command("runs", "--config", "config.json", "--format", "singer")
    schemas, records = messages(done.output)
    assert schemas["target_batch_runs"]["key_properties"] == ["run"]
    assert schemas["target_batch_run_streams"]["key_properties"] == ["run", "stream"]
    logged = json.loads((work / "runs.jsonl").read_text().splitlines()[-1])
    (of_run,), (of_stream,) = records["target_batch_runs"], records["target_batch_run_streams"]
    assert of_run["run"] == of_stream["run"] == logged["run"]
    assert of_stream["delivered"] == 2
    assert of_stream["reasons"] == {"missing_custom_id": 2, "invalid_email": 1}
    for stream, found in (("target_batch_runs", of_run), ("target_batch_run_streams", of_stream)):
        assert found.keys() == schemas[stream]["schema"]["properties"].keys()


@pytest.mark.parametrize("options", [("runs",), ("rejects",), ("rejects", "--with-records")])
def test_the_sync_log_can_be_loaded_by_another_target(
    command: Command, work: Path, options: tuple[str, ...]
) -> None:
    """Every record fits its SCHEMA and has a key that is unique, so a warehouse can upsert it."""
    schemas, records = messages(
        command(*options, "--config", work.parent / "config.json", "--format", "singer").output
    )
    assert records.keys() == schemas.keys()
    for stream, found in records.items():
        keys = schemas[stream]["key_properties"]
        checker = jsonschema.Draft202012Validator(
            schemas[stream]["schema"], format_checker=jsonschema.FormatChecker()
        )
        for one in found:
            checker.validate(one)
        assert len({tuple(one[key] for key in keys) for one in found}) == len(found)


def test_rejects_are_grouped_by_reason_with_advice(command: Command, work: Path) -> None:
    """A group has count, property, lines and advice; the replay command follows, and no value is shown."""
    done = command("rejects", "--config", "config.json")
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert "2 missing_custom_id user_id line 3, 5" in lines
    assert "1 invalid_email email line 2" in lines
    assert "The record has no Custom User ID." in done.output
    assert PRIVATE not in done.output
    (path,) = (work / "rejects").iterdir()
    assert lines[-1] == f"target-batch --config config.json --input {path}"


def test_inside_meltano_the_printed_command_is_one_of_meltano(
    command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside Meltano the settings are in variables that the user's shell does not have."""
    monkeypatch.setenv("MELTANO_LOADER_NAME", "target-batch--shop")
    monkeypatch.setenv("TARGET_BATCH_WORK_PATH", str(work))
    (path,) = (work / "rejects").iterdir()
    last = command("rejects", "--config", "ENV").output.splitlines()[-1]
    assert last == f"  meltano invoke target-batch--shop --input {path}"


def test_a_dry_run_is_marked(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    """A dry run shows in brackets how many records it would have delivered, and has no file to replay."""
    run(tmp_path, batch.url, LINES, dry_run=True)
    *_, row, legend = command("runs", "--config", "config.json").output.splitlines()
    assert row.split()[3:8] == ["0", "dry", "users", "4", "(2)"]
    assert legend.startswith("dry, (n): a dry run, which would have delivered n")
    _, records = messages(command("runs", "--config", "config.json", "--format", "singer").output)
    assert records["target_batch_runs"][0]["dry_run"] is True
    output = command("rejects", "--config", "config.json").output
    assert "2  missing_custom_id" in output
    assert "--input" not in output


def test_the_printed_command_delivers_what_was_refused(
    command: Command, work: Path, tmp_path: Path, batch: LocalBatch
) -> None:
    """The cause has to be fixed first: here the missing IDs are filled in."""
    last = command("rejects", "--config", "config.json").output.splitlines()[-1]
    _, *options = shlex.split(last)
    (path,) = (work / "rejects").iterdir()
    text = (
        path.read_text().replace('"user_id":null', '"user_id":"u2"').replace('"user_id":""', '"user_id":"u4"')
    )
    path.write_text(text.replace(" no address", ""))
    ended = finished(tmp_path / "config.json", b"", *options[2:])
    assert ended.code == 0, ended.log
    assert batch.summary()["profiles"] == 4
    assert batch.attributes("u1")["$email_address"] == PRIVATE


def test_rejects_as_a_singer_stream_hold_no_personal_data(command: Command, work: Path) -> None:
    done = command("rejects", "--config", "config.json", "--format", "singer")
    assert PRIVATE not in done.output
    schemas, records = messages(done.output)
    found = records["target_batch_rejects"]
    keys = schemas["target_batch_rejects"]["key_properties"]
    assert len({tuple(one[key] for key in keys) for one in found}) == len(found) == 3
    assert [one["code"] for one in found] == ["invalid_email", "missing_custom_id", "missing_custom_id"]
    assert [one["costs"] for one in found] == ["attribute", "record", "record"]
    assert found[0]["attribute"] == "$email_address"
    assert all(one["advice"] and one["line"] for one in found)
    assert all(one.keys() == schemas["target_batch_rejects"]["schema"]["properties"].keys() for one in found)
    assert work.exists()


def test_rejects_come_with_their_records_when_asked_for(command: Command, work: Path) -> None:
    done = command("rejects", "--config", "config.json", "--format", "singer", "--with-records")
    _, records = messages(done.output)
    assert records["target_batch_rejects"][1]["record"]["email"] == PRIVATE
    assert work.exists()


def test_the_reason_that_batch_gives_is_shown_as_text_and_kept_out_of_the_data(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """The reason that Batch gives may quote a value."""
    error = {"category": "X", "bulk_index": 0, "reason": f"{PRIVATE} is odd", "attribute": f"{PRIVATE}!"}
    partial = {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": [error]}
    batch.fault({"answer": {"status": 202, "json": partial}}, path="*/profiles/*")
    lines = [schema("users", {"user_id": STRING}), *(record("users", user_id=f"u{n}") for n in range(9))]
    assert run(tmp_path, batch.url, lines).code == 0
    output = command("rejects", "--config", "config.json").output
    assert f"Batch says: {PRIVATE} is odd" in output
    data = command("rejects", "--config", "config.json", "--format", "singer").output
    assert '"code":"refused_by_batch"' in data
    assert PRIVATE not in data


def test_the_rejects_of_a_single_run_can_be_shown(command: Command, work: Path, tmp_path: Path) -> None:
    finished(
        tmp_path / "config.json", [LINES[0], record("users", user_id=None), record("users", user_id="u9")]
    )
    runs = [json.loads(line)["run"] for line in (work / "runs.jsonl").read_text().splitlines()]
    everything = command("rejects", "--config", "config.json").output
    assert "3  missing_custom_id" in everything
    for asked in ("last", runs[-1]):
        only = command("rejects", "--config", "config.json", "--run", asked).output
        assert "1  missing_custom_id" in only
        assert "invalid_email" not in only
    unknown = command("rejects", "--config", "config.json", "--run", "none").output
    assert unknown == "No rejects of the run 'none' are here; leave --run out for all.\n"


def test_a_killed_run_is_shown_as_one_that_did_not_end(command: Command, work: Path) -> None:
    with (work / "runs.jsonl").open("a") as file:
        file.write('{"run":"20990101T000000Z-aaaaaa","started":"2099-01-01T00:00:00+00:00","ended":false}\n')
    shown = command("runs", "--config", "config.json").output
    assert "2099-01-01 00:00:00 did not end" in " ".join(shown.split())
    assert "it was killed, or it is still at work" in " ".join(shown.split())


def test_a_run_that_stopped_shows_its_cause(command: Command, work: Path, tmp_path: Path) -> None:
    finished(tmp_path / "config.json", [LINES[0], "no JSON"])
    logged = json.loads((work / "runs.jsonl").read_text().splitlines()[-1])
    assert logged["exit"] == 1
    assert "Line 2 of the input is not JSON" in logged["cause"]
    shown = " ".join(command("runs", "--config", "config.json").output.split())
    assert "Line 2 of the input is not JSON in UTF-8" in shown


def test_incomplete_lines_are_skipped(command: Command, work: Path) -> None:
    """A crash may leave half a line."""
    (path,) = (work / "rejects").iterdir()
    with path.open("ab") as file:
        file.write(b'{"type":"RECORD","stream":"users","record":{"user_id":"u9\xff')
    with (work / "runs.jsonl").open("ab") as file:
        file.write(b'["no object"]\n{"run": 7}\n{"run":"2026')
    assert "2  missing_custom_id" in command("rejects", "--config", "config.json").output
    assert len(command("runs", "--config", "config.json").output.splitlines()) == 3


@pytest.mark.parametrize("name", ["runs", "rejects"])
@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_folder_is_not_an_error(
    command: Command,
    tmp_path: Path,
    name: str,
    exists: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if exists:
        (tmp_path / ".target-batch" / "rejects").mkdir(parents=True)
    done = command(name)
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == 1
    assert command(name, "--format", "singer").exit_code == 0


def test_runs_of_an_unexpected_shape_are_shown_as_far_as_possible(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / ".target-batch"
    folder.mkdir()
    streams = {"a\u001b[31m": {"read": 1, "reasons": []}, "b": 3}
    odd = {"run": "r", "streams": streams, "exit": None, "seconds": "x"}
    (folder / "runs.jsonl").write_text(
        json.dumps(odd) + "\n" + json.dumps({"run": "s", "streams": [1]}) + "\n"
    )
    done = command("runs")
    assert done.exit_code == 0, done.exception
    assert "\u001b" not in done.output
    assert "no records" in done.output
    assert command("runs", "--format", "singer").exit_code == 0


def test_keys_are_never_shown(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    config_file(tmp_path, batch.url)
    for options in (("runs",), ("rejects",), ("rejects", "--format", "singer", "--with-records")):
        output = command(options[0], "--config", "config.json", *options[1:]).output
        assert KEY not in output
        assert PROJECT not in output
