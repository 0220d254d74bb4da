"""The loop that converts a record column by column, and the steps around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from target_batch.common.limits import STRING_LENGTH
from target_batch.common.properties import ABSENT, NotAnObjectError, holds, reach, split, without
from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.dates import utc
from target_batch.mapping.names import base_name
from target_batch.mapping.values import SKIP, InvalidValue, PartlyInvalid, is_short

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_batch.mapping.columns import Column, Columns


def fill(columns: Columns, record: Mapping[str, Any], attributes: dict[str, Any]) -> list[Issue]:
    """Convert the record's properties into `attributes`; return the issues of values that cannot be sent."""
    dead_ends: list[Issue] = []
    if columns.crowded:
        columns.forget()
    if columns.paths:
        record = _opened(columns, record, dead_ends)
    issues = _run(columns, columns.by_name, record, attributes)
    if columns.contested:
        if columns.take_collided():  # found midway: start over
            attributes.clear()
            issues = _run(columns, columns.by_name, record, attributes)
        issues += _resolve_collisions(columns, record, attributes)
    return issues + dead_ends if dead_ends else issues


def drop_surplus(
    columns: Columns, record: Mapping[str, Any], attributes: dict[str, Any], limit: int,
    reason: Reason = Reason.TOO_MANY_ATTRIBUTES, among: Iterable[str] | None = None,
) -> list[Issue]:  # fmt: skip
    """Remove the attributes beyond a limit; natives are kept first, then the others in schema order."""
    counted = attributes if among is None else [*among]
    if len(counted) <= limit:
        return []
    ranked = sorted(counted, key=columns.place)
    issues = []
    for key in ranked[limit:]:
        del attributes[key]
        fed_by = [name for name in columns.feeders(key) if holds(record, name[len(columns.container.path) :])]
        message = f"Batch takes at most {limit} of these; this one is beyond the limit."
        issues.append(Issue(reason, fed_by[0] if fed_by else None, key, message))
    return issues


def _opened(columns: Columns, record: Mapping[str, Any], issues: list[Issue]) -> dict[str, Any]:
    """Return a copy with the nested values that `attributes` name at the top level, keyed by path."""
    found = dict(record)
    for path in columns.paths:
        head, rest = split(path, record)
        if rest is None or head not in record:
            continue
        try:
            value = reach(record, path)
        except NotAnObjectError:
            if columns.expects(path):
                message = "The path to it leads through a value that is not an object."
                issues.append(columns.issue(path, None, InvalidValue(Reason.SCHEMA_VIOLATION, message)))
            value = ABSENT
        found = without(found, path)
        if type(found.get(head)) is dict and columns.opened(head):
            found.pop(head)
        if value is not ABSENT:
            found[path] = value
    return found


def _run(
    columns: Columns, steps: Mapping[str, Column], record: Mapping[str, Any], attributes: dict[str, Any]
) -> list[Issue]:
    issues: list[Issue] = []
    for name, value in record.items():
        try:
            key, fits, convert, on_null = steps[name]
        except KeyError:
            key, fits, convert, on_null = columns.learn(name)
        # `is_short` is the most frequent test: written out, it costs a third of the call.
        if (
            fits is not None
            and type(value) is str
            and (0 < len(value) <= STRING_LENGTH if fits is is_short else fits(value))
        ):
            attributes[key] = value
            continue
        if value is None:
            attributes.update(on_null)
            continue
        try:
            fit = convert(value)
        except InvalidValue as invalid:
            issues += _not_sent(columns, name, value, invalid, attributes)
            continue
        except PartlyInvalid as partly:
            issues += _inside(columns, name, partly)
            fit = partly.value
        if fit is None:
            attributes.update(on_null)
        elif fit is not SKIP:
            if key:
                attributes[key] = fit
            else:
                attributes.update(fit)
    return issues


def _resolve_collisions(
    columns: Columns, record: Mapping[str, Any], attributes: dict[str, Any]
) -> list[Issue]:
    """Resolve collisions within this record: for each name, send the first property that has a value."""
    issues: list[Issue] = []
    taken: dict[str, tuple[str, Any]] = {}
    nulls: dict[str, Any] = {}
    for name in sorted((name for name in columns.contested if name in record), key=columns.order):
        written: dict[str, Any] = {}
        issues += _run(columns, columns.contested, {name: record[name]}, written)
        values = {key: value for key, value in written.items() if value is not None}
        free = {key: value for key, value in values.items() if base_name(key) not in taken}
        nulls |= dict.fromkeys(key for key in written if key not in values)
        for key in [key for key in values if key not in free]:
            winner, sent = taken[base_name(key)]
            if sent != values[key] and not free:
                message = f"`{winner}` of this record already feeds the name."
                issues.append(columns.issue(name, record[name], InvalidValue(Reason.NAME_COLLISION, message)))
                break
        attributes.update(free)
        taken.update({base_name(key): (name, value) for key, value in free.items()})
    for key in nulls:  # one spelling of each name, as for values
        if base_name(key) not in taken:
            attributes[key] = None
            taken[base_name(key)] = (key, None)
    return issues


def _not_sent(
    columns: Columns, name: str, value: Any, invalid: InvalidValue, attributes: dict[str, Any]
) -> list[Issue]:
    """Return the issue of an invalid value; a date object, which only stream maps create, is sent instead."""
    key = columns.date_key(name) if isinstance(value, date) else None
    if key is not None:
        try:
            attributes[key] = utc(value)
        except InvalidValue as beyond_the_calendar:
            invalid = beyond_the_calendar
        else:
            return []
    return [columns.issue(name, value, invalid)]


def _inside(columns: Columns, name: str, partly: PartlyInvalid) -> list[Issue]:
    path = columns.container.path + name
    key = columns.by_name[name][0] or columns.targets(name)[0]
    return [
        replace(
            issue,
            property=f"{path}.{issue.property}",
            attribute=f"{key}.{issue.attribute}" if issue.attribute else key,
            counted_only=False,  # a collision inside an object is not reported at the SCHEMA
        )
        for issue in partly.issues
    ]
