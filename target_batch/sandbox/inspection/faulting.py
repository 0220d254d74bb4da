"""``/_/faults``: listing, adding, switching and removing scripted faults."""

from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.book import Fault
from target_batch.sandbox.faults.script import ScriptError
from target_batch.web import fail, number_in, show

READY: Final[list[dict[str, Any]]] = [
    {
        "name": "429 storm",
        "match": {"share": 0.6},
        "times": 50,
        "do": {"retry_after": 2},
    },
    {
        "name": "500s",
        "match": {"share": 0.5},
        "times": 20,
        "do": {"answer": {"status": 500, "json": {"error_code": "INTERNAL"}}},
    },
    {
        "name": "500s after accepting",
        "match": {"nth": {"every": 2}},
        "times": 10,
        "do": {"accept_then": {"answer": {"status": 500, "json": {"error_code": "INTERNAL"}}}},
    },
    {"name": "Maintenance (503)", "times": 30, "do": {"answer": {"status": 503}}},
    {"name": "Connections reset", "match": {"nth": {"every": 3}}, "do": "reset"},
    {"name": "Slow answers (2 s)", "do": {"delay": 2}},
    {"name": "A trickling answer", "times": 1, "do": {"trickle": 0.5}},
]
"""Predefined faults that can be added from the page."""


class Switch(Struct, forbid_unknown_fields=True):
    """Body of a call that switches a fault on or off."""

    enabled: bool


def listed(batch: LocalBatch) -> Response:
    """List the faults in force with their counters, and the predefined ones."""
    return show({"faults": [fault.show() for fault in batch.faults.faults], "ready": READY})


async def add(batch: LocalBatch, request: Request) -> Response:
    """Add a rule or a list of rules."""
    try:
        content = msgspec.json.decode(await request.body())
        return show({"ids": batch.faults.add(content if isinstance(content, list) else [content])})
    except (msgspec.MsgspecError, ScriptError) as error:
        return fail(400, str(error))


async def switch(batch: LocalBatch, request: Request) -> Response:
    """Switch a fault on or off."""
    fault = _named(batch, request)
    if fault is None:
        return fail(404, "fault not found")
    try:
        fault.enabled = msgspec.json.decode(await request.body(), type=Switch).enabled
    except msgspec.MsgspecError as error:
        return fail(400, str(error))
    return show(fault.show())


def remove(batch: LocalBatch, request: Request) -> Response:
    """Remove one fault."""
    fault = _named(batch, request)
    if fault is None:
        return fail(404, "fault not found")
    batch.faults.remove(fault.number)
    return _left(batch)


def clear(batch: LocalBatch) -> Response:
    """Remove all faults."""
    batch.faults.remove()
    return _left(batch)


def _named(batch: LocalBatch, request: Request) -> Fault | None:
    number = number_in(request.path_params["number"])
    return None if number is None else batch.faults.find(number)


def _left(batch: LocalBatch) -> Response:
    return show({"faults": len(batch.faults.faults)})
