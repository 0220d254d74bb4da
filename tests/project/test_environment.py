"""The tests run in a plain environment: variables of a developer's machine must not help them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import login

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
HELPFUL = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
    "CI": "true",
    "TERM": "xterm",
    "LANG": "fr_FR.UTF-8",
    "LC_ALL": "C",
    "HTTPS_PROXY": "http://proxy.example",
    "no_proxy": "*",
    "TARGET_BATCH_REST_API_KEY": "k",
    "MELTANO_PROJECT_ROOT": "/",
    "XDG_CONFIG_HOME": "/x",
}


def test_no_variable_of_the_machine_reaches_the_tests() -> None:
    """Many machines set them; the suite clears them before it imports anything."""
    assert set(HELPFUL) & set(os.environ) == {"LANG"}
    assert os.environ["LANG"] == "C.UTF-8"


def test_a_process_starts_with_the_environment_of_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HELPFUL.items():
        monkeypatch.setenv(name, value)
    given = login.environment()
    assert set(HELPFUL) & set(given) == {"LANG"}
    assert given["LANG"] == "C.UTF-8"
    assert {"PATH", "HOME"} <= set(given)


def test_ci_clears_the_same_variables_before_it_calls_make(tmp_path: Path) -> None:
    """A stand-in for `make` prints its environment; variables that package managers need are kept."""
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\necho called $*; env\n")
    make.chmod(0o755)
    kept = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": "/h",
        "PIP_INDEX_URL": "i",
        "SSL_CERT_FILE": "c",
    }
    done = subprocess.run(
        [ROOT / ".ci" / "run"], env={**HELPFUL, **kept}, capture_output=True, text=True, check=True
    )
    called, *lines = done.stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert called == "called test"
    assert set(HELPFUL) & set(found) == {"LANG"}
    assert kept.items() <= found.items()
    assert (found["LANG"], found["BROWSER"]) == ("C.UTF-8", "required")


def test_property_tests_never_repeat_themselves() -> None:
    settings = hypothesis.settings.default
    assert settings is not None
    assert (settings.derandomize, settings.database, settings.print_blob) == (False, None, True)


def test_a_failure_prints_its_seed(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("hypothesis_seed") is not None


def test_every_marked_test_is_in_a_folder_that_make_test_runs() -> None:
    """`make test` skips marked tests in its first part, and runs them from the folders that it names."""
    folders = {"chaos": ("chaos", "audiences"), "pipeline": ("pipeline",), "taps": ("taps",)}
    makefile = (ROOT / "Makefile").read_text()
    for marker, where in folders.items():
        is_marked = re.compile(rf"mark\.{marker}\b").search
        marked = [path for path in ROOT.glob("tests/**/test_*.py") if is_marked(path.read_text())]
        assert marked
        assert {path.relative_to(ROOT / "tests").parts[0] for path in marked} <= set(where)
        assert all(f"tests/{folder}" in makefile for folder in where)
