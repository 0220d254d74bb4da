"""Real taps from PyPI, each in its own environment, and their output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from login import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENTS = Path(__file__).parents[2] / ".taps"
ENDED_WITHIN = 60.0


class Replication(NamedTuple):
    """How a stream is read: `FULL_TABLE`, or `INCREMENTAL` by a column."""

    method: str
    key: str | None = None


FULL_TABLE = Replication("FULL_TABLE")


class Tap:
    """One tap, its configuration and its catalog."""

    def __init__(self, package: str, executable: str, folder: Path, config: Mapping[str, Any]) -> None:
        self._program = ENVIRONMENTS / package / "bin" / executable
        assert self._program.exists(), f"{package} is not installed: make test-taps"
        self._folder = folder
        self._catalog: list[str | Path] = []
        self._config = self._written("tap.json", config)

    def select(self, streams: Mapping[str, Replication]) -> None:
        """Discover the streams and select only these, in this order."""
        catalog = json.loads(self._run("--discover"))
        found = {stream["tap_stream_id"]: stream for stream in catalog["streams"]}
        for name, (method, key) in streams.items():
            (whole,) = (each["metadata"] for each in found[name]["metadata"] if not each["breadcrumb"])
            whole |= {"selected": True, "replication-method": method, "forced-replication-method": method}
            if key is not None:
                whole["replication-key"] = key
        chosen = {"streams": [found[name] for name in streams]}
        self._catalog = ["--catalog", self._written("catalog.json", chosen)]

    def read(self, state: Mapping[str, Any] | None = None) -> bytes:
        """Return the output of the tap, from a state on."""
        options: list[str | Path] = []
        if state is not None:
            options = ["--state", self._written("state.json", state)]
        return self._run(*self._catalog, *options)

    def _written(self, name: str, content: Mapping[str, Any]) -> Path:
        path = self._folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def _run(self, *options: str | Path) -> bytes:
        done = subprocess.run(
            [self._program, "--config", self._config, *options],
            cwd=self._folder,
            env=environment() | {"PYTHONUTF8": "1"},
            capture_output=True,
            timeout=ENDED_WITHIN,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
        return done.stdout
