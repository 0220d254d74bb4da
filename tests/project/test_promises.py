"""Each promise of the README names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (P\d+) \| (.+) \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_readme_has_all_promises() -> None:
    assert [name for name, _, _ in ROWS] == [f"P{number}" for number in range(1, 14)]


@pytest.mark.parametrize(("promise", "tests"), [(name, tests) for name, _, tests in ROWS])
def test_a_promise_names_its_tests(promise: str, tests: str) -> None:
    named = re.findall(r"`([^`]+)`", tests)
    assert named, promise
    for path in named:
        assert path.startswith("tests/")
        assert re.search(r"^def test_", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), path
