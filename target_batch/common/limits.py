"""Every limit of Batch's API that this program observes, in one list, each with its source.

[doc] an official page · [sdk] code that Batch publishes (SDKs, connectors) · [read] a third party that quotes
an official page · [open] not found, the value is a decision of this project.

The local Batch has a list of its own, on purpose: a wrong number here must not confirm itself.
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


# Requests

UPDATE_ENTRIES: Final = 200
"""Entries in one /profiles/update call; with more, the whole call is refused [doc]."""

UPDATE_RATE: Final = Rate(per_second=300, burst=1000)
"""Custom IDs a second on /profiles/update [doc]."""

MASS_UPDATE_ENTRIES: Final = 10_000
"""Entries in one /profiles/mass-update call; with more, the whole call is refused [doc]."""

MASS_UPDATE_RATE: Final = Rate(per_second=10_000, burst=10_000)
"""Custom IDs a second on /profiles/mass-update, without burst: one second's worth [doc]."""

OTHER_RATE: Final = Rate(per_second=1, burst=1)
"""Requests a second on everything else, audiences included [read]."""

AUDIENCE_ENTRIES: Final = 10_000
"""Members in one audience call [doc]."""

AUDIENCE_LIST_PAGE: Final = 100
"""Audiences in one page of a list [doc]."""

BODY_BYTES: Final = 5 * 1000 * 1000
"""Bytes of one request body [open]: about 5 MB, and a 413 is split."""

ANSWER_BYTES: Final = 16 * MIB
"""Bytes read of one answer [open]: 10,000 partial errors of 1.6 kB each."""

# Profiles

CUSTOM_ID_LENGTH: Final = 512
"""Characters of a Custom User ID: 512 [read] or 1,024 [sdk], the smaller is used."""

NAME_LENGTH: Final = 30
"""Characters of [a-z0-9_] in the name of an attribute or event [read, sdk]."""

STRING_LENGTH: Final = 300
"""Characters of one text, and of one text in an array [read]."""

URL_LENGTH: Final = 2048
"""Characters of one URL [read]."""

EMAIL_LENGTH: Final = 128
"""Characters of an e-mail address [sdk]: the web SDK's limit; the mobile SDKs take 256."""

SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**63 - 1
"""Integers have 64 bits [sdk]."""

ARRAY_ITEMS: Final = 25
"""Items of one array attribute [sdk]."""

TOPIC_LENGTH: Final = 300
"""Characters of [a-z0-9_] in one topic preference [sdk]."""

ARRAYS_PER_PROFILE: Final = 15
"""Array attributes of one profile [sdk]."""

ATTRIBUTES_PER_ENTRY: Final = 50
"""Attributes in one entry of a profile update, natives counted to be safe [read]."""

# Events

EVENTS_PER_ENTRY: Final = 15
"""Events in one entry of a profile update [read]."""

EVENT_AGE_SECONDS: Final = 24 * 60 * 60
"""Age beyond which Batch drops an event, inside a success answer; it takes none of the future [read]."""

EVENT_BYTES: Final = 25_000
"""Bytes of one event in UTF-8 [read]: "25 kB", in the smaller sense."""

EVENT_ATTRIBUTES: Final = 20
"""Attributes on each level of an event; `$label` and `$tags` do not count [sdk]."""

EVENT_DEPTH: Final = 3
"""Levels below an event's `attributes` on which an object may stand, alone or in an array [sdk]."""

LABEL_LENGTH: Final = 200
"""Characters of an event's `$label` [sdk]."""

TAG_LENGTH: Final = 64
"""Characters of one of an event's `$tags` [sdk]."""

TAGS_PER_EVENT: Final = 10
"""Entries of an event's `$tags` [sdk]."""

# Audiences

AUDIENCE_NAME_LENGTH: Final = 255
"""Characters of [A-Za-z0-9_-] in the name of an audience [doc]."""

MEMBER_ATTRIBUTES: Final = 15
"""Attributes of one member of an audience, only with an addition [doc]."""

# Bounds of this program's own memory

CLOCK_TOLERANCE_SECONDS: Final = 10
"""Seconds an event may be ahead of the clock; it is then sent as one of `UNNOTICED_SECONDS` ago."""

UNNOTICED_SECONDS: Final = 2
"""Seconds that the machine's clock may be ahead of Batch's without an answer of Batch proving it."""

LEARNED_NAMES: Final = 2_000
"""Names outside the SCHEMA that one plan remembers before it starts over."""

CACHED_VALUES: Final = 4_096
"""Entries of each cache of repeating values (locales, zones, names, phones)."""

MOST_NAMES: Final = 300
"""Names of attributes that a line of the run log holds."""
