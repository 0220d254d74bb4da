"""Requests to erase people, in order of arrival."""

import secrets
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Erasure(NamedTuple):
    """One request.

    Attributes:
        id: What it is called.
        app: Label of the app that was asked.
        custom_id: Who is to be removed.
        at: Unix time of its arrival, in seconds.
    """

    id: str
    app: str
    custom_id: str
    at: float


@dataclass
class Erasures:
    """All requests."""

    requests: list[Erasure] = field(default_factory=list)

    def add(self, app: str, custom_id: str, at: float) -> str:
        """Keep a request and return its name."""
        name = secrets.token_hex(16)
        self.requests.append(Erasure(name, app, custom_id, at))
        return name

    def find(self, app: str, name: str) -> Erasure | None:
        """Return a request of an app; None when it has none of that name."""
        return next((one for one in self.requests if (one.id, one.app) == (name, app)), None)

    def show(self) -> list[dict[str, Any]]:
        """Return every request."""
        return [one._asdict() for one in self.requests]
