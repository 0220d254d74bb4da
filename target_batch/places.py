"""Where a mirror takes effect: an audience of a project or app, or a boolean attribute of profiles."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from target_batch.api.bulk import BulkSender, Receipt
from target_batch.api.endpoints import MASS_UPDATE, UPDATE
from target_batch.api.limits import AUDIENCE_ENTRIES
from target_batch.errors import DeliveryError
from target_batch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.api.audiences import AudienceSender
    from target_batch.api.clock import Clock

_encode = msgspec.json.encode


class Place(Protocol):
    """One place that a mirror makes like its stream; `scope` names it in the ledger, without keys."""

    scope: str
    chunk: int
    can_replace: bool

    def size(self, name: str) -> int | None:
        """Return how many members there are now; None where that cannot be asked."""

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Add members, or update them."""

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Remove members."""

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Remove everybody, then add members."""

    def settle(self, name: str, token: str) -> None:
        """Wait until what was accepted has taken effect, if the run waits for that."""


def scope_of(kind: str, *parts: str) -> str:
    """Return the ledger's name of a place: the same each run, and no key can be read from it."""
    return f"{kind}:{blake2b('|'.join(parts).encode(), digest_size=12).hexdigest()}"


class AudiencePlace:
    """An audience behind one key."""

    chunk = AUDIENCE_ENTRIES
    can_replace = True

    def __init__(self, sender: AudienceSender, scope: str, clock: Clock, max_indexing_seconds: float) -> None:
        self.scope = scope
        self._sender = sender
        self._clock = clock
        self._max_indexing_seconds = max_indexing_seconds

    def size(self, name: str) -> int | None:
        """Return the members that Batch counts; None for an audience that does not exist.

        Raises:
            StopRun: Batch does not tell.
        """
        found = self._sender.existing_size(name)
        if isinstance(found, Receipt):
            raise found.failure or DeliveryError("Batch does not tell the size of an audience.")
        return found

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Add members, or update them."""
        return self._sender.change(name, label, [b'{"action":"add",' + body[1:] for body in bodies])

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Remove members."""
        return self._sender.change(name, label, [_encode({"action": "remove", "id": id_}) for id_ in ids])

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Remove everybody, then add members."""
        return self._sender.replace(name, label, bodies)

    def settle(self, name: str, token: str) -> None:
        """Poll until the index has everything.

        Raises:
            StopRun: it took too long, or Batch does not tell.
        """
        if not self._max_indexing_seconds or not token:
            return
        end = self._clock.monotonic() + self._max_indexing_seconds
        while True:
            found = self._sender.size(name, token)
            if isinstance(found, Receipt):
                raise found.failure or DeliveryError("Batch does not tell the state of an index.")
            if found[0]:
                return
            if self._clock.monotonic() >= end:
                raise not_indexed(name, self._max_indexing_seconds)


def not_indexed(name: str, seconds: float) -> DeliveryError:
    """Make the error for an index that took too long."""
    return DeliveryError(
        f"Audience '{clean(name)}' was accepted but not indexed within {seconds:.0f} seconds, so the state "
        "is held. Run again later, raise `max_indexing_seconds`, or set `wait_for_indexing` to false."
    )


class AttributePlace:
    """A boolean attribute of the project's profiles: true for members, false for those who left."""

    chunk = 5000
    can_replace = False

    def __init__(self, sender: BulkSender, scope: str) -> None:
        self.scope = scope
        self._sender = sender

    def size(self, name: str) -> int | None:
        """Return None: nobody can count profiles by an attribute."""
        _ = name
        return None

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Set the attribute."""
        _ = label
        return self._set(name, [msgspec.json.decode(body)["id"] for body in bodies], value=True)

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Set the attribute to false."""
        _ = label
        return self._set(name, ids, value=False)

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Never called: `can_replace` is false."""
        raise NotImplementedError

    def settle(self, name: str, token: str) -> None:
        """Do nothing: profiles have no index to wait for."""

    def _set(self, name: str, ids: Sequence[str], *, value: bool) -> Receipt:
        def entry(custom_id: str) -> dict[str, Any]:
            return {"identifiers": {"custom_id": custom_id}, "attributes": {name: value}}

        endpoint = UPDATE if len(ids) <= UPDATE.entries else MASS_UPDATE
        return self._sender.deliver(endpoint, [_encode(entry(custom_id)) for custom_id in ids])
