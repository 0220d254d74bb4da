"""Every limit of Batch's API that this program observes, in one list, each with its source.

[doc] an official page · [sdk] code that Batch publishes (SDKs, connectors) · [read] a third party that quotes
an official page · [open] no source found, the value is this project's decision.

The local Batch keeps its own list on purpose, so that a wrong number here cannot confirm itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: `per_second` counts custom IDs or requests, `burst` is its capacity."""

    per_second: float
    burst: float


# Requests. A call with too many entries is refused as a whole [doc].

UPDATE_ENTRIES: Final = 200  # entries in one /profiles/update call [doc]
UPDATE_RATE: Final = Rate(per_second=300, burst=1000)  # custom IDs per second on /profiles/update [doc]
MASS_UPDATE_ENTRIES: Final = 10_000  # entries in one /profiles/mass-update call [doc]
MASS_UPDATE_RATE: Final = Rate(per_second=10_000, burst=10_000)
"""Custom IDs per second on /profiles/mass-update, with no burst beyond one second's worth [doc]."""
OTHER_RATE: Final = Rate(per_second=1, burst=1)
"""Requests per second on all other endpoints, including audiences [read]."""
AUDIENCE_ENTRIES: Final = 10_000  # members in one audience call [doc]
AUDIENCE_LIST_PAGE: Final = 100  # audiences in one page of a list [doc]
BODY_BYTES: Final = 5 * 1000 * 1000  # of one request [open]: about 5 MB; one answered with 413 is split
ANSWER_BYTES: Final = 16 * MIB  # read from one response [open]: 10,000 partial errors of 1.6 kB each

# Profiles

CUSTOM_ID_LENGTH: Final = 512  # characters: 512 [read] or 1,024 [sdk]; the smaller is used
NAME_LENGTH: Final = 30  # characters ([a-z0-9_]) in the name of an attribute or event [read, sdk]
STRING_LENGTH: Final = 300  # characters in a string, alone or in an array [read]
URL_LENGTH: Final = 2048  # characters in a URL [read]
EMAIL_LENGTH: Final = 128  # characters [sdk]: the web SDK's limit; the mobile SDKs accept 256
SMALLEST_INTEGER: Final = -(2**63)  # integers have 64 bits [sdk]
LARGEST_INTEGER: Final = 2**63 - 1
ARRAY_ITEMS: Final = 25  # items in an array attribute [sdk]
TOPIC_LENGTH: Final = 300  # characters ([a-z0-9_]) in a topic preference [sdk]
ARRAYS_PER_PROFILE: Final = 15  # array attributes of a profile [sdk]
ATTRIBUTES_PER_ENTRY: Final = 50  # in an entry of a profile update [read]; native ones count, to be safe

# Events

EVENTS_PER_ENTRY: Final = 15  # events in one entry of a profile update [read]
EVENT_AGE_SECONDS: Final = 24 * 60 * 60
"""Age beyond which Batch drops an event but answers with success; it takes no future events [read]."""
EVENT_BYTES: Final = 25_000  # of one event in UTF-8 [read]: "25 kB", taken as the smaller of its two meanings
EVENT_ATTRIBUTES: Final = 20  # on each level of an event, not counting `$label` and `$tags` [sdk]
EVENT_DEPTH: Final = 3  # levels below `attributes` that may hold an object, alone or in an array [sdk]
LABEL_LENGTH: Final = 200  # characters in an event's `$label` [sdk]
TAG_LENGTH: Final = 64  # characters in each of an event's `$tags` [sdk]
TAGS_PER_EVENT: Final = 10  # entries in an event's `$tags` [sdk]

# Audiences

AUDIENCE_NAME_LENGTH: Final = 255  # characters ([A-Za-z0-9_-]) in the name of an audience [doc]
MEMBER_ATTRIBUTES: Final = 15  # attributes of a member, allowed only when it is added [doc]

# This program's own limits

CLOCK_TOLERANCE_SECONDS: Final = 10
"""Seconds an event may be in the future; it is then dated `UNNOTICED_SECONDS` ago."""
UNNOTICED_SECONDS: Final = 2
"""Seconds the machine's clock may be ahead of Batch's without any answer of Batch proving it."""
LEARNED_NAMES: Final = 2_000  # names outside the SCHEMA that a plan remembers before it starts over
CACHED_VALUES: Final = 4_096  # entries in each cache of repeated values (locales, zones, names, phones)
MOST_NAMES: Final = 300  # attribute names in a line of the run log
