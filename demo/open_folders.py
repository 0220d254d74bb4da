"""Close the folders that PostgreSQL's wheel opens to everybody, once the last server has ended.

As root, the wheel starts the server as another user and gives that user access to every folder above. Servers
run side by side, in tests and in several checkouts: the first one to end must not lock the others out, and
none may mistake the open mode for the original one. So they share a register, under a lock.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, TypeAlias

from fasteners import InterProcessLock  # type: ignore[import-untyped] # it has no stubs

if TYPE_CHECKING:
    from collections.abc import Iterator

    Register: TypeAlias = dict[str, dict[str, int]]
    """Folder → its mode before the first server, as "mode", and who needs it open: name → process."""

MODE = "mode"
_numbers = count(1)


@contextmanager
def modes_kept(path: Path, place: Path | None = None) -> Iterator[None]:
    """Put the modes of the folders above a path back when the last `with` block over them ends.

    A block whose process was killed counts as ended. The register is in `place`, by default in a temporary
    folder that belongs to this user.
    """
    register = place or Path(gettempdir()) / f"target-batch-open-folders-{os.geteuid()}"
    name = f"{os.getpid()}-{next(_numbers)}"
    with _opened(register) as folders:
        _close(folders)
        for folder in path.parents:
            mode = stat.S_IMODE(folder.stat().st_mode)
            folders.setdefault(str(folder), {MODE: mode})[name] = os.getpid()
    try:
        yield
    finally:
        with _opened(register) as folders:
            for entry in folders.values():
                entry.pop(name, None)
            _close(folders)


@contextmanager
def _opened(place: Path) -> Iterator[Register]:
    """Read the register under its lock, and write it back."""
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise PermissionError(f"{place} belongs to another user.")
    with InterProcessLock(place / "lock"):
        file = place / "modes.json"
        folders: Register = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        yield folders
        written = place / "modes.json.new"
        written.write_text(json.dumps(folders), encoding="utf-8")
        written.replace(file)


def _close(folders: Register) -> None:
    """Close the folders that no running process needs open, and remove them from the register."""
    for folder, entry in list(folders.items()):
        for name in [name for name, process in entry.items() if name != MODE and not _is_alive(process)]:
            del entry[name]
        if entry.keys() == {MODE}:
            del folders[folder]
            with suppress(FileNotFoundError):
                if stat.S_IMODE(Path(folder).stat().st_mode) != entry[MODE]:
                    Path(folder).chmod(entry[MODE])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
