"""`target-batch replay` of CSV: cells get the types that `explain` shows; invalid files stop the replay."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from target_process import config_file, environment

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

TABLE = (
    "user_id;Signup date;Orders;Score;Postcode;Active;Note\n"
    'u1;2026-01-04;12;1.5;01230;true;"two; parts"\n'
    "u2;2026-01-05;0;2;75001;false;\n"
)


def replayed(folder: Path, url: str, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Replay files into a local Batch."""
    config = config_file(folder, url, **settings)
    command = [sys.executable, "-m", "target_batch", "replay", "--config", str(config), "--stream", "users"]
    return subprocess.run(
        [*command, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["users.csv", "users.CSV.gz", "users.tsv"])
def test_a_table_is_loaded_with_the_types_of_its_columns(
    tmp_path: Path, batch: LocalBatch, name: str
) -> None:
    """Numbers, booleans and dates are recognised; text that begins with a zero stays text."""
    text = TABLE.replace(";", "\t").replace("two\t", "two;") if name.endswith("tsv") else TABLE
    data = ("\ufeff" + text.replace("\n", "\r\n")).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    done = replayed(tmp_path, batch.url, str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"replay": {"file": str(path), "rows": 2}}
    sent = batch.attributes("u1")
    assert sent["orders"] == 12
    assert sent["score"] == 1.5
    assert sent["active"] is True
    assert sent["postcode"] == "01230"
    assert sent["note"] == "two; parts"
    assert sent["signup_date"] == "2026-01-04T00:00:00Z"
    assert "note" not in batch.attributes("u2")


def test_a_schema_decides_and_a_cell_that_contradicts_it_is_rejected_alone(
    tmp_path: Path, batch: LocalBatch
) -> None:
    schema = {"properties": {"user_id": {"type": "string"}, "Orders": {"type": ["integer", "null"]}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    path = tmp_path / "users.csv"
    path.write_text("user_id,Orders\n7,3\n8,many\n")
    done = replayed(tmp_path, batch.url, "--schema", str(tmp_path / "schema.json"), str(path))
    assert done.returncode == 0, done.stderr
    assert batch.attributes("7")["orders"] == 3
    (rejects,) = (tmp_path / "work" / "rejects").iterdir()
    (*_, refused) = map(json.loads, rejects.read_text().splitlines())
    assert refused["record"]["Orders"] == "many"
    assert [mark["code"] for mark in refused["record"]["_batch_reject"]] == ["schema_violation"]


def test_a_replay_of_a_table_goes_on_where_its_state_ends(tmp_path: Path, batch: LocalBatch) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,n\n" + "".join(f"u{n},{n}\n" for n in range(1, 31)))
    state = tmp_path / "state.jsonl"
    state.write_text(json.dumps({"replay": {"file": str(path), "rows": 25}}) + "\n")
    done = replayed(tmp_path, batch.url, "--state", str(state), str(path))
    assert done.returncode == 0, done.stderr
    assert batch.summary()["profiles"] == 5


def test_of_a_row_with_an_unclosed_quote_nothing_is_sent(tmp_path: Path, batch: LocalBatch) -> None:
    """The rows behind it would be part of its last cell; the rows before it arrive."""
    path = tmp_path / "users.csv"
    path.write_text('user_id,city\nq1,"C1"\nq2,"C2"\nq3,"C3\nq4,C4\nq5,C5\n')
    (tmp_path / "schema.json").write_text('{"properties": {"user_id": {"type": "string"}}}')
    done = replayed(tmp_path, batch.url, "--schema", str(tmp_path / "schema.json"), str(path))
    assert done.returncode == 1
    assert "The row from line 4 of file" in done.stderr
    assert [line["custom_id"] for line in batch.journal()] == ["q1", "q2"]


def test_quotes_line_breaks_and_long_cells_are_read_as_written(tmp_path: Path, batch: LocalBatch) -> None:
    """A cell longer than the default of Python's reader is refused as a value, like in any other input."""
    path = tmp_path / "users.csv"
    long = "x" * 200_000
    path.write_text(f'user_id,note,size\nu1,"a ""b"" c\nd",5" pipe\nu2,"{long}",\nu3,"",""\n')
    done = replayed(tmp_path, batch.url, str(path))
    assert done.returncode == 0, done.stderr
    assert batch.attributes("u1") == {"note": 'a "b" c\nd', "size": '5" pipe'}
    (rejects,) = (tmp_path / "work" / "rejects").iterdir()
    (*_, refused) = map(json.loads, rejects.read_text().splitlines())
    assert refused["record"]["user_id"] == "u2"
    assert refused["record"]["note"] == long


@pytest.mark.parametrize("content", [None, b"PAR1\xff\xfe"], ids=["folder", "not-text"])
def test_a_state_file_that_is_not_text_is_refused(
    tmp_path: Path, batch: LocalBatch, content: bytes | None
) -> None:
    """The replay ends with 2 and a message, and nothing is sent."""
    path, state = tmp_path / "users.csv", tmp_path / "state"
    path.write_text("user_id,n\nu1,1\n")
    if content is None:
        state.mkdir()
    else:
        state.write_bytes(content)
    done = replayed(tmp_path, batch.url, "--state", str(state), str(path))
    assert done.returncode == 2
    assert "cannot be read as text" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert batch.summary()["profiles"] == 0


@pytest.mark.parametrize("state", [{"rows": "1"}, {"rows": -1}, {"rows": True}, {"file": 1}, {"file": None}])
def test_a_state_with_a_wrong_value_is_refused(
    tmp_path: Path, batch: LocalBatch, state: dict[str, object]
) -> None:
    """The state before it is not taken instead, which would send rows again."""
    path, states = tmp_path / "users.csv", tmp_path / "state.jsonl"
    path.write_text("user_id,n\nu1,1\nu2,2\n")
    good = {"file": str(path), "rows": 1}
    states.write_text("".join(json.dumps({"replay": one}) + "\n" for one in (good, good | state)))
    done = replayed(tmp_path, batch.url, "--state", str(states), str(path))
    assert done.returncode == 2
    assert "`rows` is not a whole number from 0" in " ".join(done.stderr.split())
    assert batch.summary()["profiles"] == 0


@pytest.mark.parametrize("schema", ["[]", "{}", '{"properties": []}', '"users"', "null"])
def test_a_schema_without_properties_is_refused(tmp_path: Path, batch: LocalBatch, schema: str) -> None:
    path, file = tmp_path / "users.csv", tmp_path / "schema.json"
    path.write_text("user_id,n\nu1,1\n")
    file.write_text(schema)
    done = replayed(tmp_path, batch.url, "--schema", str(file), str(path))
    assert done.returncode == 2
    assert "whose `properties` are an object. Nothing was sent" in " ".join(done.stderr.split())
    assert batch.summary()["profiles"] == 0


def test_a_table_with_only_a_header_is_an_empty_load(tmp_path: Path, batch: LocalBatch) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,Email\n")
    done = replayed(tmp_path, batch.url, str(path))
    assert done.returncode == 0, done.stderr
    assert batch.summary()["profiles"] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user_id,a\nu1,1\nu2,1,2,3\n", "Line 3 of file"),
        (b"user_id,a,a\nu1,1,2\n", "several columns of one name: `a`"),
        (b"user_id,a\nu1,caf\xe9\n", "Line 2 of file"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not UTF-8"),
        (b'user_id,a\nu1,1\nu2,"2\nu3,3\nu4,4\n', "The row from line 3 of file"),
        (b'user_id,a\nu1,"1\nu2,"2"\n', "The row from line 2 of file"),
        (b"user_id,a\nu1,1\ru2,2\n", "The row from line 2 of file"),
    ],
    ids=["ragged", "twins", "latin", "picture", "unclosed", "unclosed-before-quotes", "mac"],
)
def test_a_file_that_is_not_a_table_stops_the_replay_with_its_line(
    tmp_path: Path, batch: LocalBatch, content: bytes, message: str
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(content)
    done = replayed(tmp_path, batch.url, str(path))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "Internal error" not in done.stderr
