"""`load.sh` of the examples for schedulers: state, retries, lock and signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from feeding import wait_until
from target_process import config_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_batch import LocalBatch

BASH = shutil.which("bash") or ""
SCRIPT = Path(__file__).parents[2] / "examples" / "schedulers" / "load.sh"
EXAMPLE = SCRIPT.parents[1] / "users.singer"
STATE = {"bookmarks": {"users": {"replication_key_value": "2026-01-15T06:00:00Z"}}}
ENDED_WITHIN = 60

pytestmark = pytest.mark.skipif(not BASH or shutil.which("flock") is None, reason="needs bash and flock")


class Load:
    """A folder with a tap and a target, and the script that runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {
            **os.environ,
            "TAP": "./tap",
            "TARGET": "./target",
            "PAUSE": "0",
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def program(self, name: str, text: str) -> None:
        """Write a program; each start of it leaves its options in `NAME.starts`."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >>{name}.starts\n{text}\n')
        path.chmod(0o755)

    def starts(self, name: str) -> list[str]:
        """Return the options of each start of a program."""
        return (self.folder / f"{name}.starts").read_text().splitlines()

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the script in a new process group."""
        process = subprocess.Popen(
            [BASH, str(SCRIPT)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def clean_up(self) -> None:
        """End the processes that a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def run(self, **environment: str) -> int:
        """Run the script to its end; return its exit code."""
        process = self.start(**environment)
        process.communicate(timeout=ENDED_WITHIN)
        return process.returncode

    @property
    def state(self) -> Any:
        """The state from which the next load starts."""
        path = self.folder / "state.json"
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A tap that emits the example's users, and a target that accepts anything and passes no state."""
    made = Load(tmp_path)
    made.program("tap", f"cat {EXAMPLE}")
    made.program("target", "cat >/dev/null")
    yield made
    made.clean_up()


def test_the_next_load_goes_on_from_the_state_of_the_last(load: Load, batch: LocalBatch) -> None:
    config = config_file(load.folder, batch.url)
    load.program("target", f"exec {sys.executable} -m target_batch --config {config}")
    assert load.run() == 0
    assert load.state == STATE
    assert batch.summary()["profiles"] == 3
    assert load.run() == 0
    assert load.starts("tap") == ["", "--state state.json"]
    assert not list(load.folder.glob("state.json.p*"))


def test_a_load_that_stopped_is_retried_from_the_state_that_passed(load: Load) -> None:
    load.program("target", "cat >/dev/null; echo '{\"at\": 1}'; exit 1")
    assert load.run() == 1
    assert load.starts("tap") == ["", "--state state.json", "--state state.json"]
    assert load.state == {"at": 1}


def test_a_wrong_setting_is_not_retried(load: Load) -> None:
    load.program("target", "exit 2")
    assert load.run() == 2
    assert len(load.starts("target")) == 1


def test_a_tap_that_fails_fails_the_load(load: Load) -> None:
    load.program("tap", "exit 3")
    assert load.run(TRIES="1") == 1


def test_a_state_that_was_cut_off_is_not_kept(load: Load) -> None:
    load.program("target", "cat >/dev/null; echo '{\"at\": 1}'; printf '{\"at\": '; exit 1")
    assert load.run(TRIES="1") == 1
    assert load.state == {"at": 1}


def test_a_load_without_a_state_keeps_the_old_one(load: Load) -> None:
    (load.folder / "state.json").write_text('{"at": 1}\n')
    assert load.run() == 0
    assert load.state == {"at": 1}


def test_two_loads_never_run_at_once(load: Load) -> None:
    load.program("tap", "cat gate")
    os.mkfifo(load.folder / "gate")
    first = load.start()
    wait_until((load.folder / "tap.starts").exists)
    assert load.run() == 75
    (load.folder / "gate").write_text("")
    first.communicate(timeout=ENDED_WITHIN)
    assert first.returncode == 0
    assert len(load.starts("tap")) == 1


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_target_and_its_state_is_kept(
    stop: signal.Signals, load: Load, batch: LocalBatch
) -> None:
    config = config_file(load.folder, batch.url, checkpoint_seconds=0.2)
    load.program("tap", f"cat {EXAMPLE}; exec cat gate")
    os.mkfifo(load.folder / "gate")
    load.program("target", f"exec {sys.executable} -m target_batch --config {config}")
    process = load.start()
    wait_until(lambda: batch.summary()["profiles"] == 3)
    process.send_signal(stop)
    process.communicate(timeout=ENDED_WITHIN)
    assert process.returncode == 143
    assert load.state == STATE
    assert len(load.starts("target")) == 1


def test_a_signal_during_the_pause_ends_it(load: Load) -> None:
    load.program("target", "cat >/dev/null; exit 1")
    process = load.start(PAUSE="600")
    assert process.stderr is not None
    assert "once more in 600 seconds" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=ENDED_WITHIN)
    assert process.returncode == 1
    assert len(load.starts("target")) == 1
