"""What the ledger says of profiles, looked up without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from target_batch.ledger.held import (
    HASH_BYTES,
    Pair,
    digested,
    identity_of,
    key_of,
    project_hash,
    unpack,
    unpack_carried,
)
from target_batch.ledger.tables import profiles, requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from typing import Any

    from target_batch.ledger.database import Ledger

ROWS_AT_ONCE: Final = 10_000
"""Rows of one look, so that runs beside this one need not wait for long."""


class KnownProfile(NamedTuple):
    """Tag → hash of each attribute that Batch is known to hold of a profile."""

    identity: bytes
    hashes: dict[bytes, bytes]

    def holds(self, tag: bytes, spelling: str, value: Any) -> bool:
        """Tell whether an attribute, with key and value as they are sent, was the last one accepted."""
        (hash_,) = digested(self.identity, {spelling: value}).hashes
        return bool(hash_) and self.hashes.get(tag) == hash_


class ProfileReader:
    """Reads what Batch is known to hold of the profiles of one project.

    What a request carries that is out, or whose run died before its answer, is not known.
    """

    def __init__(self, ledger: Ledger, project: str) -> None:
        self._ledger = ledger
        self._project = project_hash(project)
        self._in_doubt: set[Pair] = set()
        with ledger.begin() as connection:
            for (carried,) in connection.execute(sa.select(requests.c.carried)):
                self._in_doubt |= unpack_carried(carried)

    def known(self, custom_ids: Sequence[str]) -> Iterator[KnownProfile]:
        """Give what is known of each profile, in their order.

        Raises:
            DeliveryError: the database does not answer.
        """
        identities = [identity_of(self._project, custom_id) for custom_id in custom_ids]
        with self._ledger.begin() as connection:
            rows = dict(self._ledger.rows(connection, profiles, sorted(set(map(key_of, identities)))))
        for identity in identities:
            key = key_of(identity)
            held = unpack(rows[key]) if key in rows else {}
            hashes = {
                tag: found[:HASH_BYTES] for tag, found in held.items() if (key, tag) not in self._in_doubt
            }
            yield KnownProfile(identity, hashes)

    def count(self, tags: AbstractSet[bytes]) -> int:
        """Count the profiles of which one of the attributes is known; those of every project.

        Raises:
            DeliveryError: the database does not answer.
        """
        return sum(self._knows(key, held, tags) for key, held in self._rows())

    def _knows(self, key: int, held: bytes, tags: AbstractSet[bytes]) -> bool:
        return any((key, tag) not in self._in_doubt for tag in tags & unpack(held).keys())

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        query = sa.select(profiles).order_by(profiles.c.key).limit(ROWS_AT_ONCE)
        part = query
        while True:
            with self._ledger.begin() as connection:
                rows = [(key, held) for key, held in connection.execute(part)]
            yield from rows
            if len(rows) < ROWS_AT_ONCE:
                return
            part = query.where(profiles.c.key > rows[-1][0])
