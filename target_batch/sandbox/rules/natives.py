"""Rules for native attributes, such as ``$email_address``, whose names begin with ``$``."""

import re
from collections.abc import Callable
from typing import Final

from target_batch.sandbox.rules.codes import LANGUAGES, REGIONS, TIMEZONES
from target_batch.sandbox.rules.limits import EMAIL_LENGTH, PHONE_DIGITS, TOPIC_LENGTH, TOPICS
from target_batch.sandbox.rules.values import CHANGES

_EMAIL: Final = re.compile(r"[^@\s]+@[A-Za-z0-9.-]+\.[A-Za-z0-9]+")
_PHONE: Final = re.compile(rf"\+[0-9]{{1,{PHONE_DIGITS}}}")
_THREE_LETTERS: Final = re.compile("[a-z]{3}")
"""A language code of ISO 639-2 or later; Batch's list is undocumented, and its SDKs check only the length."""
_TOPIC: Final = re.compile(rf"[a-z0-9_]{{1,{TOPIC_LENGTH}}}")
_CONSENTS: Final = frozenset({"subscribed", "unsubscribed"})


def native_violation(name: str, value: object) -> str | None:
    """Return why a native attribute is refused, or None.

    Args:
        name: Its name, with ``$``.
        value: The decoded JSON value; null removes the attribute and is always valid.
    """
    check = NATIVES.get(name)
    if check is None:
        return "this native attribute is not known"
    if value is None:
        return None
    return check(value)


def _email(value: object) -> str | None:
    if not isinstance(value, str) or not _EMAIL.fullmatch(value):
        return "an e-mail address is expected"
    if len(value) > EMAIL_LENGTH:
        return f"an e-mail address has at most {EMAIL_LENGTH} characters"
    return None


def _consent(value: object) -> str | None:
    known = isinstance(value, str) and value in _CONSENTS
    return None if known else "a consent is subscribed or unsubscribed"


def _phone(value: object) -> str | None:
    known = isinstance(value, str) and _PHONE.fullmatch(value)
    return None if known else "a telephone number is + and up to 15 digits"


def _language(value: object) -> str | None:
    known = isinstance(value, str) and (value in LANGUAGES or _THREE_LETTERS.fullmatch(value))
    return None if known else "a language is an ISO 639 code in lower case"


def _region(value: object) -> str | None:
    known = isinstance(value, str) and value in REGIONS
    return None if known else "a region is an ISO 3166 code in upper case"


def _timezone(value: object) -> str | None:
    known = isinstance(value, str) and value in TIMEZONES
    return None if known else "a time zone is an IANA name"


def _topic_preferences(value: object) -> str | None:
    if not isinstance(value, dict):
        return _topics(value)
    if not value or not value.keys() <= CHANGES:
        return "a change of topics is only $add and $remove"
    return next((reason for topics in value.values() if (reason := _topics(topics))), None)


def _topics(value: object) -> str | None:
    if not isinstance(value, list) or not value:
        return "topics are an array that is not empty"
    if len(value) > TOPICS:
        return f"at most {TOPICS} topics are kept"
    valid = all(isinstance(topic, str) and _TOPIC.fullmatch(topic) for topic in value)
    return None if valid else f"a topic is 1 to {TOPIC_LENGTH} characters of a-z, 0-9 and _"


NATIVES: Final[dict[str, Callable[[object], str | None]]] = {
    "$email_address": _email,
    "$email_marketing": _consent,
    "$sms_marketing": _consent,
    "$phone_number": _phone,
    "$language": _language,
    "$region": _region,
    "$timezone": _timezone,
    "$topic_preferences": _topic_preferences,
}
"""Checks by native attribute; each returns why a value is refused, or None."""
