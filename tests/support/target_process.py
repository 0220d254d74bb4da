"""target-batch in a separate process, as a scheduler would start it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import login
import warm

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "canary-key-5e1f"
PROJECT = "project_canary"
TARGET = [sys.executable, "-m", "target_batch"]
ENDED_WITHIN = 90.0
_started: list[subprocess.Popen[bytes]] = []


@dataclass
class Ended:
    """The outcome of a run: exit code, emitted states, log, work folder and standard output."""

    code: int
    states: list[Any]
    log: str
    work: Path
    out: str = ""

    @property
    def emitted(self) -> list[str]:
        """The emitted states, byte by byte."""
        return _lines(self.out)

    @property
    def run(self) -> dict[str, Any]:
        """The last line of the run log."""
        lines = (self.work / "runs.jsonl").read_text().splitlines()
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def totals(self, stream: str) -> dict[str, Any]:
        """Return the run log's counts of one stream."""
        found: dict[str, Any] = self.run["streams"][stream]
        return found

    def rejects(self, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the rejected records of all runs."""
        messages = (json.loads(line) for path in self.reject_files() for line in _lines(path.read_text()))
        return [
            message["record"]
            for message in messages
            if message["type"] == "RECORD" and stream in {None, message["stream"]}
        ]

    def reject_files(self) -> list[Path]:
        """Return the rejects files of every run."""
        return sorted((self.work / "rejects").glob("*.jsonl"))

    def codes(self, stream: str | None = None) -> list[str]:
        """Return the reason codes of the rejects."""
        return [mark["code"] for record in self.rejects(stream) for mark in record["_batch_reject"]]


def _lines(text: str) -> list[str]:
    """Split at line feeds only, as JSON Lines require, and not at U+2028 and the like."""
    return [line for line in text.split("\n") if line]


def config_file(folder: Path, url: str, **settings: Any) -> Path:
    """Write a configuration for a local Batch; a setting of None is left out."""
    config = {
        "rest_api_key": KEY,
        "project_key": PROJECT,
        "api_url": url,
        "work_path": str(folder / "work"),
        **settings,
    }
    path = folder / "config.json"
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    return path


def start(config: Path, *options: str, **popen: Any) -> subprocess.Popen[bytes]:
    """Start the target or one of its commands, with pipes on all three streams."""
    variables = environment(popen.pop("env", {}))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [*popen.pop("before", ()), *TARGET, *popen.pop("command", ())]
    command += ["--config", str(config), *options]
    process = subprocess.Popen(command, env=variables, **{**pipes, **popen})
    _started.append(process)
    return process


def start_warm(config: Path, *options: str, command: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the target or one of its commands without the time for its imports; signals do not reach it."""
    if os.environ.get("TARGET_COLD"):
        return start(config, *options, command=command)
    return warm.start([*command, "--config", str(config), *options], environment())


def clean_up() -> None:
    """Kill the processes that a test left running, and close their pipes."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process: that of a fresh login and the variables of a test."""
    return {**login.environment(), "NO_COLOR": "1", **(more or {})}


def finished(
    config: Path,
    lines: Sequence[str] | bytes = b"",
    *options: str,
    env: dict[str, str] | None = None,
    quick: bool = False,
) -> Ended:
    """Run the target to its end without the time for its imports, with `quick` also without its pauses."""
    if os.environ.get("TARGET_COLD"):
        process = start(config, *options, env=env or {})
    else:
        process = warm.start(["--config", str(config), *options], environment(env), quick=quick)
    return ended(process, config, encoded(lines))


def ended(process: subprocess.Popen[bytes], config: Path, given: bytes | None = None) -> Ended:
    """Write the rest of the input, wait for the end and return the outcome."""
    try:
        out, log = process.communicate(given, timeout=ENDED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    states = [json.loads(line) for line in _lines(out.decode())]
    work = Path(json.loads(config.read_text())["work_path"])
    return Ended(process.returncode, states, log.decode(), work, out.decode())


def encoded(lines: Sequence[str] | bytes) -> bytes:
    """Return lines as the bytes for the input."""
    return lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()


def run(folder: Path, url: str, lines: Sequence[str] | bytes, **settings: Any) -> Ended:
    """Run the target over lines to its end."""
    return finished(config_file(folder, url, **settings), lines)


def run_quickly(folder: Path, url: str, lines: Sequence[str] | bytes, **settings: Any) -> Ended:
    """Run the target on a fast clock that shortens its pauses; see `quick_target`."""
    return finished(config_file(folder, url, **settings), lines, quick=True)
