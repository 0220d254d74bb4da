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
    from target_batch.mapping.converters import Convert

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


def locale_reader(names: tuple[str, ...]) -> Convert:
    """Return the converter of a locale into those of `$language` and `$region` that are in `names`."""

    @lru_cache(maxsize=CACHED_VALUES)
    def read(word: str) -> dict[str, str] | None:
        parts = _parts(word.strip())
        if parts is None:
            return None
        if not parts[0]:
            raise InvalidValue(Reason.INVALID_LANGUAGE, "The text is not a locale of a known language.")
        found = {"$language": parts[0], "$region": parts[1]}
        return {name: found[name] for name in names if found[name]}

    def locale(value: Any) -> dict[str, str] | None:
        return read(value if type(value) is str else _word(value, Reason.INVALID_LANGUAGE))

    return locale


def language(value: Any) -> str | None:
    """Return the ISO 639 code of a language or locale, in two letters if possible; None for empty text.

    Raises:
        InvalidValue: the value is neither.
    """
    parts = _parts(_word(value, Reason.INVALID_LANGUAGE))
    if parts is None:
        return None
    if not parts[0]:
        raise InvalidValue(Reason.INVALID_LANGUAGE, "The text is not an ISO 639 language.")
    return parts[0]


def region(value: Any) -> str | None:
    """Return the upper-case ISO 3166 code of a country, or of a locale's country; None for empty text.

    Raises:
        InvalidValue: the value is neither.
    """
    word = _word(value, Reason.INVALID_REGION)
    parts = _parts(f"und-{word}" if len(word) == _TWO_LETTERS else word)
    if parts is None:
        return None
    if not parts[1]:
        raise InvalidValue(Reason.INVALID_REGION, "The text is not an ISO 3166 country.")
    return parts[1]


def timezone(value: Any) -> str | None:
    """Return the IANA name of a zone in its official case; None for empty text.

    Raises:
        InvalidValue: the zone does not exist.
    """
    word = _word(value, Reason.INVALID_TIMEZONE)
    if not word:
        return None
    zone = _zones().get(word.replace(" ", "_").lower())
    if zone is None:
        raise InvalidValue(Reason.INVALID_TIMEZONE, "The text is not an IANA time zone.")
    return zone


def _word(value: Any, reason: Reason) -> str:
    if type(value) is not str:
        raise InvalidValue(reason, f"Text is expected here, not {kind_of(value)}.")
    return value.strip()


@lru_cache(maxsize=CACHED_VALUES)
def _parts(locale: str) -> tuple[str, str] | None:
    if not locale:
        return None
    import langcodes  # noqa: PLC0415 - its tables are loaded only if a stream has locales

    tag = _POSIX_SUFFIX.sub("", locale)
    try:
        plain = langcodes.Language.get(tag, normalize=False)
        usual = langcodes.Language.get(tag)
    except (ValueError, LookupError):
        return "", ""
    return _language_of(plain, usual), _country_of(usual)


def _language_of(plain: Any, usual: Any) -> str:
    """Return the two-letter code: `fra` → `fr`, `iw` → `he`, `cmn` → `zh`, `fil` → `tl`; `tl` is kept.

    A language that has only three letters, such as `haw`, keeps them.
    """
    if not usual.is_valid():
        return ""
    wider = usual.prefer_macrolanguage().language
    codes = (usual.language, plain.language, wider, _WIDER.get(usual.language or ""))
    short = next((code for code in codes if code and _LANGUAGE(code)), "")
    return short or next((code for code in codes if code and _WITHOUT_TWO_LETTERS(code)), "")


def _country_of(usual: Any) -> str:
    country = usual.territory or ""
    known = _COUNTRY(country) and not _NOT_A_COUNTRY(country) and usual.is_valid()
    return country if known else ""


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads the whole database

    zones = sorted(available_timezones())
    return {name.lower(): name for name in zones if name.lower() not in _NO_ZONE}
