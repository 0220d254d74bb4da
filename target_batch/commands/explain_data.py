"""The data of a study, which the table shows and `--format json` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_batch.commands.study import CONTAINERS
from target_batch.common.limits import (
    ATTRIBUTES_PER_ENTRY,
    EVENT_ATTRIBUTES,
    EVENTS_PER_ENTRY,
    MEMBER_ATTRIBUTES,
)
from target_batch.common.reasons import Reason
from target_batch.common.redaction import clean
from target_batch.config.routing import CUSTOM_ID_NAMES, kind_by_name, kind_by_shape, options_for
from target_batch.mapping.names import PlanRow

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def around(study: Study) -> Iterator[PlanRow]:
    """Yield a row for each field of the sample's Segment messages that the plan does not name."""
    if study.route is None or study.route.kind != "segment" or study.plan is None:
        return
    named = {*(row.property for row in study.rows), *CONTAINERS}
    roles = {name: PAGE for name in PAGE_NAMES if f"properties.{name}" in named}
    roles |= ROLES | dict.fromkeys(study.plan.time_names, TIME) | {study.route.custom_id: "the custom ID"}
    for path in study.examples:
        if path not in named and not path.startswith(("traits.", "properties.")):
            yield PlanRow(path, None, "any", None, roles.get(path, NOT_SENT))


def kind_origin(schema: Schema, settings: Settings) -> str:
    """Return what decided the kind of a stream."""
    stream = clean(schema.stream, 60)
    if options_for(schema.stream, settings.streams).kind:
        return f"set in `streams` for {stream}"
    if kind_by_shape(schema.schema.get("properties") or {}):
        return "its properties are those of a Segment message"
    if kind_by_name(schema.stream):
        return "by the stream's name"
    return "by the setting `default_kind`"


def custom_id_origin(route: Route, schema: Schema, settings: Settings) -> str:
    """Return what decided which property holds the custom ID."""
    if route.options.custom_id:
        return f"set in `streams` for {clean(schema.stream, 60)}"
    if settings.custom_id:
        return "by the setting `custom_id`"
    if route.kind == "segment":
        return "where Segment messages have it"
    if route.custom_id in CUSTOM_ID_NAMES:
        return "by its name"
    return "the stream's only key property"


ADVICE: Final = {reason.code: reason.advice for reason in Reason}
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
    return {
        "stream": schema.stream,
        "kind": route.kind if route else None,
        "kind_found": kind_origin(schema, settings) if route else None,
        "custom_id": route.custom_id or None if route else None,
        "custom_id_found": custom_id_origin(route, schema, settings) if route and route.custom_id else None,
        "schema_inferred": schema.inferred,
        "problem": study.problem,
        "records": {
            "read": counts.read,
            "sent": counts.sent,
            "sent_in_part": counts.sent_in_part,
            "erased": counts.erased,
            "ignored": counts.ignored,
            "rejected": counts.rejected,
        },
        "properties": [_property(row, study) for row in (*study.rows, *around(study))],
        "notes": list(study.plan.notes) if study.plan else [],
        "names": dict(counts.names.most_common()),
        "budgets": _budgets(study) if study.plan else {},
        "reasons": _reasons(study),
    }


def _property(row: PlanRow, study: Study) -> dict[str, Any]:
    key, sent = study.sent.get(row.property, (row.target, None))
    return {
        "property": row.property,
        "attribute": row.target if row.target and "," in row.target else key,
        "type": row.type,
        "example": study.examples.get(row.property),
        "sent": sent,
        "refused": sent is None and any(row.property in met.properties for met in study.reasons.values()),
        "reason": row.reason.code if row.reason else None,
        "note": row.note or _warning(row, study),
    }


def _warning(row: PlanRow, study: Study) -> str | None:
    """Return a warning if the SCHEMA already shows that the values of a property will be refused."""
    is_profile = study.route is not None and study.route.kind == "profiles"
    refused = is_profile and row.target and row.type == "object"
    return OBJECTS_REFUSED if refused and row.property not in study.sent else None


def _budgets(study: Study) -> dict[str, Any]:
    assert study.route is not None  # noqa: S101 - a plan has a route
    counts, kind = study.counts, study.route.kind
    going = (row for row in study.rows if row.target and not (kind == "segment" and _is_of_event(row)))
    keys = {key for row in going for key in str(row.target).split(", ")}
    limit = ATTRIBUTE_LIMITS[kind]
    if kind == "audiences" and study.route.options.as_attribute:
        limit = ATTRIBUTES_PER_ENTRY
    found: dict[str, Any] = {
        "attributes": {"planned": len(keys), "most_in_a_record": counts.most_attributes, "limit": limit},
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


def _is_of_event(row: PlanRow) -> bool:
    return row.property.startswith("properties.")


def _reasons(study: Study) -> list[dict[str, Any]]:
    by_count = sorted(study.reasons.items(), key=lambda item: -item[1].count)
    return [
        {
            "code": code,
            "count": met.count,
            "lines": met.lines,
            "properties": list(met.properties),
            "advice": ADVICE.get(code, ""),
        }
        for code, met in by_count
    ]
