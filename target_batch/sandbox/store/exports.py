"""Exports, their files and the links to those files."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from target_batch.sandbox.refusals import Refused

LINK_SECONDS: Final = 1200.0
"""Validity of a link to a file, in seconds (doc: 20 minutes)."""
PART_LINES: Final = 1000
"""Profiles per file (the local Batch's own choice; Batch's files have up to 100 MB)."""


@dataclass(frozen=True)
class File:
    """One file of an export, as NDJSON."""

    id: str
    content: bytes


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        id: ID of the export.
        requested: Unix time of the request, in seconds.
        begun: Time of the request on the steady clock.
        ready: Time at which it is complete, on the steady clock.
        files: Its files.
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
        """Create an export and split its lines into files."""
        rest = iter(lines)
        files = []
        while part := list(islice(rest, PART_LINES)):
            files.append(File(f"file_{secrets.token_hex(8)}", b"".join(part)))
        export = Export(f"export_{secrets.token_hex(8)}", requested, begun, ready, tuple(files))
        self._exports[export.id] = export
        return export

    def find(self, export_id: str) -> Export:
        """Return an export by ID.

        Raises:
            Refused: With 404, if there is no such export.
        """
        if export_id not in self._exports:
            raise Refused(404, "NOT_FOUND", "no such export")
        return self._exports[export_id]

    def link(self, file_id: str, now: float) -> str:
        """Make a link to a file of a completed export and return its token.

        Raises:
            Refused: With 404, if there is no such file.
        """
        for export in self._exports.values():
            for file in export.files:
                if file.id == file_id and export.ready <= now:
                    token = secrets.token_urlsafe(24)
                    self._links[token] = file, now + LINK_SECONDS
                    return token
        raise Refused(404, "NOT_FOUND", "no such file")

    def content(self, token: str, now: float) -> bytes | None:
        """Return the content of the file that a link points to, or None if it is unknown or expired."""
        file, until = self._links.get(token, (None, 0.0))
        return file.content if file is not None and now <= until else None
