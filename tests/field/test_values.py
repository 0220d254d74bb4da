"""Values as real taps and spreadsheets write them: good ones are sent, bad ones are rejected alone.

Each case is one record under a SCHEMA, end to end; inputs from the field are accompanied by similar ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer import BOOLEAN, DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

URI = {"type": ["string", "null"], "format": "uri"}
OBJECT = {"type": ["object", "null"]}
LIST = {"type": ["array", "null"]}


def case(
    name: str, properties: Any, row: Any, attributes: Any, codes: tuple[str, ...] = (), **settings: Any
) -> Any:
    """Return one case; `row` is the record, or its JSON where Python would write it differently."""
    return pytest.param(properties, row, attributes, codes, settings, id=name)


NATIVES = dict.fromkeys(("email", "email_address", "language", "region", "locale", "timezone"), STRING)

CASES = [
    case(
        "a decimal as numeric(10,2) leaves PostgreSQL",
        {"p": {**NUMBER, "multipleOf": 0.01}},
        '{"p": 0.429999999999999993}',
        {"p": 0.429999999999999993},
    ),
    case(
        "a bound that no value can keep",
        {"p": {**NUMBER, "minimum": 5, "maximum": 1, "exclusiveMinimum": 9}},
        {"p": 3},
        {"p": 3},
    ),
    case(
        "a text beyond its pattern, enum and length",
        {"p": {**STRING, "pattern": "^x", "enum": ["y"], "minLength": 9, "const": "z"}},
        {"p": "q"},
        {"p": "q"},
    ),
    case(
        "an array beyond its bounds",
        {"p": {**LIST, "minItems": 9, "uniqueItems": True, "items": {"type": "string"}}},
        {"p": ["a", "a"]},
        {"p": ["a", "a"]},
    ),
    case(
        "a name with a dot beside its beginning",
        {"a.b": INTEGER, "a": STRING},
        {"a.b": "bad", "a": "good"},
        {"a": "good"},
        ("schema_violation",),
    ),
    case(
        "Owner and Owner.Name",
        {"Owner": STRING, "Owner.Name": INTEGER},
        {"Owner": "o", "Owner.Name": "bad"},
        {"owner": "o"},
        ("schema_violation",),
    ),
    case(
        "user_id and user_id.kind",
        {"user_id.kind": INTEGER, "p": STRING},
        {"user_id.kind": "bad", "p": "x"},
        {"p": "x"},
        ("schema_violation",),
    ),
    case(
        "three names that begin alike",
        {"a": STRING, "a.b": STRING, "a.b.c": INTEGER},
        {"a": "1", "a.b": "2", "a.b.c": "bad"},
        {"a": "1", "a_b": "2"},
        ("schema_violation",),
    ),
    case(
        "a locale beside a null language",
        NATIVES,
        {"language": None, "locale": "fr-CH"},
        {"$language": "fr", "$region": "CH"},
    ),
    case(
        "an empty language beside a locale",
        NATIVES,
        {"language": "", "locale": "pt_BR"},
        {"$language": "pt", "$region": "BR"},
    ),
    case(
        "an address beside an empty one",
        NATIVES,
        {"email_address": "", "email": "a@example.com"},
        {"$email_address": "a@example.com"},
    ),
    case(
        "numbers beyond a double and 64 bits",
        {"n": NUMBER, "i": INTEGER, "ok": INTEGER},
        '{"n": 1e400, "i": 9223372036854775808, "ok": 9223372036854775807}',
        {"ok": 2**63 - 1},
        ("invalid_number", "invalid_number"),
    ),
    case(
        "negative numbers beyond them, and the least that fits",
        {"n": NUMBER, "i": INTEGER, "ok": INTEGER},
        '{"n": -1e309, "i": -9223372036854775809, "ok": -9223372036854775808}',
        {"ok": -(2**63)},
        ("invalid_number", "invalid_number"),
    ),
    *(
        case(f"the URL {url}", {"p": URI}, {"p": url}, {}, ("invalid_url",))
        for url in (
            "https://[x/",
            "https://a.b:99999/",
            "https://@/",
            "http://",
            "//x.example",
            "https://a.b:x/",
            "https://a b.example/",
            "mailto:a@example.com",
        )
    ),
    *(
        case(f"the address {address}", NATIVES, {"email": address}, {}, ("invalid_email",))
        for address in ("a@b.xn--p1ai", "a@b", "a b@c.de", "a@@b.de", "mailto:a@example.com?cc=b")
    ),
    *(
        case(f"the address {address}", NATIVES, {"email": address}, {"$email_address": "a@example.com"})
        for address in ("mailto:a@example.com", " MAILTO:a@example.com ", " a@example.com")
    ),
    *(
        case(f"the time zone {zone}", NATIVES, {"timezone": zone}, {}, ("invalid_timezone",))
        for zone in ("localtime", "Factory", "posixrules", "right/UTC", "+02:00")
    ),
    *(
        case(f"the region {region}", NATIVES, {"region": region}, {}, ("invalid_region",))
        for region in ("EU", "001", "FRA")
    ),
    case("the locale en_US_POSIX", NATIVES, {"locale": "en_US_POSIX"}, {"$language": "en", "$region": "US"}),
    case("the locale of C", NATIVES, {"locale": "de_AT.UTF-8@euro"}, {"$language": "de", "$region": "AT"}),
    *(
        case(
            f"the phone {phone}",
            {"phone": NUMBER},
            f'{{"phone": {phone}}}',
            {"$phone_number": "+33612345678"},
        )
        for phone in ("33612345678.0", "33612345678", "3.3612345678E+10")
    ),
    case(
        "a phone as number mapped to the native",
        {"tel": NUMBER},
        '{"tel": 33612345678.0}',
        {"$phone_number": "+33612345678"},
        streams={"users": {"attributes": {"tel": "$phone_number"}}},
    ),
    case(
        "a national phone as integer",
        {"phone": INTEGER},
        {"phone": 612345678},
        {"$phone_number": "+33612345678"},
        default_country="FR",
    ),
    case(
        "a national phone without a country", {"phone": INTEGER}, {"phone": 612345678}, {}, ("invalid_phone",)
    ),
    *(
        case(
            f"the consent {word}",
            {"sms_marketing": {}},
            {"sms_marketing": word},
            {"$sms_marketing": "subscribed" if good else "unsubscribed"},
        )
        for word, good in {
            "Oui": True,
            "Non": False,
            "ja": True,
            "nein": False,
            "sí": True,
            "no": False,
            "granted": True,
            "denied": False,
            "O": True,
            "N": False,
            "revoked": False,
            "withdrawn": False,
            "YES": True,
            "opt-out": False,
            "1.0": True,
        }.items()
    ),
    *(
        case(f"the consent {word}", {"sms_marketing": {}}, {"sms_marketing": word}, {}, ("invalid_consent",))
        for word in ("n/a", "perhaps", "X", "2")
    ),
    case(
        "a null consent",
        {"sms_marketing": STRING, "p": STRING},
        {"sms_marketing": None, "p": "x"},
        {"p": "x"},
    ),
    case(
        "a decimal as text",
        {"p": {"type": "string", "format": "x-singer.decimal"}},
        {"p": "1.50"},
        {"p": 1.5},
    ),
    case(
        "a text that is not a decimal",
        {"p": {"type": "string", "format": "singer.decimal"}},
        {"p": "1,50"},
        {},
        ("invalid_number",),
    ),
    case(
        "a column without a name",
        {"": STRING, "p": STRING},
        {"": "x", "p": "y"},
        {"p": "y"},
        ("invalid_name",),
    ),
    case(
        "a column name of signs only",
        {"?!": STRING, "p": STRING},
        {"?!": "x", "p": "y"},
        {"p": "y"},
        ("invalid_name",),
    ),
    case("a whole number in an integer column", {"p": INTEGER}, '{"p": 7.0}', {"p": 7}),
    case(
        "a fraction in an integer column",
        {"p": INTEGER, "q": STRING},
        '{"p": 7.5, "q": "x"}',
        {"q": "x"},
        ("schema_violation",),
    ),
    case(
        "an object without a SCHEMA inside",
        {"p": OBJECT, "q": STRING},
        {"p": {"x": 1}, "q": "y"},
        {"q": "y"},
        ("object_not_allowed",),
    ),
    case("columns that the tap did not select", {"p": STRING}, {"p": "x"}, {"p": "x"}),
    case(
        "a date by reference", {"p": {"$ref": "#/definitions/ts"}}, {"p": "0000-00-00"}, {}, ("invalid_date",)
    ),
    case(
        "a boolean as text",
        {"p": BOOLEAN, "q": STRING},
        {"p": "true", "q": "x"},
        {"q": "x"},
        ("schema_violation",),
    ),
]


@pytest.mark.parametrize(("properties", "row", "attributes", "codes", "settings"), CASES)
def test_a_value_is_sent_exactly_or_rejected_with_its_reason(
    tmp_path: Path, batch: LocalBatch, properties: Any, row: Any, attributes: Any, codes: Any, settings: Any
) -> None:
    """The rest of the record is sent in both cases."""
    declared: dict[str, Any] = {
        "type": "object",
        "properties": {"user_id": STRING, **properties},
        "required": ["user_id", "gone"],
    }
    declared |= {"minProperties": 99, "additionalProperties": False, "definitions": {"ts": DATE_TIME}}
    head = json.dumps(
        {"type": "SCHEMA", "stream": "users", "schema": declared, "key_properties": ["user_id"]}
    )
    text = row if isinstance(row, str) else json.dumps(row)
    line = f'{{"type": "RECORD", "stream": "users", "record": {{"user_id": "u1", {text[1:]}}}'
    ended = run(tmp_path, batch.url, [head, line, state({"seen": 1})], **settings)
    assert ended.code == 0, ended.log
    assert ended.states == [{"seen": 1}]
    assert batch.attributes("u1") == attributes
    assert tuple(ended.codes()) == codes
    assert ended.totals("users")["delivered"] == 1


@pytest.mark.parametrize("share", [1500, 2000, 2900])
def test_the_good_values_of_a_mostly_invalid_column_are_sent(
    tmp_path: Path, batch: LocalBatch, share: int
) -> None:
    """Every consent that can be read is sent; any number of others is on disk."""
    words = ["zzz"] * share + ["no"] * (3000 - share)
    rows = [record("users", user_id=f"u{n}", email_marketing=word) for n, word in enumerate(words)]
    head = schema("users", {"user_id": STRING, "email_marketing": STRING})
    ended = run(tmp_path, batch.url, [head, *rows, state({"end": 1})])
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    sent = [line["custom_id"] for line in batch.journal() if line["attributes"]]
    assert sorted(sent) == sorted(f"u{n}" for n in range(share, 3000))
    assert len(ended.rejects()) == share


def test_if_a_tenth_of_the_phones_is_invalid_only_that_tenth_is_rejected(
    tmp_path: Path, batch: LocalBatch
) -> None:
    phones = ["n/a" if n % 10 == 0 else f"+33612{n:06d}" for n in range(20_000)]
    rows = [record("users", user_id=f"u{n}", phone=phone) for n, phone in enumerate(phones)]
    ended = run(tmp_path, batch.url, [schema("users", {"user_id": STRING, "phone": STRING}), *rows])
    assert ended.code == 0
    assert sum("$phone_number" in line["attributes"] for line in batch.journal()) == 18_000
    assert ended.codes() == ["invalid_phone"] * 2_000


@pytest.mark.parametrize("properties", [None, {}, [], "absent"])
def test_a_schema_may_declare_no_properties(tmp_path: Path, batch: LocalBatch, properties: Any) -> None:
    """Document databases write such a SCHEMA; values are sent by their JSON types."""
    declared = {"type": "object"} if properties == "absent" else {"type": "object", "properties": properties}
    head = json.dumps(
        {"type": "SCHEMA", "stream": "users", "schema": declared, "key_properties": ["user_id"]}
    )
    row = {"a": 1, "b": "x", "c": True, "d": ["y"], "e": 1.5}
    ended = run(tmp_path, batch.url, [head, record("users", user_id="u1", **row), state({"end": 1})])
    assert (ended.code, ended.states) == (0, [{"end": 1}]), ended.log
    assert batch.attributes("u1") == row


EVENT = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "p": {}, "q": STRING}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"b": {"c": {"d": 1}}}, None),
        ([{"b": {"c": {"d": 1}}}], None),
        ({"b": {"c": {"d": {"e": 1}}}}, "too_deep"),
        ({"b": {"c": {"d": ["e"]}}}, None),
        ([{"b": {"c": {"d": ["e"]}}}], None),
        ({"b": {"c": {"d": [{"e": 1}]}}}, "too_deep"),
        ("x\ny", "invalid_text"),
        ("x\r", "invalid_text"),
        ("  ", "invalid_text"),
        (["a", "b\u2028c"], "invalid_text"),
    ],
)
def test_an_attribute_of_an_event_with_an_invalid_shape_is_rejected_alone(
    tmp_path: Path, batch: LocalBatch, value: Any, code: str | None
) -> None:
    """Mapping and local Batch agree: at most three levels below the attributes, and texts of one line."""
    row = {"user_id": "u1", "event": "e", "time": "2026-01-01T00:00:00Z", "p": value, "q": "x"}
    lines = [schema("events", EVENT), record("events", **row), state({"end": 1})]
    ended = run(tmp_path, batch.url, lines, late_events="now")
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    (event,) = batch.profile("u1")["events"]
    assert event["attributes"]["q"] == "x"
    assert ("p" in event["attributes"]) == (code is None)
    assert ended.codes() == ([code] if code else [])


ENVELOPE = {
    **dict.fromkeys(("type", "userId", "event", "timestamp"), STRING),
    **dict.fromkeys(("traits", "properties", "context"), OBJECT),
}


@pytest.mark.parametrize(
    "context", [{"locale": "", "timezone": ""}, {"locale": None}, {"timezone": " "}, {}, None]
)
def test_an_empty_context_deletes_nothing(tmp_path: Path, batch: LocalBatch, context: Any) -> None:
    row = {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}, "context": context}
    ended = run(tmp_path, batch.url, [schema("web", ENVELOPE), record("web", **row), state({"end": 1})])
    assert (ended.code, ended.states) == (0, [{"end": 1}])
    (sent,) = batch.journal()
    assert sent["attributes"] == {"plan": "pro"}
    assert ended.rejects() == []


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"timestamp": None}, "missing_event_time"),
        ({"timestamp": ""}, "missing_event_time"),
        ({}, "missing_event_time"),
        ({"timestamp": "soon"}, "invalid_event_time"),
    ],
)
def test_a_track_without_its_time_is_not_dated_now(
    tmp_path: Path, batch: LocalBatch, times: Any, code: str
) -> None:
    row = {"type": "track", "userId": "u1", "event": "Bought", "properties": {"k": 1}, **times}
    ended = run(tmp_path, batch.url, [schema("web", ENVELOPE), record("web", **row), state({"end": 1})])
    assert batch.journal() == []
    assert ended.codes() == [code]


def test_the_traits_of_a_message_win_over_those_of_its_context(tmp_path: Path, batch: LocalBatch) -> None:
    row = {
        "type": "identify",
        "userId": "u1",
        "traits": {"a": "own"},
        "context": {"traits": {"a": "x", "b": "y"}},
    }
    run(tmp_path, batch.url, [schema("web", ENVELOPE), record("web", **row), state({"end": 1})])
    assert batch.attributes("u1") == {"a": "own", "b": "y"}


@pytest.mark.parametrize(
    ("value", "custom_id"),
    [
        ("7.0", "7"),
        ("5", "5"),
        ('"5"', "5"),
        ('" x "', "x"),
        ('"7.0"', "7.0"),
        ("7.5", None),
        ("true", None),
        ('"None"', None),
        ('"null"', None),
        ('"nan"', None),
        ('""', None),
        ("1e3", "1000"),
    ],
)
def test_a_custom_id_is_the_number_or_text_that_the_source_means(
    tmp_path: Path, batch: LocalBatch, value: str, custom_id: str | None
) -> None:
    """Numbers and texts are used under any type of the SCHEMA; words that mean nothing are rejected."""
    for kind in (STRING, INTEGER):
        (tmp_path / kind["type"][0]).mkdir()
        batch.reset()
        line = f'{{"type": "RECORD", "stream": "users", "record": {{"user_id": {value}, "p": "x"}}}}'
        lines = [
            schema("users", {"user_id": kind, "p": STRING}),
            line,
            record("users", user_id="good", p="x"),
        ]
        ended = run(tmp_path / kind["type"][0], batch.url, lines)
        found = {line["custom_id"] for line in batch.journal()}
        assert found == {"good", *([custom_id] if custom_id else [])}
        assert len(ended.rejects()) == (custom_id is None)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("Été 2026", "Ete_2026"), ("À risque", "A_risque"), ("Größe L", "Grosse_L"), ("VIP & co", "VIP___co")],
)
def test_the_name_of_an_audience_is_transliterated(
    tmp_path: Path, batch: LocalBatch, name: str, cleaned: str
) -> None:
    head = schema("cohort_members", {"user_id": STRING, "cohort": STRING})
    ended = run(tmp_path, batch.url, [head, record("cohort_members", user_id="u1", cohort=name)])
    assert ended.code == 0
    assert batch.audience(cleaned) == {"u1"}
