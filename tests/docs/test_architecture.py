"""docs/architecture.md names only existing files and folders, and every package."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "target_batch"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", PAGE))
    there = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    missing = [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in there)]
    assert named
    assert missing == []


def test_the_page_names_every_package_and_only_existing_folders() -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*)/`", PAGE))
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("*/__init__.py")}
    assert packages - named == set()
    assert [name for name in named if not any(PACKAGE.rglob(name.split("/")[-1]))] == []
