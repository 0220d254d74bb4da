"""Rules for every command: help, formats, suggestions, one message per cause, narrow terminals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import warm
from click.testing import CliRunner
from singer import INTEGER, STRING, record, schema
from target_process import environment, run

from target_batch.cli import COMMANDS
from target_batch.cli import command as command_line
from target_batch.config.files import NO_CONFIGURATION

if TYPE_CHECKING:
    from local_batch import LocalBatch

    from tests.commands.running import Command

EXAMPLES = Path(__file__).parents[2] / "examples"
NARROW = "60"
TABLES = ("check", "explain", "rejects", "runs")
LINES = [
    schema("users", {"user_id": STRING, "email": STRING, "seat": INTEGER}),
    record("users", user_id="u1", email="no address at all", seat=1),
    *(record("users", user_id=None, seat=seat) for seat in range(3)),
    schema("a_stream_of_events_with_a_long_name", {"user_id": STRING, "time": STRING}),
    record("a_stream_of_events_with_a_long_name", user_id="u1", time="2001-01-01T00:00:00Z"),
]


def run_separately(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    process = warm.start([*options], environment(variables))
    out, log = process.communicate(timeout=60)
    return subprocess.CompletedProcess(options, process.returncode, out.decode(), log.decode())


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_command_shows_its_help_with_the_short_option(name: str) -> None:
    done = run_separately(*filter(None, (name,)), "-h")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: target-batch {name}".rstrip())
    assert "-h, --help" in done.stdout


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_help_fits_a_narrow_terminal(name: str) -> None:
    done = run_separately(*filter(None, (name,)), "-h", COLUMNS=NARROW)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > int(NARROW)] == []


def test_the_help_lists_each_command_with_its_whole_description() -> None:
    output = CliRunner().invoke(command_line(), ["-h"], terminal_width=60).output
    assert "..." not in output.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("typed", "meant"), [("rusn", "runs"), ("chekc", "check"), ("notify_test", "notify-test")]
)
def test_a_mistyped_command_is_answered_with_a_suggestion(typed: str, meant: str) -> None:
    done = CliRunner().invoke(command_line(), [typed])
    assert done.exit_code == 2
    assert f"Did you mean `{meant}`?" in done.output


def test_a_word_unlike_any_command_gets_no_suggestion() -> None:
    done = CliRunner().invoke(command_line(), ["xyzzy"])
    assert done.exit_code == 2
    assert "No such command 'xyzzy'" in done.output
    assert "mean" not in done.output


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["check"],
        ["notify-test"],
        ["replay", "--stream", "users", str(EXAMPLES / "segment-archive.jsonl")],
    ],
    ids=lambda options: options[0] if options else "target",
)
def test_every_command_reports_a_missing_configuration_in_the_same_words(options: list[str]) -> None:
    done = run_separately(*options)
    assert done.returncode == 2
    assert done.stderr.strip() == f"Error: {NO_CONFIGURATION}"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_the_same_formats(name: str) -> None:
    found = command_line().get_command(click.Context(click.Command("x")), name)
    assert found is not None
    (option,) = (parameter for parameter in found.params if parameter.name == "form")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices)[:3] == ["text", "json", "singer"]
    assert option.default == "text"


@pytest.fixture
def work(tmp_path: Path, batch: LocalBatch) -> Path:
    """A folder with a configuration and the files of a run with rejects."""
    run(tmp_path, batch.url, LINES)
    return tmp_path


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_available_as_json_and_as_a_singer_stream(command: Command, name: str) -> None:
    """The records of the Singer stream fit their SCHEMA."""
    given = ("--input", EXAMPLES / "users.csv") if name == "explain" else ()
    assert json.loads(command(name, "--config", "config.json", *given, "--format", "json").output)
    done = command(name, "--config", "config.json", *given, "--format", "singer")
    first, *rest = map(json.loads, done.output.splitlines())
    assert first["type"] == "SCHEMA"
    assert rest
    names = {message["stream"]: message for message in (first, *rest) if message["type"] == "SCHEMA"}
    for message in rest:
        if message["type"] == "RECORD":
            assert message["record"].keys() <= names[message["stream"]]["schema"]["properties"].keys()


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    "options",
    [
        ("check", "--config", "config.json"),
        ("runs", "--config", "config.json"),
        ("rejects", "--config", "config.json"),
        ("explain", "--input", str(EXAMPLES / "users.csv")),
        ("explain", "--input", str(EXAMPLES / "cohort.singer")),
        ("explain", "--stream", "archive", "--input", str(EXAMPLES / "segment-archive.jsonl")),
    ],
    ids=lambda options: " ".join(options[::3]),
)
def test_no_word_is_broken_on_a_narrow_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """At 60 columns every line fits, unless a single word is longer, and no word is broken."""
    monkeypatch.setenv("COLUMNS", "1000")
    wide = command(*options)
    monkeypatch.setenv("COLUMNS", NARROW)
    narrow = command(*options)
    assert narrow.exit_code == wide.exit_code
    assert set(narrow.output.split()) - {"─" * 60} - set(wide.output.split()) <= rules(narrow.output)
    for line in narrow.output.splitlines():
        assert len(line) <= 60 or len(line.split()) == 1 or "--input" in line, line


def rules(text: str) -> set[str]:
    """Return the rules under the headers of tables."""
    return {word for word in text.split() if set(word) == {"─"}}


def test_an_error_message_is_wrapped_between_words() -> None:
    done = run_separately("check", COLUMNS=NARROW)
    assert max(map(len, done.stderr.splitlines())) <= 60
    assert " ".join(done.stderr.split()) == f"Error: {NO_CONFIGURATION}"


@pytest.mark.usefixtures("work")
def test_a_wrong_key_is_reported_once(command: Command, batch: LocalBatch) -> None:
    batch.fault({"answer": {"status": 401}})
    done = command("check", "--config", "config.json")
    assert done.exit_code == 2
    assert done.output.count("Batch refuses") == 1


def test_the_shell_completes_commands_and_options() -> None:
    """The shell sets the variables that the script of `_TARGET_BATCH_COMPLETE=bash_source` sets."""

    def complete(line: str, word: int) -> list[str]:
        program = Path(sys.executable).parent / "target-batch"
        variables = {"_TARGET_BATCH_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
        done = subprocess.run(
            [program], env=environment(variables), capture_output=True, text=True, timeout=60, check=False
        )
        return [found.partition(",")[2] for found in done.stdout.splitlines()]

    assert complete("target-batch ru", 1) == ["runs"]
    assert "--format" in complete("target-batch runs --", 2)
