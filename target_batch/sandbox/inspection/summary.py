"""``/_/summary``, ``/_/rates`` and ``/_/settings``: counts, usage of the rates, and settings."""

from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.rates import HISTORY_SECONDS
from target_batch.sandbox.readings import ReadingError
from target_batch.web import fail, show

Seconds = Annotated[float, Meta(ge=0)]
"""A duration in seconds."""


class SettingsBody(Struct, forbid_unknown_fields=True):
    """Settings that can be changed at run time; absent ones stay unchanged."""

    rates: bool | UnsetType = UNSET
    latency: Seconds | UnsetType = UNSET
    index_seconds: Seconds | UnsetType = UNSET
    export_seconds: Seconds | UnsetType = UNSET
    readings: dict[str, str] | UnsetType = UNSET


def summary(batch: LocalBatch) -> dict[str, Any]:
    """Return all counts.

    Returns:
        ``profiles``, ``entries``, ``entries_refused``, ``events``, ``events_late``,
        ``member_changes``, ``audiences``, ``members``, ``members_pending``, ``partial_errors``,
        ``requests`` (``total``, ``by_endpoint``: endpoint → status → count, ``in_flight``,
        ``peak_in_flight``, ``bytes``, ``faults``: kind → count), ``custom_ids`` and ``calls``
        (endpoint → ``total`` and ``peak_in_one_second``), ``journal`` (``kept``, ``total``),
        ``null`` (``on``, ``requests``, ``bytes``), ``settings`` and ``seconds`` since the start.
    """
    totals = asdict(batch.totals)
    null = {"requests": totals.pop("null_requests"), "bytes": totals.pop("null_bytes")}
    audiences = [audience for _, audience in batch.audiences.settled(batch.clock.steady())]
    return {
        "profiles": len(batch.profiles),
        **totals,
        "audiences": len(audiences),
        "members": sum(len(audience.members) for audience in audiences),
        "members_pending": sum(len(c.members) for a in audiences for c in a.pending),
        "partial_errors": batch.requests.partial_errors,
        "requests": _requests(batch),
        "custom_ids": _usage(batch, "custom IDs"),
        "calls": _usage(batch, "requests"),
        "journal": {"kept": batch.journal.keep, "total": batch.journal.total},
        "null": {"on": batch.options.null, **null},
        "settings": settings(batch),
        "seconds": round(batch.clock.steady() - batch.started, 3),
    }


def settings(batch: LocalBatch) -> dict[str, Any]:
    """Return the settings that can be changed at run time."""
    options = batch.options
    return {
        "rates": batch.rates.enforced,
        "latency": options.latency,
        "index_seconds": options.index_seconds,
        "export_seconds": options.export_seconds,
        "readings": options.readings.show(),
    }


def rates(batch: LocalBatch) -> dict[str, Any]:
    """Return the limits and their usage, second by second."""
    shown = []
    for name, usage in batch.rates.usage.items():
        used, refused = usage.history(batch.clock.steady())
        shown.append(
            {
                "endpoint": name,
                "unit": usage.budget.unit,
                "limit": usage.budget.rate,
                "burst": usage.budget.burst,
                "total": usage.total,
                "peak": usage.peak,
                "used": used,
                "refused": refused,
            }
        )
    return {"enforced": batch.rates.enforced, "seconds": HISTORY_SECONDS, "rates": shown}


async def change_settings(batch: LocalBatch, request: Request) -> Response:
    """Change settings at run time."""
    try:
        body = msgspec.json.decode(await request.body(), type=SettingsBody)
        if body.readings is not UNSET:
            batch.options.readings.choose(body.readings)
    except (msgspec.MsgspecError, ReadingError) as error:
        return fail(400, str(error))
    if body.rates is not UNSET:
        batch.options.rates = batch.rates.enforced = body.rates
    if body.latency is not UNSET:
        batch.options.latency = body.latency
    if body.index_seconds is not UNSET:
        batch.options.index_seconds = body.index_seconds
    if body.export_seconds is not UNSET:
        batch.options.export_seconds = body.export_seconds
    return show(settings(batch))


def _requests(batch: LocalBatch) -> dict[str, Any]:
    log = batch.requests
    by_endpoint: dict[str, dict[int, int]] = {}
    for (endpoint, status), count in sorted(log.statuses.items()):
        by_endpoint.setdefault(endpoint, {})[status] = count
    return {
        "total": log.total,
        "by_endpoint": by_endpoint,
        "in_flight": log.in_flight,
        "peak_in_flight": log.peak_in_flight,
        "bytes": log.bytes,
        "faults": dict(log.faults),
    }


def _usage(batch: LocalBatch, unit: str) -> dict[str, Any]:
    return {
        name: {"total": usage.total, "peak_in_one_second": usage.peak}
        for name, usage in batch.rates.usage.items()
        if usage.budget.unit == unit
    }
