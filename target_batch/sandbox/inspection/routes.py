"""The inspection API's routes."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.inspection import contents, exchanges, faulting
from target_batch.sandbox.inspection.summary import change_settings, rates, settings, summary
from target_batch.web.guard import show

Endpoint = Callable[[Request], Awaitable[Response]]
"""What starlette calls."""
View = Callable[[LocalBatch, Request], Response]
"""A view of the local Batch."""


def make_routes(batch: LocalBatch) -> list[Route]:
    """Make the routes below ``/_``."""
    return [
        Route("/summary", _bind(batch, lambda b, _: show(summary(b)))),
        Route("/rates", _bind(batch, lambda b, _: show(rates(b)))),
        Route("/settings", _bind(batch, lambda b, _: show(settings(b))), methods=["GET"]),
        Route("/settings", _bind_async(batch, change_settings), methods=["POST"]),
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
        Route("/faults", _bind_async(batch, faulting.add), methods=["POST"]),
        Route("/faults", _bind(batch, _clear), methods=["DELETE"]),
        Route("/faults/{number}", _bind_async(batch, faulting.switch), methods=["POST"]),
        Route("/faults/{number}", _bind(batch, _remove), methods=["DELETE"]),
    ]


def _reset(batch: LocalBatch, _request: Request) -> Response:
    batch.reset()
    return show(summary(batch))


def _clear(batch: LocalBatch, _request: Request) -> Response:
    return faulting.clear(batch)


def _remove(batch: LocalBatch, request: Request) -> Response:
    return faulting.remove(batch, request)


def _bind(batch: LocalBatch, view: View) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return view(batch, request)

    return endpoint


def _bind_async(batch: LocalBatch, view: Callable[[LocalBatch, Request], Awaitable[Response]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await view(batch, request)

    return endpoint
