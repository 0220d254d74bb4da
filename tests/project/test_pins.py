"""All versions that a clone installs are pinned, without the address of a registry."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Where Python has no tomllib yet, pytest brings tomli.
toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = Path(__file__).parents[2]
PYPROJECT = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = ["constraints.txt", "demo/constraints.txt"]
FILES += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests/taps/pins").glob("*.txt"))]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned(name: str, python: str) -> dict[str, Version]:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return {
        canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("=="))
        for pin in pins(name)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def required() -> list[Requirement]:
    project: dict[str, Any] = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups += PYPROJECT["dependency-groups"].values()
    return [Requirement(line) for group in groups for line in group if isinstance(line, str)]


@pytest.mark.parametrize("name", FILES)
def test_every_pin_is_one_exact_version_and_names_no_address(name: str) -> None:
    for pin in pins(name):
        assert pin.url is None
        assert [each.operator for each in pin.specifier] == ["=="]
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_range(python: str) -> None:
    versions = pinned("constraints.txt", python)
    for requirement in required():
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not pinned: make constraints"
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_other_packages_of_the_demo_are_pinned(python: str) -> None:
    versions = pinned("demo/constraints.txt", python)
    assert all(canonicalize_name(each.name) in versions for each in pins("demo/requirements.txt"))
