"""The local Batch accepts all data that the mapping sends, and mostly refuses the data that it rejects.

Random records of all kinds, with usual and odd values, are mapped and sent over HTTP to a local Batch, which
implements Batch's rules independently. A value that the mapping rejects is sent alone as well: if the local
Batch accepts it, the reason must be explained in `STRICTER`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from decimal import Decimal
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests
from local_batch import LocalBatch

from target_batch.common.operations import AudienceChange, ProfileUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_batch.mapping import Plan

VALUES = 20_000 if os.environ.get("CHAOS") == "full" else 1_500
ENTRIES_PER_CALL = 200
encode = msgspec.json.Encoder(decimal_format="number").encode
HEADERS = {"Authorization": "Bearer key", "X-Batch-Project": "project", "Content-Type": "application/json"}

STRICTER = {
    "schema_violation": "A value that contradicts its SCHEMA is never coerced, though Batch would take it.",
    "invalid_number": "A text declared as a decimal that is not a number would be sent as a text.",
    "invalid_name": "Batch does not accept the property's name; the bare value is sent under another one.",
    "name_collision": "Two properties have the same name; the bare value does not share it.",
    "invalid_text": "Line breaks and blanks are refused in events; the bare value is sent to a profile.",
    "invalid_phone": "Batch accepts `+` and any digits; the mapping requires a number that can exist.",
    "invalid_language": "Batch accepts any three letters; the mapping requires those of a language.",
    "too_many_attributes": "The bare value is alone.",
    "too_many_arrays": "The bare value is alone.",
    "too_deep": "The bare value is not nested.",
}
"""Reason → why the mapping rejects values that the local Batch may accept alone."""

TEXTS = (
    "", " ", "x", "a\nb", "\t", "é" * 300, "x" * 300, "x" * 301, "\u200b", "\ufeff", "😀" * 150, "null",
    "None", "\u2028", "a\x00b", "0", "-0", "1e3", "NaN", "<b>", '"', "\\", "ﬁ", "ß", "a" * 30, "a@b.co",
    "A.B+c@D-E.co", "a@b..co", "a b@c.de", "a@b.xn--p1ai", "é@b.fr", "x" * 122 + "@b.co",
    "x" * 123 + "@b.co", "@b.co", "a@b", "fr", "fr-FR", "fr_FR.UTF-8", "zh-Hant-TW", "es-419",
    "en_US_POSIX", "haw", "fil", "bh", "sh", "und", "C", "POSIX", "EU", "XK", "uk", "UK", "ZZ", "en-EU",
    "FR", "GB", "Europe/Paris", "europe/paris", "localtime", "Factory", "UTC", "GMT+1", "Etc/GMT+1", "CET",
    "US/Pacific", "+33612345678", "0612345678", "0033612345678", "+1", "+999999999999999", "33612345678.0",
    "yes", "Non", "granted", "revoked", "O", "J", "maybe", "subscribed", "https://a.b", "https://[x/",
    "https://[::1]extra/", "https://x[::1]/", "https://[::1%eth0]/", "https://a\\b/", "https://u[@a.b/",
    "https://[::1]:80/", "https://a.b:99999/", "https://@/", "http://a.b:/", "https://a_b/ü",
    "http://%zz/", "http://a|b/", "http://1.2.3.256/", "http://1.2.3.4:80/",
    "mailto:a@b.co", "ftp://a", "app://x?y#z", "https://a b", "https://a.b/\u200b", "https:///a",
    "https://u:p@h", "x://" + "y" * 2044, "x://" + "y" * 2045, "2024-02-29", "2024-02-30",
    "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.123456789+02", "0001-01-01", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+01:00", "20240102", "soon", "remove", "true",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 0.1, -0.0, 1e308, 5e-324, 1.5,
    33612345678, 33612345678.0, Decimal("1e400"), Decimal("1E+5"), Decimal("0.1000000000000000000001"),
    Decimal("7.0"), Decimal(2**63), Decimal("-1e-400"), float("inf"), float("nan"),
    Decimal("NaN"), True, False,
)  # fmt: skip
NAMES = (
    "email", "email_address", "phone", "phone_number", "email_marketing", "sms_marketing", "language",
    "region", "locale", "timezone", "topic_preferences", "first_name", "firstName", "First Name", "Été",
    "x" * 31, "---", "score", "site", "since", "tags", "$label", "$tags", "name", "nested", "e-mail perso",
    "日本", "a.b", "Z",
)  # fmt: skip
TYPES: tuple[dict[str, Any], ...] = (
    {}, {}, {"type": "string"}, {"type": ["null", "string"]}, {"type": "integer"}, {"type": "number"},
    {"type": "boolean"}, {"type": "array"}, {"type": "object"}, {"type": "string", "format": "date-time"},
    {"type": "string", "format": "date"}, {"type": "string", "format": "uri"},
    {"type": "string", "format": "singer.decimal"}, {"type": ["string", "integer", "null"]},
)  # fmt: skip
ENVELOPE = ("type", "userId", "traits", "properties", "context", "event", "timestamp")
KINDS: dict[str, dict[str, Any]] = {
    "profiles": {},
    "events": {},
    "segment": {"types": ("identify", "track", "page", "screen", "group")},
    "audiences": {
        "attributes": {"score": "score", "site": "url(site)", "since": "date(since)", "tags": "tags"}
    },
}


class Wire:
    """Sends operations to the local Batch and returns its refusals."""

    def __init__(self, batch: LocalBatch) -> None:
        self._url = batch.url
        self._session = requests.Session()
        self._session.trust_env = False

    def refused(self, entries: list[Any]) -> dict[int, list[str]]:
        """Send entries of a profile update; return the reasons of the refused ones by index."""
        found: dict[int, list[str]] = {}
        for start in range(0, len(entries), ENTRIES_PER_CALL):
            content = self._post("profiles/update", entries[start : start + ENTRIES_PER_CALL])
            for error in content.get("errors", ()):
                found.setdefault(start + error["bulk_index"], []).append(f"{error}")
        return found

    def change(self, changes: list[AudienceChange]) -> None:
        """Send each change to its audience."""
        by_name: dict[str, list[AudienceChange]] = {}
        for change in changes:
            by_name.setdefault(change.audience, []).append(change)
        for name, members in by_name.items():
            body = {"name": name, "display_name": members[0].display_name, "type": "custom_ids"}
            self._post("audiences/create", body)
            self._post("audiences/update", {"name": name, "ids": [_member(member) for member in members]})

    def _post(self, path: str, body: Any) -> Any:
        answer = self._session.post(
            f"{self._url}/2.11/{path}", data=encode(body), headers=HEADERS, timeout=60
        )
        assert answer.status_code == 202, answer.text[:2000]
        return answer.json()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder: Path = tmp_path_factory.mktemp("batch")
    with LocalBatch(folder, "--no-rates") as batch:
        yield Wire(batch)


def value(random: Random, depth: int = 0) -> Any:
    """Return a random value of any kind."""
    kind = random.random()
    if kind < 0.5:
        return random.choice(TEXTS)
    if kind < 0.7 or depth > 4:
        return random.choice(NUMBERS)
    if kind < 0.75:
        return None
    inner = [value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 3, 25, 26)))]
    if kind < 0.9:
        return inner
    if kind < 0.93:
        return {random.choice(("$add", "$remove")): inner}
    return {random.choice(NAMES): each for each in inner}


def record(random: Random, number: int, kind: str, now: float) -> dict[str, Any]:
    """Return a random record of a kind, in most cases with a unique ID."""
    fields = {random.choice(NAMES): value(random) for _ in range(random.choice((1, 4, 12, 60)))}
    who = random.choice(
        (f"u{number}", f" u{number} ", number + 1, float(number + 1), *random.choices(TEXTS, k=2))
    )
    ago = random.choice((0.0, 1.0, 3_600.0, 80_000.0, 90_000.0, -3.0, -60.0))
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago))
    if kind == "segment":
        of = random.choice(("identify", "track", "page", "screen", "group"))
        holder = "traits" if of in {"identify", "group"} else "properties"
        context = {"locale": random.choice(TEXTS), "timezone": random.choice(TEXTS), "traits": {}}
        name = random.choice((*TEXTS, "Order Completed"))
        message = {"type": of, "userId": who, holder: fields, "context": context, "event": name}
        return {**message, "timestamp": random.choice((moment, now - ago))}
    if kind == "audiences":
        return {
            **fields,
            "id": who,
            "cohort": random.choice(TEXTS),
            "action": random.choice(("add", "remove")),
        }
    return {**fields, "id": who, "event": random.choice((*TEXTS, "Order Completed")), "time": moment}


def plan(plan_of: Callable[..., Plan], random: Random, kind: str) -> Plan:
    """Compile the plan of a stream of a kind with random settings and a random SCHEMA."""
    properties: dict[str, Any] = {name: random.choice(TYPES) for name in random.sample(NAMES, 14)}
    own = {"events": ("event", "time"), "audiences": ("cohort", "action")}.get(kind, ())
    properties |= {name: {} for name in ("id", *own)}
    if kind == "segment":
        properties = {name: {} for name in ENVELOPE}
    chosen: dict[str, Any] = {
        "attribute_naming": random.choice(("snake_case", "segment")),
        "default_country": random.choice((None, "FR", "US")),
        "nulls": random.choice(("delete", "skip")),
    }
    return plan_of(kind, properties, options=KINDS[kind], **chosen)


@pytest.mark.parametrize("kind", KINDS)
def test_the_local_batch_accepts_everything_that_the_mapping_sends(
    plan_of: Callable[..., Plan], wire: Wire, kind: str
) -> None:
    seed = time.time_ns()
    random = Random(seed)  # noqa: S311 - repeatable by the seed in the message, not secret
    entries: list[dict[str, Any]] = []
    changes: list[AudienceChange] = []
    passed = number = 0
    while passed < VALUES:
        mapped = plan(plan_of, random, kind)
        for _ in range(20):
            number += 1
            now = time.time()
            operation = mapped(record(random, number, kind, now), now)
            if isinstance(operation, ProfileUpdate) and (operation.attributes or operation.events):
                entries.append(entry_of(operation, f"{kind}-{number}"))
                passed += sent_values(operation)
            elif isinstance(operation, AudienceChange):
                changes.append(operation)
                passed += 1 + len(operation.attributes)
    refused = wire.refused(entries)
    examples = {index: (reasons, entries[index]) for index, reasons in list(refused.items())[:3]}
    assert not refused, f"seed {seed}: {examples}"
    wire.change(changes)


def test_the_local_batch_refuses_rejected_values_or_the_difference_is_explained(
    plan_of: Callable[..., Plan], wire: Wire
) -> None:
    seed = time.time_ns()
    random = Random(seed)  # noqa: S311 - as above
    bare: list[tuple[str, str, Any]] = []
    while len(bare) < VALUES // 4:
        kind = random.choice(("profiles", "events"))
        mapped = plan(plan_of, random, kind)
        for number in range(20):
            now = time.time()
            row = record(random, number, kind, now)
            for issue in getattr(mapped(row, now), "issues", ()):
                held = row.get(issue.property or "")
                if issue.property == "locale":
                    continue  # it fills two native attributes, so one of them may accept the bare value
                if issue.attribute and "." not in issue.attribute and finite(held):
                    bare.append((issue.reason.code, issue.attribute, held))
    entries = [
        {"identifiers": {"custom_id": f"bare{n}"}, "attributes": {attribute: held}}
        for n, (_, attribute, held) in enumerate(bare)
    ]
    refused = wire.refused(entries)
    taken = Counter(code for n, (code, _, _) in enumerate(bare) if n not in refused)
    assert set(taken) <= STRICTER.keys(), f"seed {seed}: {taken}"
    assert refused


def entry_of(operation: ProfileUpdate, suffix: str) -> dict[str, Any]:
    """Return the entry of an operation, under an ID that is unique in all tests."""
    unique = operation.custom_id if len(operation.custom_id) > 500 else f"{operation.custom_id}-{suffix}"
    entry: dict[str, Any] = {"identifiers": {"custom_id": unique}}
    if operation.attributes:
        entry["attributes"] = operation.attributes
    if operation.events:
        entry["events"] = operation.events
    return entry


def sent_values(operation: ProfileUpdate) -> int:
    """Return the number of values that an operation sends, including the first level of events."""
    return len(operation.attributes) + sum(len(event.get("attributes", ())) for event in operation.events)


def finite(held: Any) -> bool:
    """Return whether a value is valid in standard JSON."""
    if isinstance(held, (list, tuple)):
        return all(map(finite, held))
    if isinstance(held, dict):
        return all(map(finite, held.values()))
    return not isinstance(held, (float, Decimal)) or isfinite(held)


def _member(change: AudienceChange) -> dict[str, Any]:
    member: dict[str, Any] = {"action": "add" if change.add else "remove", "id": change.member}
    if change.attributes:
        member["attributes"] = change.attributes
    return member
