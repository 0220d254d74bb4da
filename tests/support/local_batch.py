"""The local Batch in a separate process, and its records, on which every verdict is based."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

STARTED_WITHIN = 20.0


class LocalBatch:
    """A running `target-batch sandbox`; a context manager.

    Args:
        folder: The folder in which its port is written.
        options: Options of the command.
        readings: Its choices where Batch's documentation is silent, as for `--reading`.
    """

    def __init__(self, folder: Path, *options: str, readings: dict[str, str] | None = None) -> None:
        self._port_file = folder / f"port-{time.monotonic_ns()}"
        chosen = [f"--reading={name}={value}" for name, value in (readings or {}).items()]
        self._options = (*options, *chosen)
        self._session = requests.Session()
        self._session.trust_env = False
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "target_batch.sandbox", "--port", "0"]
        command += ["--port-file", str(self._port_file), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + STARTED_WITHIN
        while not self._port_file.exists():
            assert self._process.poll() is None, "the local Batch did not start"
            assert time.monotonic() < end, "the local Batch took too long to start"
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{self._port_file.read_text().strip()}"
        self._first_readings = self.readings()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def get(self, path: str) -> Any:
        """Read the inspection API."""
        return self._session.get(f"{self.url}/_/{path}", timeout=20).json()

    def post(self, path: str, body: Any = None) -> Any:
        """Write to the inspection API."""
        answer = self._session.post(f"{self.url}/_/{path}", json=body, timeout=20)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def reset(self) -> None:
        """Delete all records and faults, and restore the first readings."""
        self.choose(**self._first_readings)
        self.post("reset")
        self._session.delete(f"{self.url}/_/faults", timeout=20)

    def choose(self, **readings: str) -> None:
        """Choose readings, which apply until others are chosen or until `reset`."""
        self.post("settings", {"readings": readings})

    def readings(self) -> dict[str, str]:
        """Return the current readings by name."""
        found: dict[str, str] = self.get("settings")["readings"]
        return found

    def script(self, rules: list[dict[str, Any]]) -> list[int]:
        """Add faults and return their IDs."""
        ids: list[int] = self.post("faults", rules)["ids"]
        return ids

    def hits(self) -> int:
        """Return how often faults acted."""
        return sum(fault["hits"] for fault in self.get("faults")["faults"])

    def fault(self, do: dict[str, Any] | str, path: str = "*", **match: Any) -> None:
        """Add a fault for calls whose path matches."""
        times = match.pop("times", None)
        rule: dict[str, Any] = {"match": {"path": path, **match}, "do": do}
        if times is not None:
            rule["times"] = times
        self.post("faults", rule)

    def summary(self) -> dict[str, Any]:
        """Return the totals."""
        found: dict[str, Any] = self.get("summary")
        return found

    def profile(self, custom_id: str) -> dict[str, Any]:
        """Return one profile."""
        found: dict[str, Any] = self.get(f"profiles/{custom_id}")
        return found

    def journal(self) -> list[dict[str, Any]]:
        """Return every accepted entry in the order of its arrival."""
        answer = self._session.get(f"{self.url}/_/journal", timeout=60)
        return [json.loads(line) for line in answer.content.decode().split("\n") if line]

    def attributes(self, custom_id: str) -> dict[str, Any]:
        """Return the attributes of one profile."""
        found: dict[str, Any] = self.profile(custom_id)["attributes"]
        return found

    def audience(self, name: str, platform: str = "project") -> set[str]:
        """Return the members' IDs of one audience."""
        found = self.get(f"audiences/{platform}/{name}?limit=10000")
        return {member["id"] for member in found["ids"]}

    def requests(self) -> list[dict[str, Any]]:
        """Return the log of requests."""
        found = self.get("requests?limit=10000")
        rows: list[dict[str, Any]] = found["requests"] if isinstance(found, dict) else found
        return rows
