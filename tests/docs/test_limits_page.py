"""docs/limits.md shows every limit of the code, with the same figure."""

from __future__ import annotations

import re
from pathlib import Path

from target_batch.common import limits

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
SHOWN = {
    what: float(figure.replace(",", ""))
    for what, figure in re.findall(r"^\| ([^|]+) \| ([\d,]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
}
KEPT = {
    "profiles in one call of `/profiles/update`": limits.UPDATE_ENTRIES,
    "profiles a second there": limits.UPDATE_RATE.per_second,
    "burst there": limits.UPDATE_RATE.burst,
    "profiles in one call of `/profiles/mass-update`": limits.MASS_UPDATE_ENTRIES,
    "profiles a second there, without burst": limits.MASS_UPDATE_RATE.per_second,
    "attributes in one update, native ones counted": limits.ATTRIBUTES_PER_ENTRY,
    "characters of a name, out of `a-z`, `0-9`, `_`": limits.NAME_LENGTH,
    "characters of a custom ID": limits.CUSTOM_ID_LENGTH,
    "characters of a text": limits.STRING_LENGTH,
    "characters of a URL": limits.URL_LENGTH,
    "characters of an e-mail address": limits.EMAIL_LENGTH,
    "bits of an integer": limits.LARGEST_INTEGER.bit_length() + 1,
    "items of an array": limits.ARRAY_ITEMS,
    "array attributes of a profile": limits.ARRAYS_PER_PROFILE,
    "characters of a topic preference": limits.TOPIC_LENGTH,
    "events in one update; more go with the next one": limits.EVENTS_PER_ENTRY,
    "hours that an event may be old": limits.EVENT_AGE_SECONDS / 3600,
    "bytes of one event": limits.EVENT_BYTES,
    "attributes on one level, `$label` and `$tags` not counted": limits.EVENT_ATTRIBUTES,
    "levels of objects below the attributes": limits.EVENT_DEPTH,
    "characters of `$label`": limits.LABEL_LENGTH,
    "tags of an event": limits.TAGS_PER_EVENT,
    "characters of a tag": limits.TAG_LENGTH,
    "requests a second, those about the index included": limits.OTHER_RATE.per_second,
    "members in one call": limits.AUDIENCE_ENTRIES,
    "audiences on one page of the list": limits.AUDIENCE_LIST_PAGE,
    "attributes of a member": limits.MEMBER_ATTRIBUTES,
    "characters of an audience's name, out of letters, digits, `_`, `-`": limits.AUDIENCE_NAME_LENGTH,
}


def test_the_page_shows_the_limits_of_the_code() -> None:
    assert SHOWN == KEPT


def test_the_page_shows_the_largest_request_size() -> None:
    (megabytes,) = re.findall(r"About (\d+) MB, uncompressed", PAGE)
    assert int(megabytes) * 1_000_000 == limits.BODY_BYTES
