"""Checking a configuration, and later its entries against the streams; no message contains a value."""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import Secret, clean
from target_batch.config.settings import SDK_SETTINGS, ReplayOptions, SdkSettings, Settings, StreamOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

Given = TypeVar("Given")

PRINTABLE = re.compile(r"[\x21-\x7e]+")
VERSION = re.compile(r"2\.\d{1,3}")
VERSION_AT_END = re.compile(r"/\d+\.\d+/*$")
BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")

PLACE = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)
"""A message of msgspec: what is wrong, and where. The last " - at " counts: a value may contain another."""
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
LONGEST: Final = 300
"""Characters of a message of msgspec that are shown."""


def load(config: Mapping[str, Any]) -> Settings:
    """Check a configuration and convert it to `Settings`; null counts as not set.

    Raises:
        ConfigurationError: the message names every unknown setting, or the first wrong one, never its value.
    """
    given = {name: value for name, value in config.items() if value is not None}
    own = {name: value for name, value in given.items() if name not in SDK_SETTINGS}
    known = {field.name for field in msgspec.structs.fields(Settings)}
    if unknown := sorted(own.keys() - known):
        raise ConfigurationError(
            f"Unknown setting: {_listing(unknown, known)}. "
            "`target-batch --about` lists the settings there are."
        )
    if "rest_api_key" not in own:
        raise ConfigurationError(
            "`rest_api_key` is missing: set it to the company's REST API key, from Batch's "
            "dashboard under Settings, General."
        )
    for place, options, kind in _nested(own):
        _converted(options, kind, place)
    settings = _converted(own, Settings)
    _check(settings)
    _check_sdk_settings({name: given[name] for name in given.keys() & SDK_SETTINGS})
    return settings


def _converted(given: Any, kind: type[Given], place: str = "", *, strict: bool = False) -> Given:
    """Convert settings, or the options at a place in them, to their declared type."""
    try:
        return msgspec.convert(given, kind, strict=strict, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_told(error, kind, place)) from None


def _check_sdk_settings(given: dict[str, Any]) -> None:
    found = _converted(given, SdkSettings, strict=True)
    if found.flattening_enabled and found.flattening_max_depth is None:
        raise ConfigurationError(
            "`flattening_max_depth` is missing: with `flattening_enabled` it says how deep, for example 1."
        )
    if found.faker_config and find_spec("faker") is None:
        raise ConfigurationError("`faker_config` needs a package that is missing: pip install faker.")


def _secret(kind: type, value: Any) -> Secret:
    """Convert text to a secret; refuse anything else without showing it."""
    if kind is not Secret or not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return Secret(value)


def _check(settings: Settings) -> None:
    given = {"rest_api_key": settings.rest_api_key.reveal(), "project_key": settings.project_key}
    for name, value in given.items():
        if value is not None and not PRINTABLE.fullmatch(value):
            raise ConfigurationError(
                f"`{name}` is empty or holds a blank, a line break or a character outside ASCII. "
                "Copy it again from Batch's dashboard."
            )
    if not all(PRINTABLE.fullmatch(key.reveal()) for key in settings.app_api_keys):
        raise ConfigurationError("`app_api_keys` holds an empty key, or one with a blank in it.")
    if not VERSION.fullmatch(settings.api_version):
        raise ConfigurationError("`api_version` is not of the form 2.N, for example 2.11.")
    _check_url("api_url", settings.api_url)
    if VERSION_AT_END.search(settings.api_url):
        raise ConfigurationError(
            "`api_url` ends with a version. Leave it out there: `api_version` says it, and it is added."
        )
    if settings.notify_url is not None:
        _check_url("notify_url", settings.notify_url, query=True)


def _check_url(name: str, value: str, *, query: bool = False) -> None:
    if " " in value or not value.isprintable():
        raise ConfigurationError(
            f"`{name}` holds a blank, a line break or another invisible character, so no call would arrive. "
            "Enter it again without them."
        )
    marks = {"#"} if query else {"?", "#"}
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        odd = bool(url.username or url.password or marks & set(value)) or url.port == 0
    except ValueError:
        host, odd = "", True
    if not host or odd or url.scheme not in {"https", "http"}:
        left_out = "user or fragment" if query else "user, query or fragment"
        raise ConfigurationError(f"`{name}` is not a plain address: https://HOST, without {left_out}.")
    if url.scheme == "http" and not _loopback(host):
        raise ConfigurationError(
            f"`{name}` uses http, which is allowed towards this machine only (localhost); use https, or "
            "what it carries would travel in the clear."
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _nested(given: Mapping[str, Any]) -> Iterator[tuple[str, Any, type]]:
    """Yield the options of every stream and of a replay: msgspec's errors do not name their stream."""
    streams = given.get("streams")
    for name, options in streams.items() if isinstance(streams, dict) else ():
        yield f"streams.{clean(name, 60)}", options, StreamOptions
    if isinstance(given.get("replay"), dict):
        yield "replay", given["replay"], ReplayOptions


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

    def register(self, stream: str) -> tuple[str, int] | None:
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
