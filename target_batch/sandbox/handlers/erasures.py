"""``/1.0/APP_KEY/gdpr/request``: requests to one app to erase a person."""

from typing import Final, Literal

import msgspec

from target_batch.sandbox.answers import Answer, empty_answer, json_answer, text_answer
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers.audience_calls import admit, check, decode
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.ids import id_violation

_NAMELESS: Final = {
    "absent": json_answer(200, {}),
    "no_body": empty_answer(204),
    "text": text_answer(200, "OK"),
    "null": json_answer(200, None),
}
"""Answers without an ID of the request, by the reading ``erasure_id``."""


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """The person to erase."""

    type: Literal["custom_id"]
    value: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Body of an erasure request."""

    request_type: Literal["remove"]
    id: Person


def request(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Accept a request and remove the person's profile at once; the other apps still know the person."""
    admit(batch, exchange, owner)
    body = decode(exchange, Body)
    check(id_violation(body.id.value))
    exchange.entries = 1
    unknown = batch.options.readings["unknown_person"]
    if unknown != "accepted" and not _is_known(batch, owner, body.id.value):
        raise Refused(int(unknown), "PERSON_NOT_FOUND", "no such person")
    name = batch.erasures.add(owner, body.id.value, exchange.wall)
    batch.profiles.remove(body.id.value)
    exchange.applied = True
    key = batch.options.readings["erasure_id"]
    return _NAMELESS.get(key) or json_answer(200, {key: name})


def _is_known(batch: LocalBatch, owner: str, custom_id: str) -> bool:
    """Return whether a person has a profile, or had one that was erased through another app."""
    elsewhere = any(one.custom_id == custom_id and one.app != owner for one in batch.erasures.requests)
    return elsewhere or batch.profiles.detail(custom_id, 0) is not None


def view(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Show the status of a request."""
    admit(batch, exchange, owner)
    exchange.parameters()
    if batch.erasures.find(owner, route.name) is None:
        raise Refused(404, "ROUTE_NOT_FOUND", "no such request")
    return json_answer(200, {"id": route.name, "status": "DONE"})
