"""From what a SCHEMA says about a property to the converter of its values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from target_batch.common.reasons import Reason
from target_batch.mapping.converters.dates import looks_like_a_date, utc
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
from target_batch.mapping.refusals import SKIP, Partly, Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.mapping.declared import Declared
    from target_batch.mapping.refusals import Convert

_WRAP_BY_FORMAT = {"date-time": "date", "date": "date", "uri": "url"}
_BY_WRAP: dict[str, Convert] = {"date": utc, "url": url}
_TEXT = frozenset({"string"})


_FIRST_OF_HTTP = ("h", "H")


class Step(NamedTuple):
    """How one property's values are read: Batch's wrapping, the type that passes, the converter."""

    wrap: str | None
    quick: type | None
    convert: Convert


def by_type(array: Convert, structure: Convert, truth: Convert = boolean) -> Mapping[type, Convert]:
    """Return the converters by JSON type; only arrays, objects and booleans differ by place."""
    scalars: dict[type, Convert] = {str: text, int: number, Decimal: number, float: number}
    return {**scalars, bool: truth, list: array, dict: structure}


def step(declared: Declared, wrap: str | None, converters: Mapping[type, Convert]) -> Step:
    """Return how the values of a property are read: by `date()` or `url()`, else by its SCHEMA."""
    wrap = wrap or _WRAP_BY_FORMAT.get(declared.format or "")
    if wrap:
        return Step(wrap, None, checked(declared, _BY_WRAP[wrap]))
    if len(declared.kinds - {"integer"} if "number" in declared.kinds else declared.kinds) == 1:
        return _single(declared, converters)
    quick = str if not declared.kinds or "string" in declared.kinds else None
    return Step(None, quick, typed(declared, any_of(converters)) if declared.kinds else any_of(converters))


def checked(declared: Declared, convert: Convert) -> Convert:
    """Return a converter of text that refuses what contradicts the SCHEMA; cheap for plain text."""
    return convert if not declared.kinds or declared.kinds == _TEXT else typed(declared, convert)


def any_of(converters: Mapping[type, Convert]) -> Convert:
    """Return a converter that goes by the JSON type of each value."""

    def convert(value: Any) -> Any:
        own = converters.get(type(value))
        if own is None:
            raise Unfit(Reason.UNSUPPORTED_VALUE, "The value is of a kind that JSON does not have.")
        return own(value)

    return convert


def by_value(name: str, converters: Mapping[type, Convert]) -> Convert:
    """Return a converter that knows dates and URLs by their looks; it returns key and value."""
    plain = any_of(converters)

    def convert(value: Any) -> dict[str, Any] | None:
        if type(value) is str:
            if value[:1].isdigit() and looks_like_a_date(value):
                return {f"date({name})": utc(value)}
            if value[:1] in _FIRST_OF_HTTP and looks_like_a_url(value):
                return {f"url({name})": url(value)}
        try:
            fit = plain(value)
        except Partly as partly:
            raise Partly({name: partly.value} if partly.value else {}, partly.faults) from None
        if fit is None:
            return None
        return {} if fit is SKIP else {name: fit}

    return convert


def _single(declared: Declared, converters: Mapping[type, Convert]) -> Step:
    if "string" in declared.kinds:
        if declared.format == "singer.decimal":
            return Step(None, None, decimal_text)
        return Step(None, str, text)
    if "number" in declared.kinds:
        return Step(None, int, number)
    if "integer" in declared.kinds:
        return Step(None, int, integer)
    if "boolean" in declared.kinds:
        truth = converters[bool]
        return Step(None, bool if truth is boolean else None, truth)
    structure = list if "array" in declared.kinds else dict
    return Step(None, None, converters[structure])
