"""No file of the project holds a path of somebody's machine, the address of a registry or a key."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 1_000_000

FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.}$)*-])/(?:root|work|home/\w+|Users/\w+)/\w",
    "the address of a package registry": r"pypi\.org|pythonhosted\.org|registry\.npmjs|//[^\s\"']+/simple\b",
    "an option that names a registry": r"--(?:extra-)?index-url|--find-links|^index-url",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a key of a cloud or a code host": r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|github_pat_\w{22})",
    "a token of a package registry": r"\bpypi-AgE\w{20}",
    "a key of Batch": r"\bproject_[0-9a-f]{16}|Bearer [0-9a-f]{24}|\b(?:DEV|LIVE)[0-9A-F]{20}",
}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The texts of all files that git tracks or does not ignore, by name."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    paths = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.is_file()
    }


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds_private_data(what: str, files: dict[str, str]) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    own = str(Path(__file__).relative_to(ROOT))
    found = [
        f"{name}: {match[0]}"
        for name, content in files.items()
        if name != own and (match := pattern.search(content))
    ]
    assert not found, f"{what}: {found}"


def test_no_file_is_large(files: dict[str, str]) -> None:
    assert not [name for name, content in files.items() if len(content) > LARGEST]


def test_files_that_the_commands_write_are_ignored_by_git(files: dict[str, str]) -> None:
    assert not [name for name in files if name.startswith((".demo/", ".venv/", "demo/.meltano/"))]
