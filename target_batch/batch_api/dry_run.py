"""A transport that sends nothing: it stores every request body and answers as Batch would."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from target_batch.batch_api.answers import Answer
from target_batch.common.limits import MASS_UPDATE_RATE, OTHER_RATE, UPDATE_RATE
from target_batch.common.plain_text import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.batch_api.transport import Call

ACCEPTED: Final = b'{"code":"SUCCESS"}'
TOKEN: Final = b'{"indexing_token":"dry-run"}'
LISTED: Final = b'{"audiences":[],"custom_audiences":[],"has_more":false}'
"""The list of either platform."""
ERASURE: Final = "gdpr-request"
VIEWED: Final = b'{"indexing_state":"APPLIED"}'
"""Without a number of members: none were sent, so there is nothing to compare it to."""


class DryTransport:
    """Stores request bodies with `keep(name, body)` and counts what the requests would cost."""

    def __init__(self, keep: Callable[[str, bytes], None]) -> None:
        self._keep = keep
        self._lock = Lock()
        self._number = self._kept = 0
        self.cost: Counter[str] = Counter()

    def send(self, call: Call) -> Answer:
        """Store one call's body and return an answer."""
        kind = _kind(call)
        with self._lock:
            self._number += 1
            if call.body is not None:
                self._kept += 1
                self._keep(f"{self._number:06d}-{kind}.json", call.body)
            updates = kind in {"profiles-update", "profiles-mass-update"}
            entries = len(msgspec.json.decode(call.body or b"[]", type=list[msgspec.Raw])) if updates else 1
            self.cost[kind if updates or kind == ERASURE else "other"] += entries
        if updates:
            return Answer(202, {}, ACCEPTED)
        if call.method != "GET":
            return Answer(202, {}, TOKEN)
        return Answer(200, {}, LISTED if kind.endswith("list") else VIEWED)

    def hurry(self, seconds: float) -> None:
        """Do nothing: there is nothing to wait for."""

    def forecast(self) -> str:
        """Describe what the run would cost and how long it would take at the documented rates."""
        updates, mass = self.cost["profiles-update"], self.cost["profiles-mass-update"]
        seconds = max(0.0, updates - UPDATE_RATE.burst) / UPDATE_RATE.per_second
        others, erasures = self.cost["other"], self.cost[ERASURE]
        seconds += mass / MASS_UPDATE_RATE.per_second + (others + erasures) / OTHER_RATE.per_second
        calls = counted(updates + mass, "profile update") + " and " + counted(others, "audience call")
        calls = f"{counted(erasures, 'erasure')}, {calls}" if erasures else calls
        kept = f"{counted(self._kept, 'request')} in the folder `dry-run` of `work_path`"
        return f"{calls}, {duration(seconds)} at Batch's documented rates; {kept}"


def _kind(call: Call) -> str:
    """Return a name for a call, without any key that its path may contain."""
    parts = call.path.strip("/").split("/")
    if "gdpr" in parts:
        return ERASURE
    if "custom-audience" in parts:
        named = len(parts) > parts.index("custom-audience") + 1
        verb = {"GET": "view" if named else "list"}.get(call.method, call.method.lower())
        return f"custom-audience-{verb}"
    return "-".join(parts[1:])
