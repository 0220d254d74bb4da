"""Settings that are by stream: which of their entries fit a stream, said before its records go."""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from target_batch.common.redaction import clean
from target_batch.config.problems import meant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

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
