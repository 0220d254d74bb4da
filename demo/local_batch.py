"""The local Batch: `target-batch sandbox` as a process, and what its inspection API reports."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from demo.processes import running, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 30.0


class LocalBatchError(Exception):
    """The local Batch did not start or did not answer."""


class Held(NamedTuple):
    """What the local Batch accepted: attributes by custom ID, and all events."""

    profiles: dict[str, dict[str, Any]]
    events: list[dict[str, Any]]


class LocalBatch:
    """A running local Batch, called over HTTP like by any other user."""

    def __init__(self, url: str) -> None:
        self.url = url

    def summary(self) -> dict[str, Any]:
        """Return the totals of its summary."""
        return self._json("summary")

    def calls(self) -> tuple[int, int]:
        """Return how many calls of the API it answered, and how many of them with 429."""
        answers = self.summary()["requests"]["by_endpoint"].values()
        total = sum(sum(statuses.values()) for statuses in answers)
        return total, sum(statuses.get("429", 0) for statuses in answers)

    def held(self) -> Held:
        """Read the journal, every profile update that was accepted, and add it up."""
        held = Held({}, [])
        for line in self._ask("journal").iter_lines():
            entry = json.loads(line, parse_float=Decimal)
            if "custom_id" in entry:
                held.profiles.setdefault(entry["custom_id"], {}).update(entry["attributes"])
                held.events.extend(entry["events"])
        return held

    def members(self, audience: str) -> set[str]:
        """Return the custom IDs in an audience of the project; none where it does not exist."""
        named = {each["name"] for each in self._json("audiences")["audiences"]}
        found: set[str] = set()
        page: list[dict[str, Any]] = [{}] if audience in named else []
        while page:
            page = self._json(f"audiences/project/{audience}?from={len(found)}&limit=1000")["ids"]
            found.update(member["id"] for member in page)
        return found

    def _json(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._ask(path).content, parse_float=Decimal)
        return answer

    def _ask(self, path: str) -> requests.Response:
        response = requests.get(f"{self.url}/_/{path}", timeout=60)
        response.raise_for_status()
        return response


@contextmanager
def local_batch(folder: Path) -> Iterator[LocalBatch]:
    """Start a local Batch on a free port, with the rates that Batch documents."""
    port_file = folder / "local-batch.port"
    port_file.unlink(missing_ok=True)
    log = folder / "local-batch.log"
    program = Path(sys.executable).parent / "target-batch"
    command: list[str | Path] = [program, "sandbox", "--port", "0", "--port-file", port_file]
    with running(command, log, folder) as process:
        deadline = time.monotonic() + START_SECONDS
        while not (port_file.exists() and port_file.read_text().strip()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LocalBatchError(f"The local Batch did not start:\n{tail(log, 5)}")
            time.sleep(0.05)
        yield LocalBatch(f"http://127.0.0.1:{int(port_file.read_text())}")
