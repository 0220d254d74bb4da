"""Actions of scripted faults: literal answers and broken connections."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from target_batch.sandbox.answers import JSON, Answer, Headers, refusal
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.faults.stage import Stage
from target_batch.sandbox.refusals import Refused

Status = Annotated[int, Meta(ge=200, le=599)]
"""A final HTTP status."""
Seconds = Annotated[float, Meta(ge=0)]
"""A duration in seconds."""
Size = Annotated[int, Meta(ge=0)]
"""A number of bytes."""


class Act(Struct, forbid_unknown_fields=True):
    """Base class of actions that replace the normal answer to a request."""

    def concerns(self, _exchange: Exchange) -> bool:
        """Return whether the action applies to the request."""
        return True

    async def perform(self, stage: Stage) -> None:
        """Perform the action."""
        raise NotImplementedError


class Literal(Act):
    """``answer``: the literal answer given in the script."""

    status: Status = 200
    headers: dict[str, str] = {}
    body: str | UnsetType = UNSET
    json: Any = UNSET
    cut: Size | None = None

    async def perform(self, stage: Stage) -> None:
        """Send the complete answer, or cut it short and close the connection."""
        answer = Answer(self.status, self._body(), self._headers())
        if self.cut is None:
            await stage.answer(answer)
        else:
            await stage.write(self.status, _on_the_wire(answer, self.cut))
            await stage.close()

    def _body(self) -> bytes:
        if self.json is not UNSET:
            return msgspec.json.encode(self.json)
        return self.body.encode() if isinstance(self.body, str) else b""

    def _headers(self) -> Headers:
        given = tuple((name.lower().encode(), value.encode()) for name, value in self.headers.items())
        return given if any(name == b"content-type" for name, _ in given) else given + JSON


class AcceptThen(Act):
    """``accept_then``: the call is accepted, but the answer does not say so."""

    then: Any

    async def perform(self, stage: Stage) -> None:
        """Apply the request fully, then perform another action instead of the normal answer."""
        _ = stage.normal
        await self.then.perform(stage)


class Reset(Act):
    """``reset``."""

    async def perform(self, stage: Stage) -> None:
        """Reset the connection."""
        await stage.reset()


class Close(Act):
    """``close``."""

    async def perform(self, stage: Stage) -> None:
        """Close without an answer."""
        await stage.close()


class Delay(Act):
    """``delay``."""

    seconds: Seconds
    then: Any = None

    async def perform(self, stage: Stage) -> None:
        """Wait, then perform another action or answer normally."""
        await stage.pause(self.seconds)
        if self.then:
            await self.then.perform(stage)
        else:
            await stage.answer(stage.normal)


class Redirect(Act):
    """``redirect``."""

    to: str
    status: Status = 307

    async def perform(self, stage: Stage) -> None:
        """Redirect the client."""
        await stage.answer(Answer(self.status, b"", ((b"location", self.to.encode()),)))


class PartialErrors(Act):
    """``partial_errors``."""

    errors: list[Any]

    async def perform(self, stage: Stage) -> None:
        """Answer with these errors, without applying the items they name."""
        stage.exchange.scripted = self.errors
        await stage.answer(stage.normal)


class RetryAfter(Act):
    """``retry_after``."""

    value: float | str
    status: Status = 429

    async def perform(self, stage: Stage) -> None:
        """Refuse the call, with a ``Retry-After`` header."""
        answer = refusal(Refused(self.status, "TOO_MANY_REQUESTS", "scripted"))
        wait = (b"retry-after", self._text().encode())
        await stage.answer(Answer(self.status, answer.body, (*JSON, wait)))

    def _text(self) -> str:
        if isinstance(self.value, str) and self.value[:1] == "+" and self.value[1:].isdecimal():
            return formatdate(time.time() + int(self.value), usegmt=True)
        return f"{self.value:g}" if isinstance(self.value, float) else self.value


class RefuseIds(Act):
    """``refuse_ids``: IDs that cause a whole call to be refused."""

    ids: list[str]

    def concerns(self, exchange: Exchange) -> bool:
        """Return whether the body contains one of the IDs."""
        return not exchange.ids.isdisjoint(self.ids)

    async def perform(self, stage: Stage) -> None:
        """Refuse the whole call."""
        await stage.answer(refusal(Refused.malformed("scripted: an entry is refused")))


class MaxBody(Act):
    """``max_body``."""

    bytes: Size

    def concerns(self, exchange: Exchange) -> bool:
        """Return whether the body is larger than the limit."""
        return len(exchange.body) > self.bytes

    async def perform(self, stage: Stage) -> None:
        """Refuse the whole call."""
        await stage.answer(refusal(Refused(413, "PAYLOAD_TOO_LARGE", "scripted")))


def _on_the_wire(answer: Answer, cut: int) -> bytes:
    """Return an answer as raw HTTP, with its full content length but only part of its body."""
    head = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode()]
    head += [name + b": " + value for name, value in answer.headers]
    head += [b"content-length: " + str(len(answer.body)).encode(), b"", b""]
    return b"\r\n".join(head) + answer.body[:cut]
