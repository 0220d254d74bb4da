"""Handlers of the endpoints, called once a call's keys have been checked."""

from collections.abc import Callable
from typing import Final

from target_batch.sandbox.answers import Answer
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers import apps, audiences, erasures, exports, profiles
from target_batch.sandbox.routing import Route

Handler = Callable[[LocalBatch, Route, Exchange, str], Answer]
"""Function that answers a call, given the local Batch, the route, the call and the owner of the rates."""

HANDLERS: Final[dict[str, Handler]] = {
    "profiles/update": profiles.update,
    "profiles/mass-update": profiles.update,
    "profiles/export": exports.request,
    "exports/view": exports.view,
    "exports/download": exports.download,
    "audiences/create": audiences.create,
    "audiences/update": audiences.update,
    "audiences/replace": audiences.replace,
    "audiences/remove": audiences.remove,
    "audiences/list": audiences.list_all,
    "audiences/view": audiences.view,
    "app/create": apps.create,
    "app/update": apps.update,
    "app/replace": apps.replace,
    "app/remove": apps.remove,
    "app/list": apps.list_all,
    "app/view": apps.view,
    "app/erase": erasures.request,
    "app/erasure": erasures.view,
}
"""Handlers by endpoint, as named in `routing`."""
