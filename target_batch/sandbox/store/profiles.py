"""Profiles, with their attributes and events stored as bytes."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from target_batch.sandbox.rules.merging import Attributes, merge
from target_batch.sandbox.rules.shapes import INSTALLATION, Event

_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(Attributes)
_EVENT = msgspec.json.Encoder()


class Profile:
    """One profile, compact in memory.

    Attributes:
        packed: Its attributes as MessagePack.
        events: Its accepted events as JSON, in order of arrival.
        updated: Unix time of the last accepted entry, in seconds.
    """

    __slots__ = ("events", "packed", "updated")

    def __init__(self) -> None:
        self.packed = b""
        self.events: list[bytes] = []
        self.updated = 0.0

    @property
    def attributes(self) -> Attributes:
        """The decoded attributes."""
        return _UNPACK.decode(self.packed) if self.packed else Attributes({}, {})


class Profiles:
    """All profiles by ID."""

    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}

    def __len__(self) -> int:
        return len(self._profiles)

    def apply(
        self, profile_id: str, changes: dict[str, Any], events: list[Event], now: float
    ) -> list[tuple[str, str]]:
        """Apply an accepted entry, creating the profile if the ID is unknown.

        Returns:
            The key and reason of each change refused because of the profile's current state.
        """
        profile = self._profiles.get(profile_id)
        if profile is None:
            profile = self._profiles[profile_id] = Profile()
        refused = []
        if changes:
            held = profile.attributes
            refused = merge(held, changes)
            profile.packed = _PACK.encode(held)
        profile.events.extend(map(_EVENT.encode, events))
        profile.updated = now
        return refused

    def remove(self, profile_id: str) -> None:
        """Remove a profile, if it exists."""
        self._profiles.pop(profile_id, None)

    def find(self, text: str, start: int, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """List profiles in order of creation.

        Args:
            text: Part of the ID (ignoring case) or of a text attribute (case-sensitive).
            start: Number of profiles to skip.
            limit: Maximum number of profiles to return.

        Returns:
            The total number of matches, and the requested page.
        """
        if not text:
            page = islice(self._profiles.items(), start, start + limit)
            return len(self), [_summary(*item) for item in page]
        found = list(self._matching(text))
        return len(found), [_summary(key, self._profiles[key]) for key in found[start : start + limit]]

    def lines(self, names: Sequence[str], *, nulls: bool, texts: bool) -> Iterator[bytes]:
        """Yield a line of JSON for each profile with a custom ID, with the attributes named.

        Args:
            names: Attribute names, without their type.
            nulls: Whether to include missing attributes as null.
            texts: Whether to write numbers and booleans as texts, and times without a zone.
        """
        for profile_id, profile in self._profiles.items():
            if profile_id.startswith(INSTALLATION):
                continue
            values, kinds = profile.attributes
            held = {name: values.get(name) for name in names if nulls or name in values}
            if texts:
                held = {name: _as_text(value, kinds.get(name)) for name, value in held.items()}
            yield _EVENT.encode({"identifiers": {"custom_id": profile_id}, "attributes": held}) + b"\n"

    def email(self, profile_id: str) -> str | None:
        """Return a profile's e-mail address, or None if it has none or does not exist."""
        profile = self._profiles.get(profile_id)
        return None if profile is None else _email(profile.attributes.values)

    def detail(self, profile_id: str, events: int, after: int = 0) -> dict[str, Any] | None:
        """Describe one profile, with its attributes, their types and its newest events.

        Args:
            profile_id: ID of the profile.
            events: Maximum number of events, which are returned oldest first.
            after: Number of newest events to skip.

        Returns:
            The profile, or None if it is unknown.
        """
        profile = self._profiles.get(profile_id)
        if profile is None:
            return None
        values, kinds = profile.attributes
        end = max(0, len(profile.events) - after)
        return {
            "id": profile_id,
            "updated": profile.updated,
            "attributes": values,
            "types": {name: kinds.get(name) or _type(value) for name, value in values.items()},
            "events_total": len(profile.events),
            "events": [msgspec.Raw(event) for event in profile.events[max(0, end - events) : end]],
        }

    def _matching(self, text: str) -> Iterator[str]:
        folded, raw = text.casefold(), text.encode("utf-8", "surrogatepass")
        for key, profile in self._profiles.items():
            if folded in key.casefold() or raw in profile.packed:
                yield key


def _as_text(value: Any, kind: str | None) -> Any:
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    return value.removesuffix("Z") if isinstance(value, str) and kind == "date" else value


def _summary(profile_id: str, profile: Profile) -> dict[str, Any]:
    values = profile.attributes.values
    return {
        "id": profile_id,
        "email": _email(values),
        "updated": profile.updated,
        "attributes": len(values),
        "events": len(profile.events),
    }


def _email(attributes: dict[str, Any]) -> str | None:
    found = attributes.get("$email_address")
    return found if isinstance(found, str) else None


def _type(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "float", list: "array"}
    return names[type(value)]
