"""A Meltano project with this plugin definition, for the real Meltano that `make demo` installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from demo.pipeline import MELTANO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFINITION = Path(__file__).parents[2] / "plugins" / "loaders" / "target-batch.yml"
KEY = "canary-meltano-key"
REQUIRED = {"rest_api_key": KEY, "project_key": "project_scratch"}
TARGET = Path(sys.executable).parent / "target-batch"
EMPTY = """
send_anonymous_usage_stats: false
project_id: scratch
default_environment: dev
environments: [{name: dev}]
"""
SET_ALL = """
import json, sys
from meltano.cli import cli
for name, value in json.load(sys.stdin):
    cli.main(["config", "set", "target-batch", name, value], standalone_mode=False)
"""


def definition() -> dict[str, Any]:
    """Return the plugin definition."""
    found: dict[str, Any] = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    return found


class Project:
    """A Meltano project with the definition, whose executable is that of this checkout."""

    def __init__(self, folder: Path, settings: Mapping[str, str], executable: Path = TARGET) -> None:
        self.folder = folder
        self.variables = {f"TARGET_BATCH_{name.upper()}": value for name, value in settings.items()}
        (folder / "meltano.yml").write_text(EMPTY)
        plugin = definition()
        del plugin["pip_url"]
        plugin["executable"] = str(executable)
        (folder / "definition.yml").write_text(yaml.safe_dump(plugin))
        self.meltano("add", "--plugin-type", "loader", "target-batch", "--from-ref", "definition.yml")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write settings into `meltano.yml`, like a text editor."""
        project = self._read()
        project["plugins"]["loaders"][0]["config"] = dict(settings)
        self._write(project)

    def set(self, settings: Mapping[str, str]) -> None:
        """Set settings with `meltano config set`, all in one process."""
        command: list[str | Path] = [MELTANO.parent / "python", "-c", SET_ALL]
        pairs = json.dumps(list(settings.items()))
        self._run(command, {}, given=pairs)

    def add_tap(self, name: str, lines: Sequence[str]) -> None:
        """Add a tap that writes these lines."""
        program = self.folder / name
        content = "\n".join(lines)
        program.write_text(f"#!/bin/sh\ncat <<'LINES'\n{content}\nLINES\n")
        program.chmod(0o755)
        project = self._read()
        plugin = {"name": name, "namespace": name.replace("-", "_"), "executable": str(program)}
        project["plugins"].setdefault("extractors", []).append(plugin)
        self._write(project)

    def meltano(
        self, *options: str, codes: tuple[int, ...] = (0,), variables: Mapping[str, str] | None = None
    ) -> str:
        """Run Meltano, assert that it ends with one of the codes, and return its output."""
        return self._run([MELTANO, *options], variables or {}, codes=codes)

    def _run(
        self,
        command: Sequence[str | Path],
        variables: Mapping[str, str],
        *,
        codes: tuple[int, ...] = (0,),
        given: str = "",
    ) -> str:
        ours = [name for name in os.environ if name.startswith("TARGET_BATCH_")]
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**inherited, "NO_COLOR": "1", "NO_PROXY": "*", **self.variables, **variables},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode in codes, done.stdout
        assert KEY not in done.stdout
        return done.stdout

    def _read(self) -> dict[str, Any]:
        project: dict[str, Any] = yaml.safe_load((self.folder / "meltano.yml").read_text(encoding="utf-8"))
        return project

    def _write(self, project: Mapping[str, Any]) -> None:
        (self.folder / "meltano.yml").write_text(yaml.safe_dump(dict(project), allow_unicode=True))
