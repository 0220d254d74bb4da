"""The suite runs in a stranger's environment: what our machines set must not help it."""

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


def test_no_variable_helps_the_suite() -> None:
    """Set on many machines, cleared before anything was imported."""
    assert set(HELPFUL) & set(os.environ) == {"LANG"}
    assert os.environ["LANG"] == "C.UTF-8"


def test_a_process_starts_with_what_a_login_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HELPFUL.items():
        monkeypatch.setenv(name, value)
    given = login.environment()
    assert set(HELPFUL) & set(given) == {"LANG"}
    assert given["LANG"] == "C.UTF-8"
    assert {"PATH", "HOME"} <= set(given)


def test_ci_does_the_same_before_it_calls_make(tmp_path: Path) -> None:
    """Seen by a `make` that prints its environment; what package managers need stays."""
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


def test_no_marked_test_lies_where_make_test_does_not_look() -> None:
    """What it leaves out of its first part by a marker it runs from folders that it names."""
    folders = {"chaos": ("chaos", "audiences"), "pipeline": ("pipeline",), "taps": ("taps",)}
    makefile = (ROOT / "Makefile").read_text()
    for marker, where in folders.items():
        is_marked = re.compile(rf"mark\.{marker}\b").search
        marked = [path for path in ROOT.glob("tests/**/test_*.py") if is_marked(path.read_text())]
        assert marked
        assert {path.relative_to(ROOT / "tests").parts[0] for path in marked} <= set(where)
        assert all(f"tests/{folder}" in makefile for folder in where)
