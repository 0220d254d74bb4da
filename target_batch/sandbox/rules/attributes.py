"""Rules for profile attributes, by key."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from target_batch.sandbox.rules.names import Kind, split_key
from target_batch.sandbox.rules.natives import native_violation
from target_batch.sandbox.rules.times import date_violation
from target_batch.sandbox.rules.values import (
    change_violation,
    number_violation,
    text_violation,
    texts_violation,
    url_violation,
)

Check = Callable[[Any], str | None]
"""Function that returns why a value is refused, or None."""


class AttributeRule(NamedTuple):
    """The rule for one key.

    Attributes:
        name: The attribute's name.
        kind: The kind of value that the key declares.
        violation: Function that returns why a value is refused under this key, or None.
    """

    name: str
    kind: Kind
    violation: Check


@lru_cache(maxsize=4096)
def attribute_rule(key: str) -> AttributeRule:
    """Return the rule for a key of a profile's attributes, as sent."""
    if key.startswith("$"):
        return AttributeRule(key, "plain", partial(native_violation, key))
    name, kind, reason = split_key(key)
    if reason:
        return AttributeRule(name, kind, lambda _: reason)
    return AttributeRule(name, kind, _KINDS[kind])


def _plain(value: Any) -> str | None:
    return _PLAIN[type(value)](value)


def _date(value: Any) -> str | None:
    return None if value is None else date_violation(value)


def _url(value: Any) -> str | None:
    return None if value is None else url_violation(value)


def _anything(_value: Any) -> str | None:
    return None


_PLAIN: Final[dict[type, Check]] = {
    str: text_violation,
    bool: _anything,
    float: _anything,
    int: number_violation,
    list: texts_violation,
    dict: change_violation,
    type(None): _anything,
}
"""Checks by JSON type of the value; null deletes the attribute."""
_KINDS: Final[dict[Kind, Check]] = {"plain": _plain, "date": _date, "url": _url}
