"""Reason codes: why something was not sent or was refused, each with advice on what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final


@unique
class Reason(Enum):
    """A reason, with advice for the user; its `code` in rejects and run logs is its name in lower case.

    `level` says what is not sent: `record` the whole record; `attribute` one attribute, event
    attribute or member attribute; `either` the one that Batch names; `ignored` a record that
    requires no action and is only counted.
    """

    REFUSED_BY_BATCH = (
        "either",
        "Batch blames this record; its message is beside the code. Correct the value and replay.",
    )
    SCHEMA_VIOLATION = (
        "either",
        "The value contradicts the stream's SCHEMA. Correct it at the source, or the schema in the tap.",
    )

    STREAM_IGNORED = ("ignored", "The stream's kind is `ignore`. Set `kind` in its options to send it.")
    FILTERED_BY_STREAM_MAP = (
        "ignored",
        "`stream_maps` removes this record, as configured: by a `__filter__`, or by null for the stream.",
    )
    NOT_REPLAYABLE = (
        "ignored",
        "The reject says `replay: false`: part of it was applied, sending it again would repeat or undo "
        "something, or JSON cannot hold one of its values. Load the record again from its source.",
    )
    EVENT_IN_DOUBT = (
        "ignored",
        "The event may have reached Batch: its answer was lost, or the run died. `events_in_doubt` is "
        "`skip`, so it is not sent again.",
    )
    STREAM_MAP_FAILED = (
        "record",
        "An expression of the stream map cannot take this record. Make the expression allow for it "
        "and load the record again from its source.",
    )
    DELETED_AT_SOURCE = (
        "ignored",
        "The record is marked as deleted (`_sdc_deleted_at`) and never updates a profile. "
        "If it is to erase the person in Batch, set the stream's `on_delete` to `erase`.",
    )
    OUTSIDE_REPLAY_WINDOW = (
        "ignored",
        "The record's own time lies outside the setting `replay`. Widen `replay.start` or "
        "`replay.end` to send it.",
    )
    SEGMENT_TYPE_NOT_SELECTED = (
        "ignored",
        "The message's type is not asked for. Add it to the stream's `types` (and to "
        "`replay.types` during a replay).",
    )

    MISSING_CUSTOM_ID = (
        "record",
        "The record has no Custom User ID. Fill it at the source, or name the right property in `custom_id`.",
    )
    INVALID_CUSTOM_ID = (
        "record",
        "Batch takes no such Custom User ID: 1 to 512 characters, no line breaks, no NUL, no words such as "
        "`null`. Correct it at the source, or name another property in `custom_id`.",
    )
    ANONYMOUS_MESSAGE = (
        "record",
        "The Segment message has only an `anonymousId`; Batch's profiles need a `userId`. Send "
        "messages of identified users.",
    )
    ALIAS_NOT_SUPPORTED = (
        "record",
        "Batch cannot merge two Custom User IDs, so `alias` has no counterpart. Filter these "
        "messages out with a stream map.",
    )
    UNKNOWN_SEGMENT_TYPE = (
        "record",
        "The message's `type` is not part of the Segment spec. Correct it at the source, or set the "
        "stream's `kind` if these are not Segment messages.",
    )
    INVALID_SEGMENT_MESSAGE = (
        "record",
        "`traits`, `properties` or `context` is not an object. Let the tap decode it, or correct "
        "it at the source.",
    )
    REPLAY_WITHOUT_TIME = (
        "record",
        "During a replay a record must say when it is from. Name the property in the stream's "
        "`time`, or fill it at the source.",
    )
    EVENT_OUTSIDE_WINDOW = (
        "record",
        "Batch takes events of the last 24 hours only, none of the future. Run more often, or set "
        "`late_events: now` to send such events as if they happened on arrival.",
    )
    INVALID_EVENT_TIME = (
        "record",
        "The event's time cannot be read. Correct it at the source, name another property in the "
        "stream's `time`, or set `late_events: now` to send the event without it.",
    )
    MISSING_EVENT_TIME = (
        "record",
        "The event has no time of its own, so Batch would date it now. Fill it at the source, or set "
        "`late_events: now` if that is what is meant.",
    )
    MISSING_EVENT_NAME = (
        "record",
        "The event has no name. Fill it at the source, or set the stream's `event` or `event_property`.",
    )
    INVALID_EVENT_NAME = (
        "record",
        "No Batch name (1 to 30 of a-z, 0-9 and _) can be made of the event's name. Rename the "
        "event with a stream map, or set the stream's `event`.",
    )
    EVENT_TOO_LARGE = (
        "record",
        "One event may have 25 kB. Leave properties out with the stream's `attributes`.",
    )
    MISSING_AUDIENCE = (
        "record",
        "The row names no audience. Fill the property at the source, or set the stream's "
        "`audience` or `audience_property`. If it is a deleted row that holds only its key, as PostgreSQL's "
        "log has it: set REPLICA IDENTITY FULL on the table, or a fixed `audience`.",
    )
    INVALID_AUDIENCE_NAME = (
        "record",
        "An audience's name is text of 1 to 255 characters. Shorten it with a stream map, or set "
        "the stream's `audience`.",
    )
    AUDIENCE_NAME_COLLISION = (
        "record",
        "Two audiences become one name once Batch's characters are kept; the second is not mixed "
        "into the first. Rename one with a stream map.",
    )
    UNKNOWN_ACTION = (
        "record",
        "The row's action is not a word for adding or removing. Correct it at the source, or set "
        "the stream's `action_property`.",
    )

    INVALID_NAME = (
        "attribute",
        "No Batch name (1 to 30 of a-z, 0-9 and _) can be made of the property's name; nothing is "
        "cut silently. Give it a name in the stream's `attributes`.",
    )
    NAME_COLLISION = (
        "attribute",
        "Two properties become one Batch name, so only one of them is sent. Give the other its own name in "
        "the stream's `attributes`, or leave it out there with null.",
    )
    VALUE_TOO_LONG = (
        "attribute",
        "The value is longer than Batch takes: 300 characters of text, 2,048 of a URL. Shorten it "
        "with a stream map, or leave it out in the stream's `attributes`.",
    )
    INVALID_TEXT = (
        "attribute",
        "The text has no UTF-8 form (half of a character, a lone surrogate), or, in an event, holds a line "
        "break or only blanks. Correct it at the source.",
    )
    INVALID_NUMBER = ("attribute", "NaN and infinities are not JSON numbers. Send null or a number.")
    INVALID_BOOLEAN = (
        "attribute",
        "`boolean(name)` reads true, t, yes, y, on, 1 and false, f, no, n, off, 0. Correct the value at the "
        "source, or map the property to a plain name in the stream's `attributes`.",
    )
    INVALID_DATE = (
        "attribute",
        "The value is not a date of the calendar in ISO 8601. Correct it at the source, or map the "
        "property to another name or type in the stream's `attributes`.",
    )
    INVALID_URL = (
        "attribute",
        "A URL needs a scheme and an authority, and no blanks. Correct it at the source, or map "
        "the property to a plain name.",
    )
    INVALID_EMAIL = (
        "attribute",
        "The value is not an e-mail address Batch takes (128 characters at most). Correct it at the "
        "source, or map the property to a plain name in the stream's `attributes`.",
    )
    INVALID_PHONE = (
        "attribute",
        "The value cannot be read as a phone number. Send E.164 (`+33…`), or set "
        "`default_country` for national numbers.",
    )
    INVALID_LANGUAGE = (
        "attribute",
        "The value is not an ISO 639 language or locale. Correct it at the source, or map the property "
        "to a plain name in the stream's `attributes`.",
    )
    INVALID_REGION = (
        "attribute",
        "The value is not an ISO 3166 country. Correct it at the source, or, where the property holds "
        "another kind of region, map it to a plain name in the stream's `attributes`.",
    )
    INVALID_TIMEZONE = (
        "attribute",
        "The value is not an IANA time zone such as `Europe/Paris`. Correct it at the source, or map "
        "the property to a plain name in the stream's `attributes`.",
    )
    INVALID_CONSENT = (
        "attribute",
        "The value is neither yes nor no to marketing. Translate it with a stream map, or set "
        "`consent: ignore`.",
    )
    INVALID_TOPIC = (
        "attribute",
        "Topic preferences are arrays of at most 25 names of a-z, 0-9 and _. Translate them with a "
        "stream map.",
    )
    INVALID_ARRAY = (
        "attribute",
        "An array holds scalars only, or (in events) objects only, never both or arrays. "
        "Reshape it with a stream map.",
    )
    TOO_MANY_ITEMS = (
        "attribute",
        "An array has at most 25 items, an event's `$tags` 10. Shorten it with a stream map.",
    )
    OBJECT_NOT_ALLOWED = (
        "attribute",
        "Profiles and members have no objects. Set `flattening_enabled` with "
        "`flattening_max_depth`, or leave the property out in the stream's `attributes`.",
    )
    BOOLEAN_NOT_ALLOWED = (
        "attribute",
        "Attributes of audience members have no booleans. Send a text or a number with a stream map.",
    )
    TOO_DEEP = (
        "attribute",
        "Objects of an event, alone or in arrays, go three levels deep. Flatten what is deeper with a stream "
        "map.",
    )
    TOO_MANY_ATTRIBUTES = (
        "attribute",
        "Batch takes 50 attributes of a profile, 20 a level of an event, 15 of a member. Choose "
        "with the stream's `attributes` and `only_mapped`.",
    )
    TOO_MANY_ARRAYS = (
        "attribute",
        "Batch takes 15 array attributes of a profile. Choose with the stream's `attributes`.",
    )
    UNSUPPORTED_VALUE = (
        "attribute",
        "The value is of a kind that JSON does not have. Turn it into text or a number in the "
        "stream map that makes it.",
    )
    DESTINATION_WITHOUT_ATTRIBUTES = (
        "attribute",
        "App audiences hold member attributes and tags for `id_type: install_ids` only, project "
        "audiences hold no tags, cohort attributes hold neither. Set `destination` and `id_type` "
        "accordingly, or drop the mapping.",
    )

    def __init__(self, level: str, advice: str) -> None:
        self.code = self.name.lower()
        self.level = level
        self.advice = advice

    @property
    def stops(self) -> bool:
        """Whether a setting or the tap is the likely cause, so that too many such rejects stop the run."""
        return self in STOPPING


@dataclass(slots=True, frozen=True)
class Issue:
    """One reason why a record, an attribute, an event or a member cannot be sent.

    `property` is the source's name (a dotted path inside objects), `attribute` Batch's; both are
    None if the whole record is meant. `message` is for people and contains no value of the record.
    With `counted_only`, the issue affects the whole column and was reported at the SCHEMA: it is counted
    but not written to the rejects for each record.
    """

    reason: Reason
    property: str | None = None
    attribute: str | None = None
    message: str = ""
    counted_only: bool = False


STOPPING: Final = frozenset({
    Reason.REFUSED_BY_BATCH,
    Reason.STREAM_MAP_FAILED,
    Reason.MISSING_CUSTOM_ID,
    Reason.INVALID_CUSTOM_ID,
    Reason.UNKNOWN_SEGMENT_TYPE,
    Reason.INVALID_SEGMENT_MESSAGE,
    Reason.REPLAY_WITHOUT_TIME,
    Reason.INVALID_EVENT_TIME,
    Reason.MISSING_EVENT_TIME,
    Reason.MISSING_EVENT_NAME,
    Reason.INVALID_EVENT_NAME,
    Reason.MISSING_AUDIENCE,
    Reason.INVALID_AUDIENCE_NAME,
    Reason.UNKNOWN_ACTION,
})  # fmt: skip
"""Reasons that count towards `max_rejected_share`. Reasons that lie in the data itself do not count, such as
events that are too old, anonymous messages or two audiences with the same name."""
