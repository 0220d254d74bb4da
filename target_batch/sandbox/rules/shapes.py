"""The structure of a profile call and its entries."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from target_batch.sandbox.refusals import UNREADABLE, Refused


class Identifiers(Struct, forbid_unknown_fields=True):
    """Identifiers of the profile, exactly one of which must be given.

    Attributes:
        custom_id: The ID given by the customer.
        installation: One installation of an app; stored as sent, as its format is not documented.
    """

    custom_id: str | UnsetType = UNSET
    installation: str | dict[str, str] | UnsetType = UNSET


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An event as sent.

    Attributes:
        name: Name of the event.
        time: Time of the event, as text; the time of arrival if absent.
        attributes: Attributes of the event.
    """

    name: str
    time: str | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


INSTALLATION: Final = "installation:"
"""Prefix of the ID under which a profile without a custom ID is stored."""


class Entry(Struct, forbid_unknown_fields=True):
    """One entry of a profile call.

    Attributes:
        identifiers: Identifiers of the profile.
        attributes: Attributes to set, change or delete.
        events: Events to add.
    """

    identifiers: Identifiers
    attributes: dict[str, Any] | UnsetType = UNSET
    events: list[Event] | UnsetType = UNSET

    @property
    def profile_id(self) -> str:
        """The ID under which the profile is stored; installations have their own prefix."""
        custom_id = self.identifiers.custom_id
        if isinstance(custom_id, str):
            return custom_id
        return INSTALLATION + msgspec.json.encode(self.identifiers.installation).decode()


_RAW_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(Entry)


def split_entries(body: bytes) -> list[msgspec.Raw]:
    """Split the body of a profile call into its entries.

    Raises:
        Refused: With 400, if the body is not a JSON array.
    """
    try:
        return _RAW_ENTRIES.decode(body)
    except UNREADABLE as error:
        raise Refused.malformed(str(error)) from None


def read_entry(raw: msgspec.Raw) -> Entry | str:
    """Decode one entry, or return the reason as text if its structure is invalid."""
    try:
        entry = _ENTRY.decode(raw)
    except UNREADABLE as error:
        return str(error)
    if (entry.identifiers.custom_id is UNSET) == (entry.identifiers.installation is UNSET):
        return "exactly one identifier is expected"
    return entry


def check_count(count: int, limit: int) -> None:
    """Check the number of entries in a call.

    Args:
        count: Number of entries in the call.
        limit: Maximum number that the endpoint accepts.

    Raises:
        Refused: With 400, if there are none or too many.
    """
    if not count:
        raise Refused.malformed("the array is empty")
    if count > limit:
        raise Refused.malformed(f"a call has at most {limit} entries, this one {count}")


def check_ids(entries: Iterable[Entry | str]) -> None:
    """Check that no two entries have the same ID.

    Raises:
        Refused: With 400, if two have the same ID.
    """
    ids = [entry.profile_id for entry in entries if isinstance(entry, Entry)]
    if len(set(ids)) < len(ids):
        raise Refused.malformed("the same ID appears twice in one call")
