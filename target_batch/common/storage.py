"""Where people's data is written: folders 0700 and files 0600 on disk, or objects behind a URL.

A file on disk grows and is synced. An object cannot grow, so behind a URL each sync closes a part and
the next line begins another one; every part begins with its own head and can be read alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from target_batch.common.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Appender(Protocol):
    """A growing file of lines; `names` are the files it has written so far."""

    names: list[str]

    def write(self, head: bytes, line: bytes) -> None:
        """Write a line, under `head` where a file begins or the head has changed."""

    def sync(self) -> None:
        """Bring everything written onto the disk, or behind the URL."""

    def close(self) -> None:
        """Sync, and write no more."""


class Folder(Protocol):
    """A place for files by name, such as `rejects/20260101-users.singer.jsonl`."""

    def append(self, name: str) -> Appender:
        """Open a file to append to."""

    def read(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Give the files whose name matches a glob, in the order of their names."""


def folder_at(work_path: str) -> Folder:
    """Return the folder that a path or a URL names.

    Raises:
        ConfigurationError: the URL's protocol is unknown or lacks its package.
    """
    if "://" not in work_path or work_path.startswith("file://"):
        return LocalFolder(Path(work_path.removeprefix("file://")).expanduser())
    import fsspec  # noqa: PLC0415 - only those who write behind a URL pay for it

    try:
        files, root = fsspec.core.url_to_fs(work_path)
    except (ImportError, ValueError):
        protocol = work_path.split("://", 1)[0]
        raise ConfigurationError(
            f"`work_path` begins with {protocol}://, which needs a package of its own (s3fs, gcsfs, …). "
            "Install it beside target-batch, or name a folder on disk."
        ) from None
    return RemoteFolder(files, root)


def private_folder(folder: Path) -> Path:
    """Make a folder and what is missing above it, each readable by its owner only."""
    missing = [folder, *folder.parents]
    for path in reversed([path for path in missing if not path.exists()]):
        path.mkdir(mode=0o700, exist_ok=True)
    return folder


class LocalFolder:
    """A folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, name: str) -> Appender:
        """Open a file to append to, made 0600; a symbolic link in its place is refused.

        Raises:
            OSError: it cannot be opened.
        """
        path = self.root / name
        private_folder(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return LocalAppender(str(path), os.fdopen(os.open(path, flags, 0o600), "ab"))

    def read(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Give the files whose name matches a glob, in the order of their names."""
        for path in sorted(self.root.glob(pattern)):
            yield str(path), path.read_bytes()


class LocalAppender:
    """A file on disk."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.names = [name]
        self._file = file
        self._head = b""

    def write(self, head: bytes, line: bytes) -> None:
        """Write a line, under `head` where it has changed."""
        if head != self._head:
            self._head = head
            self._file.write(head)
        self._file.write(line)

    def sync(self) -> None:
        """Bring everything onto the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync, and write no more."""
        try:
            self.sync()
        finally:
            self._file.close()


class RemoteFolder:
    """A prefix behind a URL of any protocol that fsspec knows."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    def append(self, name: str) -> Appender:
        """Open a series of parts."""
        return RemoteAppender(self._files, f"{self._root}/{name}")

    def read(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Give the objects whose name matches a glob, in the order of their names."""
        for name in sorted(self._files.glob(f"{self._root}/{pattern}")):
            yield name, self._files.cat_file(name)


class RemoteAppender:
    """A series of objects: NAME-0001.EXT and so on, one a sync."""

    def __init__(self, files: Any, name: str) -> None:
        self.names: list[str] = []
        self._files = files
        folder, _, file = name.rpartition("/")
        stem, dot, ending = file.partition(".")
        self._stem, self._ending = f"{folder}/{stem}", dot + ending
        self._lines: list[bytes] = []
        self._head = b""

    def write(self, head: bytes, line: bytes) -> None:
        """Keep a line for the next part."""
        if head != self._head or not self._lines:
            self._head = head
            self._lines.append(head)
        self._lines.append(line)

    def sync(self) -> None:
        """Write what has come since the last sync as one object."""
        if not self._lines:
            return
        name = f"{self._stem}-{len(self.names) + 1:04d}{self._ending}"
        parent = name.rpartition("/")[0]
        self._files.makedirs(parent, exist_ok=True)
        self._files.pipe_file(name, b"".join(self._lines))
        self.names.append(name)
        self._lines.clear()

    def close(self) -> None:
        """Write the last part."""
        self.sync()
