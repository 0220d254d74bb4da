"""Standard streams that are closed, full or no longer read: one message and a documented exit code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer import users
from target_process import TARGET, config_file, environment

if TYPE_CHECKING:
    from local_batch import LocalBatch

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")

LINES = "".join(f"{line}\n" for line in users(1, 200, every=10)).encode()


def shell(redirections: str, config: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run the target in a shell with redirections, as a user writes them."""
    words = [*TARGET, *command, "--config", str(config)]
    return subprocess.run(
        ["/bin/bash", "-c", f'"$@" {redirections}', "bash", *words],
        input=LINES,
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )


def assert_plain(ended: subprocess.CompletedProcess[bytes]) -> None:
    """Assert that no traceback or other message of Python was written."""
    log = ended.stderr.decode()
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    assert "--- Logging error" not in log


@pytest.mark.parametrize(
    ("redirections", "reason"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "it is closed"),
        ("| true; exit ${PIPESTATUS[0]}", "Broken pipe"),
    ],
    ids=["full", "closed", "not read"],
)
def test_a_state_that_cannot_be_written_ends_with_1(
    tmp_path: Path, batch: LocalBatch, redirections: str, reason: str
) -> None:
    """Records before the state are delivered, and the next run repeats them."""
    ended = shell(redirections, config_file(tmp_path, batch.url))
    assert ended.returncode == 1, ended.stderr
    message = f"The state cannot be written to the standard output ({reason})."
    assert ended.stderr.decode().count(message) == 1
    assert_plain(ended)
    assert batch.attributes("u1")


@pytest.mark.parametrize("redirections", ["2>/dev/full", "2>&-", "2> >(exec true)"])
def test_a_log_that_cannot_be_written_does_not_end_a_run(
    tmp_path: Path, batch: LocalBatch, redirections: str
) -> None:
    ended = shell(redirections, config_file(tmp_path, batch.url))
    assert ended.returncode == 0
    assert b'{"seen": 200}' in ended.stdout.splitlines()
    assert batch.attributes("u1")


def test_a_closed_standard_input_ends_with_1(tmp_path: Path, batch: LocalBatch) -> None:
    ended = shell("<&-", config_file(tmp_path, batch.url))
    assert ended.returncode == 1
    assert b"The standard input is closed." in ended.stderr
    assert_plain(ended)


def test_no_file_of_a_run_takes_the_place_of_a_closed_stream(tmp_path: Path, batch: LocalBatch) -> None:
    """All three are closed, and no byte of a log or a state ends up in the ledger or the rejects."""
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    given = tmp_path / "input.jsonl"
    given.write_bytes(LINES)
    ended = shell(f"--input {given} <&- >&- 2>&-", config)
    assert ended.returncode == 1
    assert (tmp_path / "work" / "ledger.db").read_bytes().startswith(b"SQLite format 3")
    assert batch.attributes("u1")


@pytest.mark.parametrize("command", ["explain", "runs", "rejects", "--about"])
def test_a_command_whose_output_cannot_be_written_reports_it(tmp_path: Path, command: str) -> None:
    """This holds even for a short output, which stays in a buffer until the end."""
    config = config_file(tmp_path, "http://127.0.0.1:9")
    ended = shell(">/dev/full", config, command)
    assert ended.returncode == 1
    assert ended.stderr.decode().count("The output cannot be written: No space left on device.") == 1
    assert_plain(ended)


def test_no_variable_of_python_is_set_for_these_tests() -> None:
    """Such variables would hide what is tested here."""
    assert not [name for name in environment() if name.startswith("PYTHON")]
    assert "PYTHONUNBUFFERED" not in os.environ
