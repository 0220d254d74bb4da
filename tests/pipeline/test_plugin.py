"""The plugin definition in Meltano: added from its file, configured, and every command invoked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from meltano_project import DEFINITION, EMPTY, REQUIRED, Project, definition

from demo.pipeline import MELTANO

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(240)]


def meltanos_schema() -> dict[str, Any]:
    """Return the JSON schema by which Meltano checks a project file."""
    (path,) = MELTANO.parents[1].glob("lib/python*/site-packages/meltano/schemas/meltano.schema.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def project(tmp_path: Path, batch: LocalBatch) -> Project:
    """A fresh project whose target-batch goes to the tests' local Batch."""
    return Project(tmp_path, {**REQUIRED, "api_url": batch.url, "late_events": "now"})


def test_each_setting_of_the_definition_is_one_that_meltano_knows() -> None:
    """Kinds, options and keys are valid by Meltano's own schema."""
    whole = meltanos_schema()
    checker = jsonschema.Draft202012Validator({"$defs": whole["$defs"], "$ref": "#/$defs/base_setting"})
    plugin = definition()
    for setting in plugin["settings"]:
        checker.validate(setting)
        assert setting["label"]
        assert setting["description"]
    names = {setting["name"] for setting in plugin["settings"]}
    assert {name for group in plugin["settings_group_validation"] for name in group} <= names


def test_every_command_works_in_meltano(project: Project, batch: LocalBatch) -> None:
    """As a user would: check, explain, load, replay an archive, and look at the runs and the rejects."""
    assert "All settings are right" in project.meltano("invoke", "target-batch:check")
    output = project.meltano("invoke", "target-batch:explain", "--input", str(EXAMPLES / "users.csv"))
    assert "$email_address" in output
    project.meltano("invoke", "target-batch", "--input", str(EXAMPLES / "users.singer"))
    assert batch.summary()["profiles"] == 3
    archive = str(EXAMPLES / "segment-archive.jsonl")
    assert '"rows":5' in project.meltano("invoke", "target-batch:replay", "--stream", "archive", archive)
    runs = project.meltano("invoke", "target-batch:runs")
    assert "users" in runs
    assert "archive" in runs
    rejects = project.meltano("invoke", "target-batch:rejects")
    assert "missing_custom_id" in rejects
    assert "  meltano invoke target-batch --input " in rejects


def test_the_definition_installs_what_its_commands_need(tmp_path: Path) -> None:
    """`meltano add` installs the definition with a wheel of this checkout, as in the quick start."""
    wheels = tmp_path / "dist"
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(wheels),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=100)
    (tmp_path / "meltano.yml").write_text(EMPTY)
    found = {**os.environ, "PIP_FIND_LINKS": str(wheels), "UV_FIND_LINKS": str(wheels), "NO_COLOR": "1"}
    add = [str(MELTANO), "add", "target-batch", "--from-ref", str(DEFINITION), "--plugin-type", "loader"]
    done = subprocess.run(
        add, cwd=tmp_path, env=found, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    python = tmp_path / ".meltano/loaders/target-batch/venv/bin/python"
    needed = "import psycopg, pyarrow, starlette, uvicorn, target_batch.cli"
    subprocess.run([str(python), "-c", needed], check=True, timeout=60)


def test_the_connection_test_of_meltano_makes_one_read_only_call(project: Project, batch: LocalBatch) -> None:
    """The target reports success, although Meltano 4.4.1 may fail when it ends a process that has ended."""
    output = project.meltano("--log-level", "debug", "config", "test", "target-batch", codes=(0, 1))
    assert "All settings are right: Batch opens with these keys. Nothing was written." in output
    assert "Test data was written" in output
    assert [request["method"] for request in batch.requests()] == ["GET"]
