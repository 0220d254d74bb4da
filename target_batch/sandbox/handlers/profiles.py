"""``/profiles/update`` and ``/profiles/mass-update``."""

from typing import Any, Final

from msgspec import UNSET

from target_batch.sandbox.answers import Answer, json_answer, success
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.readings import Readings
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.entries import PartialError, Verdict, entry_violation, judge, refuse
from target_batch.sandbox.rules.limits import MASS_UPDATE_ENTRIES, UPDATE_ENTRIES
from target_batch.sandbox.rules.shapes import Entry, check_count, check_ids, read_entry, split_entries

_ENTRIES: Final = {
    "profiles/update": UPDATE_ENTRIES,
    "profiles/mass-update": MASS_UPDATE_ENTRIES,
}


def update(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Handle a profile call: refuse it as a whole, or accept the valid parts of each entry."""
    exchange.check_body()
    raw = split_entries(exchange.body)
    exchange.entries = len(raw)
    check_count(len(raw), _ENTRIES[route.endpoint])
    if not batch.rates.admit(owner, route.endpoint, len(raw), exchange.steady):
        raise Refused.too_many()
    entries = [read_entry(one) for one in raw]
    _check_call(entries, batch.options.readings)
    errors = _accept(batch, exchange, entries)
    exchange.applied = True
    if exchange.scripted is None:
        return success(errors)
    content = {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": exchange.scripted}
    return json_answer(202, content, len(exchange.scripted))


def _check_call(entries: list[Entry | str], readings: Readings) -> None:
    """Check the entries for errors that refuse the whole call.

    Raises:
        Refused: With 400, if there is one.
    """
    if readings["bad_entry"] != "partial_error":
        rules_too = readings["bad_entry"] == "call"
        for index, entry in enumerate(entries):
            reason = entry if isinstance(entry, str) else entry_violation(entry) if rules_too else None
            if reason:
                raise Refused.malformed(f"{reason} - at $[{index}]")
    if readings["repeated_id"] == "refused":
        check_ids(entries)


def _accept(batch: LocalBatch, exchange: Exchange, entries: list[Entry | str]) -> list[PartialError]:
    """Apply the entries in order; return the partial errors."""
    errors: list[PartialError] = []
    lines: list[dict[str, Any]] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, str):
            verdict = refuse(index, entry)
        else:
            verdict = judge(entry, index, exchange.wall, batch.options.readings)
            if not verdict.refused and not _take_out_scripted(exchange.scripted, index, verdict):
                _apply(batch, exchange, entry, verdict, index)
                lines.append(_line(exchange, entry, verdict))
        errors.extend(verdict.errors)
    batch.totals.entries += len(lines)
    batch.totals.entries_refused += len(entries) - len(lines)
    batch.journal.append(lines)
    return errors


def _apply(batch: LocalBatch, exchange: Exchange, entry: Entry, verdict: Verdict, index: int) -> None:
    """Apply the accepted parts of an entry; add an error for each change the profile's state forbids."""
    held_back = batch.profiles.apply(entry.profile_id, verdict.attributes, verdict.events, exchange.wall)
    for key, reason in held_back:
        del verdict.attributes[key]
        verdict.errors.append(PartialError("attribute", index, reason, key))
    batch.totals.events += len(verdict.events)
    batch.totals.events_late += len(verdict.late)


def _line(exchange: Exchange, entry: Entry, verdict: Verdict) -> dict[str, Any]:
    line: dict[str, Any] = {
        "request": exchange.number,
        "at": exchange.wall,
        "endpoint": exchange.endpoint,
        "custom_id": entry.profile_id,
        "attributes": verdict.attributes,
        "events": verdict.events,
    }
    if verdict.late:
        line["late_events"] = verdict.late
    return line


def _take_out_scripted(scripted: list[Any] | None, index: int, verdict: Verdict) -> bool:
    """Remove the items named by scripted partial errors; return whether they name the whole entry."""
    for error in scripted or ():
        if not isinstance(error, dict) or error.get("bulk_index") != index:
            continue
        name = error.get("attribute", UNSET)
        if name is UNSET:
            return True
        verdict.attributes.pop(name, None)
        verdict.events = [event for event in verdict.events if event.name != name]
    return False
