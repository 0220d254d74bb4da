"""By what an event is known again: its key at the source, or all that the source says of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.mapping.times import own_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_batch.common.operations import ProfileUpdate

OF_THE_PIPELINE: Final = ("_sdc_", "_batch_reject")
"""How properties begin that a tap, or this target, adds: they differ from one reading to the next."""

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def event_identity(
    stream: str,
    keys: Sequence[str],
    time_names: tuple[str, ...],
    update: ProfileUpdate,
    record: Mapping[str, Any],
) -> bytes:
    """Return 16 bytes that are the same wherever the same event is read again.

    They stand for the stream, the person, the event's name and own time, and the record's `keys` (the
    stream's key properties but for the custom ID); without keys, or where one is empty, for the whole record.
    The name and the time are among them so that a key which is not one loses no event.
    """
    values = [record.get(key) for key in keys]
    if not values or None in values:
        rest = {name: value for name, value in record.items() if not name.startswith(OF_THE_PIPELINE)}
        values = [rest]
    name = update.events[0]["name"]
    _, time = own_time(record, time_names)
    return blake2b(_encode([stream, update.custom_id, name, time, values]), digest_size=16).digest()
