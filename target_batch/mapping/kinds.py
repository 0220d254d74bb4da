"""From what a SCHEMA says about a property to the converter of its values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from target_batch.common.reasons import Reason
from target_batch.mapping.conversion import SKIP, InvalidValue, PartlyInvalid
from target_batch.mapping.converters.dates import looks_like_a_date, utc
from target_batch.mapping.converters.from_text import boolean_in_text, integer_in_text, number_in_text
from target_batch.mapping.converters.values import (
    boolean,
    decimal_text,
    integer,
    looks_like_a_url,
    number,
    text,
    typed,
    url,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_batch.mapping.assignments import AssignedNames
    from target_batch.mapping.conversion import Convert
    from target_batch.mapping.declared import Declared

_WRAP_BY_FORMAT = {"date-time": "date", "date": "date", "uri": "url"}
_BY_WRAP: dict[str, Convert] = {"date": utc, "url": url}
_FROM_TEXT: dict[str, Convert] = {
    "number": number_in_text,
    "integer": integer_in_text,
    "boolean": boolean_in_text,
}
_TEXT = frozenset({"string"})
_DECIMALS = frozenset({"singer.decimal", "x-singer.decimal"})
"""Formats by which taps of the SDK send a decimal number as text."""

_FIRST_OF_HTTP = ("h", "H")


class Step(NamedTuple):
    """How one property's values are read: Batch's key, the type that passes as it is, the converter.

    The key is empty where the converter returns the keys together with the values.
    """

    key: str
    quick: type | None
    convert: Convert


def by_type(array: Convert, structure: Convert, truth: Convert = boolean) -> Mapping[type, Convert]:
    """Return the converters by JSON type; only arrays, objects and booleans differ by place."""
    scalars: dict[type, Convert] = {str: text, int: number, Decimal: number, float: number}
    return {**scalars, bool: truth, list: array, dict: structure}


def step(target: AssignedNames, declared: Declared, converters: Mapping[type, Convert]) -> Step:
    """Return how the values of a property are read: as its mapping says, else as its SCHEMA says."""
    name, wrap = target.names[0], target.wrap
    if wrap in _FROM_TEXT:
        convert = _FROM_TEXT[wrap]
        return Step(name, None, _then(convert, converters[bool]) if wrap == "boolean" else convert)
    wrap = wrap or _WRAP_BY_FORMAT.get(declared.format or "")
    if wrap:
        return Step(f"{wrap}({name})", None, checked(declared, _BY_WRAP[wrap]))
    wraps = {_WRAP_BY_FORMAT[found] for found in declared.mixed if found in _WRAP_BY_FORMAT}
    if wraps:
        return Step("", None, typed(declared, by_value(name, converters, wraps)))
    if len(declared.kinds - {"integer"} if "number" in declared.kinds else declared.kinds) == 1:
        return _single(name, declared, converters)
    quick = str if not declared.kinds or "string" in declared.kinds else None
    return Step(name, quick, typed(declared, any_of(converters)) if declared.kinds else any_of(converters))


def _then(convert: Convert, truth: Convert) -> Convert:
    """Return a converter whose booleans go where those of JSON go: not every place takes them."""

    def both(value: Any) -> Any:
        found = convert(value)
        return found if found is None else truth(found)

    return both


def checked(declared: Declared, convert: Convert) -> Convert:
    """Return a converter of text that refuses what contradicts the SCHEMA; cheap for plain text."""
    return convert if not declared.kinds or declared.kinds == _TEXT else typed(declared, convert)


def any_of(converters: Mapping[type, Convert]) -> Convert:
    """Return a converter that goes by the JSON type of each value."""

    def convert(value: Any) -> Any:
        own = converters.get(type(value))
        if own is None:
            raise InvalidValue(Reason.UNSUPPORTED_VALUE, "The value is of a kind that JSON does not have.")
        return own(value)

    return convert


def by_value(
    name: str, converters: Mapping[type, Convert], wraps: Collection[str] = ("date", "url")
) -> Convert:
    """Return a converter that knows dates and URLs by their looks; it returns key and value."""
    plain = any_of(converters)
    dates, urls = "date" in wraps, "url" in wraps

    def convert(value: Any) -> dict[str, Any] | None:
        if type(value) is str:
            if dates and value[:1].isdigit() and looks_like_a_date(value):
                return {f"date({name})": utc(value)}
            if urls and value[:1] in _FIRST_OF_HTTP and looks_like_a_url(value):
                return {f"url({name})": url(value)}
        try:
            fit = plain(value)
        except PartlyInvalid as partly:
            raise PartlyInvalid({name: partly.value} if partly.value else {}, partly.issues) from None
        if fit is None:
            return None
        return {} if fit is SKIP else {name: fit}

    return convert


def _single(name: str, declared: Declared, converters: Mapping[type, Convert]) -> Step:
    if "string" in declared.kinds:
        if declared.format in _DECIMALS:
            return Step(name, None, decimal_text)
        return Step(name, str, text)
    if "number" in declared.kinds:
        return Step(name, None, number)
    if "integer" in declared.kinds:
        return Step(name, None, integer)
    if "boolean" in declared.kinds:
        return Step(name, None, converters[bool])
    structure = list if "array" in declared.kinds else dict
    return Step(name, None, converters[structure])
