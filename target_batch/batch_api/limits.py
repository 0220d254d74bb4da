"""Every limit of Batch's API that delivery keeps, once, with where it comes from.

[doc] official documentation, [batch] code that Batch publishes, [said] a third party quoting the
documentation, [open] not found: the value is a decision of this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: `per_second` in custom IDs or requests, `burst` the most it ever holds."""

    per_second: float
    burst: float


UPDATE_ENTRIES: Final = 200
"""Entries in one /profiles/update call; more refuse the whole call [doc]."""

UPDATE_RATE: Final = Rate(per_second=300, burst=1000)
"""Custom IDs a second on /profiles/update [doc]."""

MASS_UPDATE_ENTRIES: Final = 10_000
"""Entries in one /profiles/mass-update call; more refuse the whole call [doc]."""

MASS_UPDATE_RATE: Final = Rate(per_second=10_000, burst=10_000)
"""Custom IDs a second on /profiles/mass-update, without burst: one second's worth [doc]."""

OTHER_RATE: Final = Rate(per_second=1, burst=1)
"""Requests a second on everything else, audiences included [said]."""

AUDIENCE_ENTRIES: Final = 10_000
"""Members in one audience call [doc]."""

AUDIENCE_LIST_PAGE: Final = 100
"""Audiences in one page of a list [doc]."""

ENTRY_EVENTS: Final = 15
"""Events in one entry of a profile update [said]."""

EVENT_AGE_SECONDS: Final = 24 * 3600
"""Age of an event beyond which Batch drops it, inside a success answer [said]."""

ENTRY_ARRAYS: Final = 15
"""Array attributes of one profile [batch]."""

ENTRY_ATTRIBUTES: Final = 50
"""Attributes in one entry of a profile update; natives counted too, to be safe [said]."""

BODY_BYTES: Final = 5 * 1000 * 1000
"""Bytes of one request body [open]: about 5 MB, and a 413 splits."""

ANSWER_BYTES: Final = 16 * MIB
"""Bytes read of one answer [open]: 10,000 partial errors of 1.6 kB; more is not Batch speaking."""
