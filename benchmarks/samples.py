"""The user that everything is measured with: 12 properties, two dates, an array, about 350 bytes."""

from __future__ import annotations

import json
from typing import IO, Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "user_id": {"type": "string"},
        "email": {"type": ["string", "null"]},
        "phone": {"type": ["string", "null"]},
        "first_name": {"type": ["string", "null"]},
        "last_name": {"type": ["string", "null"]},
        "locale": {"type": ["string", "null"]},
        "plan": {"type": ["string", "null"]},
        "orders": {"type": ["integer", "null"]},
        "spend": {"type": ["number", "null"]},
        "signed_up_at": {"type": ["string", "null"], "format": "date-time"},
        "last_order": {"type": ["string", "null"], "format": "date"},
        "interests": {"type": ["array", "null"], "items": {"type": "string"}},
    },
}


def user(number: int) -> dict[str, Any]:
    """Make user `number`; the same each time."""
    return {
        "user_id": f"user-{number:08d}",
        "email": f"user.{number}@example.com",
        "phone": f"+336{number % 100_000_000:08d}",
        "first_name": "Camille",
        "last_name": "Dubois-Lefèvre",
        "locale": "fr-FR",
        "plan": ("free", "plus", "family")[number % 3],
        "orders": number % 40,
        "spend": round(number % 9973 * 1.07, 2),
        "signed_up_at": f"2024-0{number % 9 + 1}-1{number % 10}T08:{number % 60:02d}:00Z",
        "last_order": f"2026-0{number % 9 + 1}-2{number % 8}",
        "interests": ["music", "hiking", "cooking"][: number % 3 + 1],
    }


def write(file: IO[str], users: int, *, state_every: int = 10_000) -> None:
    """Write a Singer file of `users` users with a STATE now and then."""
    head = {"type": "SCHEMA", "stream": "users", "schema": SCHEMA, "key_properties": ["user_id"]}
    file.write(json.dumps(head) + "\n")
    for number in range(users):
        message = {"type": "RECORD", "stream": "users", "record": user(number)}
        file.write(json.dumps(message, ensure_ascii=False) + "\n")
        if (number + 1) % state_every == 0:
            file.write(json.dumps({"type": "STATE", "value": {"seen": number + 1}}) + "\n")
