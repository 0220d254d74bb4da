"""Routes of the inspection API."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.inspection import contents, exchanges, faulting
from target_batch.sandbox.inspection.summary import change_settings, rates, settings, summary
from target_batch.web import show

Endpoint = Callable[[Request], Awaitable[Response]]
"""A Starlette endpoint."""
View = Callable[[LocalBatch, Request], Response]
"""A synchronous view of the local Batch."""


def make_routes(batch: LocalBatch) -> list[Route]:
    """Make the routes below ``/_``."""
    return [
        Route("/summary", _bind(batch, lambda b, _: show(summary(b)))),
        Route("/rates", _bind(batch, lambda b, _: show(rates(b)))),
        Route("/settings", _bind(batch, lambda b, _: show(settings(b))), methods=["GET"]),
        Route("/settings", partial(change_settings, batch), methods=["POST"]),
        Route("/profiles", _bind(batch, contents.profiles)),
        Route("/profile", _bind(batch, contents.profile)),
        Route("/profiles/{id:path}", _bind(batch, contents.profile)),
        Route("/journal", _bind(batch, contents.journal)),
        Route("/requests", _bind(batch, contents.requests)),
        Route("/requests/{number}", _bind(batch, exchanges.exchange)),
        Route("/log", _bind(batch, contents.log)),
        Route("/erasures", _bind(batch, lambda b, _: show({"erasures": b.erasures.show()}))),
        Route("/audiences", _bind(batch, contents.audiences)),
        Route("/audiences/{platform}/{name:path}", _bind(batch, contents.audience)),
        Route("/reset", _bind(batch, _reset), methods=["POST"]),
        Route("/faults", _bind(batch, lambda b, _: faulting.listed(b)), methods=["GET"]),
        Route("/faults", partial(faulting.add, batch), methods=["POST"]),
        Route("/faults", _bind(batch, lambda b, _: faulting.clear(b)), methods=["DELETE"]),
        Route("/faults/{number}", partial(faulting.switch, batch), methods=["POST"]),
        Route("/faults/{number}", _bind(batch, faulting.remove), methods=["DELETE"]),
    ]


def _reset(batch: LocalBatch, _request: Request) -> Response:
    batch.reset()
    return show(summary(batch))


def _bind(batch: LocalBatch, view: View) -> Endpoint:
    """Turn a view into a coroutine function; Starlette would run a plain function in a thread."""

    async def endpoint(request: Request) -> Response:
        return view(batch, request)

    return endpoint
