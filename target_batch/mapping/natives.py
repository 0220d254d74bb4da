"""Batch's native attributes: the properties that feed them and the values they accept."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.limits import ARRAY_ITEMS, CACHED_VALUES, EMAIL_LENGTH, TOPIC_LENGTH
from target_batch.common.reasons import Reason
from target_batch.mapping.converters import SKIP, InvalidValue
from target_batch.mapping.converters.locales import language, locale_reader, region, timezone
from target_batch.mapping.converters.phones import is_e164, phone_reader
from target_batch.mapping.converters.values import either, encodable, limited, texts, whole_or_change
from target_batch.mapping.declared import kind_of

if TYPE_CHECKING:
    from typing import Literal

    from target_batch.config.settings import Settings
    from target_batch.mapping.converters import Convert

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
    "0", "0 0", "blocked", "declined", "denied", "deny", "disagree", "disagreed", "f",
    "false", "n", "no", "off",
    "opt out", "opted out", "optedout", "optout", "refused", "rejected", "revoked", "unsubscribe",
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

FITS = {"$email_address": usual_email, "$phone_number": is_e164}
"""Native → the test for values that can be sent unchanged; most can."""

_EMAIL = re.compile(r"[^@\s\ufeff]+@[A-Za-z0-9.-]+\.[A-Za-z0-9]+").fullmatch  # [sdk]
_TOPIC = re.compile(rf"[a-z0-9_]{{1,{TOPIC_LENGTH}}}").fullmatch


MAILTO = "mailto:"


def native_converter(names: tuple[str, ...], settings: Settings, *, locale: bool) -> Convert:
    """Return the converter of a native attribute, or of those that a locale feeds."""
    if locale:
        return locale_reader(names)
    if names[0] == "$phone_number":
        return phone_reader(region(settings.default_country or ""))
    if names[0] in CONSENTS:
        return consent_reader(settings.consent)
    return _BY_NAME[names[0]]


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


def topics(value: Any) -> list[str] | None:
    """Return topic preferences: at most 25 names of `[a-z0-9_]`; None if there are none.

    Raises:
        InvalidValue: the value is anything else.
    """
    if type(value) is not list:
        raise InvalidValue(Reason.INVALID_TOPIC, f"Topic preferences are an array, not {kind_of(value)}.")
    names = texts(value)
    if not all(map(_TOPIC, names)):
        raise InvalidValue(Reason.INVALID_TOPIC, "A topic's name has characters outside a-z, 0-9 and _.")
    return limited(names, ARRAY_ITEMS)


_BY_NAME: dict[str, Convert] = {
    "$email_address": email,
    "$language": language,
    "$region": region,
    "$timezone": timezone,
    "$topic_preferences": partial(whole_or_change, convert=topics),
}
