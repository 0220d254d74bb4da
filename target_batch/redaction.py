"""Text of foreign origin, made fit for a log: one line, of bounded length, without control characters."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 120
UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u1fff\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf]+")


def clean(text: object, longest: int = LONGEST) -> str:
    """Return `text` on one line, at most `longest` characters, `?` for what is not printable."""
    shown = UNPRINTABLE.sub("?", str(text)[: longest * 2])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
