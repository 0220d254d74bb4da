"""One call, from its arrival to its answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from target_batch.sandbox.refusals import UNREADABLE, Refused
from target_batch.sandbox.rules.limits import BODY_BYTES


@dataclass
class Exchange:
    """A request, and what is recorded about it while it is processed.

    Attributes:
        number: Sequence number, from 1 in order of arrival.
        method: HTTP method.
        path: Path without the query, percent-decoded.
        query: Raw query string.
        headers: ASGI headers: names in lower case, repeated headers kept.
        wall: Unix time of arrival, in seconds.
        steady: Time of arrival on the steady clock, in seconds.
        body: Complete body.
        endpoint: Endpoint called; empty until it is known.
        entries: Number of custom IDs or members in the body.
        partial_errors: Number of partial errors in the answer.
        applied: Whether any part of the call was applied.
        fault: Kind of the scripted fault that was applied.
        scripted: Partial errors that a script puts in the answer; the items they name are not applied.
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
        """Whether the call is to the app platform; False until its route is known."""
        return self.endpoint.startswith("app/")

    @cached_property
    def ids(self) -> frozenset[str]:
        """The custom IDs and member IDs in the body; empty if it cannot be decoded."""
        try:
            content = msgspec.json.decode(self.body)
        except UNREADABLE:
            return frozenset()
        return frozenset(_ids(content))

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None if it is absent or repeated."""
        values = [value for key, value in self.headers if key == name.encode()]
        return values[0].decode("latin-1") if len(values) == 1 else None

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the query parameters of a call that takes no body.

        Raises:
            Refused: With 400, if a parameter is unknown or repeated, or if there is a body.
        """
        if self.body:
            raise Refused.malformed(f"{self.method} takes no body")
        return self._parse_query(known)

    def check_body(self) -> None:
        """Check the format and size of the body.

        Raises:
            Refused: With 415 unless it is plain JSON, with 413 if it is too large, with 400 if there
                is a query.
        """
        kind = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json" or self.header("content-encoding") not in {None, "identity"}:
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "send plain application/json")
        if len(self.body) > BODY_BYTES:
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"a body has at most {BODY_BYTES} bytes")
        self._parse_query(())

    def _parse_query(self, known: tuple[str, ...]) -> dict[str, str]:
        pairs = parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)
        parameters = dict(pairs)
        if len(parameters) < len(pairs) or not parameters.keys() <= set(known):
            allowed = f"takes {' and '.join(known)}, once each" if known else "takes no parameters"
            raise Refused.malformed(f"the query {allowed}")
        return parameters


def entry_id(entry: Any) -> str | None:
    """Return the custom ID or member ID of a decoded entry, or None if it has none."""
    if not isinstance(entry, dict):
        return None
    identifiers = entry.get("identifiers")
    found = identifiers.get("custom_id") if isinstance(identifiers, dict) else entry.get("id")
    return found if isinstance(found, str) else None


def _ids(content: Any) -> Iterator[str]:
    """Yield the IDs found in a decoded body of any shape."""
    members = content.get("ids") if isinstance(content, dict) else content
    for member in members if isinstance(members, list) else ():
        found = entry_id(member)
        if found is not None:
            yield found
