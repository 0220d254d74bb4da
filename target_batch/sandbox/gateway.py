"""Processing of a call: reading the body, applying faults, answering and logging."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import Any

from target_batch.sandbox.answers import Answer, refusal
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.faults.stage import Send, Stage
from target_batch.sandbox.handlers import HANDLERS
from target_batch.sandbox.receiving import Receive, read_body
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.reshaping import reshape
from target_batch.sandbox.routing import resolve
from target_batch.sandbox.store.requests import Content, RequestRow, Requests


def respond(batch: LocalBatch, exchange: Exchange) -> Answer:
    """Apply a call and return Batch's answer, in the form chosen by the readings."""
    try:
        answer = _handle(batch, exchange)
    except Refused as refused:
        answer = refusal(refused, is_app=exchange.is_app)
    if exchange.scripted is not None:
        return answer
    return reshape(answer, batch.options.readings, is_app=exchange.is_app)


def _handle(batch: LocalBatch, exchange: Exchange) -> Answer:
    """Resolve the route, check the keys and call the endpoint's handler."""
    route = resolve(exchange.method, exchange.path)
    exchange.endpoint = route.endpoint
    owner = batch.keys.owner(route, exchange)
    answer = HANDLERS[route.endpoint](batch, route, exchange, owner)
    exchange.partial_errors = answer.partial_errors
    return answer


class Gateway:
    """ASGI application for the Batch API.

    Args:
        batch: The local Batch.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self.batch = batch
        self._stopping = asyncio.Event()
        self._stages: set[Stage] = set()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one call."""
        log = self.batch.requests
        wire = scope["state"]["wire"]
        exchange = self._open(scope, log, time.monotonic() - wire.arrived)
        normally = partial(self._respond, log)
        stage = Stage(exchange, send, wire, normally, self.pause)
        self._stages.add(stage)
        try:
            body = await read_body(receive)
            if body is not None:
                exchange.body = body
                await self._play(stage)
        finally:
            self._stages.discard(stage)
            log.leave(self._row(stage), _content(stage))

    def stop(self) -> None:
        """End every pause, and abort every connection on which a fault is acting."""
        self._stopping.set()
        for stage in self._stages:
            if stage.exchange.fault:
                stage.transport.abort()

    async def pause(self, seconds: float) -> None:
        """Wait without blocking other requests; return early if the server stops."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _play(self, stage: Stage) -> None:
        if self.batch.options.latency:
            await self.pause(self.batch.options.latency)
        act = self.batch.faults.pick(stage.exchange)
        if act:
            await act.perform(stage)
        else:
            await stage.answer(stage.normal)

    def _respond(self, log: Requests, exchange: Exchange) -> Answer:
        """Apply a call, or refuse it with 503 if the local Batch was reset after it arrived."""
        if log is not self.batch.requests:
            return refusal(Refused(503, "RESET", "the local Batch was reset while the call was in progress"))
        return respond(self.batch, exchange)

    def _open(self, scope: Any, log: Requests, waited: float) -> Exchange:
        """Register a call that arrived `waited` seconds ago."""
        return Exchange(
            number=log.enter(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=scope["headers"],
            wall=self.batch.clock.wall(),
            steady=max(self.batch.started, self.batch.clock.steady() - waited),
        )

    def _row(self, stage: Stage) -> RequestRow:
        exchange = stage.exchange
        return RequestRow(
            number=exchange.number,
            method=exchange.method,
            path=self.batch.keys.mask(exchange.path),
            endpoint=exchange.endpoint,
            status=stage.status,
            entries=exchange.entries,
            bytes=len(exchange.body),
            at=exchange.wall,
            seconds=round(self.batch.clock.steady() - exchange.steady, 6),
            since_start=round(exchange.steady - self.batch.started, 6),
            fault=exchange.fault,
            partial_errors=exchange.partial_errors,
            applied=exchange.applied,
        )


def _content(stage: Stage) -> Content:
    query = stage.exchange.query.decode("latin-1")
    return Content(query, stage.exchange.body, bytes(stage.sent), stage.sent_bytes)
