"""Storage for personal data: folders (0700) and files (0600) on disk, or objects behind a URL.

A file on disk grows and is synced. An object cannot grow, so behind a URL each sync closes a part and
the next line begins another; every part begins with its own head and can be read on its own.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from target_batch.common.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALL_SECONDS: Final = 30.0
"""Time limit of one call to a storage behind a URL."""

PART_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a file behind a URL that are kept in memory before they are written as a part."""

NO_SUCH_PROTOCOL: Final = "its protocol is unknown, or needs a package of its own: s3fs, gcsfs, …"

OBJECT_STORES: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "r2"})
"""Protocols without folders: creating one would create a bucket."""


def private_folder(folder: Path) -> Path:
    """Create a folder and its missing parents, each accessible to its owner only."""
    missing = [folder, *folder.parents]
    for path in reversed([path for path in missing if not path.exists()]):
        path.mkdir(mode=0o700, exist_ok=True)
    return folder


class LocalFolder:
    """A folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, name: str) -> Appender:
        """Open a file to append to, created with mode 0600; a symbolic link in its place is refused.

        Raises:
            OSError: it cannot be opened.
        """
        path = self.root / name
        private_folder(path.parent)
        self._keep_out_of_repositories()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return LocalAppender(str(path), os.fdopen(os.open(path, flags, 0o600), "ab"))

    def _keep_out_of_repositories(self) -> None:
        """Write a `.gitignore` into the folder, which holds personal data."""
        ignore, private = self.root / ".gitignore", partial(os.open, mode=0o600)
        with suppress(FileExistsError), open(ignore, "xb", opener=private) as file:
            file.write(b"*\n")

    def read(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the files that match a glob, sorted by name."""
        for path in sorted(self.root.glob(pattern)):
            yield str(path), path.read_bytes()


class LocalAppender:
    """A file on disk."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.names = [name]
        self._file = file
        self._head = b""

    def write(self, head: bytes, line: bytes) -> None:
        """Write a line, preceded by `head` if it has changed."""
        if head != self._head:
            self._head = head
            self._file.write(head)
        self._file.write(line)

    def sync(self) -> None:
        """Bring everything written to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync, and accept no more lines."""
        try:
            self.sync()
        finally:
            self._file.close()


class RemoteFolder:
    """A prefix behind a URL of any protocol that fsspec supports; errors of its backends become OSErrors."""

    def __init__(self, files: Any, root: str, seconds: Callable[[], float]) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._seconds = seconds

    def append(self, name: str) -> Appender:
        """Open a series of parts."""
        return RemoteAppender(self._files, f"{self._root}/{name}", self._seconds)

    def read(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the objects that match a glob, sorted by name."""
        names = _remotely(self._seconds(), lambda: self._files.glob(f"{self._root}/{pattern}"))
        for name in sorted(names):
            content = _remotely(self._seconds(), partial(self._files.cat_file, name))
            yield self._files.unstrip_protocol(name), content


class RemoteAppender:
    """A series of objects named NAME-0001.EXT and so on: one per sync, or sooner if one grows large."""

    def __init__(self, files: Any, name: str, seconds: Callable[[], float]) -> None:
        self.names: list[str] = []
        self._files = files
        self._seconds = seconds
        folder, _, file = name.rpartition("/")
        stem, dot, ending = file.partition(".")
        self._stem, self._ending = f"{folder}/{stem}", dot + ending
        self._lines: list[bytes] = []
        self._size = 0
        self._head = b""

    def write(self, head: bytes, line: bytes) -> None:
        """Keep a line for the next part; once the part is large, write it at once."""
        if head != self._head or not self._lines:
            self._head = head
            self._lines.append(head)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PART_BYTES:
            self.sync()

    def sync(self) -> None:
        """Write the lines since the last sync as one object.

        Raises:
            OSError: the storage did not accept it.
        """
        if not self._lines:
            return
        name = f"{self._stem}-{len(self.names) + 1:04d}{self._ending}"
        content = b"".join(self._lines)
        _remotely(self._seconds(), lambda: self._put(name, content))
        self.names.append(self._files.unstrip_protocol(name))
        self._lines.clear()
        self._size = 0

    def _put(self, name: str, content: bytes) -> None:
        protocols = self._files.protocol
        known = {protocols} if isinstance(protocols, str) else set(protocols)
        if known.isdisjoint(OBJECT_STORES):
            self._files.makedirs(name.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(name, content)

    def close(self) -> None:
        """Write the last part."""
        self.sync()


Appender: TypeAlias = LocalAppender | RemoteAppender
"""A growing file of lines; `names` are the files written so far, as paths or whole URLs."""

Folder: TypeAlias = LocalFolder | RemoteFolder
"""A place for files by name, such as `rejects/20260101-users.singer.jsonl`."""


def folder_at(work_path: str, seconds: Callable[[], float] = lambda: CALL_SECONDS) -> Folder:
    """Return the folder at a path or URL; `seconds` returns the time limit of one call behind a URL.

    Raises:
        ConfigurationError: the URL's protocol is unknown or lacks its package, no bucket is named, or the
            storage cannot be opened.
    """
    if "://" not in work_path or work_path.startswith("file://"):
        return LocalFolder(Path(work_path.removeprefix("file://")).expanduser())
    import fsspec  # noqa: PLC0415 - only those who write behind a URL pay for it

    protocol, _, path = work_path.partition("://")
    if protocol in OBJECT_STORES and (not path or path.startswith("/")):
        raise ConfigurationError(f"`work_path` names no bucket: {protocol}://BUCKET/PREFIX is expected.")
    try:
        for name in protocol.split("::"):
            fsspec.get_filesystem_class(name)
    except (ImportError, ValueError):
        raise ConfigurationError(
            f"`work_path` begins with {protocol}://, which needs a package of its own (s3fs, gcsfs, …). "
            "Install it beside target-batch, or name a folder on disk."
        ) from None
    try:
        files, root = fsspec.core.url_to_fs(work_path)
    except Exception as error:  # noqa: BLE001 - of any package; its message may hold a key
        raise ConfigurationError(
            f"The storage behind `work_path` ({protocol}://) does not open ({type(error).__name__}), so "
            "nothing was read. Check the URL, and where its package looks for credentials."
        ) from None
    return RemoteFolder(files, root, seconds)


def _remotely(seconds: float, call: Callable[[], Any]) -> Any:
    """Make a call to a storage that may never answer, on a thread that cannot keep the process alive.

    Raises:
        OSError: the call failed or took too long; the message names the kind of the error, never its text.
    """
    answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised again below, without its text
            answer.put((None, error))

    threading.Thread(target=work, name="storage", daemon=True).start()
    try:
        result, error = answer.get(timeout=max(seconds, 0.1))
    except Empty:
        raise OSError(errno.ETIMEDOUT, f"no answer within {seconds:.0f} seconds") from None
    if isinstance(error, FileNotFoundError):
        raise FileNotFoundError(errno.ENOENT, "there is no such bucket or folder") from None
    if error is not None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise OSError(errno.EIO, reason) from None
    return result


def write_whole(path: str, content: bytes, seconds: float) -> None:
    """Replace a whole file, or an object behind a URL; other users may read it.

    Raises:
        OSError: it cannot be written, or behind a URL not within `seconds`.
    """
    if "://" not in path or path.startswith("file://"):
        _replace(Path(path.removeprefix("file://")).expanduser(), content)
        return
    import fsspec  # noqa: PLC0415 - only those who write behind a URL pay for it

    def put() -> None:
        try:
            files, name = fsspec.core.url_to_fs(path)
        except (ImportError, ValueError):
            raise OSError(errno.EPROTONOSUPPORT, NO_SUCH_PROTOCOL) from None
        files.pipe_file(name, content)

    _remotely(seconds, put)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
