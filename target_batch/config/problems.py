"""What is wrong with a configuration, in words that name the setting and never a value."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec

from target_batch.common.redaction import clean
from target_batch.config.options import ReplayOptions, StreamOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PLACE = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)
"""A message of msgspec: what, and where; the last place, since a value may hold the words of another."""

UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
LONGEST: Final = 300


def unknown_settings(names: Iterable[str], known: Iterable[str]) -> str:
    """Say which settings there are not, and which may have been meant."""
    shown = ", ".join(f"`{clean(name, 60)}`{meant(name, known)}" for name in names)
    return f"Unknown setting: {shown}. `target-batch --about` lists the settings there are."


def stray_variables(names: Iterable[str], prefix: str, known: Iterable[str]) -> Iterator[str]:
    """Say which variables look like settings and are none.

    Meltano's own have a second `_` behind the prefix, or go on where a setting's name ends.
    """
    variables = [f"{prefix}{name.upper()}" for name in known]
    theirs = (f"{prefix}_", *(f"{variable}_" for variable in variables))
    for name in sorted(names):
        if name.startswith(prefix) and name not in variables and not name.startswith(theirs):
            yield f"The variable {clean(name, 60)} is not a setting{meant(name, variables)} and is not read."


def wrong_setting(given: Mapping[str, Any], settings: type, error: msgspec.ValidationError) -> str:
    """Say which setting is wrong and what it may be; for a stream's option, of which stream."""
    for place, value, kind in _nested(given):
        if found := _issue(value, kind):
            return _told(found, kind, place)
    return _told(error, settings, "")


def _nested(given: Mapping[str, Any]) -> Iterator[tuple[str, Any, type]]:
    streams = given.get("streams")
    for name, options in streams.items() if isinstance(streams, dict) else ():
        yield f"streams.{clean(name, 60)}", options, StreamOptions
    if isinstance(given.get("replay"), dict):
        yield "replay", given["replay"], ReplayOptions


def _issue(value: Any, kind: type) -> msgspec.ValidationError | None:
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        return error
    return None


def _told(error: msgspec.ValidationError, kind: type, prefix: str) -> str:
    match = PLACE.fullmatch(str(error))
    what, path = (match[1], match[2]) if match else (str(error), "")
    place = ".".join(part for part in (prefix, clean(path, 100)) if part)
    known = [field.name for field in msgspec.structs.fields(kind)]
    if unknown := UNKNOWN.fullmatch(what):
        name = unknown[1]
        return (
            f"`{place}` has no option `{clean(name, 60)}`{meant(name, known)}. "
            f"There are: {', '.join(f'`{option}`' for option in known)}."
        )
    if what.startswith("Invalid enum value"):
        what = f"Expected one of {', '.join(f'`{value}`' for value in _values(kind, path))}"
    if what.startswith("Expected `bool`"):
        what = "Expected `true` or `false` (or 1, 0, yes, no, on, off)"
    return f"The setting `{place}` is wrong: {clean(what, LONGEST)}."


def meant(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, as a question in parentheses, or nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _values(kind: type, path: str) -> list[str]:
    """Return what a field that has a choice may be."""
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return sorted({str(value) for value in _choices(types.get(name))})


def _choices(found: Any) -> Iterator[Any]:
    if get_origin(found) is Literal:
        yield from get_args(found)
        return
    for part in get_args(found):
        yield from _choices(part)
