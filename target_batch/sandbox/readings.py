"""Configurable behaviour of the local Batch where Batch's documentation leaves something open.

Each `Reading` is one open point with every plausible answer. The default comes first: it is the answer that
the page of facts describes or settles on or, failing that, the strictest one.
``target-batch sandbox --reading NAME=VALUE`` chooses another.
"""

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Final, NamedTuple

SECTIONS: Final = {
    "0": "answers in general",
    "1": "platforms and errors",
    "2": "profiles and events",
    "3": "project audiences",
    "4": "app audiences",
    "5": "read-back, erasure, others",
}
"""Sections of the page of facts about Batch's API."""


class Reading(NamedTuple):
    """One open point.

    Attributes:
        name: Name on the command line.
        page: Section, or comma-separated sections, of the page of facts that leave it open; keys of
            `SECTIONS`.
        about: Description of the open point.
        values: Possible values and their meanings; the first is the default.
    """

    name: str
    page: str
    about: str
    values: dict[str, str]

    @property
    def default(self) -> str:
        """The default value."""
        return next(iter(self.values))


READINGS: Final = (
    Reading(
        "accepted_status",
        "0",
        "the status of an accepted write",
        {"202": "as documented", "200": "200 instead of 202", "201": "201 instead of 202"},
    ),
    Reading(
        "numbers",
        "0",
        "numbers in answers",
        {"number": "JSON numbers", "text": "texts of digits"},
    ),
    Reading(
        "extra_keys",
        "0",
        "keys of answers that are not documented",
        {"absent": "none", "present": "one in every object"},
    ),
    Reading(
        "optional_keys",
        "0",
        "documented keys that a client can do without",
        {
            "present": "all of them",
            "absent": "no category of a partial error; no type, label, times and nb_ids of an audience",
        },
    ),
    Reading(
        "indexing_token",
        "0",
        "the token of an accepted change of an audience",
        {"present": "as documented", "absent": "no token at all"},
    ),
    Reading(
        "retry_after",
        "1",
        "the header Retry-After of a 429",
        {"absent": "no such header", "seconds": "a number of seconds"},
    ),
    Reading(
        "app_errors",
        "1",
        "the body of an error on the app platform",
        {
            "error_code": "error_code and error_message, as on the project platform",
            "code": "code and message",
        },
    ),
    Reading(
        "bad_entry",
        "2",
        "an entry of a call on profiles that cannot be used as a whole",
        {
            "mixed": "a bad shape refuses the call with 400, a broken rule is a partial error",
            "call": "both refuse the call with 400",
            "partial_error": "both are partial errors that name no attribute",
        },
    ),
    Reading(
        "refused_attribute",
        "2",
        "the partial error of an attribute",
        {"named": "names the attribute", "unnamed": "names only the entry, the rest of which is applied"},
    ),
    Reading(
        "refused_event",
        "2",
        "the partial error of an event",
        {
            "named": "names the event in attribute",
            "property": "names the attribute of the event that is at fault, if there is one",
            "unnamed": "names only the entry, the rest of which is applied",
        },
    ),
    Reading(
        "event_without_time",
        "2",
        "an event without a time",
        {"arrival": "the time of its arrival", "refused": "a partial error"},
    ),
    Reading(
        "repeated_id",
        "2",
        "the same ID twice in a call on profiles",
        {"refused": "the call is refused with 400", "applied": "both are applied, in order"},
    ),
    Reading(
        "repeated_name",
        "2",
        "a profile's attribute given under two keys, such as a and date(a)",
        {"refused": "both are refused", "last_wins": "the last one is kept"},
    ),
    Reading(
        "list_count",
        "3",
        "the count of a list's first page",
        {"present": "as documented", "absent": "no count"},
    ),
    Reading(
        "last_page",
        "3",
        "the cursor of a list's last page",
        {"absent": "no next_from", "null": "next_from is null", "cursor": "a cursor of an empty page"},
    ),
    Reading(
        "pending_state",
        "3",
        "the state of a change that is not indexed yet",
        {"IN_PROGRESS": "as most pages write it", "IN_PROCESS": "as one page writes it"},
    ),
    Reading(
        "existing_audience",
        "3, 4",
        "the creation of an audience that exists",
        {
            "400": "refused with 400",
            "403": "refused with 403",
            "409": "refused with 409",
            "accepted": "a success that changes nothing",
        },
    ),
    Reading(
        "unknown_audience",
        "3, 4",
        "a call on an audience that does not exist",
        {
            "by_route": "404 for a view and on the app platform, 400 for a project's writes",
            "400": "always 400",
            "404": "always 404",
        },
    ),
    Reading(
        "empty_replace",
        "3, 4",
        "a replace without members",
        {"refused": "refused with 400", "accepted": "the audience is emptied"},
    ),
    Reading(
        "install_creation",
        "4",
        "the creation of an app's audience of installation IDs",
        {"accepted": "as one of custom IDs", "refused": "refused with 400"},
    ),
    Reading(
        "old_replace",
        "4",
        "a replace of an app's audience in version 1.0",
        {
            "accepted": "as in 1.1, with the type",
            "400": "refused as a bad request",
            "404": "refused as a route that does not exist",
            "405": "refused as a method that does not exist",
        },
    ),
    Reading(
        "app_change",
        "4",
        "the answer to an update or replace of an app's audience",
        {
            "202_with_token": "202 and an indexing_token",
            "200_with_token": "200 and an indexing_token",
            "202_without_token": "202 and an empty object",
            "200_without_token": "200 and an empty object",
            "202_without_body": "202 and no body",
            "204_without_body": "204 and no body",
            "200_with_text": "200 and the plain text OK",
        },
    ),
    Reading(
        "app_member_dates",
        "4",
        "dates among the attributes of an app audience's member",
        {"without_zone": "only as in the sample, without a zone", "any": "with Z as well"},
    ),
    Reading(
        "export_absent",
        "5",
        "an attribute that was asked for and that a profile of an export lacks",
        {"absent": "it is not there", "null": "it is null"},
    ),
    Reading(
        "export_values",
        "5",
        "the values of an export",
        {"typed": "as they were sent", "text": "numbers and booleans as texts, times without a zone"},
    ),
    Reading(
        "unknown_person",
        "5",
        "the erasure of a person that there is no profile of",
        {"accepted": "taken like any other", "400": "refused with 400", "404": "refused with 404"},
    ),
    Reading(
        "erasure_id",
        "5",
        "the key that names a request to erase a person",
        {
            "id": "id",
            "request_id": "request_id",
            "absent": "none, an empty object",
            "no_body": "none, 204 and no body",
            "text": "none, 200 and the plain text OK",
            "null": "none, 200 and null",
        },
    ),
)
"""Every open point, in the order of the page of facts."""
_BY_NAME: Final = {reading.name: reading for reading in READINGS}


class ReadingError(ValueError):
    """An unknown reading, or an unknown value of a reading."""


class Readings:
    """The readings in force.

    Args:
        chosen: Values by name; readings that are absent keep their default.

    Raises:
        ReadingError: If a name or value is unknown.
    """

    def __init__(self, chosen: Mapping[str, str] | None = None) -> None:
        self._values = {reading.name: reading.default for reading in READINGS}
        self.choose(chosen or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def choose(self, chosen: Mapping[str, str]) -> None:
        """Change values; if one is invalid, none is changed.

        Raises:
            ReadingError: If a name or value is unknown.
        """
        for name, value in chosen.items():
            if name not in _BY_NAME:
                raise ReadingError(f"{name} is not a reading; there are {', '.join(_BY_NAME)}")
            if value not in _BY_NAME[name].values:
                raise ReadingError(f"{name} is one of {', '.join(_BY_NAME[name].values)}")
        self._values.update(chosen)

    def show(self) -> dict[str, str]:
        """Return all values by name."""
        return dict(self._values)

    def deviating(self) -> dict[str, str]:
        """Return the values that differ from the default, by name, in the order of `READINGS`."""
        return {name: value for name, value in self._values.items() if value != _BY_NAME[name].default}


def parse_readings(texts: Iterable[str]) -> Readings:
    """Parse ``NAME=VALUE`` arguments from the command line.

    Raises:
        ReadingError: If an argument is not ``NAME=VALUE``, or its name or value is unknown.
    """
    chosen = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ReadingError(f"{text} is not NAME=VALUE")
        chosen[name] = value
    return Readings(chosen)


def describe_readings(width: int) -> str:
    """Describe all readings in lines of at most `width` characters, for the command's help."""
    lines = ["Readings, where the documentation is silent (the first value is the default):"]
    for reading in READINGS:
        lines += ["", "\b", *wrap(f"{reading.name}: {reading.about}", width, subsequent_indent="  ")]
        for value, meaning in reading.values.items():
            lines += wrap(f"{value}: {meaning}", width, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)
