"""The other shapes of records that users load, each with the floor that it must not fall below."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from benchmarks import samples

if TYPE_CHECKING:
    from collections.abc import Callable

FLOOR = 25_000
"""Records per second of CPU: two and a half times what Batch takes in a second."""

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
SEGMENT = {
    "type": TEXT, "userId": TEXT, "messageId": TEXT, "timestamp": MOMENT, "event": TEXT,
    "traits": {"type": "object"}, "properties": {"type": "object"}, "context": {"type": "object"},
}  # fmt: skip
CONTEXT = {"locale": "fr-FR", "timezone": "Europe/Paris"}


@dataclass(frozen=True)
class Shape:
    """One kind of stream: its SCHEMA, the record of a number and a time, the settings it needs."""

    stream: str
    properties: dict[str, Any]
    record: Callable[[int, str], dict[str, Any]]
    key: str = "user_id"
    settings: dict[str, Any] = field(default_factory=dict)

    def write(self, file: IO[str], records: int, now: str) -> None:
        """Write a Singer file of `records` records; `now`, in RFC 3339, is the time of events."""
        schema = {"type": "object", "properties": self.properties}
        head = {"type": "SCHEMA", "stream": self.stream, "schema": schema, "key_properties": [self.key]}
        file.write(json.dumps(head) + "\n")
        for number in range(records):
            message = {"type": "RECORD", "stream": self.stream, "record": self.record(number, now)}
            file.write(json.dumps(message, ensure_ascii=False) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"seen": records}}) + "\n")


def _event(number: int, now: str) -> dict[str, Any]:
    return {
        "user_id": f"user-{number:08d}", "event": "order_completed", "timestamp": now,
        "order_id": f"o-{number}", "total": round(number % 997 * 1.13, 2), "currency": "EUR",
        "items": number % 9,
    }  # fmt: skip


def _identify(number: int, now: str) -> dict[str, Any]:
    traits = {
        "firstName": "Camille", "email": f"user.{number}@example.com", "plan": "plus",
        "logins": number % 40, "signup": f"2024-0{number % 9 + 1}-11T08:00:00Z",
    }  # fmt: skip
    return {
        "type": "identify", "userId": f"user-{number:08d}", "messageId": f"m-{number}", "timestamp": now,
        "traits": traits, "context": CONTEXT,
    }  # fmt: skip


def _track(number: int, now: str) -> dict[str, Any]:
    properties = {"orderId": f"o-{number}", "total": round(number % 997 * 1.13, 2), "currency": "EUR"}
    return {
        "type": "track", "event": "Order Completed", "userId": f"user-{number:08d}",
        "messageId": f"m-{number}", "timestamp": now, "properties": properties, "context": CONTEXT,
    }  # fmt: skip


def _wide(number: int, _: str) -> dict[str, Any]:
    columns: dict[str, Any] = {"user_id": f"user-{number:08d}"}
    columns |= {f"text_{n}": f"value {number % 100}" for n in range(24)}
    columns |= {f"number_{n}": number % 1000 + n for n in range(12)}
    return columns | {f"day_{n}": f"2024-0{number % 9 + 1}-1{n % 10}" for n in range(11)}


def _national(number: int, _: str) -> dict[str, Any]:
    user = samples.user(number) | {"phone": f"06 {number % 90 + 10} {number // 90 % 90 + 10} 12 34"}
    return user | {"signed_up_at": f"2024-0{number % 9 + 1}-1{number % 10}T08:{number % 60:02d}:00+02:00"}


def _user(number: int, _: str) -> dict[str, Any]:
    return samples.user(number)


def _member(number: int, _: str) -> dict[str, Any]:
    return {"user_id": f"user-{number:08d}", "cohort": "Big spenders", "action": "entered"}


USER: dict[str, Any] = samples.SCHEMA["properties"]
_EVENT = {
    "user_id": TEXT, "event": TEXT, "timestamp": MOMENT, "order_id": TEXT, "total": NUMBER,
    "currency": TEXT, "items": {"type": "integer"},
}  # fmt: skip
_WIDE = {
    "user_id": TEXT, **{f"text_{n}": TEXT for n in range(24)},
    **{f"number_{n}": {"type": ["integer", "null"]} for n in range(12)},
    **{f"day_{n}": {"type": ["string", "null"], "format": "date"} for n in range(11)},
}  # fmt: skip

SHAPES = {
    "flat event, 7 properties": Shape("events", _EVENT, _event),
    "Segment identify, 5 traits": Shape("messages", SEGMENT, _identify, key="messageId"),
    "Segment track, 3 properties": Shape("messages", SEGMENT, _track, key="messageId"),
    "user of 48 columns": Shape("users", _WIDE, _wide),
    "national phone, dates with zones": Shape("users", USER, _national, settings={"default_country": "FR"}),
    "user through a stream map": Shape(
        "users", USER, _user, settings={"stream_maps": {"users": {"full_name": "first_name + last_name"}}}
    ),
    "cohort row": Shape("cohort_members", {"user_id": TEXT, "cohort": TEXT, "action": TEXT}, _member),
    "skip_unchanged, first load": Shape("users", USER, _user, settings={"skip_unchanged": True}),
}
