"""Profiles, audiences, the journal and the log of requests, as the inspection API shows them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.inspection.answering import ALL, fail, position, show, whole
from target_batch.sandbox.store.audiences import Audience


def profiles(batch: LocalBatch, request: Request) -> Response:
    """List or search profiles."""
    text = request.query_params.get("search", "")
    total, page = batch.profiles.find(text, position(request), whole(request, "limit", 100))
    return show({"total": total, "profiles": page})


def profile(batch: LocalBatch, request: Request) -> Response:
    """Show the profile that the path or the query names."""
    asked = request.path_params.get("id") or request.query_params.get("id", "")
    found = batch.profiles.detail(asked, whole(request, "events", ALL, ALL))
    return show(found) if found else fail(404, "profile not found")


def journal(batch: LocalBatch, request: Request) -> Response:
    """Write out the journal from a line on."""
    if not batch.journal.keep:
        return fail(404, "the journal is not kept")
    blocks = batch.journal.read(position(request))
    return StreamingResponse(iter(list(blocks)), media_type="application/x-ndjson")


def requests(batch: LocalBatch, request: Request) -> Response:
    """List requests, from a number on or the most recent ones."""
    log, limit = batch.requests, whole(request, "limit", 100)
    asked = "from" in request.query_params
    rows = log.page(position(request), limit) if asked else log.latest(limit)
    return show({"total": log.total, "requests": rows})


def audiences(batch: LocalBatch, _request: Request) -> Response:
    """List the audiences of every platform."""
    now = batch.clock.steady()
    found = [_audience(platform, one, now) for platform, one in batch.audiences.settled(now)]
    return show({"audiences": found})


def audience(batch: LocalBatch, request: Request) -> Response:
    """Show one audience with its members."""
    platform = batch.keys.platform(request.path_params["platform"])
    now = batch.clock.steady()
    found = [
        one
        for where, one in batch.audiences.settled(now)
        if where == platform and one.name == request.path_params["name"]
    ]
    if not found:
        return fail(404, "audience not found")
    members = found[0].page(position(request), whole(request, "limit", 100))
    return show({**_audience(platform, found[0], now), "ids": members})


def _audience(platform: str, audience: Audience, now: float) -> dict[str, Any]:
    pending = [
        {
            "token": change.token,
            "action": change.action,
            "members": len(change.members),
            "seconds_left": round(change.ready - now, 3),
        }
        for change in audience.pending
    ]
    return {
        "platform": platform,
        "name": audience.name,
        "type": audience.kind,
        "label": audience.label,
        "created": audience.created,
        "updated": audience.updated,
        "members": len(audience.members),
        "pending": pending,
        "indexing_state": audience.state(),
    }
