"""`target-batch init` writes a configuration that works at once, and a key only if asked to."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from singer import DATE_TIME, STRING, record, schema
from target_process import KEY, finished

from target_batch.commands.init import KEY_VARIABLE

if TYPE_CHECKING:
    from local_batch import LocalBatch

    from tests.commands.running import Command

EXAMPLES = Path(__file__).parents[2] / "examples"
USERS = [schema("users", {"user_id": STRING, "email": STRING}), record("users", user_id="u1", email="a@b.co")]
CATALOG = {
    "streams": [
        {
            "tap_stream_id": "shop-customers",
            "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "email": STRING}},
            "key_properties": ["id"],
        }
    ]
}


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_written_configuration_loads_the_sample(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """The file and a key in the environment are enough for a first load."""
    sample = tmp_path / "sample.singer"
    sample.write_text("\n".join(USERS))
    flags = ("--project-key", "project_x", "--api-url", batch.url, "--yes", "--input", sample)
    done = command("init", *flags)
    assert done.exit_code == 0, done.output
    path = tmp_path / "batch.json"
    config = written(path)
    assert config["streams"] == {"users": {"kind": "profiles"}}
    assert "rest_api_key" not in config
    path.write_text(json.dumps(config | {"work_path": str(tmp_path / "work")}))
    ended = finished(path, USERS, "--config", "ENV", env={KEY_VARIABLE: KEY})
    assert ended.code == 0, ended.log
    assert batch.attributes("u1")["$email_address"] == "a@b.co"


@pytest.mark.parametrize(
    ("name", "stream", "options"),
    [
        ("users.csv", "users", {"kind": "profiles"}),
        ("users.singer", "users", {"kind": "profiles"}),
        ("cohort.singer", "cohort_members", {"kind": "audiences"}),
        ("segment-archive.jsonl", "segment-archive", {"kind": "segment"}),
    ],
)
def test_each_sample_gets_the_kind_that_the_target_would_choose(
    command: Command, tmp_path: Path, name: str, stream: str, options: dict[str, Any]
) -> None:
    assert command("init", "--yes", "--input", EXAMPLES / name).exit_code == 0
    found = written(tmp_path / "batch.json")["streams"][stream]
    assert {key: found[key] for key in options} == options
    assert "custom_id" not in found


def test_a_catalog_can_be_the_sample(command: Command, tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
    done = command("init", "--yes", "--input", "catalog.json")
    assert done.exit_code == 0, done.output
    assert written(tmp_path / "batch.json")["streams"] == {"shop-customers": {"kind": "profiles"}}


def test_a_catalog_whose_schemas_have_no_type_can_be_the_sample(command: Command, tmp_path: Path) -> None:
    schema = {"properties": CATALOG["streams"][0]["schema"]["properties"]}  # type: ignore[index]
    (tmp_path / "catalog.json").write_text(
        json.dumps({"streams": [CATALOG["streams"][0] | {"schema": schema}]})
    )
    assert command("init", "--yes", "--input", "catalog.json").exit_code == 0
    assert written(tmp_path / "batch.json")["streams"] == {"shop-customers": {"kind": "profiles"}}


def test_the_printed_command_loads_the_rows_of_the_sample(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    (tmp_path / "users.csv").write_text("user_id,email\nu1,a@b.co\n")
    flags = ("--project-key", "project_x", "--api-url", batch.url, "--yes")
    done = command("init", *flags, "--input", "users.csv")
    (line,) = (line for line in done.output.splitlines() if "target-batch replay" in line)
    program = [sys.executable, "-m", "target_batch", *shlex.split(line)[1:]]
    environment = {**os.environ, KEY_VARIABLE: KEY}
    subprocess.run(program, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert batch.attributes("u1")["$email_address"] == "a@b.co"


def test_a_property_with_unique_values_is_proposed_as_custom_id(command: Command, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("country_code,customer_no,name\nFR,7,a\nFR,8,b\n")
    assert command("init", "--yes", "--input", "people.csv").exit_code == 0
    assert written(tmp_path / "batch.json")["streams"]["people"]["custom_id"] == "customer_no"


def test_names_and_types_are_proposed_where_the_mapping_has_none(command: Command, tmp_path: Path) -> None:
    """A name that Batch cannot take gets another one; text that holds numbers or booleans is converted."""
    long = "How did you hear about us in the first place"
    names = ("user_id", long, "orders", "postcode", "active")
    lines = [
        schema("users", dict.fromkeys(names, STRING)),
        record(
            "users", **{"user_id": "u1", long: "x", "orders": "12", "postcode": "01230", "active": "true"}
        ),
        record(
            "users", **{"user_id": "u2", long: "y", "orders": "3", "postcode": "75001", "active": "false"}
        ),
    ]
    (tmp_path / "s.singer").write_text("\n".join(lines))
    assert command("init", "--yes", "--input", "s.singer").exit_code == 0
    assert written(tmp_path / "batch.json")["streams"]["users"]["attributes"] == {
        long: "how_did_you_hear_about_us_in",
        "orders": "integer(orders)",
        "active": "boolean(active)",
    }


def test_answers_are_used_and_an_empty_one_accepts_the_proposal(command: Command, tmp_path: Path) -> None:
    """A table that does not look like users is loaded as profiles only because the user says so."""
    (tmp_path / "products.csv").write_text("sku,name\n1,a\n")
    asked = command("init", given="project_x\nproducts.csv\nprofiles\nsku\n")
    assert asked.exit_code == 0, asked.output
    found = written(tmp_path / "batch.json")
    assert found["project_key"] == "project_x"
    assert found["streams"] == {"products": {"kind": "profiles", "custom_id": "sku"}}


def test_the_time_of_events_is_asked_for(command: Command, tmp_path: Path) -> None:
    lines = [
        schema("clicks", {"user_id": STRING, "clicked": DATE_TIME}),
        record("clicks", user_id="u1", clicked="2026-01-01T00:00:00Z"),
    ]
    (tmp_path / "s.singer").write_text("\n".join(lines))
    done = command("init", "--input", "s.singer", "--project-key", "p", given="events\nclicked\n")
    assert done.exit_code == 0, done.output
    assert written(tmp_path / "batch.json")["streams"]["clicks"]["time"] == "clicked"


def test_a_key_is_written_only_if_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a key of the environment is written; with `--with-key` only the owner can read the file."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    part = tmp_path / "part.yml"
    done = command("init", "--yes", "--meltano", "part.yml")
    path = tmp_path / "batch.json"
    assert KEY not in done.output + path.read_text() + part.read_text()
    done = command("init", "--yes", "--with-key", "--force", "--meltano", "part.yml")
    assert done.exit_code == 0, done.output
    assert written(path)["rest_api_key"] == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in done.output + part.read_text()


def test_a_key_typed_at_the_prompt_is_not_shown(command: Command, tmp_path: Path) -> None:
    done = command("init", "--with-key", "--project-key", "p", given=f"\n{KEY}\n")
    assert done.exit_code == 0, done.output
    assert written(tmp_path / "batch.json")["rest_api_key"] == KEY
    assert KEY not in done.output


def test_the_part_for_meltano_has_the_same_settings(command: Command, tmp_path: Path) -> None:
    flags = ("--yes", "--project-key", "project_x", "--input", EXAMPLES / "users.csv")
    assert command("init", *flags, "--meltano", "part.yml").exit_code == 0
    part = yaml.safe_load((tmp_path / "part.yml").read_text(encoding="utf-8"))
    (loader,) = part["plugins"]["loaders"]
    assert loader == {"name": "target-batch", "config": written(tmp_path / "batch.json")}


@pytest.mark.parametrize("name", ["batch.json", "part.yml"])
def test_no_file_is_overwritten_unless_asked(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = command("init", "--yes", "--meltano", "part.yml")
    assert done.exit_code == 2
    assert f"{name}: the file is there already" in done.output
    assert (tmp_path / name).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]


BAD: list[tuple[str, bytes | None, int, str]] = [
    ("nowhere.csv", None, 1, "the file cannot be read"),
    ("empty.csv", b"", 1, "The input is empty"),
    ("blank.jsonl", b"\n\n\n", 1, "The input is empty"),
    ("users.png", b"\x89PNG\r\n\x1a\n\x00\xff\xfe", 1, "is not UTF-8"),
    ("users.csv", b"user_id,a,a\n1,2,3\n", 1, "several columns of one name"),
    ("users.csv", b"user_id,a\n1,2,3\n", 1, "has 3 cells"),
    ("users.jsonl", b'{"user_id": 1}\n[1]\n', 1, "Line 2 of the input is not a JSON object"),
    ("users.json", b'[{"user_id": 1}]', 1, "is not a JSON object"),
    ("users.jsonl", b'{"user_id": ', 1, "is not a JSON object"),
    ("users.gz", b"\x1f\x8bnot gzip at all", 1, ""),
    ("x.singer", b'{"type": "RECORD", "stream": "users", "record": {"user_id": 1}}\n', 1, ""),
    ("x.singer", b'{"type": "STATE", "value": {}}\n', 1, "describes no stream"),
    ("catalog.json", b'{"streams": []}', 1, "The catalog describes no stream"),
    ("users.xlsx", b"PK\x03\x04 \xff", 1, "save the sheet as CSV"),
    ("users.parquet", b"PAR1\x15\xff", 1, "Parquet, which `replay` loads"),
    ("products.csv", b"sku,name\n1,a\n", 2, "is of no known kind"),
    ("users.csv", b"name,colour\na,b\n", 2, "has no custom ID"),
    ("clicks_events.csv", b"user_id,what\nu1,b\n", 2, "time"),
]


@pytest.mark.parametrize(("name", "content", "code", "message"), BAD)
def test_an_unusable_sample_is_reported_and_nothing_is_written(
    command: Command, tmp_path: Path, name: str, content: bytes | None, code: int, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = {path.name for path in tmp_path.iterdir()}
    done = command("init", "--yes", "--input", name)
    assert (done.exit_code, type(done.exception)) == (code, SystemExit), done.output
    assert message in done.output
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_folder_cannot_be_the_sample(command: Command, tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    done = command("init", "--yes", "--input", "users")
    assert done.exit_code == 1
    assert "the file cannot be read" in done.output


def test_an_address_that_the_target_would_refuse_is_not_written(command: Command, tmp_path: Path) -> None:
    done = command("init", "--yes", "--api-url", "http://api.batch.com")
    assert done.exit_code == 2
    assert "`api_url` uses http" in done.output
    assert list(tmp_path.iterdir()) == []
