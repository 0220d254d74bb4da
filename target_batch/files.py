"""Files that hold people's data: folders 0700, files 0600, never through a link somebody laid."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make a folder and what is missing above it, each readable by its owner only."""
    missing = [folder, *folder.parents]
    for path in reversed([path for path in missing if not path.exists()]):
        path.mkdir(mode=0o700, exist_ok=True)
    return folder


def append_privately(path: Path) -> BinaryIO:
    """Open a file to append to, made 0600; a symbolic link in its place is refused."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "ab")


def sync(file: BinaryIO) -> None:
    """Bring what was written onto the disk."""
    file.flush()
    os.fsync(file.fileno())
