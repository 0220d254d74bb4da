"""target-batch in a process of its own, as a scheduler would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "canary-key-5e1f"
PROJECT = "project_canary"
TARGET = [sys.executable, "-m", "target_batch.target"]


@dataclass
class Ended:
    """How a run ended: exit code, emitted states, what it logged, and its work folder."""

    code: int
    states: list[Any]
    log: str
    work: Path

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
        """Return the rejected records on disk, those of every run together."""
        found = []
        for path in sorted((self.work / "rejects").glob("*.jsonl")):
            for line in path.read_text().splitlines():
                message = json.loads(line)
                if message["type"] == "RECORD" and stream in {None, message["stream"]}:
                    found.append(message["record"])
        return found

    def codes(self, stream: str | None = None) -> list[str]:
        """Return the reason codes of the rejects."""
        return [mark["code"] for record in self.rejects(stream) for mark in record["_batch_reject"]]


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
    """Start the target with pipes on all three streams."""
    environment = {**os.environ, "NO_COLOR": "1", **popen.pop("env", {})}
    return subprocess.Popen(
        [*TARGET, "--config", str(config), *options],
        stdin=popen.pop("stdin", subprocess.PIPE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **popen,
    )


def ended(process: subprocess.Popen[bytes], config: Path, given: bytes | None = None) -> Ended:
    """Feed the rest of the input, wait for the end, and collect what came of it."""
    out, log = process.communicate(given, timeout=90)
    states = [json.loads(line) for line in out.decode().splitlines()]
    work = Path(json.loads(config.read_text())["work_path"])
    return Ended(process.returncode, states, log.decode(), work)


def run(folder: Path, url: str, lines: list[str] | bytes, **settings: Any) -> Ended:
    """Run the target over some lines to its end."""
    config = config_file(folder, url, **settings)
    given = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    return ended(start(config), config, given)
