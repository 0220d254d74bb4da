"""Converters of locales, languages, regions and time zones; cached, because values repeat."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import CACHED_VALUES
from target_batch.common.reasons import Reason
from target_batch.mapping.converters import InvalidValue
from target_batch.mapping.declared import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from target_batch.mapping.converters import Convert

    Found = TypeVar("Found")

_POSIX_SUFFIX = re.compile(r"[.@].*|[_-]posix$", re.DOTALL | re.IGNORECASE)
_LANGUAGE = re.compile(r"(?!bh)[a-z]{2}").fullmatch  # bh was withdrawn from ISO 639-1
_WITHOUT_TWO_LETTERS = re.compile(r"(?!mis|mul|und|zxx|q[a-t])[a-z]{3}").fullmatch
"""ISO 639 codes of a single language, not of several, an unknown or a private one."""
_WIDER = {"fil": "tl"}
_COUNTRY = re.compile(r"[A-Z]{2}").fullmatch
_NOT_A_COUNTRY = re.compile(r"AA|AC|CP|CQ|DG|EA|EU|EZ|IC|Q[M-Z]|TA|UN|X[A-Z]|ZZ").fullmatch
"""Codes that ISO 3166-1 reserves or leaves to private use, such as EU; Batch documents countries only."""
_NO_ZONE = frozenset({"localtime", "factory"})
"""Names in the zone database that refer to a machine's own setting."""
_TWO_LETTERS = 2


@lru_cache(maxsize=CACHED_VALUES)
def _parts(locale: str) -> tuple[str | None, str | None]:
    """Return the codes of a locale's language and country, None for what is unknown."""
    import langcodes  # noqa: PLC0415 - its tables are loaded only if a stream has locales

    tag = _POSIX_SUFFIX.sub("", locale)
    try:
        plain = langcodes.Language.get(tag, normalize=False)
        usual = langcodes.Language.get(tag)
    except (ValueError, LookupError):
        return None, None
    if not usual.is_valid():
        return None, None
    country = usual.territory or ""
    is_country = _COUNTRY(country) and not _NOT_A_COUNTRY(country)
    return _language_of(plain, usual), country if is_country else None


def _language_of(plain: Any, usual: Any) -> str | None:
    """Return the two-letter code: `fra` → `fr`, `iw` → `he`, `cmn` → `zh`, `fil` → `tl`; `tl` is kept.

    A language that has only three letters, such as `haw`, keeps them.
    """
    wider = usual.prefer_macrolanguage().language
    codes = (usual.language, plain.language, wider, _WIDER.get(usual.language or ""))
    short = next((code for code in codes if code and _LANGUAGE(code)), None)
    return short or next((code for code in codes if code and _WITHOUT_TWO_LETTERS(code)), None)


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads the whole database

    zones = sorted(available_timezones())
    return {name.lower(): name for name in zones if name.lower() not in _NO_ZONE}


def _reader(
    find: Callable[[str], Found | None], reason: Reason, message: str
) -> Callable[[Any], Found | None]:
    """Return the converter of text that `find` looks up; it returns None for empty text."""

    def read(value: Any) -> Found | None:
        if type(value) is not str:
            raise InvalidValue(reason, f"Text is expected here, not {kind_of(value)}.")
        word = value.strip()
        found = find(word) if word else None
        if word and found is None:
            raise InvalidValue(reason, message)
        return found

    return read


language = _reader(
    lambda word: _parts(word)[0], Reason.INVALID_LANGUAGE, "The text is not an ISO 639 language."
)
"""Returns the ISO 639 code of a language or locale, in two letters if possible."""

region = _reader(
    lambda word: _parts(f"und-{word}" if len(word) == _TWO_LETTERS else word)[1],
    Reason.INVALID_REGION,
    "The text is not an ISO 3166 country.",
)
"""Returns the upper-case ISO 3166 code of a country, or of a locale's country."""

timezone = _reader(
    lambda word: _zones().get(word.replace(" ", "_").lower()),
    Reason.INVALID_TIMEZONE,
    "The text is not an IANA time zone.",
)
"""Returns the IANA name of a zone in its official case."""


def locale_reader(names: tuple[str, ...]) -> Convert:
    """Return the converter of a locale into those of `$language` and `$region` that are in `names`."""

    @lru_cache(maxsize=CACHED_VALUES)
    def find(word: str) -> dict[str, str] | None:
        language, country = _parts(word)
        if language is None:
            return None
        found = {"$language": language, "$region": country}
        return {name: code for name in names if (code := found[name])}

    return _reader(find, Reason.INVALID_LANGUAGE, "The text is not a locale of a known language.")
