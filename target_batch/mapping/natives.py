"""Batch's native attributes: the properties that feed them, and the converters of their values."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.limits import ARRAY_ITEMS, CACHED_VALUES, EMAIL_LENGTH, TOPIC_LENGTH
from target_batch.common.reasons import Reason
from target_batch.mapping.declared import is_whole, kind_of
from target_batch.mapping.values import (
    SKIP,
    InvalidValue,
    either,
    encodable,
    limited,
    texts,
    whole_or_change,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeVar

    from target_batch.config.settings import Settings
    from target_batch.mapping.values import Convert

    Found = TypeVar("Found")

LOCALE = ("$language", "$region")
CONSENTS = ("$email_marketing", "$sms_marketing")

BY_PROPERTY: dict[str, tuple[str, ...]] = {
    "email_address": ("$email_address",),
    "email": ("$email_address",),
    "phone_number": ("$phone_number",),
    "phone": ("$phone_number",),
    "email_marketing": ("$email_marketing",),
    "sms_marketing": ("$sms_marketing",),
    "language": ("$language",),
    "region": ("$region",),
    "locale": LOCALE,
    "timezone": ("$timezone",),
    "time_zone": ("$timezone",),
    "topic_preferences": ("$topic_preferences",),
}
"""snake_case name of a property → the natives it feeds; of several, the first with a value is sent."""

SEGMENT_PEER = {name: BY_PROPERTY[name] for name in ("email", "phone", "email_marketing", "sms_marketing")}
"""The traits that Batch's Segment destination maps to natives."""

NAMES = frozenset(name for names in BY_PROPERTY.values() for name in names)
OF_EVENTS = frozenset({"$label", "$tags"})
"""Names of Batch's own on events."""

usual_email = re.compile(r"[A-Za-z0-9_.+-]{1,64}@[a-z0-9]{1,30}\.[a-z]{2,30}").fullmatch
"""Matches most addresses; text that it does not match may still be an address."""

_EMAIL = re.compile(r"[^@\s\ufeff]+@[A-Za-z0-9.-]+\.[A-Za-z0-9]+").fullmatch  # [sdk]
_TOPIC = re.compile(rf"[a-z0-9_]{{1,{TOPIC_LENGTH}}}").fullmatch
MAILTO = "mailto:"


def email(value: Any) -> str | None:
    """Return an address that matches the pattern of Batch's SDKs, at most 128 characters; None if empty.

    A leading `mailto:`, as in links, is removed.

    Raises:
        InvalidValue: Batch's SDKs would reject the address.
    """
    if type(value) is not str:
        raise InvalidValue(Reason.INVALID_EMAIL, f"An address is text, not {kind_of(value)}.")
    address = value.strip()
    if address[: len(MAILTO)].lower() == MAILTO:
        address = address[len(MAILTO) :]
    if not address:
        return None
    if len(address) > EMAIL_LENGTH:
        raise InvalidValue(Reason.INVALID_EMAIL, f"The address has more than {EMAIL_LENGTH} characters.")
    if not _EMAIL(address):
        raise InvalidValue(Reason.INVALID_EMAIL, "The text is not an e-mail address that Batch takes.")
    return encodable(address)


YES: Final = frozenset({
    "1", "1 0", "accept", "accepted", "agree", "agreed", "allow", "allowed", "consented", "granted", "ok",
    "on", "opt in", "opted in", "optedin", "optin", "subscribe", "subscribed", "t", "true", "y", "yes",
    "abonne", "abonnee", "accepte", "acceptee", "autorise", "inscrit", "inscrite", "o", "oui", "v", "vrai",
    "abonniert", "akzeptiert", "angemeldet", "erlaubt", "erteilt", "j", "ja", "w", "wahr", "zugestimmt",
    "aceptado", "autorizado", "consentido", "s", "si", "suscrito", "verdadero",
    "accettato", "autorizzato", "concesso", "iscritto", "vero",
})  # fmt: skip
"""Words that mean consent: lower case, no accents, with spaces for hyphens and underscores."""

NO: Final = frozenset({
    "0", "0 0", "blocked", "declined", "denied", "deny", "disagree", "disagreed", "f", "false", "n", "no",
    "off", "opt out", "opted out", "optedout", "optout", "refused", "rejected", "revoked", "unsubscribe",
    "unsubscribed", "withdrawn",
    "desabonne", "desabonnee", "desinscrit", "desinscrite", "faux", "non", "refuse", "refusee", "retire",
    "abgelehnt", "abgemeldet", "falsch", "nein", "verweigert", "widerrufen",
    "denegado", "falso", "rechazado", "retirado", "revocado",
    "disiscritto", "negato", "revocato", "rifiutato",
})  # fmt: skip
"""Words that mean refusal or withdrawal, in the same form."""

_BETWEEN_WORDS: Final = re.compile(r"[\s_.-]+")


@lru_cache(maxsize=CACHED_VALUES)
def consent_word(text: str) -> bool | None:
    """Return whether a word means yes (true) or no (false) to marketing; None for any other word."""
    decomposed = unicodedata.normalize("NFKD", text.strip().lower())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    word = _BETWEEN_WORDS.sub(" ", letters).strip()
    if word in YES:
        return True
    return False if word in NO else None


def consent_reader(policy: Literal["send", "unsubscribe_only", "ignore"]) -> Convert:
    """Return the converter of marketing consent under the setting `consent`."""

    def consent(value: Any) -> Any:
        message = "The value is neither yes nor no to marketing."
        answer = either(value, consent_word, Reason.INVALID_CONSENT, message)
        if answer is None:
            return None
        if policy == "ignore" or (policy == "unsubscribe_only" and answer):
            return SKIP
        return "subscribed" if answer else "unsubscribed"

    return consent


def _topics(value: Any) -> list[str] | None:
    """Return topic preferences: at most 25 names of `[a-z0-9_]`; None if there are none."""
    if type(value) is not list:
        raise InvalidValue(Reason.INVALID_TOPIC, f"Topic preferences are an array, not {kind_of(value)}.")
    names = texts(value)
    if not all(map(_TOPIC, names)):
        raise InvalidValue(Reason.INVALID_TOPIC, "A topic's name has characters outside a-z, 0-9 and _.")
    return limited(names, ARRAY_ITEMS)


is_e164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII).fullmatch
"""Matches a number that Batch accepts unchanged: `+` and 7 to 15 digits."""
_LONGEST_SPELLING = 250  # the parser's own limit
_AS_NUMBER = re.compile(r"([1-9][0-9]*)\.0+").fullmatch
_WITHOUT_GROUPS = str.maketrans("", "", " .-")
_BARE = re.compile(r"\+?[0-9]+").fullmatch
"""Matches a number without separators between its digits, which slow the parser down."""
_TOO_LARGE = 10**15
_FEWEST_INTERNATIONAL = 11


def phone_reader(country: str | None) -> Convert:
    """Return the converter of phone numbers; without a `country`, national ones are rejected.

    `country` is an upper-case ISO 3166 code. A number such as 33612345678.0, as spreadsheets and integer
    columns store it, is read by its digits.
    """

    def phone(value: Any) -> str | None:
        spelling = value if type(value) is str else _spelled(value)
        if is_e164(spelling):
            return spelling
        if not spelling.strip():
            return None
        number = _phone(spelling.strip(), country) if len(spelling) <= _LONGEST_SPELLING else None
        if number is None:
            where = f"in {country}" if country else "without a country (setting `default_country`)"
            raise InvalidValue(Reason.INVALID_PHONE, f"The text cannot be read as a phone number {where}.")
        return number

    return phone


def _spelled(value: Any) -> str:
    """Return a phone number stored as a number, in the format of spreadsheets: `33612345678.0`."""
    if type(value) in {int, float, Decimal} and is_whole(value) and 0 < value < _TOO_LARGE:
        return f"{int(value)}.0"
    raise InvalidValue(Reason.INVALID_PHONE, f"A phone number is text or its digits, not {kind_of(value)}.")


def _phone(spelling: str, country: str | None) -> str | None:
    if kept_as_number := _AS_NUMBER(spelling):
        return _of_digits(kept_as_number[1], country)
    bare = spelling.translate(_WITHOUT_GROUPS)
    return _e164(bare if _BARE(bare) else spelling, country)


@lru_cache(maxsize=CACHED_VALUES)
def _of_digits(digits: str, country: str | None) -> str | None:
    """Read a number that lost its `+` or leading zeros: as a national one, else as an international one.

    A national number read as an international one would reach someone else. An international one must
    therefore be valid, not merely possible, and have at least 11 digits, which few national numbers have.
    """
    national = _e164(digits, country, strict=True) if country else None
    if national or len(digits) < _FEWEST_INTERNATIONAL:
        return national
    return _e164(f"+{digits}", None, strict=True)


@lru_cache(maxsize=CACHED_VALUES)
def _e164(spelling: str, region: str | None, *, strict: bool = False) -> str | None:
    import phonenumbers  # noqa: PLC0415 - its tables are loaded only if a number is not E.164 already

    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        return None
    accepted = phonenumbers.is_valid_number if strict else phonenumbers.is_possible_number
    if not accepted(number):
        return None
    formatted: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return formatted if is_e164(formatted) else None


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
def _codes(locale: str) -> tuple[str | None, str | None]:
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


def _word_reader(
    find: Callable[[str], Found | None], reason: Reason, message: str
) -> Callable[[Any], Found | None]:
    """Return the converter of text that `find` looks up; it returns None for empty text."""

    def read(value: Any) -> Found | None:
        if type(value) is not str:
            raise InvalidValue(reason, f"Text is expected here, not {kind_of(value)}.")
        word = value.strip()
        if not word:
            return None
        found = find(word)
        if found is None:
            raise InvalidValue(reason, message)
        return found

    return read


language = _word_reader(
    lambda word: _codes(word)[0], Reason.INVALID_LANGUAGE, "The text is not an ISO 639 language."
)
"""Returns the ISO 639 code of a language or locale, in two letters if possible."""

region = _word_reader(
    lambda word: _codes(f"und-{word}" if len(word) == _TWO_LETTERS else word)[1],
    Reason.INVALID_REGION,
    "The text is not an ISO 3166 country.",
)
"""Returns the upper-case ISO 3166 code of a country, or of a locale's country."""

timezone = _word_reader(
    lambda word: _zones().get(word.replace(" ", "_").lower()),
    Reason.INVALID_TIMEZONE,
    "The text is not an IANA time zone.",
)
"""Returns the IANA name of a zone in its official case."""


def locale_reader(names: tuple[str, ...]) -> Convert:
    """Return the converter of a locale into those of `$language` and `$region` that are in `names`."""

    @lru_cache(maxsize=CACHED_VALUES)
    def find(word: str) -> dict[str, str] | None:
        code, country = _codes(word)
        if code is None:
            return None
        found = {"$language": code, "$region": country}
        return {name: value for name in names if (value := found[name])}

    return _word_reader(find, Reason.INVALID_LANGUAGE, "The text is not a locale of a known language.")


FITS = {"$email_address": usual_email, "$phone_number": is_e164}
"""Native → the test for values that can be sent unchanged; most can."""

_BY_NAME: dict[str, Convert] = {
    "$email_address": email,
    "$language": language,
    "$region": region,
    "$timezone": timezone,
    "$topic_preferences": partial(whole_or_change, convert=_topics),
}


def native_converter(names: tuple[str, ...], settings: Settings, *, locale: bool) -> Convert:
    """Return the converter of a native attribute, or of those that a locale feeds."""
    if locale:
        return locale_reader(names)
    if names[0] == "$phone_number":
        return phone_reader(region(settings.default_country or ""))
    if names[0] in CONSENTS:
        return consent_reader(settings.consent)
    return _BY_NAME[names[0]]
