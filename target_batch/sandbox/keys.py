"""Keys: checking access, and labelling apps for display."""

import re
from dataclasses import dataclass, field
from typing import Final

from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route

_APP_PATH: Final = re.compile(r"(/[0-9.]+/)([^/]+)(?=/(?:custom-audience|gdpr))")
_SHOWN_LENGTH: Final = 300


@dataclass(frozen=True)
class Keys:
    """The keys that the local Batch accepts. If none of a kind is given, any non-blank key is accepted.

    Keys are never displayed. Apps are labelled ``app-1``, ``app-2``, … in the order given, then in the
    order of their first call.

    Attributes:
        rest: REST API keys.
        projects: Project keys.
        apps: App keys (Live, Dev or SDK).
    """

    rest: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    _labels: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for key in self.apps:
            self.label(key)

    def label(self, app_key: str) -> str:
        """Return the label of an app, creating one for a new app."""
        return self._labels.setdefault(app_key, f"app-{len(self._labels) + 1}")

    def platform(self, label_or_key: str) -> str:
        """Return a platform's label, given its label or its key."""
        return self._labels.get(label_or_key, label_or_key)

    def mask(self, path: str) -> str:
        """Return a path that is safe to display: shortened, with an app's key replaced by its label."""
        match = _APP_PATH.match(path)
        if not match:
            return path[:_SHOWN_LENGTH]
        label = self._labels.get(match[2], "app")
        return f"{match[1]}{label}{path[match.end() :][:_SHOWN_LENGTH]}"

    def owner(self, route: Route, exchange: Exchange) -> str:
        """Check the keys of a call.

        Returns:
            The project or app whose rates apply.

        Raises:
            Refused: With 401, if a key is missing, repeated or wrong.
        """
        if route.platform == "app":
            _check(exchange.header("x-authorization"), self.rest, "X-Authorization")
            _check(route.app_key, self.apps, "the app's key")
            return self.label(route.app_key)
        scheme, _, token = (exchange.header("authorization") or "").partition(" ")
        _check(token if scheme == "Bearer" else None, self.rest, "Authorization")
        project = exchange.header("x-batch-project")
        return f"project:{_check(project, self.projects, 'X-Batch-Project')}"


def _check(key: str | None, known: tuple[str, ...], what: str) -> str:
    if not key or not key.strip() or (known and key not in known):
        raise Refused.unauthorized(f"{what} is missing or wrong")
    return key
