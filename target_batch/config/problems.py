"""Messages about a wrong configuration, which name the setting and never contain a value."""

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
"""A message of msgspec: what is wrong, and where. The last " - at " counts: a value may contain another."""

UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
LONGEST: Final = 300


def unknown_settings(names: Iterable[str], known: Iterable[str]) -> str:
    """Return a message about unknown settings, with the ones that may have been meant."""
    shown = ", ".join(f"`{clean(name, 60)}`{meant(name, known)}" for name in names)
    return f"Unknown setting: {shown}. `target-batch --about` lists the settings there are."


def stray_variables(names: Iterable[str], prefix: str, known: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like a setting but is not.

    Meltano's own are skipped: they have a second `_` after the prefix, or continue after a setting's name.
    """
    variables = [f"{prefix}{name.upper()}" for name in known]
    theirs = (f"{prefix}_", *(f"{variable}_" for variable in variables))
    for name in sorted(names):
        if name.startswith(prefix) and name not in variables and not name.startswith(theirs):
            yield f"The variable {clean(name, 60)} is not a setting{meant(name, variables)} and is not read."


def wrong_setting(given: Mapping[str, Any], settings: type, error: msgspec.ValidationError) -> str:
    """Return a message saying which setting, or option of which stream, is wrong and what it may be."""
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
    """Return the known name that was probably meant, as a question in parentheses, or an empty string."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _values(kind: type, path: str) -> list[str]:
    """Return the permitted values of a field with a choice."""
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
    """The entries of one setting, compared with the streams that have come so far.

    Unnoticed, a mistyped name would have no effect: a column that it should mask would be sent.

    Args:
        setting: the setting's name.
        patterns: entry → names or globs of the streams that it is for; one match is enough.
    """

    def __init__(self, setting: str, patterns: Mapping[str, Collection[str]]) -> None:
        self._setting = setting
        self._patterns = patterns
        self._idle = dict.fromkeys(patterns)
        self._met: dict[str, None] = {}
        self._listed = self._unfitted = False

    def meet(self, stream: str) -> tuple[str, int] | None:
        """Register a stream, before its first record.

        Returns:
            A message about it and the log level; None if an entry fits it or every entry has fitted a stream.
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
        """Return a message about the entries that fit no stream of the whole input, and the log level.

        It is a warning if an entry may have been meant for a stream that came: one that no entry fits, or
        one with nearly the entry's name. Otherwise the input had fewer streams than the settings, as when a
        tap runs for some of its tables only.
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
    """Return whether one of the names may mean a stream: nearly the same letters, or the same last word."""
    last = _last_word(stream)
    return bool(get_close_matches(stream, patterns)) or any(_last_word(name) == last for name in patterns)


def _last_word(name: str) -> str:
    return BETWEEN_WORDS.split(name.lower())[-1] or name
