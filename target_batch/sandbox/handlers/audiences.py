"""``/audiences/…``: static lists of custom IDs on the project platform."""

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from target_batch.sandbox.answers import Answer, json_answer, time_text
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers import audience_calls
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.audiences import member_violation
from target_batch.sandbox.store.audiences import Audience, MemberChange

PLATFORM: Final = "project"
"""Label of the project platform."""


class CreateBody(Struct, forbid_unknown_fields=True):
    """Body of ``create``."""

    name: str
    type: Literal["custom_ids"]
    display_name: str


class Member(Struct, forbid_unknown_fields=True):
    """One member of ``replace``."""

    id: str
    attributes: dict[str, Any] | UnsetType = UNSET


class MemberAction(Struct, forbid_unknown_fields=True):
    """One member of ``update``."""

    action: Literal["add", "remove"]
    id: str
    attributes: dict[str, Any] | UnsetType = UNSET


class UpdateBody(Struct, forbid_unknown_fields=True):
    """Body of ``update``."""

    name: str
    ids: list[MemberAction]


class ReplaceBody(Struct, forbid_unknown_fields=True):
    """Body of ``replace``."""

    name: str
    ids: list[Member]


class RemoveBody(Struct, forbid_unknown_fields=True):
    """Body of ``remove``."""

    name: str


def create(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Create an empty audience."""
    audience_calls.admit(batch, exchange, owner)
    body = audience_calls.decode(exchange, CreateBody)
    name = audience_calls.check_name(body.name)
    if body.display_name == "":
        raise Refused.malformed("display_name is empty")
    audience = Audience(name, "CUSTOM_ID", body.display_name, exchange.wall, exchange.wall)
    return _accepted(audience_calls.make(batch, exchange, PLATFORM, audience))


def update(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Add and remove members."""
    audience_calls.admit(batch, exchange, owner)
    body = audience_calls.decode(exchange, UpdateBody)
    audience_calls.check_count(batch, exchange, body.ids, "update")
    audience = audience_calls.find(batch, exchange, PLATFORM, body.name)
    members = [_change(member.action, member.id, member.attributes) for member in body.ids]
    return _accepted(audience_calls.write(batch, exchange, PLATFORM, audience, "update", members))


def replace(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Replace all members."""
    audience_calls.admit(batch, exchange, owner)
    body = audience_calls.decode(exchange, ReplaceBody)
    audience_calls.check_count(batch, exchange, body.ids, "replace")
    audience = audience_calls.find(batch, exchange, PLATFORM, body.name)
    members = [_change("add", member.id, member.attributes) for member in body.ids]
    return _accepted(audience_calls.write(batch, exchange, PLATFORM, audience, "replace", members))


def remove(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Delete an audience."""
    audience_calls.admit(batch, exchange, owner)
    body = audience_calls.decode(exchange, RemoveBody)
    return _accepted(audience_calls.drop(batch, exchange, PLATFORM, body.name))


def list_all(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """List a page of the project's audiences, in order of creation.

    The first page is requested without ``from``, each further page with the cursor of the previous one.
    """
    audience_calls.admit(batch, exchange, owner)
    parameters = exchange.parameters("from", "limit")
    cursor = parameters.get("from")
    found = batch.audiences.page(PLATFORM, cursor, audience_calls.limit(parameters))
    if found is None:
        raise Refused.malformed("from is a cursor that came with a page; the first page has none")
    content: dict[str, Any] = {"audiences": [_shown(batch, audience) for audience in found.audiences]}
    if cursor is None:
        content["count"] = len(batch.audiences.of(PLATFORM))
    content["has_more"] = found.has_more
    at_the_end = batch.options.readings["last_page"]
    if found.has_more or at_the_end == "cursor":
        content["next_from"] = found.cursor
    elif at_the_end == "null":
        content["next_from"] = None
    return json_answer(200, content)


def view(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Show an audience and its indexing state."""
    audience_calls.admit(batch, exchange, owner)
    parameters = exchange.parameters("name", "indexing_token")
    audience = audience_calls.find(batch, exchange, PLATFORM, parameters.get("name", ""))
    return json_answer(200, _shown(batch, audience, parameters.get("indexing_token")))


def _change(action: str, identifier: str, attributes: dict[str, Any] | UnsetType) -> MemberChange:
    """Check one member and return the change.

    Raises:
        Refused: With 400, if it breaks a rule.
    """
    given = attributes if isinstance(attributes, dict) else None
    if action == "remove" and given is not None:
        raise Refused.malformed("attributes come only with add")
    audience_calls.check(member_violation(identifier, given))
    return MemberChange(action, identifier, {"attributes": given} if given else None)


def _accepted(token: str) -> Answer:
    return json_answer(202, {"indexing_token": token})


def _shown(batch: LocalBatch, audience: Audience, token: str | None = None) -> dict[str, Any]:
    """Describe an audience for a list or view, with the state of the given change or of the last one."""
    audience.settle(batch.clock.steady())
    return {
        "name": audience.name,
        "display_name": audience.label,
        "type": audience.kind,
        "nb_ids": len(audience.members),
        "indexing_state": audience_calls.state(audience, token),
        "created": time_text(audience.created),
        "updated": time_text(audience.updated),
    }
