"""Text of foreign origin, made fit for a log: one line, of bounded length, without control characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 120
UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf]+")


def clean(text: object, longest: int = LONGEST) -> str:
    """Return `text` on one line, at most `longest` characters, `?` for what is not printable."""
    shown = UNPRINTABLE.sub("?", str(text)[: longest * 2])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


class Scrubber:
    """Cleans what a server says, and takes out secrets that it may echo."""

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, text: object, longest: int = LONGEST) -> str:
        """Return `text` cleaned, `***` in the place of a secret."""
        return clean(self._secrets.sub("***", str(text)[: longest * 20]), longest)
