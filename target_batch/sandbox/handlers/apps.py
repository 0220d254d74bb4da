"""``/custom-audience/…``: audiences of one app, by custom, advertising or installation ID.

Version 1.0 takes ``custom_ids`` and ``advertising_ids``, version 1.1 ``install_ids``; only 1.1 supports
attributes and tags of members. Both versions show all audiences of an app. Creating an audience answers
200 and an empty object; lists use offsets instead of cursors.
"""

import sys
from typing import Any

from msgspec import UNSET

from target_batch.sandbox.answers import Answer, empty_answer, json_answer, text_answer, time_text
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers import audience_calls
from target_batch.sandbox.handlers.app_bodies import (
    NewAction,
    NewCreate,
    NewMember,
    NewReplace,
    NewUpdate,
    OldAction,
    OldCreate,
    OldMember,
    OldReplace,
    OldUpdate,
)
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.audiences import member_violation, tags_violation
from target_batch.sandbox.rules.times import date_violation, local_date_violation
from target_batch.sandbox.store.audiences import Audience, MemberChange


def create(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Create an empty audience."""
    audience_calls.admit(batch, exchange, owner)
    name = audience_calls.check_name(route.name)
    old = route.version == "1.0"
    form: type[OldCreate | NewCreate] = OldCreate if old else NewCreate
    body = audience_calls.decode(exchange, form)
    if not old and batch.options.readings["install_creation"] == "refused":
        raise Refused.malformed("an audience of installation IDs is not created here")
    now = exchange.wall
    audience = Audience(name, body.type, body.description, now, now)
    audience_calls.make(batch, exchange, owner, audience)
    return json_answer(200, {})


def update(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Add and remove members."""
    audience_calls.admit(batch, exchange, owner)
    form: type[OldUpdate | NewUpdate] = OldUpdate if route.version == "1.0" else NewUpdate
    body = audience_calls.decode(exchange, form)
    audience_calls.check_count(batch, exchange, body.ids, "update")
    audience = _target(batch, route, exchange, owner, body)
    members = [_change(batch, member.action, member) for member in body.ids]
    return _changed(batch, audience_calls.write(batch, exchange, owner, audience, "update", members))


def replace(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Replace all members."""
    audience_calls.admit(batch, exchange, owner)
    old = route.version == "1.0"
    form: type[OldReplace | NewReplace] = OldReplace if old else NewReplace
    body = audience_calls.decode(exchange, form)
    audience_calls.check_count(batch, exchange, body.ids, "replace")
    refused = batch.options.readings["old_replace"]
    if old and refused != "accepted":
        raise Refused(int(refused), "ROUTE_NOT_FOUND", "version 1.0 replaces no members")
    audience = _target(batch, route, exchange, owner, body)
    members = [_change(batch, "add", member) for member in body.ids]
    return _changed(batch, audience_calls.write(batch, exchange, owner, audience, "replace", members))


def remove(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Delete an audience."""
    audience_calls.admit(batch, exchange, owner)
    exchange.parameters()
    audience_calls.drop(batch, exchange, owner, route.name)
    return json_answer(200, {})


def list_all(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """List a page of the app's audiences by offset, newest first."""
    audience_calls.admit(batch, exchange, owner)
    parameters = exchange.parameters("from", "limit")
    offset = audience_calls.whole(parameters, "from", 0, 0, sys.maxsize)
    newest = list(batch.audiences.of(owner).values())[::-1]
    page = newest[offset : offset + audience_calls.limit(parameters)]
    return json_answer(200, {"custom_audiences": [_shown(batch, audience) for audience in page]})


def view(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Show an audience and its indexing state."""
    audience_calls.admit(batch, exchange, owner)
    token = exchange.parameters("indexing_token").get("indexing_token")
    audience = audience_calls.find(batch, exchange, owner, route.name)
    state = audience_calls.state(audience, token)
    return json_answer(200, {**_shown(batch, audience), "indexing_state": state})


def _target(
    batch: LocalBatch,
    route: Route,
    exchange: Exchange,
    platform: str,
    body: OldUpdate | OldReplace | NewUpdate | NewReplace,
) -> Audience:
    """Find the audience of a call and check that the call's type matches it.

    Raises:
        Refused: With 404 or 400 if there is no such audience, with 400 if its type differs.
    """
    audience = audience_calls.find(batch, exchange, platform, route.name)
    kind = body.type if isinstance(body, OldUpdate | OldReplace) else "install_ids"
    if kind != audience.kind:
        raise Refused.malformed(f"the audience holds {audience.kind}")
    return audience


def _changed(batch: LocalBatch, token: str) -> Answer:
    """Answer an update or a replace in the form chosen by the readings."""
    reading = batch.options.readings["app_change"]
    status = int(reading.partition("_")[0])
    if reading.endswith("_without_body"):
        return empty_answer(status)
    if reading.endswith("_with_text"):
        return text_answer(status, "OK")
    return json_answer(status, {"indexing_token": token} if reading.endswith("_with_token") else {})


def _change(
    batch: LocalBatch, action: str, member: OldMember | OldAction | NewMember | NewAction
) -> MemberChange:
    """Check one member and return the change.

    Raises:
        Refused: With 400, if it breaks a rule.
    """
    extra: dict[str, Any] = {}
    if isinstance(member, NewMember | NewAction):
        if isinstance(member.attributes, dict):
            extra["attributes"] = member.attributes
        if member.tags is not UNSET:
            extra["tags"] = member.tags
            audience_calls.check(tags_violation(member.tags))
    if action == "remove" and extra:
        raise Refused.malformed("attributes and tags come only with add")
    any_date = batch.options.readings["app_member_dates"] == "any"
    dates = (local_date_violation, date_violation) if any_date else (local_date_violation,)
    audience_calls.check(member_violation(member.id, extra.get("attributes"), dates))
    return MemberChange(action, member.id, extra or None)


def _shown(batch: LocalBatch, audience: Audience) -> dict[str, Any]:
    audience.settle(batch.clock.steady())
    return {
        "name": audience.name,
        "type": audience.kind,
        "description": audience.label,
        "nb_ids": len(audience.members),
        "created": _time(audience.created),
        "updated": _time(audience.updated),
    }


def _time(moment: float) -> str:
    """Return a Unix time without a zone, as the app platform writes it."""
    return time_text(moment).removesuffix("Z")
