"""Audiences of the project and the apps, whose changes are indexed some time after they are accepted."""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_hex
from typing import Any, Literal, NamedTuple

import msgspec

Action = Literal["create", "update", "replace"]


class MemberChange(msgspec.Struct):
    """One member added or removed.

    Attributes:
        action: ``add`` or ``remove``.
        id: The member's ID.
        extra: ``attributes`` and ``tags`` of an added member, if it has any.
    """

    action: str
    id: str
    extra: dict[str, Any] | None = None


@dataclass
class Change:
    """An accepted call, waiting to be indexed.

    Attributes:
        token: Its indexing token.
        action: Type of change.
        members: Changes of members.
        ready: Time at which it is indexed, on the steady clock, in seconds.
    """

    token: str
    action: Action
    members: list[MemberChange]
    ready: float


@dataclass
class Audience:
    """One audience.

    Attributes:
        name: Unique name on its platform.
        kind: The type given at creation, such as ``custom_ids``.
        label: ``display_name`` or ``description``.
        created: Unix time of its creation.
        updated: Unix time of the last accepted call.
        members: Indexed members by ID, with their attributes and tags encoded as JSON.
        pending: Calls not indexed yet, oldest first.
        number: Position in the order of creation, across all platforms.
    """

    name: str
    kind: str
    label: str
    created: float
    updated: float
    members: dict[str, bytes] = field(default_factory=dict)
    pending: deque[Change] = field(default_factory=deque)
    number: int = 0

    def __post_init__(self) -> None:
        self._indexed: dict[str, int] = {}
        self._replaced = -1

    @property
    def holds_custom_ids(self) -> bool:
        """Whether its members are custom IDs; the two platforms spell this type differently."""
        return self.kind in {"CUSTOM_ID", "custom_ids"}

    def accept(self, action: Action, members: list[MemberChange], ready: float) -> str:
        """Queue a change for indexing; return its indexing token."""
        token = token_hex(16)
        self.pending.append(Change(token, action, members, ready))
        return token

    def settle(self, now: float) -> None:
        """Index the changes that are due at `now`, on the steady clock."""
        while self.pending and self.pending[0].ready <= now:
            change = self.pending.popleft()
            self._indexed[change.token] = len(self._indexed)
            if change.action == "replace":
                self._replaced = self._indexed[change.token]
                self.members.clear()
            for member in change.members:
                self._index(member)

    def state(self, token: str | None = None) -> str | None:
        """Return the indexing state of a call.

        Args:
            token: The call's indexing token; None for the last call.

        Returns:
            ``IN_PROGRESS``; ``REPLACED`` if a later replace has been indexed; otherwise ``APPLIED``.
            None if the token is unknown.
        """
        waiting = [change.token for change in self.pending]
        if token is None:
            return "IN_PROGRESS" if waiting else "APPLIED"
        if token in waiting:
            return "IN_PROGRESS"
        if token not in self._indexed:
            return None
        return "REPLACED" if self._indexed[token] < self._replaced else "APPLIED"

    def page(self, start: int, limit: int, text: str = "") -> tuple[int, list[dict[str, Any]]]:
        """Return the number of indexed members with `text` in their ID, and a page of them.

        Members are in order of arrival, and case is ignored.
        """
        folded = text.casefold()
        found = [key for key in self.members if folded in key.casefold()] if text else self.members
        page = islice(found, start, start + limit)
        return len(found), [{"id": key, **msgspec.json.decode(self.members[key])} for key in page]

    def _index(self, member: MemberChange) -> None:
        if member.action == "remove":
            self.members.pop(member.id, None)
        else:
            self.members[member.id] = msgspec.json.encode(member.extra) if member.extra else b"{}"


class Page(NamedTuple):
    """A page of a list of audiences.

    Attributes:
        audiences: The audiences on the page.
        cursor: Cursor of the next page, even if that page is empty.
        has_more: Whether the next page has any audiences.
    """

    audiences: list[Audience]
    cursor: str
    has_more: bool


class Audiences:
    """All audiences by platform (``project``, ``app-1``, …) and name."""

    def __init__(self) -> None:
        self._platforms: dict[str, dict[str, Audience]] = {}
        self._created = 0
        self._cursors: dict[str, int] = {}

    def of(self, platform: str) -> dict[str, Audience]:
        """Return the audiences of one platform by name, in order of creation."""
        return self._platforms.setdefault(platform, {})

    def add(self, platform: str, audience: Audience) -> None:
        """Add a new audience."""
        self._created += 1
        audience.number = self._created
        self.of(platform)[audience.name] = audience

    def page(self, platform: str, cursor: str | None, limit: int) -> Page | None:
        """Return one page of a platform's audiences, in order of creation.

        Args:
            platform: Label of the platform.
            cursor: Cursor from the previous page; None for the first page.
            limit: Maximum number of audiences.

        Returns:
            The page, or None if the cursor is unknown.
        """
        after = 0 if cursor is None else self._cursors.get(cursor)
        if after is None:
            return None
        left = [audience for audience in self.of(platform).values() if audience.number > after]
        page = left[:limit]
        return Page(page, self._cursor(page[-1].number if page else after), len(left) > limit)

    def holding(self, custom_id: str, now: float) -> list[tuple[str, Audience]]:
        """Index due changes and return the audiences that contain a custom ID, each with its platform."""
        return [
            (platform, audience)
            for platform, audience in self.settled(now)
            if audience.holds_custom_ids and custom_id in audience.members
        ]

    def settled(self, now: float) -> list[tuple[str, Audience]]:
        """Index all due changes and return every audience with its platform."""
        everything = [(p, a) for p, named in self._platforms.items() for a in named.values()]
        for _platform, audience in everything:
            audience.settle(now)
        return everything

    def _cursor(self, number: int) -> str:
        """Make an opaque, non-numeric cursor."""
        cursor = f"c{token_hex(8)}".upper()
        self._cursors[cursor] = number
        return cursor
