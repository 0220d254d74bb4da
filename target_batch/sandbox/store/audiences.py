"""Audiences of the project and of the apps, indexed some time after they were accepted."""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_hex
from typing import Any, Literal

import msgspec

Action = Literal["create", "update", "replace"]


class MemberChange(msgspec.Struct):
    """One member added or removed.

    Attributes:
        action: ``add`` or ``remove``.
        id: The member.
        extra: ``attributes`` and ``tags`` of an added member, where it has some.
    """

    action: str
    id: str
    extra: dict[str, Any] | None = None


@dataclass
class Change:
    """A call that is accepted but perhaps not indexed yet.

    Attributes:
        token: Its indexing token.
        action: What the call does.
        members: The members it names.
        ready: Time from which it is indexed, on the steady clock, in seconds.
    """

    token: str
    action: Action
    members: list[MemberChange]
    ready: float


@dataclass
class Audience:
    """One audience.

    Attributes:
        name: Its identity.
        kind: The type given at creation, such as ``custom_ids``.
        label: ``display_name`` or ``description``.
        created: Unix time of its creation.
        updated: Unix time of the last accepted call.
        members: Those indexed, with what personalises them packed as JSON.
        pending: Calls not indexed yet, oldest first.
        tokens: What each indexed call did, by token.
    """

    name: str
    kind: str
    label: str
    created: float
    updated: float
    members: dict[str, bytes] = field(default_factory=dict)
    pending: deque[Change] = field(default_factory=deque)
    tokens: dict[str, Action] = field(default_factory=dict)
    last: Action = "create"

    def accept(self, action: Action, members: list[MemberChange], ready: float) -> str:
        """Take a call in; return its indexing token."""
        token = token_hex(16)
        self.pending.append(Change(token, action, members, ready))
        return token

    def settle(self, now: float) -> None:
        """Index what is due at `now`, on the steady clock."""
        while self.pending and self.pending[0].ready <= now:
            change = self.pending.popleft()
            self.tokens[change.token] = self.last = change.action
            if change.action == "replace":
                self.members.clear()
            for member in change.members:
                self._index(member)

    def state(self, token: str | None = None) -> str | None:
        """Tell the state of one call, or of all; None for an unknown token."""
        waiting = [change.token for change in self.pending]
        if token is not None and token not in waiting and token not in self.tokens:
            return None
        if (token in waiting) if token else waiting:
            return "IN_PROGRESS"
        done = self.tokens[token] if token else self.last
        return "REPLACED" if done == "replace" else "APPLIED"

    def page(self, start: int, limit: int) -> list[dict[str, Any]]:
        """List indexed members in order of arrival."""
        items = islice(self.members.items(), start, start + limit)
        return [{"id": key, **msgspec.json.decode(extra)} for key, extra in items]

    def _index(self, member: MemberChange) -> None:
        if member.action == "remove":
            self.members.pop(member.id, None)
        else:
            self.members[member.id] = msgspec.json.encode(member.extra) if member.extra else b"{}"


class Audiences:
    """All audiences by platform (``project``, ``app-1``, …) and name."""

    def __init__(self) -> None:
        self._platforms: dict[str, dict[str, Audience]] = {}

    def of(self, platform: str) -> dict[str, Audience]:
        """Return the audiences of one platform by name, to read and to change."""
        return self._platforms.setdefault(platform, {})

    def settled(self, now: float) -> list[tuple[str, Audience]]:
        """Index what is due and return every audience with its platform."""
        everything = [(p, a) for p, named in self._platforms.items() for a in named.values()]
        for _platform, audience in everything:
            audience.settle(now)
        return everything
