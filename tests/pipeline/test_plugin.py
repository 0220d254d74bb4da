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
import yaml

from demo.pipeline import MELTANO

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "plugins" / "loaders" / "target-batch.yml"
EXAMPLES = ROOT / "examples"
KEY = "canary-meltano-key"
pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(120)]


def meltanos_schema() -> dict[str, Any]:
    """Return the JSON schema by which Meltano checks a project file."""
    (path,) = MELTANO.parents[1].glob("lib/python*/site-packages/meltano/schemas/meltano.schema.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


class Project:
    """A Meltano project with the definition in it; this checkout's target stands for the package."""

    def __init__(self, folder: Path, batch: LocalBatch) -> None:
        self.folder = folder
        self.batch = batch
        (folder / "meltano.yml").write_text("send_anonymous_usage_stats: false\nproject_id: scratch\n")
        definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
        del definition["pip_url"]
        definition["executable"] = str(Path(sys.executable).parent / "target-batch")
        (folder / "definition.yml").write_text(yaml.safe_dump(definition))
        self.meltano("add", "--plugin-type", "loader", "target-batch", "--from-ref", "definition.yml")

    def meltano(self, *options: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run Meltano and return what it printed; it ends with one of the codes."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TARGET_BATCH_")},
            "NO_COLOR": "1",
            "NO_PROXY": "*",
            "TARGET_BATCH_REST_API_KEY": KEY,
            "TARGET_BATCH_PROJECT_KEY": "project_scratch",
            "TARGET_BATCH_API_URL": self.batch.url,
            "TARGET_BATCH_LATE_EVENTS": "now",
        }
        done = subprocess.run(
            [MELTANO, *options],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in codes, done.stdout
        assert KEY not in done.stdout
        return done.stdout


@pytest.fixture
def project(tmp_path: Path, batch: LocalBatch) -> Project:
    """A fresh project whose target-batch goes to the tests' local Batch."""
    return Project(tmp_path, batch)


def test_each_setting_of_the_definition_is_one_that_meltano_knows() -> None:
    """Kinds, options and keys by Meltano's own schema."""
    whole = meltanos_schema()
    checker = jsonschema.Draft202012Validator({"$defs": whole["$defs"], "$ref": "#/$defs/base_setting"})
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    for setting in definition["settings"]:
        checker.validate(setting)
        assert setting["label"]
        assert setting["description"]
    names = {setting["name"] for setting in definition["settings"]}
    assert {name for group in definition["settings_group_validation"] for name in group} <= names


def test_every_command_works_in_meltano(project: Project) -> None:
    """As a user would go: check, look, load, see the runs and the rejects, replay what was refused."""
    assert "All settings are right" in project.meltano("invoke", "target-batch:check")
    told = project.meltano("invoke", "target-batch:explain", "--input", str(EXAMPLES / "users.csv"))
    assert "$email_address" in told
    project.meltano("invoke", "target-batch", "--input", str(EXAMPLES / "users.singer"))
    assert project.batch.summary()["profiles"] == 3
    archive = str(EXAMPLES / "segment-archive.jsonl")
    assert '"rows":5' in project.meltano("invoke", "target-batch:replay", "--stream", "archive", archive)
    runs = project.meltano("invoke", "target-batch:runs")
    assert "users" in runs
    assert "archive" in runs
    rejects = project.meltano("invoke", "target-batch:rejects")
    assert "missing_custom_id" in rejects
    assert "  meltano invoke target-batch --input " in rejects


def test_the_connection_test_of_meltano_makes_one_read_only_call(project: Project) -> None:
    """Its verdict, whatever Meltano 4.4.1 does when it ends a process that has ended already."""
    told = project.meltano("--log-level", "debug", "config", "test", "target-batch", codes=(0, 1))
    assert "All settings are right: Batch opens with these keys. Nothing was written." in told
    assert "Test data was written" in told
    assert [request["method"] for request in project.batch.requests()] == ["GET"]
