"""Full or read-only disks under each folder, and few file descriptors: messages and exit codes."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import target_process
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
USERS = schema("users", {"user_id": STRING, "seat": INTEGER})
GOOD = [USERS, record("users", user_id="u1", seat=1), state({"seen": 1})]
CHANGED = [USERS, record("users", user_id="u1", seat=2), state({"seen": 2})]
SHORT_WAIT = """
from target_batch.ledger import database
database.BUSY_SECONDS = 0.2
from target_batch.cli import cli
cli()
"""


def run_on(options: str, folder: Path, config: Path, lines: list[str], **environment: str) -> Ended:
    """Run the target with a separate file system on a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && "$@"; code=$?; umount -l "$0"; exit $code'
    return run_mounted(mount, folder, config, lines, **environment)


def run_mounted(mount: str, folder: Path, config: Path, lines: list[str], **environment: str) -> Ended:
    """Run the target in a shell that first mounts something on a folder."""
    program = shutil.which("unshare")
    if program is None or subprocess.run([program, "-m", "true"], check=False).returncode:
        pytest.skip("unshare(1) may not make mounts here")
    process = start(config, before=[program, "-m", "bash", "-c", mount, str(folder)], env=environment)
    return ended(process, config, encoded(lines))


def assert_stopped(found: Ended, message: str) -> None:
    """Assert that a run stopped with its state held, for one reason."""
    assert found.code == 1, found.log
    assert found.states == []
    assert found.log.count("ERROR") == 1, found.log
    assert message in found.log
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


def test_a_ledger_that_became_read_only_holds_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    """Profiles have to be marked in the ledger before they are sent, so nothing is sent."""
    folder = tmp_path / "ledgers"
    url = f"sqlite:///{folder}/ledger.db"
    config = config_file(tmp_path, batch.url, skip_unchanged=True, ledger_url=url)
    assert ended(start(config), config, encoded(GOOD)).code == 0
    before = batch.journal()
    mount = (
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && "$@"; code=$?; umount -l "$0"; exit $code'
    )
    found = run_mounted(mount, folder, config, CHANGED)
    assert_stopped(found, "`ledger_url`")
    assert batch.journal() == before
    again = ended(start(config), config, encoded(CHANGED))
    assert (again.code, again.states) == (0, [{"seen": 2}]), again.log
    assert batch.attributes("u1") == {"seat": 2}


def test_a_ledger_that_fills_the_disk_during_a_run_holds_the_state(tmp_path: Path, batch: LocalBatch) -> None:
    """The next run sends the rest; profiles that were in flight are in doubt, and are sent twice."""
    config = config_file(tmp_path, batch.url, skip_unchanged=True, profile_endpoint="mass_update")
    many = [GOOD[0], *(record("users", user_id=f"u{seat}", seat=seat) for seat in range(9000)), GOOD[-1]]
    assert ended(start(config), config, encoded([many[0], *many[1:2001]])).code == 0
    most = (tmp_path / "work" / "ledger.db").stat().st_size + 64 * 1024
    process = start(config)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
    assert_stopped(ended(process, config, encoded(many)), "`ledger_url`")
    again = ended(start(config), config, encoded(many))
    assert (again.code, again.states) == (0, [{"seen": 1}]), again.log
    assert {line["custom_id"] for line in batch.journal()} == {f"u{seat}" for seat in range(9000)}
    assert ended(start(config), config, encoded(many)).code == 0
    sent = len(batch.journal())
    last = ended(start(config), config, encoded(many))
    assert (last.code, last.totals("users")["unchanged"]) == (0, 9000)
    assert len(batch.journal()) == sent


def test_a_ledger_locked_by_another_program_holds_the_state(
    tmp_path: Path, batch: LocalBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run waits a minute for the lock; this test shortens the wait."""
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    assert ended(start(config), config, encoded(GOOD)).code == 0
    before = batch.journal()
    with monkeypatch.context() as patched:
        patched.setattr(target_process, "TARGET", [sys.executable, "-c", SHORT_WAIT])
        with closing(sqlite3.connect(tmp_path / "work" / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = ended(start(config), config, encoded(CHANGED))
    assert_stopped(found, "`ledger_url`")
    assert batch.journal() == before
    assert ended(start(config), config, encoded(CHANGED)).code == 0
    assert batch.attributes("u1") == {"seat": 2}


def test_requests_of_a_dry_run_that_cannot_be_written_stop_it(tmp_path: Path, batch: LocalBatch) -> None:
    config = config_file(tmp_path, batch.url, dry_run=True)
    assert_stopped(run_on("ro", tmp_path / "work", config, GOOD), "The requests of the dry run")


def test_a_run_log_that_cannot_be_written_is_a_warning(tmp_path: Path, batch: LocalBatch) -> None:
    """All records are delivered, so the exit code is 0."""
    found = run_on("ro", tmp_path / "work", config_file(tmp_path, batch.url), GOOD)
    assert (found.code, found.states) == (0, [{"seen": 1}]), found.log
    assert "The run log could not be written (Read-only file system): see `work_path`." in found.log


@pytest.mark.parametrize("most", [5, 6])
def test_too_few_file_descriptors_stop_the_run_with_a_message(
    tmp_path: Path, batch: LocalBatch, most: int
) -> None:
    """There are fewer than a run needs, though enough for the interpreter."""
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    limited = ["bash", "-c", f'ulimit -n {most}; exec "$@"', "bash"]
    found = ended(start(config, before=limited), config, encoded(GOOD))
    assert (found.code, found.states) == (1, [])
    assert "Traceback" not in found.log
    assert "Internal error" not in found.log
    assert "the state is held" in found.log.lower()


def test_a_start_imports_what_every_run_needs_and_no_more() -> None:
    """Packages for databases, tables, servers and file formats would cost each start a tenth of a second."""
    costly = {"sqlalchemy", "psycopg", "rich", "uvicorn", "starlette", "pyarrow", "prometheus_client", "yaml"}
    code = "import sys, target_batch.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not costly & set(done.stdout.split())
