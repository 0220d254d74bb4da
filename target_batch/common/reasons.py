"""Reason codes: why something was not sent or was refused, each with advice on what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Reason(Enum):
    """A reason code as it appears in rejects and run logs, with advice for the user.

    `level` says what is not sent: `record` the whole record; `attribute` one attribute, event
    attribute or member attribute; `either` the one that Batch names; `ignored` a record that
    requires no action and is only counted.
    """

    REFUSED_BY_BATCH = (
        "refused_by_batch",
        "either",
        "Batch blames this record; its message is beside the code. Correct the value and replay.",
    )
    SCHEMA_VIOLATION = (
        "schema_violation",
        "either",
        "The value contradicts the stream's SCHEMA. Correct it at the source, or the schema in the tap.",
    )

    STREAM_IGNORED = (
        "stream_ignored",
        "ignored",
        "The stream's kind is `ignore`. Set `kind` in its options to send it.",
    )
    FILTERED_BY_STREAM_MAP = (
        "filtered_by_stream_map",
        "ignored",
        "The stream map's `__filter__` removes this record, as configured.",
    )
    NOT_REPLAYABLE = (
        "not_replayable",
        "ignored",
        "The reject says `replay: false`: part of it was applied, or sending it again would repeat it.",
    )
    EVENT_IN_DOUBT = (
        "event_in_doubt",
        "ignored",
        "The event may have reached Batch: its answer was lost, or the run died. `events_in_doubt` is "
        "`skip`, so it is not sent again.",
    )
    STREAM_MAP_FAILED = (
        "stream_map_failed",
        "record",
        "An expression of the stream map cannot take this record. Make the expression allow for it "
        "and load the record again from its source.",
    )
    DELETED_AT_SOURCE = (
        "deleted_at_source",
        "ignored",
        "The record is marked as deleted (`_sdc_deleted_at`) and never updates a profile. "
        "If it is to erase the person in Batch, set the stream's `on_delete` to `erase`.",
    )
    OUTSIDE_REPLAY_WINDOW = (
        "outside_replay_window",
        "ignored",
        "The record's own time lies outside the setting `replay`. Widen `replay.start` or "
        "`replay.end` to send it.",
    )
    SEGMENT_TYPE_NOT_SELECTED = (
        "segment_type_not_selected",
        "ignored",
        "The message's type is not asked for. Add it to the stream's `types` (and to "
        "`replay.types` during a replay).",
    )

    MISSING_CUSTOM_ID = (
        "missing_custom_id",
        "record",
        "The record has no Custom User ID. Fill it at the source, or name the right property in `custom_id`.",
    )
    INVALID_CUSTOM_ID = (
        "invalid_custom_id",
        "record",
        "Batch takes no such Custom User ID: 1 to 512 characters, no line breaks, no NUL, no words such as "
        "`null`. Correct it at the source, or name another property in `custom_id`.",
    )
    ANONYMOUS_MESSAGE = (
        "anonymous_message",
        "record",
        "The Segment message has only an `anonymousId`; Batch's profiles need a `userId`. Send "
        "messages of identified users.",
    )
    ALIAS_NOT_SUPPORTED = (
        "alias_not_supported",
        "record",
        "Batch cannot merge two Custom User IDs, so `alias` has no counterpart. Filter these "
        "messages out with a stream map.",
    )
    UNKNOWN_SEGMENT_TYPE = (
        "unknown_segment_type",
        "record",
        "The message's `type` is not part of the Segment spec. Correct it at the source, or set the "
        "stream's `kind` if these are not Segment messages.",
    )
    INVALID_SEGMENT_MESSAGE = (
        "invalid_segment_message",
        "record",
        "`traits`, `properties` or `context` is not an object. Let the tap decode it, or correct "
        "it at the source.",
    )
    REPLAY_WITHOUT_TIME = (
        "replay_without_time",
        "record",
        "During a replay a record must say when it is from. Name the property in the stream's "
        "`time`, or fill it at the source.",
    )
    EVENT_OUTSIDE_WINDOW = (
        "event_outside_window",
        "record",
        "Batch takes events of the last 24 hours only, none of the future. Run more often, or set "
        "`late_events: now` to send such events as if they happened on arrival.",
    )
    INVALID_EVENT_TIME = (
        "invalid_event_time",
        "record",
        "The event's time cannot be read. Correct it at the source, name another property in the "
        "stream's `time`, or set `late_events: now` to send the event without it.",
    )
    MISSING_EVENT_TIME = (
        "missing_event_time",
        "record",
        "The event has no time of its own, so Batch would date it now. Fill it at the source, or set "
        "`late_events: now` if that is what is meant.",
    )
    MISSING_EVENT_NAME = (
        "missing_event_name",
        "record",
        "The event has no name. Fill it at the source, or set the stream's `event` or `event_property`.",
    )
    INVALID_EVENT_NAME = (
        "invalid_event_name",
        "record",
        "No Batch name (1 to 30 of a-z, 0-9 and _) can be made of the event's name. Rename the "
        "event with a stream map, or set the stream's `event`.",
    )
    EVENT_TOO_LARGE = (
        "event_too_large",
        "record",
        "One event may have 25 kB. Leave properties out with the stream's `attributes`.",
    )
    MISSING_AUDIENCE = (
        "missing_audience",
        "record",
        "The row names no audience. Fill the property at the source, or set the stream's "
        "`audience` or `audience_property`. If it is a deleted row that holds only its key, as PostgreSQL's "
        "log has it: set REPLICA IDENTITY FULL on the table, or a fixed `audience`.",
    )
    INVALID_AUDIENCE_NAME = (
        "invalid_audience_name",
        "record",
        "An audience's name is text of 1 to 255 characters. Shorten it with a stream map, or set "
        "the stream's `audience`.",
    )
    AUDIENCE_NAME_COLLISION = (
        "audience_name_collision",
        "record",
        "Two audiences become one name once Batch's characters are kept; the second is not mixed "
        "into the first. Rename one with a stream map.",
    )
    UNKNOWN_ACTION = (
        "unknown_action",
        "record",
        "The row's action is not a word for adding or removing. Correct it at the source, or set "
        "the stream's `action_property`.",
    )

    INVALID_NAME = (
        "invalid_name",
        "attribute",
        "No Batch name (1 to 30 of a-z, 0-9 and _) can be made of the property's name; nothing is "
        "cut silently. Give it a name in the stream's `attributes`.",
    )
    NAME_COLLISION = (
        "name_collision",
        "attribute",
        "Two properties become one Batch name, so only one of them is sent. Give the other its own name in "
        "the stream's `attributes`, or leave it out there with null.",
    )
    VALUE_TOO_LONG = (
        "value_too_long",
        "attribute",
        "The value is longer than Batch takes: 300 characters of text, 2,048 of a URL. Shorten it "
        "with a stream map, or leave it out in the stream's `attributes`.",
    )
    INVALID_TEXT = (
        "invalid_text",
        "attribute",
        "The text has no UTF-8 form (half of a character, a lone surrogate), or, in an event, holds a line "
        "break or only blanks. Correct it at the source.",
    )
    INVALID_NUMBER = (
        "invalid_number",
        "attribute",
        "NaN and infinities are not JSON numbers. Send null or a number.",
    )
    INVALID_BOOLEAN = (
        "invalid_boolean",
        "attribute",
        "`boolean(name)` reads true, t, yes, y, on, 1 and false, f, no, n, off, 0. Correct the value at the "
        "source, or map the property to a plain name in the stream's `attributes`.",
    )
    INVALID_DATE = (
        "invalid_date",
        "attribute",
        "The value is not a date of the calendar in ISO 8601. Correct it at the source, or map the "
        "property to another name or type in the stream's `attributes`.",
    )
    INVALID_URL = (
        "invalid_url",
        "attribute",
        "A URL needs a scheme and an authority, and no blanks. Correct it at the source, or map "
        "the property to a plain name.",
    )
    INVALID_EMAIL = (
        "invalid_email",
        "attribute",
        "The value is not an e-mail address Batch takes (128 characters at most). Correct it at the "
        "source, or map the property to a plain name in the stream's `attributes`.",
    )
    INVALID_PHONE = (
        "invalid_phone",
        "attribute",
        "The value cannot be read as a phone number. Send E.164 (`+33…`), or set "
        "`default_country` for national numbers.",
    )
    INVALID_LANGUAGE = (
        "invalid_language",
        "attribute",
        "The value is not an ISO 639 language or locale. Correct it at the source, or map the property "
        "to a plain name in the stream's `attributes`.",
    )
    INVALID_REGION = (
        "invalid_region",
        "attribute",
        "The value is not an ISO 3166 country. Correct it at the source, or, where the property holds "
        "another kind of region, map it to a plain name in the stream's `attributes`.",
    )
    INVALID_TIMEZONE = (
        "invalid_timezone",
        "attribute",
        "The value is not an IANA time zone such as `Europe/Paris`. Correct it at the source, or map "
        "the property to a plain name in the stream's `attributes`.",
    )
    INVALID_CONSENT = (
        "invalid_consent",
        "attribute",
        "The value is neither yes nor no to marketing. Translate it with a stream map, or set "
        "`consent: ignore`.",
    )
    INVALID_TOPIC = (
        "invalid_topic",
        "attribute",
        "Topic preferences are arrays of at most 25 names of a-z, 0-9 and _. Translate them with a "
        "stream map.",
    )
    INVALID_ARRAY = (
        "invalid_array",
        "attribute",
        "An array holds scalars only, or (in events) objects only, never both or arrays. "
        "Reshape it with a stream map.",
    )
    TOO_MANY_ITEMS = (
        "too_many_items",
        "attribute",
        "An array has at most 25 items, an event's `$tags` 10. Shorten it with a stream map.",
    )
    OBJECT_NOT_ALLOWED = (
        "object_not_allowed",
        "attribute",
        "Profiles and members have no objects. Set `flattening_enabled` with "
        "`flattening_max_depth`, or leave the property out in the stream's `attributes`.",
    )
    BOOLEAN_NOT_ALLOWED = (
        "boolean_not_allowed",
        "attribute",
        "Attributes of audience members have no booleans. Send a text or a number with a stream map.",
    )
    TOO_DEEP = (
        "too_deep",
        "attribute",
        "Objects of an event, alone or in arrays, go three levels deep. Flatten what is deeper with a stream "
        "map.",
    )
    TOO_MANY_ATTRIBUTES = (
        "too_many_attributes",
        "attribute",
        "Batch takes 50 attributes of a profile, 20 a level of an event, 15 of a member. Choose "
        "with the stream's `attributes` and `only_mapped`.",
    )
    TOO_MANY_ARRAYS = (
        "too_many_arrays",
        "attribute",
        "Batch takes 15 array attributes of a profile. Choose with the stream's `attributes`.",
    )
    UNSUPPORTED_VALUE = (
        "unsupported_value",
        "attribute",
        "The value is of a kind that JSON does not have. Turn it into text or a number in the "
        "stream map that makes it.",
    )
    DESTINATION_WITHOUT_ATTRIBUTES = (
        "destination_without_attributes",
        "attribute",
        "App audiences hold member attributes and tags for `id_type: install_ids` only, project "
        "audiences hold no tags, cohort attributes hold neither. Set `destination` and `id_type` "
        "accordingly, or drop the mapping.",
    )

    def __init__(self, code: str, level: str, advice: str) -> None:
        self.code = code
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
