"""Erasure requests, in order of arrival."""

import secrets
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Erasure(NamedTuple):
    """One erasure request.

    Attributes:
        id: ID of the request.
        app: Label of the app it was sent to.
        custom_id: Custom ID of the person to erase.
        at: Unix time of arrival, in seconds.
    """

    id: str
    app: str
    custom_id: str
    at: float


@dataclass
class Erasures:
    """All erasure requests."""

    requests: list[Erasure] = field(default_factory=list)

    def add(self, app: str, custom_id: str, at: float) -> str:
        """Record a request and return its ID."""
        name = secrets.token_hex(16)
        self.requests.append(Erasure(name, app, custom_id, at))
        return name

    def find(self, app: str, name: str) -> Erasure | None:
        """Return the request with this ID, or None if the app has no such request."""
        return next((one for one in self.requests if (one.id, one.app) == (name, app)), None)

    def show(self) -> list[dict[str, Any]]:
        """Return all requests as dictionaries."""
        return [one._asdict() for one in self.requests]
