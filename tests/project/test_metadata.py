"""Facts about the project that are stated in several places agree."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path

from packaging.specifiers import SpecifierSet

# Where Python has no tomllib yet, pytest brings tomli.
toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = toml.loads(text("pyproject.toml"))["project"]
PREFIX = "Programming Language :: Python :: "
PYTHONS = [line.removeprefix(PREFIX) for line in PROJECT["classifiers"] if line.startswith(PREFIX)]


def test_the_classifiers_begin_with_the_oldest_python_that_is_allowed() -> None:
    allowed = SpecifierSet(PROJECT["requires-python"])
    oldest = min(PYTHONS, key=lambda version: int(version.split(".")[1]))
    assert all(allowed.contains(version) for version in PYTHONS)
    assert not allowed.contains(f"3.{int(oldest.split('.')[1]) - 1}")


def test_the_tests_and_the_wheel_run_on_every_python_of_the_classifiers() -> None:
    matrices = re.findall(r"python: \[(.+)\]", text(".github/workflows/test.yml"))
    assert [re.findall(r"[\d.]+", matrix) for matrix in matrices] == [PYTHONS, PYTHONS]


def test_license_and_changelog_are_those_of_the_package() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in text("LICENSE")
    assert PROJECT["version"] in text("CHANGELOG.md")


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else() -> None:
    commands = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]
    assert [command for command in commands if "make" in command] == [
        'exec env -i "${kept[@]}" make "${@:-test}"'
    ]
    assert commands[-1].startswith("exec")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "make test" in text("README.md")


def test_the_readme_names_only_commands_that_the_makefile_has() -> None:
    offered = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", "\n".join(code_in("README.md"))))
    assert "demo" in named
    assert named <= offered


def test_the_files_for_meltano_list_every_setting_and_no_other() -> None:
    from target_batch.config.settings import SDK_SETTINGS, json_schema  # noqa: PLC0415 - only this test needs it

    declared = set(json_schema()["properties"]) | SDK_SETTINGS
    for name in ("plugins/loaders/target-batch.yml", "meltano.yml"):
        block = text(name).split("settings:\n", 1)[1].split("commands:", 1)[0]
        listed = set(re.findall(r"^ *- name: (\w+)$", block, re.MULTILINE))
        assert listed == declared


def code_in(name: str) -> list[str]:
    """Return the code in a Markdown file: fenced blocks and spans."""
    return re.findall(r"```.*?```|`[^`\n]+`", text(name), re.DOTALL)
