"""The envelope of a Segment message, and what of it belongs together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_batch.common.reasons import Issue, Reason
from target_batch.mapping.conversion import InvalidValue
from target_batch.mapping.declared import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = frozenset({"identify", "track", "page", "screen", "group"})
VIEWED = {"page": "page_viewed", "screen": "screen_viewed"}

ENVELOPE = frozenset({
    "type", "userId", "anonymousId", "previousId", "groupId", "messageId", "event", "name",
    "category", "traits", "properties", "context", "integrations", "options", "channel", "version",
    "writeKey", "projectId", "_metadata", "timestamp", "originalTimestamp", "sentAt", "receivedAt",
})  # fmt: skip
"""What the Segment spec puts beside traits and properties."""


class SegmentMessage:
    """One message while it is mapped; remembers where each name really stood."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record
        self._elsewhere: dict[str, str] = {}
        self._issues: list[Issue] = []

    def object(self, name: str) -> dict[str, Any]:
        """Return one object of the message, empty where there is none.

        Raises:
            InvalidValue: it is something else.
        """
        return _object(self._record.get(name), name)

    def traits(self) -> dict[str, Any]:
        """Return the traits; those inside `context` fill in what the message itself does not have."""
        traits = self.object("traits")
        inner = _object(self.object("context").get("traits"), "context.traits")
        if not inner:
            return traits
        self._elsewhere.update(
            (f"traits.{name}", f"context.traits.{name}") for name in inner if name not in traits
        )
        return {**inner, **traits}

    def device(self) -> dict[str, Any]:
        """Return what `context` says of locale and time zone; null and blank say nothing of the user."""
        context = self.object("context")
        found = {name: context.get(name) for name in ("locale", "timezone")}
        return {name: value for name, value in found.items() if value is not None and str(value).strip()}

    def with_own(self, container: dict[str, Any], path: str, names: Iterable[str]) -> dict[str, Any]:
        """Return the container with fields of the message itself; its own go before them."""
        merged = dict(container)
        for name in names:
            value = self._record.get(name)
            if value is None or name not in container:
                merged[name] = value
                self._elsewhere[f"{path}.{name}"] = name
            elif value != container[name]:
                message = f"`{path}.{name}` says something else and goes."
                self._issues.append(Issue(Reason.NAME_COLLISION, name, None, message))
        return merged

    def located(self, issues: Iterable[Issue]) -> tuple[Issue, ...]:
        """Return the issues with the paths at which their values stand in the message."""
        return (*self._issues, *map(self._located, issues))

    def _located(self, issue: Issue) -> Issue:
        path = issue.property or ""
        for seen, real in self._elsewhere.items():
            if path == seen or path.startswith(f"{seen}."):
                return replace(issue, property=real + path[len(seen) :])
        return issue


def _object(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        message = f"`{where}` is {kind_of(value)}, not an object."
        raise InvalidValue(Reason.INVALID_SEGMENT_MESSAGE, message, where)
    return value
