"""Text that is safe to print: foreign text cleaned for a log, and secrets that cannot be printed at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 120
UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf]+")


def clean(text: object, longest: int = LONGEST) -> str:
    """Return `text` on one line of at most `longest` characters, with `?` for unprintable ones."""
    shown = UNPRINTABLE.sub("?", str(text)[: longest * 2])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


class Scrubber:
    """A cleaner for text from a server, which also masks secrets that the text may echo."""

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, text: object, longest: int = LONGEST) -> str:
        """Return `text` cleaned, with `***` in place of secrets."""
        return clean(self._secrets.sub("***", str(text)[: longest * 20]), longest)


class Secret:
    """A secret text, such as a key, that no form of printing reveals."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")
