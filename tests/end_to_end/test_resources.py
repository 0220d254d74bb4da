"""Disks that are full or read-only under each folder, and few file descriptors: sentences and exit codes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from singer import INTEGER, STRING, record, schema, state
from target_process import Ended, config_file, encoded, ended, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

LINES = [
    schema("users", {"user_id": STRING, "seat": INTEGER}),
    *(record("users", user_id=f"u{seat}", seat=seat if seat % 3 else "wrong" * 30) for seat in range(3000)),
    state({"seen": 3000}),
]
GOOD = [schema("users", {"user_id": STRING}), record("users", user_id="u1"), state({"seen": 1})]


def run_on(options: str, folder: Path, config: Path, lines: list[str], **environment: str) -> Ended:
    """Run the target with a file system of its own on a folder."""
    program = shutil.which("unshare")
    if program is None or subprocess.run([program, "-m", "true"], check=False).returncode:
        pytest.skip("unshare(1) may not make mounts here")
    folder.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && "$@"; code=$?; umount -l "$0"; exit $code'
    process = start(config, before=[program, "-m", "bash", "-c", mount, str(folder)], env=environment)
    return ended(process, config, encoded(lines))


def assert_stopped(found: Ended, told: str) -> None:
    """Assert that a run stopped with its state held, for one reason."""
    assert found.code == 1, found.log
    assert found.states == []
    assert found.log.count("ERROR") == 1, found.log
    assert told in found.log
    assert "Traceback" not in found.log
    assert "Internal error" not in found.log


@pytest.mark.parametrize("options", ["size=8k", "ro"])
def test_rejects_that_cannot_be_written_hold_the_state(
    tmp_path: Path, batch: LocalBatch, options: str
) -> None:
    found = run_on(options, tmp_path / "work", config_file(tmp_path, batch.url), LINES)
    assert_stopped(found, "The rejects cannot be written")


@pytest.mark.parametrize("options", ["size=8k", "ro"])
def test_a_ledger_that_cannot_be_written_holds_the_state(
    tmp_path: Path, batch: LocalBatch, options: str
) -> None:
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    found = run_on(options, tmp_path / "work", config, GOOD)
    assert_stopped(found, "`ledger_url`")


def test_requests_of_a_dry_run_that_cannot_be_written_stop_it(tmp_path: Path, batch: LocalBatch) -> None:
    config = config_file(tmp_path, batch.url, dry_run=True)
    assert_stopped(run_on("ro", tmp_path / "work", config, GOOD), "The requests of the dry run")


def test_a_run_log_that_cannot_be_written_is_a_warning(tmp_path: Path, batch: LocalBatch) -> None:
    """All of it is delivered: the exit code says so."""
    found = run_on("ro", tmp_path / "work", config_file(tmp_path, batch.url), GOOD)
    assert (found.code, found.states) == (0, [{"seen": 1}]), found.log
    assert "The run log could not be written (Read-only file system): see `work_path`." in found.log


@pytest.mark.parametrize("most", [5, 6])
def test_few_descriptors_are_named(tmp_path: Path, batch: LocalBatch, most: int) -> None:
    """Fewer than a run needs, though enough for the interpreter itself."""
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    limited = ["bash", "-c", f'ulimit -n {most}; exec "$@"', "bash"]
    found = ended(start(config, before=limited), config, encoded(GOOD))
    assert (found.code, found.states) == (1, [])
    assert "Traceback" not in found.log
    assert "Internal error" not in found.log
    assert found.log.strip()
