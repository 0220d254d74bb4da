"""All limits that the local Batch enforces, with their sources.

Sources: **doc** Batch's documentation; **sdk** code published by Batch; **read** a third party
quoting the documentation; **open** not documented, so the strictest reading is enforced.
"""

from typing import Final

UPDATE_ENTRIES: Final = 200
"""Entries per call of ``/profiles/update``; with more, the whole call is refused (doc)."""
MASS_UPDATE_ENTRIES: Final = 10_000
"""Entries per call of ``/profiles/mass-update``; with more, the whole call is refused (doc)."""
AUDIENCE_ENTRIES: Final = 10_000
"""Members per call of an audience update or replace (doc)."""

UPDATE_RATE: Final = 300.0
"""Custom IDs per second on ``/profiles/update`` (doc)."""
UPDATE_BURST: Final = 1_000.0
"""Custom IDs that ``/profiles/update`` accepts at once after a pause (doc)."""
MASS_UPDATE_RATE: Final = 10_000.0
"""Custom IDs per second on ``/profiles/mass-update`` (doc)."""
MASS_UPDATE_BURST: Final = 10_000.0
"""Custom IDs per one-second window on ``/profiles/mass-update``: no burst beyond the rate (doc)."""
DEFAULT_RATE: Final = 1.0
"""Requests per second to all other endpoints, one budget per project (read)."""
DEFAULT_BURST: Final = 1.0
"""Requests that fit into the default bucket (read)."""
RATE_TOLERANCE: Final = 0.010
"""Seconds by which a call may be early, for the granularity of clocks (the local Batch's own choice)."""

BODY_BYTES: Final = 5_000_000
"""Bytes of a request body; larger ones are answered with 413 (open)."""

CUSTOM_ID_LENGTH: Final = 512
"""Characters of a custom ID: the smaller of the two figures published (read)."""
NAME_LENGTH: Final = 30
"""Characters of an attribute's or event's name (read)."""
STRING_LENGTH: Final = 300
"""Characters of a string attribute; an empty one is refused (read)."""
URL_LENGTH: Final = 2_048
"""Characters of a URL attribute (read)."""
ARRAY_ITEMS: Final = 25
"""Items of an array, and members of an array after ``$add`` (sdk)."""
ARRAYS_PER_PROFILE: Final = 15
"""Array attributes one profile may hold (sdk)."""
ATTRIBUTES_PER_ENTRY: Final = 50
"""Attributes per entry, including native ones (read; counting natives: open)."""
EVENTS_PER_ENTRY: Final = 15
"""Events per entry (read)."""
INTEGER_MAX: Final = 2**63 - 1
"""Largest integer: a signed 64-bit number (sdk)."""
PORT_MAX: Final = 65_535
"""Largest port of a URL (TCP)."""

EMAIL_LENGTH: Final = 128
"""Characters of an e-mail address: the smaller of the two figures published (sdk)."""
PHONE_DIGITS: Final = 15
"""Digits of a telephone number after ``+`` (doc, E.164)."""
TOPICS: Final = 25
"""Topics of ``$topic_preferences`` (doc)."""
TOPIC_LENGTH: Final = 300
"""Characters of one topic (doc)."""

EVENT_BYTES: Final = 25_000
"""Bytes of one event as compact JSON (read: 25 kB)."""
EVENT_WINDOW_SECONDS: Final = 86_400.0
"""Maximum age of an event, in seconds; if it is older or in the future, only the event is refused (read)."""
EVENT_DEPTH: Final = 3
"""Levels of objects below an event's ``attributes`` (sdk)."""
EVENT_LEVEL_ATTRIBUTES: Final = 20
"""Attributes per level of an event, not counting ``$label`` and ``$tags`` (sdk)."""
LABEL_LENGTH: Final = 200
"""Characters of an event's ``$label`` (sdk)."""
TAGS: Final = 10
"""Tags of an event's ``$tags`` (sdk)."""
TAG_LENGTH: Final = 64
"""Characters of one tag (sdk)."""

MEMBER_ATTRIBUTES: Final = 15
"""Attributes of one audience member (doc)."""
AUDIENCE_NAME_LENGTH: Final = 255
"""Characters of an audience's name (doc)."""
LIST_LIMIT: Final = 100
"""Largest ``limit`` of a list of audiences (doc)."""
LIST_DEFAULT: Final = 10
"""Audiences listed when no ``limit`` is given (doc)."""

PROJECT_VERSIONS: Final = frozenset(f"2.{minor}" for minor in (*range(1, 9), 10, 11, 13))
"""Known versions of the project API (doc)."""
APP_VERSIONS: Final = frozenset({"1.0", "1.1"})
"""Versions of the app API (doc)."""
