"""The record of requested erasures: hashes of custom IDs and Batch's request IDs, never the custom IDs."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_batch.common.storage import Appender, Folder


class ErasureBook:
    """The files `erasures/RUN.jsonl` of all runs; `now` returns seconds since the epoch.

    Raises:
        DeliveryError: the erasures of earlier runs cannot be read.
    """

    def __init__(self, folder: Folder, run: str, now: Callable[[], float], *, dry: bool) -> None:
        self._folder = folder
        self._run = run
        self._now = now
        self._dry = dry
        self._file: Appender | None = None
        self._requested: dict[str, set[str]] = {}
        self.apps: set[str] = set()
        """The apps that have accepted an erasure, in this run or an earlier one."""
        self._read()

    def _read(self) -> None:
        """Read the entries of earlier runs, in order; without them, everyone would be erased once more."""
        try:
            files = self._folder.read("erasures/*.jsonl")
            entries = [entry for _, content in files for entry in _entries(content)]
        except OSError as error:
            raise DeliveryError(
                f"The erasures of earlier runs cannot be read ({error.strerror or type(error).__name__}): "
                "see `work_path`."
            ) from None
        for entry in sorted(entries, key=lambda entry: str(entry.get("at"))):
            if entry.get("app") and not entry.get("unknown"):
                self.apps.add(str(entry["app"]))
            if entry.get("returned"):
                self._requested.pop(str(entry.get("person")), None)
            else:
                self._requested.setdefault(str(entry.get("person")), set()).add(str(entry.get("app")))

    def has(self, scope: str, custom_id: str) -> bool:
        """Return whether the erasure of a person was requested from an app."""
        return scope in self._requested.get(_hash(custom_id), ())

    def erased(self, custom_ids: Iterable[str]) -> list[str]:
        """Return those of the given people whose erasure was requested from any app."""
        return [one for one in custom_ids if _hash(one) in self._requested] if self._requested else []

    def returned(self, custom_ids: Iterable[str]) -> None:
        """Record people whom an update is about to bring back, so that they can be erased again later.

        Raises:
            DeliveryError: the entries could not be written; nothing may be sent.
        """
        people = {_hash(custom_id) for custom_id in custom_ids} & self._requested.keys()
        self._append([{"person": person, "returned": True} for person in people])
        for person in people:
            del self._requested[person]

    def write(
        self, scope: str, custom_id: str, stream: str, request: str | None, *, unknown: bool = False
    ) -> None:
        """Record that an erasure was requested, before anything else happens.

        `unknown`: the app did not know the person after an attempt that was not answered.

        Raises:
            DeliveryError: the entry could not be written.
        """
        person = _hash(custom_id)
        entry = {"person": person, "app": scope, "stream": stream, "request": request}
        self._requested.setdefault(person, set()).add(scope)
        if not unknown:
            self.apps.add(scope)
        self._append([{**entry, "unknown": True} if unknown else entry])

    def _append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write entries and flush them to disk, unless the run is dry."""
        if self._dry or not entries:
            return
        at = datetime.fromtimestamp(self._now(), timezone.utc).isoformat(timespec="microseconds")
        try:
            if self._file is None:
                self._file = self._folder.append(f"erasures/{self._run}.jsonl")
            for entry in entries:
                self._file.write(b"", msgspec.json.encode({"at": at, **entry}) + b"\n")
            self._file.sync()
        except OSError as error:
            raise DeliveryError(
                f"The erasures cannot be written down ({error.strerror or type(error).__name__}), so the "
                "state is held. Make room in the folder of `work_path`, or point it elsewhere, and run again."
            ) from None


def _entries(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the entries of a file; the last line may be incomplete if its run was killed."""
    for line in content.splitlines():
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield msgspec.json.decode(line, type=dict[str, Any])


def _hash(custom_id: str) -> str:
    return hashlib.sha256(custom_id.encode()).hexdigest()[:32]
