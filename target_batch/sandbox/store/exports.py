"""Exports: what was asked for, the files that hold it, and the links that lead to them."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from target_batch.sandbox.refusals import Refused

LINK_SECONDS: Final = 1200.0
"""How long a link to a file is valid (doc: 20 minutes)."""
PART_LINES: Final = 1000
"""Profiles in one file; Batch's files have up to 100 MB (the local Batch's own choice)."""


@dataclass(frozen=True)
class File:
    """One file of an export: lines of JSON."""

    id: str
    content: bytes


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        id: What it is called.
        requested: Unix time of the request, in seconds.
        begun: The same on the steady clock.
        ready: When it ends, on the steady clock.
        files: What it holds.
    """

    id: str
    requested: float
    begun: float
    ready: float
    files: tuple[File, ...]


@dataclass
class Exports:
    """All exports, their files and links."""

    _exports: dict[str, Export] = field(default_factory=dict)
    _links: dict[str, tuple[File, float]] = field(default_factory=dict)

    def begin(self, lines: Iterable[bytes], requested: float, begun: float, ready: float) -> Export:
        """Make an export of lines."""
        rest = iter(lines)
        files = []
        while part := list(islice(rest, PART_LINES)):
            files.append(File(f"file_{secrets.token_hex(8)}", b"".join(part)))
        export = Export(f"export_{secrets.token_hex(8)}", requested, begun, ready, tuple(files))
        self._exports[export.id] = export
        return export

    def find(self, export_id: str) -> Export:
        """Return an export.

        Raises:
            Refused: With 404 when there is none of that name.
        """
        if export_id not in self._exports:
            raise Refused(404, "NOT_FOUND", "no such export")
        return self._exports[export_id]

    def link(self, file_id: str, now: float) -> str:
        """Make a link to a file of an export that has ended.

        Raises:
            Refused: With 404 when there is no such file.
        """
        for export in self._exports.values():
            for file in export.files:
                if file.id == file_id and export.ready <= now:
                    token = secrets.token_urlsafe(24)
                    self._links[token] = file, now + LINK_SECONDS
                    return token
        raise Refused(404, "NOT_FOUND", "no such file")

    def content(self, token: str, now: float) -> bytes | None:
        """Return what a link holds; None for one that is unknown or has expired."""
        file, until = self._links.get(token, (None, 0.0))
        return file.content if file is not None and now <= until else None
