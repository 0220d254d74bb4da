"""Comparison of names by words: `occurred_at`, `OCCURRED_AT`, `occurredAt` and `Occurred At` are equal."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from target_batch.common.limits import CACHED_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(name: str) -> list[str]:
    """Return the words of a name in lower case."""
    return [word for word in _BETWEEN_WORDS.split(_WORD_START.sub("_", name).lower()) if word]


@lru_cache(maxsize=CACHED_VALUES)
def letters(name: str) -> str:
    """Return the letters and digits of a name in lower case: equal for every spelling of the same words.

    Databases that fold names write `userId` as `userid`, so word boundaries do not count.
    """
    return _BETWEEN_WORDS.sub("", name.lower())


def matching(names: Iterable[str], present: Iterable[str]) -> Iterator[str]:
    """Yield the names in `present` that are spellings of `names`, in the order of `names`.

    The exact spelling comes before other spellings of the same words.
    """
    there = list(present)
    for name in names:
        if name in there:
            yield name
        wanted = letters(name)
        yield from (other for other in there if other != name and letters(other) == wanted)


def find(names: Iterable[str], present: Iterable[str]) -> str | None:
    """Return the first name that `matching` yields, or None."""
    return next(matching(names, present), None)


def shown(name: str) -> str:
    """Return a property's name for a message, in backticks, with invisible characters escaped."""
    visible = (letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in name)
    return f"`{''.join(visible)}`"
