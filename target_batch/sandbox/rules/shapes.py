"""The shape of a call on profiles: what is malformed refuses the whole call with 400."""

from typing import Any

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
        return f"installation:{msgspec.json.encode(self.identifiers.installation).decode()}"


_DECODER = msgspec.json.Decoder(list[Entry])


def decode_entries(body: bytes) -> list[Entry]:
    """Read the body of a call on profiles.

    Raises:
        Refused: With 400, when it is not an array of well-formed entries.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused.malformed(str(error)) from None


def check_count(entries: list[Entry], limit: int) -> None:
    """Check how many entries a call has.

    Args:
        entries: The entries of the call.
        limit: How many the endpoint takes.

    Raises:
        Refused: With 400, when there are none or too many.
    """
    if not entries:
        raise Refused.malformed("the array is empty")
    if len(entries) > limit:
        raise Refused.malformed(f"a call has at most {limit} entries, this one {len(entries)}")


def check_ids(entries: list[Entry]) -> None:
    """Check that each entry has exactly one identifier, and no two the same.

    Raises:
        Refused: With 400.
    """
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if (entry.identifiers.custom_id is UNSET) == (entry.identifiers.installation is UNSET):
            raise Refused.malformed(f"exactly one identifier is expected - at $[{index}]")
        seen.add(entry.profile_id)
    if len(seen) < len(entries):
        raise Refused.malformed("the same ID stands twice in one call")
