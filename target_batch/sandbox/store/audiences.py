"""Audiences of the project and of the apps, indexed some time after they were accepted."""

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
        number: Its place in the order of creation, over all platforms.
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
        """Whether its members are profiles, by their custom IDs; the platforms write the type differently."""
        return self.kind in {"CUSTOM_ID", "custom_ids"}

    def accept(self, action: Action, members: list[MemberChange], ready: float) -> str:
        """Take a call in; return its indexing token."""
        token = token_hex(16)
        self.pending.append(Change(token, action, members, ready))
        return token

    def settle(self, now: float) -> None:
        """Index what is due at `now`, on the steady clock."""
        while self.pending and self.pending[0].ready <= now:
            change = self.pending.popleft()
            self._indexed[change.token] = len(self._indexed)
            if change.action == "replace":
                self._replaced = self._indexed[change.token]
                self.members.clear()
            for member in change.members:
                self._index(member)

    def state(self, token: str | None = None) -> str | None:
        """Return the state of one call, or of the last one.

        Args:
            token: The call's indexing token; None for the last call.

        Returns:
            ``IN_PROGRESS``; ``REPLACED`` when a replace that came after the call is indexed; else
            ``APPLIED``. None for an unknown token.
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
        """List indexed members in order of arrival: how many have `text` in their ID, and a page of them."""
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
        audiences: What it holds.
        cursor: Where the next page goes on, even if there is nothing yet.
        has_more: Whether there is something.
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
        """Keep a new audience."""
        self._created += 1
        audience.number = self._created
        self.of(platform)[audience.name] = audience

    def page(self, platform: str, cursor: str | None, limit: int) -> Page | None:
        """Return one page of a platform's audiences, in order of creation.

        Args:
            platform: Whose audiences.
            cursor: Where to go on, as given with the page before; None for the first page.
            limit: How many at most.

        Returns:
            The page; None when the cursor was never given out.
        """
        after = 0 if cursor is None else self._cursors.get(cursor)
        if after is None:
            return None
        left = [audience for audience in self.of(platform).values() if audience.number > after]
        page = left[:limit]
        return Page(page, self._cursor(page[-1].number if page else after), len(left) > limit)

    def holding(self, custom_id: str, now: float) -> list[tuple[str, Audience]]:
        """Return the audiences that have a custom ID among their indexed members, with their platforms."""
        return [
            (platform, audience)
            for platform, audience in self.settled(now)
            if audience.holds_custom_ids and custom_id in audience.members
        ]

    def settled(self, now: float) -> list[tuple[str, Audience]]:
        """Index what is due and return every audience with its platform."""
        everything = [(p, a) for p, named in self._platforms.items() for a in named.values()]
        for _platform, audience in everything:
            audience.settle(now)
        return everything

    def _cursor(self, number: int) -> str:
        """Make a cursor that says nothing and is not a number."""
        cursor = f"c{token_hex(8)}".upper()
        self._cursors[cursor] = number
        return cursor
