"""The pipeline: `meltano run tap-postgres target-batch`, in a work folder."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from demo.processes import running, tail

if TYPE_CHECKING:
    from demo.database import Database
    from demo.local_batch import LocalBatch

HERE = Path(__file__).parent
MELTANO = HERE.parent / ".demo" / "venv" / "bin" / "meltano"
COMMAND = "meltano run tap-postgres target-batch"
RUN_SECONDS = 900.0
TAIL_LINES = 25


class PipelineError(Exception):
    """A run of the pipeline failed; the message holds the end of its log."""


class Run(NamedTuple):
    """One finished run: how long it took, and target-batch's own totals stream by stream."""

    seconds: float
    streams: dict[str, dict[str, Any]]

    def total(self, stream: str, what: str) -> int:
        """Return one total of one stream, 0 if the stream had no record."""
        return int(self.streams.get(f"shop-{stream}", {}).get(what, 0))


class Pipeline:
    """Runs of the demo's Meltano project from one database into one local Batch.

    Everything a run leaves behind goes to the folder: the log, Meltano's state, and what
    target-batch writes (rejects, runs.jsonl).
    """

    def __init__(self, folder: Path, database: Database, batch: LocalBatch) -> None:
        self._folder = folder
        self._runs = 0
        self.work = folder / "target-batch"
        self._env = {
            "DEMO_DATABASE_URL": database.url,
            "DEMO_API_URL": batch.url,
            "DEMO_REST_API_KEY": "any-key-opens-the-local-batch",
            "DEMO_PROJECT_KEY": "project_demo",
            "DEMO_WORK_PATH": str(self.work),
            "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.db'}",
            "MELTANO_STATE_BACKEND_URI": f"file://{folder / 'state'}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NO_COLOR": "1",
            "PATH": f"{MELTANO.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def run(self) -> Run:
        """Run once, from where the state says.

        Raises:
            PipelineError: the run did not end with 0.
        """
        self._runs += 1
        started = time.monotonic()
        log = self._folder / f"meltano-{self._runs}.log"
        with running(COMMAND.split(), log, HERE, self._env) as process:
            outcome = _outcome(process)
        if outcome:
            raise PipelineError(f"`{COMMAND}` {outcome}:\n{tail(log, TAIL_LINES)}")
        return Run(time.monotonic() - started, self._totals())

    def bookmarks(self) -> dict[str, Any]:
        """Return where the next run starts, per stream, from the state that Meltano keeps."""
        (file,) = (self._folder / "state").rglob("state.json")
        kept = json.loads(file.read_text())["completed"]["singer_state"]["bookmarks"]
        return {
            stream: bookmark["replication_key_value"]
            for stream, bookmark in kept.items()
            if "replication_key_value" in bookmark
        }

    def rejects(self) -> list[Path]:
        """Return the rejects files, oldest first."""
        return sorted((self.work / "rejects").glob("*.singer.jsonl"))

    def _totals(self) -> dict[str, dict[str, Any]]:
        last = (self.work / "runs.jsonl").read_text().splitlines()[-1]
        streams: dict[str, dict[str, Any]] = json.loads(last)["streams"]
        return streams


def _outcome(process: subprocess.Popen[bytes]) -> str:
    """Wait for the end of a run; return what went wrong, or nothing."""
    try:
        code = process.wait(RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"did not end within {RUN_SECONDS:.0f} seconds"
    return f"ended with exit code {code}" if code else ""
