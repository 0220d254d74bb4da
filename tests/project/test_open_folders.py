"""Folders that were opened for PostgreSQL servers are closed by the last server, and only by it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from demo.open_folders import modes_kept

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from pathlib import Path
from demo.open_folders import modes_kept
path, place = map(Path, sys.argv[1:])
with modes_kept(path, place):
    path.parent.chmod(0o755)
    print("open", flush=True)
    sys.stdin.read()
"""


def server(path: Path, place: Path) -> subprocess.Popen[bytes]:
    """Start a process that opens the folder of a path, as a server's start does, until its input ends."""
    command = [sys.executable, "-c", SERVER, str(path), str(place)]
    started = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"open\n"
    return started


def mode(path: Path) -> int:
    return stat.S_IMODE(path.parent.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder for one user only."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder / "wheel.py"


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_server_closes_the_folders(tmp_path: Path, path: Path, first: int) -> None:
    """Whichever server ends first, the folder stays open for the other one."""
    servers = [server(path, tmp_path / "book"), server(path, tmp_path / "book")]
    servers.insert(0, servers.pop(first))
    for running, left in zip(servers, (0o755, 0o700), strict=True):
        running.communicate(timeout=20)
        assert running.returncode == 0
        assert mode(path) == left


def test_a_killed_server_keeps_no_folder_open(tmp_path: Path, path: Path) -> None:
    """The next server knows the original mode and restores it."""
    killed = server(path, tmp_path / "book")
    killed.kill()
    killed.communicate(timeout=20)
    assert mode(path) == 0o755
    with modes_kept(path, tmp_path / "book"):
        assert mode(path) == 0o700
        path.parent.chmod(0o755)
    assert mode(path) == 0o700


def test_a_register_of_another_user_is_refused(tmp_path: Path, path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "book").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError), modes_kept(path, tmp_path / "book"):
        pass
