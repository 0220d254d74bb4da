"""``/1.0/APP_KEY/gdpr/request``: the removal of a person, asked for of one app."""

from typing import Literal

import msgspec

from target_batch.sandbox.answers import Answer, json_answer
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers.audience_calls import admit, check, decode
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.ids import id_violation


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to be removed."""

    type: Literal["custom_id"]
    value: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for."""

    request_type: Literal["remove"]
    id: Person


def request(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Take a request; the person's profile is gone at once, an unknown person is taken as well."""
    admit(batch, exchange, owner)
    body = decode(exchange, Body)
    check(id_violation(body.id.value))
    exchange.entries = 1
    name = batch.erasures.add(owner, body.id.value, exchange.wall)
    batch.profiles.remove(body.id.value)
    exchange.applied = True
    key = batch.options.readings["erasure_id"]
    return json_answer(200, {} if key == "absent" else {key: name})


def view(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Show the state of a request."""
    admit(batch, exchange, owner)
    exchange.parameters()
    if batch.erasures.find(owner, route.name) is None:
        raise Refused(404, "ROUTE_NOT_FOUND", "no such request")
    return json_answer(200, {"id": route.name, "status": "DONE"})
