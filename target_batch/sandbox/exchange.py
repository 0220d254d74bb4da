"""One call from its arrival to its answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.limits import BODY_BYTES


@dataclass
class Exchange:
    """What came in, and what is noted about it on the way.

    Attributes:
        number: From 1, in order of arrival.
        method: HTTP method.
        path: Path without the query, percent-decoded.
        query: Query as it came.
        headers: Headers as ASGI gives them: names in lower case, repeated ones repeated.
        wall: Unix time of the arrival, in seconds.
        steady: Time of the arrival on the steady clock, in seconds.
        body: Body, complete.
        endpoint: What was called; empty while unknown.
        entries: Custom IDs or members in the body.
        partial_errors: Number of partial errors in the answer.
        applied: Whether anything of it was applied.
        fault: Kind of the scripted fault that was applied.
        scripted: Partial errors a script wants in the answer; what they name is not applied.
    """

    number: int
    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    wall: float
    steady: float
    body: bytes = b""
    endpoint: str = ""
    entries: int = 0
    partial_errors: int = 0
    applied: bool = False
    fault: str = ""
    scripted: list[Any] | None = None

    @property
    def is_app(self) -> bool:
        """Whether it is a call of the app platform, as far as its route is known."""
        return self.endpoint.startswith("app/")

    @cached_property
    def ids(self) -> frozenset[str]:
        """The custom IDs and members' IDs in the body, read leniently."""
        try:
            content = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return frozenset()
        return frozenset(_ids(content))

    def header(self, name: str) -> str | None:
        """Return the only header of that name; None when it is absent or repeated."""
        values = [value for key, value in self.headers if key == name.encode()]
        return values[0].decode("latin-1") if len(values) == 1 else None

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the query's parameters of a call without a body.

        Raises:
            Refused: With 400, when one is unknown or repeated, or when there is a body.
        """
        if self.body:
            raise Refused.malformed(f"{self.method} takes no body")
        self._check_query(known)
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))

    def check_body(self) -> None:
        """Check how the body is sent.

        Raises:
            Refused: With 415 unless it is plain JSON, with 413 when it is too large, with 400 when there
                is a query.
        """
        kind = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json" or self.header("content-encoding") not in {None, "identity"}:
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "send plain application/json")
        if len(self.body) > BODY_BYTES:
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"a body has at most {BODY_BYTES} bytes")
        self._check_query(())

    def _check_query(self, known: tuple[str, ...]) -> None:
        pairs = parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names) or not set(names) <= set(known):
            allowed = f"takes {' and '.join(known)}, once each" if known else "takes no parameters"
            raise Refused.malformed(f"the query {allowed}")


def _ids(content: Any) -> Iterator[str]:
    """Find the IDs of a decoded body of any form."""
    members = content.get("ids") if isinstance(content, dict) else content
    for member in members if isinstance(members, list) else ():
        if not isinstance(member, dict):
            continue
        identifiers = member.get("identifiers")
        named = identifiers.get("custom_id") if isinstance(identifiers, dict) else member.get("id")
        if isinstance(named, str):
            yield named
