"""The contents of the local Batch, in a form that can be compared with the rows of a source."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_batch import LocalBatch


def profiles(batch: LocalBatch) -> dict[str, dict[str, Any]]:
    """Return the attributes of each profile, dates as `date(name)`."""
    ids = {entry["custom_id"] for entry in batch.journal() if "custom_id" in entry}
    return {custom_id: comparable(_typed(batch.profile(custom_id))) for custom_id in ids}


def events(batch: LocalBatch) -> list[dict[str, Any]]:
    """Return every accepted event, sorted by its `order_id`.

    Delivery is at least once, and taps read the row at their bookmark again, so an event may have been
    accepted twice; it is returned once.
    """
    entries = [entry for entry in batch.journal() if "custom_id" in entry]
    found = [(entry["custom_id"], event) for entry in entries for event in entry["events"]]
    rows = [{"id": who, "date(time)": event["time"], **event["attributes"]} for who, event in found]
    distinct = {repr(row): row for row in map(comparable, rows)}
    return sorted(distinct.values(), key=lambda row: row["order_id"])


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with dates as instants and decimals as floats, as JSON readers parse them."""
    return {
        name: datetime.fromisoformat(value.replace("Z", "+00:00"))
        if name.startswith("date(") and isinstance(value, str)
        else float(value)
        if isinstance(value, Decimal)
        else value
        for name, value in row.items()
    }


def _typed(profile: dict[str, Any]) -> dict[str, Any]:
    kinds = profile["types"]
    held = profile["attributes"].items()
    return {f"date({name})" if kinds[name] == "date" else name: value for name, value in held}
