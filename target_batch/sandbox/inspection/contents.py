"""Views of profiles, audiences, the journal and the request log."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.store.audiences import Audience
from target_batch.sandbox.store.requests import Search
from target_batch.web import ALL, LARGEST_PAGE, amount, fail, flag, position, show


def profiles(batch: LocalBatch, request: Request) -> Response:
    """List or search profiles."""
    text = request.query_params.get("search", "")
    total, page = batch.profiles.find(text, position(request), amount(request, "limit", 100))
    return show({"total": total, "profiles": page})


def profile(batch: LocalBatch, request: Request) -> Response:
    """Show the profile named in the path or the query."""
    asked = request.path_params.get("id") or request.query_params.get("id", "")
    events, after = (
        amount(request, "events", ALL, ALL),
        amount(request, "events_from", 0, ALL),
    )
    found = batch.profiles.detail(asked, events, after)
    if found is None:
        return fail(404, "profile not found")
    holding = batch.audiences.holding(asked, batch.clock.steady())
    named = [{"platform": where, "name": one.name, "label": one.label} for where, one in holding]
    return show({**found, "audiences": named[:LARGEST_PAGE]})


def journal(batch: LocalBatch, request: Request) -> Response:
    """Return the journal, starting at a given line."""
    if not batch.journal.keep:
        return fail(404, "the journal is not kept")
    blocks = batch.journal.read(position(request))
    return StreamingResponse(iter(list(blocks)), media_type="application/x-ndjson")


def requests(batch: LocalBatch, request: Request) -> Response:
    """List requests, starting at a given number, or the most recent ones."""
    log, limit = batch.requests, amount(request, "limit", 100)
    asked = "from" in request.query_params
    rows = log.page(position(request), limit) if asked else log.latest(limit)
    return show({"total": log.total, "requests": rows})


def log(batch: LocalBatch, request: Request) -> Response:
    """Search the requests kept, newest first."""
    search = Search(request.query_params.get("search", ""), flag(request, "problems"))
    found, rows = batch.requests.find(search, position(request), amount(request, "limit", 100))
    counts = {"total": batch.requests.total, "kept": len(batch.requests), "problems": batch.requests.problems}
    return show({**counts, "found": found, "requests": rows})


def audiences(batch: LocalBatch, request: Request) -> Response:
    """List or search the audiences of every platform."""
    now = batch.clock.steady()
    text = request.query_params.get("search", "").casefold()
    settled = batch.audiences.settled(now)
    found = [item for item in settled if text in f"{item[1].label}\n{item[1].name}".casefold()]
    start, limit = position(request), amount(request, "limit", LARGEST_PAGE)
    page = [_audience(platform, one, now) for platform, one in found[start : start + limit]]
    return show({"all": len(settled), "total": len(found), "audiences": page})


def audience(batch: LocalBatch, request: Request) -> Response:
    """Show one audience with its members."""
    wanted = batch.keys.platform(request.path_params["platform"]), request.path_params["name"]
    now = batch.clock.steady()
    settled = batch.audiences.settled(now)
    found = next((one for platform, one in settled if (platform, one.name) == wanted), None)
    if found is None:
        return fail(404, "audience not found")
    text = request.query_params.get("search", "")
    total, members = found.page(position(request), amount(request, "limit", 100), text)
    if found.holds_custom_ids:
        members = [_with_email(batch, member) for member in members]
    return show({**_audience(wanted[0], found, now), "total": total, "ids": members})


def _with_email(batch: LocalBatch, member: dict[str, Any]) -> dict[str, Any]:
    email = batch.profiles.email(member["id"])
    return {**member, "email": email} if email else member


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
