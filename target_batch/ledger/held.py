"""The attributes that Batch holds of a profile, as the ledger stores them: a short hash and a day for each.

A profile is a number (`key`), an attribute three bytes (`tag`), its value eight bytes (`hash`) that also
depend on the profile. If two profiles or two attribute names collide, their values are sent more often, but
no value is wrongly skipped.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from target_batch.common.operations import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HASH_BYTES: Final = 8
TAG_BYTES: Final = 3
KEY_BYTES: Final = 8
DAY_BYTES: Final = 2
HEAD_BYTES: Final = HASH_BYTES + DAY_BYTES
NO_HEAD: Final = bytes(HEAD_BYTES)
_HELD: Final = Struct(f"{TAG_BYTES}s{HEAD_BYTES}s")
LAST_CHARACTERS: Final = 2
NEVER: Final = b"\xff\xff"
"""The day of values that do not expire."""

NOT_HELD: Final = b"\0"
_encode_lines: Final = msgspec.json.Encoder(decimal_format="number").encode_lines

EARLIEST: Final = 0.75
"""Share of the age limit after which the first profiles expire, so that not all expire on one day."""

CLOCKS_APART: Final = 1
"""Days by which an acceptance may be in the future: another machine's clock may be past midnight."""

OPERATION: Final = b""
"""The hash of `$add` and `$remove`, whose result is unknown."""

Pair: TypeAlias = tuple[int, bytes]
"""An attribute (`tag`) of a profile (`key`)."""

Held: TypeAlias = "dict[bytes, bytes]"
"""Tag → hash of the last accepted value, followed by the day of its acceptance as `day_of` writes it."""


class Wanted(NamedTuple):
    """The wanted state of a profile: tag and hash of each attribute, and a hash of the whole."""

    key: int
    tags: Sequence[bytes]
    hashes: Sequence[bytes]
    whole: bytes


class Carried(NamedTuple):
    """The part of a wanted state that a request carries: tag and hash of each attribute that is sent."""

    key: int
    tags: Sequence[bytes]
    hashes: Sequence[bytes]
    wanted: Wanted


def scope_of(kind: str, *parts: str) -> str:
    """Return the ledger's name for a destination: the same in each run, and revealing no key."""
    return f"{kind}:{blake2b('|'.join(parts).encode(), digest_size=12).hexdigest()}"


def project_hash(project: str) -> bytes:
    """Return a hash that distinguishes the profiles of one project from those of another."""
    return blake2b(project.encode(), digest_size=12).digest()


def profile_digest(project: bytes, custom_id: str) -> bytes:
    """Return 16 bytes for a profile; the first eight are its `key`.

    IDs that differ only in their last `LAST_CHARACTERS` characters have neighbouring keys. Most sources
    number their IDs and emit them in order, so a request touches a few pages of the index, not one per ID.
    """
    own = blake2b(project + custom_id.encode(), digest_size=12).digest()
    return _neighbours(project, custom_id[:-LAST_CHARACTERS]) + own


@lru_cache(maxsize=1000)
def _neighbours(project: bytes, beginning: str) -> bytes:
    return blake2b(project + beginning.encode(), digest_size=4).digest()


def whole_of(identity: bytes, body: bytes) -> bytes:
    """Return a hash of an entry's body, which spares most profiles a closer look; empty without a body."""
    return blake2b(identity + body, digest_size=HASH_BYTES).digest() if body else b""


def digested(identity: bytes, attributes: Mapping[str, Any], whole: bytes = b"") -> Wanted:
    """Hash a profile's attributes, keeping their order."""
    copy = blake2b(identity, digest_size=HASH_BYTES).copy  # takes half as long as beginning anew
    hashes: list[bytes] = []
    for line in _encode_lines(list(attributes.items())).splitlines():
        one = copy()
        one.update(line)
        hashes.append(one.digest())
    if dict in map(type, attributes.values()):
        for index, value in enumerate(attributes.values()):
            hashes[index] = OPERATION if type(value) is dict else hashes[index]
    return Wanted(key_of(identity), _tags_of(tuple(attributes)), hashes, whole)


def key_of(identity: bytes) -> int:
    """Return the number of a profile."""
    return int.from_bytes(identity[:KEY_BYTES], "big", signed=True)


@lru_cache(maxsize=10_000)
def tag_of(name: str) -> bytes:
    """Return three bytes for an attribute; `date(x)` and `x` are the same attribute."""
    (bare,) = names_of({name: None})
    return blake2b(bare.encode(), digest_size=TAG_BYTES).digest()


@lru_cache(maxsize=1000)
def _tags_of(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(tag_of, names))


CONSENTS: Final = frozenset(map(tag_of, ("$email_marketing", "$sms_marketing")))
"""Attributes that never expire: sending them again could undo a choice the person has made since."""


def day_of(number: int) -> bytes:
    """Encode a day, counted from 1970; later days compare as greater."""
    return max(number, 0).to_bytes(DAY_BYTES, "big")


def unpack(row: bytes) -> Held:
    """Decode a row."""
    return dict(_HELD.iter_unpack(row[HEAD_BYTES:]))


def unpack_whole(row: bytes) -> tuple[bytes, bytes]:
    """Decode the head of a row: the hash of the last accepted body, and the day since which it is held."""
    return row[:HASH_BYTES], row[HASH_BYTES:HEAD_BYTES]


def pack(held: Held, head: bytes = NO_HEAD) -> bytes:
    """Encode a row, preceded by its `head`."""
    return head + b"".join(chain.from_iterable(held.items()))


def head_of_sent(wanted: Wanted, today: bytes) -> bytes:
    """Return the same as `head_of` if everything `wanted` was accepted `today`."""
    if not wanted.whole:
        return NO_HEAD
    return wanted.whole + (NEVER if CONSENTS.issuperset(wanted.tags) else today)


def head_of(held: Held, wanted: Wanted) -> bytes:
    """Return the hash of all that is `wanted` and its oldest expiring day; `NO_HEAD` unless all is held."""
    found = [one for one in map(held.get, wanted.tags) if one]
    if not wanted.whole or [one[:HASH_BYTES] for one in found] != wanted.hashes:
        return NO_HEAD
    aging = [one[HASH_BYTES:] for tag, one in zip(wanted.tags, found, strict=True) if tag not in CONSENTS]
    return wanted.whole + min(aging, default=NEVER)


class Age(NamedTuple):
    """Decides which attributes have expired, `days` (may be a fraction) after acceptance at the latest."""

    days: float
    today: int

    def days_of(self, key: int) -> tuple[bytes, bytes]:
        """Return the first and last day of acceptances that still count; the first depends on the profile."""
        share = EARLIEST + (1 - EARLIEST) * (key & 0xFF) / 0xFF
        first = self.today - math.ceil(self.days * share) + 1
        return day_of(first), day_of(self.today + CLOCKS_APART)


def pack_carried(carried: Iterable[Carried]) -> bytes:
    """Encode which attributes of which profiles a request carries; at most 255 attributes per profile."""
    return b"".join([_packed_key(one.key) + bytes([len(one.tags)]) + b"".join(one.tags) for one in carried])


def unpack_carried(packed: bytes) -> set[Pair]:
    """Decode the pairs that a request carries."""
    pairs: set[Pair] = set()
    at = 0
    while at < len(packed):
        key, first = int.from_bytes(packed[at : at + KEY_BYTES], "big", signed=True), at + KEY_BYTES + 1
        at = first + packed[first - 1] * TAG_BYTES
        pairs.update((key, packed[tag : tag + TAG_BYTES]) for tag in range(first, at, TAG_BYTES))
    return pairs


def pack_pairs(pairs: Iterable[Pair]) -> bytes:
    """Encode pairs in the format of `pack_carried`."""
    return b"".join([_packed_key(key) + b"\1" + tag for key, tag in sorted(pairs)])


def _packed_key(key: int) -> bytes:
    return key.to_bytes(KEY_BYTES, "big", signed=True)
