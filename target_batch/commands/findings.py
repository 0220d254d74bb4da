"""What a study has found about a stream: as data, which `explain --format json` writes, and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from target_batch.commands.shared import REASONS, encode, reason_lines
from target_batch.commands.study import CONTAINERS
from target_batch.common.limits import (
    ATTRIBUTES_PER_ENTRY,
    EVENT_ATTRIBUTES,
    EVENTS_PER_ENTRY,
    MEMBER_ATTRIBUTES,
)
from target_batch.common.plain_text import counted, fitted, number, room, share, shortened, table, wrapped
from target_batch.common.redaction import clean
from target_batch.config.routing import CUSTOM_ID_NAMES, kind_by_name, kind_by_shape, options_for
from target_batch.mapping.names import PlanRow
from target_batch.mapping.notes import ABOUT_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_batch.commands.samples import Schema
    from target_batch.commands.study import Study
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings

ROLES: Final = {
    "type": "the message's type",
    "event": "the event's name",
    "context.locale": "the language and region, in messages that identify",
    "context.timezone": "the time zone, in messages that identify",
}
TIME: Final = "the message's time: the first of them that it has"
PAGE_NAMES: Final = ("name", "category")
PAGE: Final = "of a page or screen: goes like its properties"
NOT_SENT: Final = "neither a trait nor a property: not sent"

OBJECTS_REFUSED: Final = "profiles have no objects; only {$add: [...]} and {$remove: [...]} can go"
ATTRIBUTE_LIMITS: Final = {
    "profiles": ATTRIBUTES_PER_ENTRY,
    "segment": ATTRIBUTES_PER_ENTRY,
    "events": EVENT_ATTRIBUTES,
    "audiences": MEMBER_ATTRIBUTES,
}


def as_data(study: Study, settings: Settings) -> dict[str, Any]:
    """Return all findings about a stream."""
    schema, route, counts = study.schema, study.route, study.counts
    fates = ("read", "sent", "sent_in_part", "erased", "ignored", "rejected")
    return {
        "stream": schema.stream,
        "kind": route.kind if route else None,
        "kind_found": _kind_origin(schema, settings) if route else None,
        "custom_id": route.custom_id or None if route else None,
        "custom_id_found": _custom_id_origin(route, schema, settings) if route and route.custom_id else None,
        "schema_inferred": schema.inferred,
        "problem": study.problem,
        "records": {name: getattr(counts, name) for name in fates},
        "properties": [_property(row, study) for row in (*study.rows, *_around(study))],
        "notes": list(study.plan.notes) if study.plan else [],
        "names": dict(counts.names.most_common()),
        "budgets": _budgets(study) if study.plan else {},
        "reasons": [
            {
                "code": code,
                "count": met.count,
                "lines": met.lines,
                "properties": list(met.properties),
                "advice": REASONS[code].advice,
            }
            for code, met in sorted(study.reasons.items(), key=lambda item: -item[1].count)
        ],
    }


def _kind_origin(schema: Schema, settings: Settings) -> str:
    """Return what decided the kind of a stream."""
    if options_for(schema.stream, settings.streams).kind:
        return f"set in `streams` for {clean(schema.stream, 60)}"
    if kind_by_shape(schema.schema.get("properties") or {}):
        return "its properties are those of a Segment message"
    return "by the stream's name" if kind_by_name(schema.stream) else "by the setting `default_kind`"


def _custom_id_origin(route: Route, schema: Schema, settings: Settings) -> str:
    """Return what decided which property holds the custom ID."""
    if route.options.custom_id:
        return f"set in `streams` for {clean(schema.stream, 60)}"
    if settings.custom_id:
        return "by the setting `custom_id`"
    if route.kind == "segment":
        return "where Segment messages have it"
    return "by its name" if route.custom_id in CUSTOM_ID_NAMES else "the stream's only key property"


def _around(study: Study) -> Iterator[PlanRow]:
    """Yield a row for each field of the sample's Segment messages that the plan does not name."""
    if study.route is None or study.route.kind != "segment" or study.plan is None:
        return
    named = {*(row.property for row in study.rows), *CONTAINERS}
    roles = {name: PAGE for name in PAGE_NAMES if f"properties.{name}" in named}
    roles |= ROLES | dict.fromkeys(study.plan.time_names, TIME) | {study.route.custom_id: "the custom ID"}
    for path in study.examples:
        if path not in named and not path.startswith(("traits.", "properties.")):
            yield PlanRow(path, None, "any", None, roles.get(path, NOT_SENT))


def _property(row: PlanRow, study: Study) -> dict[str, Any]:
    key, sent = study.sent.get(row.property, (row.target, None))
    is_profile = study.route is not None and study.route.kind == "profiles"
    warns = is_profile and row.target and row.type == "object" and row.property not in study.sent
    return {
        "property": row.property,
        "attribute": row.target if row.target and "," in row.target else key,
        "type": row.type,
        "example": study.examples.get(row.property),
        "sent": sent,
        "refused": sent is None and any(row.property in met.properties for met in study.reasons.values()),
        "reason": row.reason.code if row.reason else None,
        "note": row.note or (OBJECTS_REFUSED if warns else None),
    }


def _budgets(study: Study) -> dict[str, Any]:
    assert study.route is not None  # noqa: S101 - a plan has a route
    counts, kind = study.counts, study.route.kind
    targets = (
        row.target
        for row in study.rows
        if row.target and not (kind == "segment" and row.property.startswith("properties."))
    )
    limit = ATTRIBUTE_LIMITS[kind]
    if kind == "audiences" and study.route.options.as_attribute:
        limit = ATTRIBUTES_PER_ENTRY
    planned = len({key for target in targets for key in target.split(", ")})
    found: dict[str, Any] = {
        "attributes": {"planned": planned, "most_in_a_record": counts.most_attributes, "limit": limit},
        "texts_too_long": study.reasons[code].count if (code := "value_too_long") in study.reasons else 0,
    }
    if counts.events or kind == "events":
        most = max(counts.per_id.values(), default=0)
        found["events"] = {
            "met": counts.events,
            "late": counts.late_events,
            "most_of_one_custom_id": most,
            "entries_for_them": -(-most // EVENTS_PER_ENTRY),
            "limit_per_entry": EVENTS_PER_ENTRY,
        }
    return found


NOTHING: Final = "-"
LONGEST_EXAMPLE: Final = 28
SHOWN_NAMES: Final = 6
INFERRED: Final = (
    "schema     inferred from these rows; a tap's own SCHEMA may say otherwise, and `replay` takes rows of "
    "JSON by their JSON types unless it has a --schema"
)


def shown(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that show the findings about a stream."""
    yield _title(found)
    if found["problem"]:
        yield ""
        yield "  " + click.style("The target would stop here", fg="red", bold=True)
        yield wrapped(clean(found["problem"], 600), 2)
        return
    for block in (_facts, _going, _staying, _notes, _limits, _reasons):
        if lines := list(block(found)):
            yield ""
            yield from lines


def _title(found: dict[str, Any]) -> str:
    counts = found["records"]
    name = click.style(clean(found["stream"], 60), bold=True)
    if not counts["read"]:
        return f"{name}  no records in the sample"
    parts = [counted(counts["read"], "record"), f"{number(counts['sent'])} would go"]
    if counts["sent_in_part"]:
        parts[-1] += f" ({number(counts['sent_in_part'])} of them without an attribute)"
    if counts["erased"]:
        parts.append(f"{number(counts['erased'])} would erase a person")
    parts += [f"{number(counts[fate])} {fate}" for fate in ("ignored", "rejected") if counts[fate]]
    return fitted(f"{name}  {', '.join(parts)}")


def _facts(found: dict[str, Any]) -> Iterator[str]:
    yield fitted(f"  kind       {found['kind']}: {found['kind_found']}", 13)
    if found["custom_id"]:
        yield fitted(f"  custom ID  {clean(found['custom_id'], 60)}: {found['custom_id_found']}", 13)
    if found["schema_inferred"]:
        yield wrapped(INFERRED, 2, hanging=13)


def _going(found: dict[str, Any]) -> Iterator[str]:
    going = [row for row in found["properties"] if row["attribute"]]
    rows = [
        (clean(row["property"], 60), clean(row["attribute"], 60), row["type"], _example(row)) for row in going
    ]
    yield from _indented(("property", "in Batch", "type", "example"), rows)
    for row in going:
        if row["note"]:
            yield fitted(f"  {clean(row['property'], 60)}: {row['note']}", 4)


def _staying(found: dict[str, Any]) -> Iterator[str]:
    rows = [
        (clean(row["property"], 60), row["type"], row["note"] or "", row["reason"] or "")
        for row in found["properties"]
        if not row["attribute"]
    ]
    return _indented(("not an attribute", "type", "because", "reason"), rows)


def _notes(found: dict[str, Any]) -> Iterator[str]:
    """Yield the notes on the SCHEMA that the tables do not show."""
    shown_above = found["kind"] != "segment"
    for note in found["notes"]:
        if not (shown_above and note.startswith(ABOUT_PROPERTY)):
            yield wrapped(clean(note, 600), 2)


def _example(row: dict[str, Any]) -> str:
    if row["example"] is None:
        return NOTHING
    example = _value(row["example"])
    if row["refused"]:
        return f"{example} → refused"
    if row["sent"] is None or row["sent"] == row["example"]:
        return example
    became = ", ".join(map(_value, row["sent"])) if isinstance(row["sent"], list) else _value(row["sent"])
    return example if became == example else f"{example} → {became}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else encode(value).decode()
    return shortened(clean(text, 200), LONGEST_EXAMPLE)


def _limits(found: dict[str, Any]) -> Iterator[str]:
    if not (budgets := found["budgets"]):
        return
    if found["names"]:
        yield _names(found)
    attributes = budgets["attributes"]
    planned, limit = attributes["planned"], attributes["limit"]
    within = f"{planned} of {limit} that Batch takes at once"
    over = click.style(f"{planned}, more than the {limit} that Batch takes at once", fg="red")
    yield fitted(f"  attributes  {within if planned <= limit else over}", 14)
    if most := attributes["most_in_a_record"]:
        yield fitted(f"              {most} at most in one record of the sample", 14)
    if long := budgets["texts_too_long"]:
        yield fitted(f"  texts       {number(long)} longer than Batch takes (300 characters)", 14)
    if events := budgets.get("events"):
        most, limit = events["most_of_one_custom_id"], events["limit_per_entry"]
        if most:
            yield fitted(
                f"  at once     {number(most)} at most of one custom ID, {limit} fit in one request", 14
            )
        late = share(events["late"], events["met"])
        yield fitted(f"  late        {late} of the events are outside the 24 hours that Batch takes", 14)


def _names(found: dict[str, Any]) -> str:
    names = [f"{clean(name, 80)} ({number(count)})" for name, count in found["names"].items()]
    more = f" and {number(len(names) - SHOWN_NAMES)} more" if len(names) > SHOWN_NAMES else ""
    head = "audiences" if found["kind"] == "audiences" and ": " in names[0] else "events"
    return fitted(f"  {head:<12}{', '.join(names[:SHOWN_NAMES])}{more}", 14)


def _reasons(found: dict[str, Any]) -> Iterator[str]:
    if found["reasons"]:
        yield click.style("  Met in the sample", bold=True)
    for met in found["reasons"]:
        yield from reason_lines(met["code"], met["count"], met["properties"], met["lines"], indent=2)


def _indented(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    columns = room()
    lines = table(heads, rows, longest=60, columns=columns and columns - 2) if rows else ()
    return (f"  {line}".rstrip() for text in lines for line in text.split("\n"))
