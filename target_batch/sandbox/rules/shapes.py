"""The shape of a call on profiles and of its entries."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from target_batch.sandbox.refusals import Refused


class Identifiers(Struct, forbid_unknown_fields=True):
    """Who an entry is about: exactly one of the two is given.

    Attributes:
        custom_id: The ID given by the customer.
        installation: One installation of an app; its form is not documented, it is kept as it is.
    """

    custom_id: str | UnsetType = UNSET
    installation: str | dict[str, str] | UnsetType = UNSET


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An event as sent.

    Attributes:
        name: What happened.
        time: When, as text; without it the time of arrival counts.
        attributes: What it carries.
    """

    name: str
    time: str | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


INSTALLATION: Final = "installation:"
"""Begins the ID under which a profile without a custom ID is kept."""


class Entry(Struct, forbid_unknown_fields=True):
    """One entry of a call on profiles.

    Attributes:
        identifiers: Who it is about.
        attributes: What to set, change or delete.
        events: What happened.
    """

    identifiers: Identifiers
    attributes: dict[str, Any] | UnsetType = UNSET
    events: list[Event] | UnsetType = UNSET

    @property
    def profile_id(self) -> str:
        """The ID under which the profile is kept; installations have a prefix of their own."""
        custom_id = self.identifiers.custom_id
        if isinstance(custom_id, str):
            return custom_id
        return INSTALLATION + msgspec.json.encode(self.identifiers.installation).decode()


_RAW_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(Entry)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def split_entries(body: bytes) -> list[msgspec.Raw]:
    """Split the body of a call on profiles into its entries.

    Raises:
        Refused: With 400, when it is not a JSON array.
    """
    try:
        return _RAW_ENTRIES.decode(body)
    except _BROKEN as error:
        raise Refused.malformed(str(error)) from None


def read_entry(raw: msgspec.Raw) -> Entry | str:
    """Read one entry; return the reason as a text when its shape is bad."""
    try:
        entry = _ENTRY.decode(raw)
    except _BROKEN as error:
        return str(error)
    if (entry.identifiers.custom_id is UNSET) == (entry.identifiers.installation is UNSET):
        return "exactly one identifier is expected"
    return entry


def check_count(count: int, limit: int) -> None:
    """Check how many entries a call has.

    Args:
        count: Entries of the call.
        limit: How many the endpoint takes.

    Raises:
        Refused: With 400, when there are none or too many.
    """
    if not count:
        raise Refused.malformed("the array is empty")
    if count > limit:
        raise Refused.malformed(f"a call has at most {limit} entries, this one {count}")


def check_ids(entries: Iterable[Entry | str]) -> None:
    """Check that no two entries have the same ID.

    Raises:
        Refused: With 400.
    """
    ids = [entry.profile_id for entry in entries if isinstance(entry, Entry)]
    if len(set(ids)) < len(ids):
        raise Refused.malformed("the same ID stands twice in one call")
