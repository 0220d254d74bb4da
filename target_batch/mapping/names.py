"""From a property's name to a name that Batch takes: `[a-z0-9_]`, 30 characters at most."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from target_batch.common.limits import CACHED_VALUES, NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

_VALID = re.compile(rf"[a-z0-9_]{{1,{NAME_LENGTH}}}").fullmatch
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")
_OUTSIDE = re.compile(r"[^a-z0-9_]")
_BASIC_PLANE = "\uffff"
_TYPED = re.compile(r"(?:date|url)\((.*)\)", re.DOTALL).fullmatch


def is_name(name: str) -> bool:
    """Tell whether Batch takes the name as it stands: 1 to 30 of `[a-z0-9_]` [read]."""
    return _VALID(name) is not None


@lru_cache(maxsize=CACHED_VALUES)
def snake_case(name: str) -> str:
    """Return the snake_case form; a name that is valid already stays as it is.

    The result may still be empty or too long: `is_name` tells.
    """
    if _VALID(name):
        return name
    words = _WORD_START.sub("_", transliterated(name)).lower()
    return _BETWEEN_WORDS.sub("_", words).strip("_")


@lru_cache(maxsize=CACHED_VALUES)
def segment_name(name: str) -> str:
    """Return the name Batch's destination on Segment gives, where it is valid, else snake_case."""
    peer = _OUTSIDE.sub("", name.lower())
    return peer if _VALID(peer) else snake_case(name)


@lru_cache(maxsize=CACHED_VALUES)
def segment_event_name(name: str) -> str:
    """Return the event name the same destination gives, where it is valid, else snake_case.

    It is written in JavaScript, where a character beyond the basic plane, such as an emoji, counts as two.
    """
    peer = _OUTSIDE.sub(lambda found: "_" if found[0] <= _BASIC_PLANE else "__", name.lower())
    return peer if _VALID(peer) else snake_case(name)


def attribute_namer(naming: Literal["snake_case", "segment"]) -> Callable[[str], str]:
    """Return the rule of the setting `attribute_naming` for attributes."""
    return segment_name if naming == "segment" else snake_case


def event_namer(naming: Literal["snake_case", "segment"]) -> Callable[[str], str]:
    """Return the rule of the setting `attribute_naming` for events."""
    return segment_event_name if naming == "segment" else snake_case


def base_name(attribute: str) -> str:
    """Return the name inside `date(name)` and `url(name)`, or the name itself."""
    typed = _TYPED(attribute)
    return typed[1] if typed else attribute


def transliterated(name: str) -> str:
    """Return a name in ASCII letters: `Été` is `Ete`."""
    if name.isascii():
        return name
    from anyascii import anyascii  # noqa: PLC0415 - its tables load only where a name needs them

    return anyascii(name)
