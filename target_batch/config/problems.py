"""What is wrong with a configuration, in words that name the setting and never a value."""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec

from target_batch.common.redaction import clean
from target_batch.config.options import ReplayOptions, StreamOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

PLACE = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)
"""A message of msgspec: what, and where; the last place, since a value may hold the words of another."""

UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
LONGEST: Final = 300


def unknown_settings(names: Iterable[str], known: Iterable[str]) -> str:
    """Say which settings there are not, and which may have been meant."""
    shown = ", ".join(f"`{clean(name, 60)}`{meant(name, known)}" for name in names)
    return f"Unknown setting: {shown}. `target-batch --about` lists the settings there are."


def stray_variables(names: Iterable[str], prefix: str, known: Iterable[str]) -> Iterator[str]:
    """Name variables that look like settings but are not.

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


BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")


class StreamEntries:
    """The entries of one setting, and the streams that were met so far.

    A mistyped name would change nothing, without a word: a column that is masked under it would be sent.

    Args:
        setting: the setting's name.
        patterns: entry → the names or globs of streams that it is for; it fits if one of them does.
    """

    def __init__(self, setting: str, patterns: Mapping[str, Collection[str]]) -> None:
        self._setting = setting
        self._patterns = patterns
        self._idle = dict.fromkeys(patterns)
        self._met: dict[str, None] = {}
        self._listed = self._unfitted = False

    def meet(self, stream: str) -> tuple[str, int] | None:
        """Take note of a stream, before its first record.

        Returns:
            What to say of it and the level of the log; None if an entry fits it or none is left over.
        """
        if stream in self._met:
            return None
        self._met[stream] = None
        fitting = [entry for entry, patterns in self._patterns.items() if _fits(stream, patterns)]
        for entry in fitting:
            self._idle.pop(entry, None)
        self._unfitted = self._unfitted or not fitting
        if fitting or not self._idle:
            return None
        begin = f"no entry of `{self._setting}` fits it, so none applies"
        if close := [entry for entry in self._idle if _is_close(self._patterns[entry], stream)]:
            return f"{begin}. Is it meant by {_listing(close)}?", logging.WARNING
        if self._listed:
            return None
        self._listed = True
        return f"{begin}. These have fitted no stream so far: {_listing(self._idle)}.", logging.INFO

    def idle(self) -> tuple[str, int] | None:
        """Say which entries no stream of the whole input has, and which was probably meant.

        It is a warning where an entry may have been meant for a stream that came: where a stream had none, or
        has nearly an entry's name. Else the input had fewer streams than the settings, as when a tap is run
        for some of its tables.
        """
        if not self._idle or not self._met:
            return None
        doubtful = self._unfitted or any(meant(entry, self._met) for entry in self._idle)
        listed = _listing(self._idle, self._met)
        said = f"Entries of `{self._setting}` that no stream of this input has: {listed}."
        return said, logging.WARNING if doubtful else logging.INFO


def _listing(entries: Iterable[str], met: Iterable[str] = ()) -> str:
    return ", ".join(f"`{clean(entry, 60)}`{meant(entry, met)}" for entry in entries)


def _fits(stream: str, patterns: Iterable[str]) -> bool:
    return any(stream == pattern or fnmatchcase(stream, pattern) for pattern in patterns)


def _is_close(patterns: Collection[str], stream: str) -> bool:
    """Tell whether one of the names may mean a stream: nearly the same letters, or the same last word."""
    last = _last_word(stream)
    return bool(get_close_matches(stream, patterns)) or any(_last_word(name) == last for name in patterns)


def _last_word(name: str) -> str:
    return BETWEEN_WORDS.split(name.lower())[-1] or name
