"""Every command in README and docs is run, and prints what the page says it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import warm
import yaml

from target_batch.cli import COMMANDS

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
BLOCK = re.compile(
    r"^(?P<mark><!-- not run: .+ -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SHELLS = {"console", "sh", "bash", "shell"}
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
ANYTHING = "…"


@dataclass(frozen=True)
class Step:
    """A command, and the lines of its output that the page shows."""

    command: str
    shown: tuple[str, ...]


def steps(page: Path) -> list[Step]:
    """Return the commands of a page in their order."""
    found = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["kind"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                found.append(
                    Step(command, tuple(line for line in shown if line.strip() not in {"", ANYTHING}))
                )
    return found


@pytest.fixture
def clone(tmp_path: Path, batch: LocalBatch) -> Path:
    """A folder like a fresh clone, whose examples point at the tests' local Batch."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    config = tmp_path / "examples" / "config.json"
    config.write_text(config.read_text().replace("http://127.0.0.1:8765", batch.url))
    if not os.environ.get("TARGET_COLD"):
        warm.program(tmp_path)
    return tmp_path


def run(command: str, clone: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that finds target-batch."""
    path = os.pathsep.join([str(clone), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_PROXY": "*", "no_proxy": "*", "NO_COLOR": "1"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, clone: Path, batch: LocalBatch) -> None:
    for step in steps(page):
        done = run(step.command, clone)
        assert done.returncode == 0, f"{step.command}\n{done.stdout}{done.stderr}"
        printed = (done.stdout + done.stderr).replace(batch.url, "http://127.0.0.1:8765")
        lines = [" ".join(line.split()) for line in printed.splitlines()]
        for line in step.shown:
            assert " ".join(line.split()) in lines, f"{step.command}\ndoes not print: {line}\n{printed}"


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "examples" / "README.md"], ids=lambda page: str(page.name)
)
def test_no_command_of_a_page_escapes_the_tests(page: Path) -> None:
    """A shell block is either a `console` block, which is run, or says why it is not run."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["kind"] in SHELLS - {"console"}:
            assert block["mark"], block["text"]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "examples" / "README.md"], ids=lambda page: str(page.name))
def test_every_json_of_a_page_is_a_configuration(page: Path) -> None:
    """Each of them names only settings and options that exist."""
    from target_batch.config.checks import load  # noqa: PLC0415 - the module under test

    for block in BLOCK.finditer(page.read_text(encoding="utf-8").replace("\n  ", "\n")):
        if block["kind"] == "json":
            config = json.loads(block["text"])
            config.pop("$schema", None)
            load({"rest_api_key": "k", **config})


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: str(page.name))
def test_every_yaml_and_python_of_a_page_can_be_read(page: Path) -> None:
    """Schedulers are not installed here, so their examples are only checked to be well-formed."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["kind"] == "yaml":
            assert yaml.safe_load(block["text"])
        elif block["kind"] == "python":
            compile(block["text"], page.name, "exec")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "examples" / "README.md"], ids=lambda page: str(page.name))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        assert path.is_file(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, anchor


@pytest.mark.parametrize("name", ["users.singer", "events.singer", "cohort.singer"])
def test_an_example_runs(name: str, clone: Path, batch: LocalBatch) -> None:
    done = run(f"target-batch --config examples/config.json --input examples/{name}", clone)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["bookmarks"]
    summary = batch.summary()
    assert (summary["profiles"] or summary["members"]) > 0


def test_the_example_archive_runs(clone: Path, batch: LocalBatch) -> None:
    command = (
        "target-batch replay --config examples/config.json --stream archive examples/segment-archive.jsonl"
    )
    done = run(command, clone)
    assert done.returncode == 0, done.stderr
    assert batch.attributes("c-1001")["first_name"] == "Ana"
    assert batch.attributes("c-1001")["$language"] == "fr"


def test_the_arithmetic_of_the_scaling_table_is_right() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) (m|b)illion \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) == 3
    for number, unit, full, half in rows:
        for rate, stated in ((10_000, full), (5_000, half)):
            minutes = round(int(number) * {"m": 1_000_000, "b": 1_000_000_000}[unit] / rate / 60)
            hours = f"{minutes // 60} hours " if minutes >= 60 else ""
            assert stated == f"{hours}{minutes % 60} minutes"


def test_every_command_that_a_page_names_exists() -> None:
    """The README counts, too, although its commands are not run."""
    for page in (*PAGES, ROOT / "README.md"):
        text = page.read_text(encoding="utf-8")
        named = set(
            re.findall(r"target-batch[ :]([a-z][a-z-]*)\b(?! is)", " ".join(re.findall(r"`[^`\n]+`", text)))
        )
        assert named <= COMMANDS.keys(), page.name
