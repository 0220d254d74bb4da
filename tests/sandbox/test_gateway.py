"""Any call gets an answer of a documented form."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from target_batch.sandbox.batch import LocalBatch, Options
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.gateway import respond
from target_batch.sandbox.readings import READINGS, Readings

HEADERS = [
    (b"authorization", b"Bearer k"),
    (b"x-batch-project", b"p"),
    (b"x-authorization", b"k"),
    (b"content-type", b"application/json"),
]
CALLS = [
    ("POST", "/2.11/profiles/update"),
    ("POST", "/2.11/audiences/create"),
    ("POST", "/2.11/audiences/update"),
    ("PATCH", "/1.1/K/custom-audience/a"),
    ("PUT", "/1.0/K/custom-audience/a"),
]
WORDS = st.sampled_from(
    [
        "identifiers",
        "custom_id",
        "attributes",
        "events",
        "name",
        "time",
        "ids",
        "id",
        "action",
        "add",
        "type",
        "custom_ids",
        "a",
        "date(a)",
        "url(b)",
        "$add",
        "$tags",
        "$label",
        "😀",
        "",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text()
VALUES: Any = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=4),
    max_leaves=20,
)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"identifiers": st.fixed_dictionaries({"custom_id": st.text(min_size=1)})},
        optional={
            "attributes": st.dictionaries(WORDS | st.text(), VALUES, max_size=5),
            "events": st.lists(
                st.fixed_dictionaries(
                    {"name": WORDS},
                    optional={"time": WORDS, "attributes": st.dictionaries(WORDS, VALUES)},
                ),
                max_size=3,
            ),
        },
    ),
    min_size=1,
    max_size=4,
)


ANY_READINGS = st.fixed_dictionaries(
    {}, optional={reading.name: st.sampled_from(list(reading.values)) for reading in READINGS}
)


def respond_to(batch: LocalBatch, method: str, path: str, content: Any) -> Any:
    body = json.dumps(content).encode()
    answer = respond(batch, Exchange(1, method, path, b"", HEADERS, 1.7e9, 0.0, body))
    return answer.status, json.loads(answer.body)


@settings(max_examples=150, deadline=None)
@given(call=st.sampled_from(CALLS), content=VALUES | ENTRIES)
def test_any_json_is_answered_in_a_documented_form(call: tuple[str, str], content: Any) -> None:
    status, answer = respond_to(LocalBatch(Options(rates=False)), *call, content)
    if status == 202:
        assert answer.get("code", "").startswith("SUCCESS") or answer["indexing_token"]
    else:
        assert status in {400, 404}
        assert set(answer) == {"error_code", "error_message"}


@settings(max_examples=150, deadline=None)
@given(entries=ENTRIES)
def test_every_entry_is_either_in_the_journal_or_named_in_an_error(entries: Any) -> None:
    batch = LocalBatch(Options(rates=False))
    status, answer = respond_to(batch, *CALLS[0], entries)
    if status != 202:
        assert not len(batch.profiles)
        return
    refused = {e["bulk_index"] for e in answer.get("errors", []) if "attribute" not in e}
    lines = [json.loads(line) for block in batch.journal.read() for line in block.splitlines()]
    expected = [e["identifiers"]["custom_id"] for n, e in enumerate(entries) if n not in refused]
    assert [line["custom_id"] for line in lines] == expected
    assert len(batch.profiles) == len(expected)


@settings(max_examples=150, deadline=None)
@given(entries=ENTRIES, chosen=ANY_READINGS)
def test_under_any_readings_a_call_is_refused_whole_or_every_entry_is_accounted_for(
    entries: Any, chosen: dict[str, str]
) -> None:
    batch = LocalBatch(Options(rates=False, readings=Readings(chosen)))
    status, answer = respond_to(batch, *CALLS[0], entries)
    if status >= 400:
        assert not len(batch.profiles)
        assert isinstance(answer["error_message"], str)
        return
    assert status == int(batch.options.readings["accepted_status"])
    assert batch.totals.entries + batch.totals.entries_refused == len(entries)
    assert batch.journal.total == batch.totals.entries
    named = {str(error["bulk_index"]) for error in answer.get("errors", [])}
    assert len(named) >= batch.totals.entries_refused
    assert answer["code"] == ("SUCCESS_WITH_PARTIAL_ERRORS" if named else "SUCCESS")


@settings(max_examples=100, deadline=None)
@given(call=st.sampled_from(CALLS[1:]), content=VALUES, chosen=ANY_READINGS)
def test_under_any_readings_any_json_is_answered(
    call: tuple[str, str], content: Any, chosen: dict[str, str]
) -> None:
    batch = LocalBatch(Options(rates=False, readings=Readings(chosen)))
    status, answer = respond_to(batch, *call, content)
    assert 200 <= status < 500
    assert isinstance(answer, dict)
