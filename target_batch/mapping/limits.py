"""Every limit the mapping keeps to, once, with where it comes from.

[doc] Batch's documentation · [batch] code that Batch publishes · [said] a third party quoting the
documentation · [open] found nowhere, the treatment is ours.
"""

from __future__ import annotations

NAME_LENGTH = 30  # [said] attribute and event names, characters of [a-z0-9_]
CUSTOM_ID_LENGTH = 512  # [doc] 512 or 1,024, sources differ: the smaller
STRING_LENGTH = 300  # [said] one string, and one string of an array
URL_LENGTH = 2048  # [said]
EMAIL_LENGTH = 128  # [batch] mobile SDKs allow 256, the smaller is safe
ARRAY_ITEMS = 25  # [batch] one array attribute
ARRAYS_PER_PROFILE = 15  # [batch] array attributes of one profile
ATTRIBUTES_PER_ENTRY = 50  # [said] natives counted too, to be safe [open]
TOPIC_LENGTH = 300  # [batch] one topic preference
EVENT_ATTRIBUTES = 20  # [batch] per level; $label and $tags counted too, to be safe [open]
EVENT_DEPTH = 3  # [batch] names in the path of the deepest object or array
EVENT_BYTES = 25_000  # [said] "25 kB" for one event: the smaller reading
EVENT_AGE_SECONDS = 24 * 60 * 60  # [said] and never in the future
LABEL_LENGTH = 200  # [batch]
TAG_LENGTH = 64  # [batch]
TAGS_PER_EVENT = 10  # [batch]
AUDIENCE_NAME_LENGTH = 255  # [doc] characters of [A-Za-z0-9_-]
MEMBER_ATTRIBUTES = 15  # [doc] only with an add

LEARNED_NAMES = 2_000
"""Names outside the SCHEMA that one plan remembers before it starts over; ours, it bounds memory."""

CACHED_VALUES = 4_096
"""Entries of each cache of repeating values (locales, zones, names, phones); ours, it bounds memory."""
