"""The buffer merges updates of one custom ID and keeps them in order."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.common.operations import Origin, ProfileUpdate, Tally, Ticket
from target_batch.delivery.profile_buffer import Entry, ProfileBuffer, seal
from target_batch.singer.messages import record_in


def origin(stream: str = "users") -> Origin:
    """Return the origin of a stream's records."""
    return Origin(stream, {}, (), (), lambda _: (), record_in, Tally())


USERS = origin()


def put(buffer: ProfileBuffer, line: int, custom_id: str, **attributes: Any) -> None:
    """Put an update of attributes into the buffer."""
    buffer.put(ProfileUpdate(custom_id, attributes, []), Ticket(USERS, line, b"x" * 400))


def happened(buffer: ProfileBuffer, line: int, custom_id: str, name: str) -> None:
    """Put an event into the buffer."""
    buffer.put(ProfileUpdate(custom_id, {}, [{"name": name}]), Ticket(USERS, line, b"x" * 10))


def taken(buffer: ProfileBuffer, most: int = 100) -> list[Entry]:
    """Take a request and return its entries."""
    return buffer.take(most, 10**6).entries


def encoded(buffer: ProfileBuffer, most: int = 100) -> list[Any]:
    """Take a request, encode it, and return its decoded entries."""
    entries = taken(buffer, most)
    seal(entries)
    return [json.loads(entry.body) for entry in entries]


def test_updates_of_one_id_become_one_entry_and_the_last_value_wins() -> None:
    """Batch's rate limit counts custom IDs, so merging makes a run faster."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x=1, y=1)
    put(buffer, 2, "b", x=2)
    put(buffer, 3, "a", x=3)
    assert encoded(buffer) == [
        {"identifiers": {"custom_id": "a"}, "attributes": {"x": 3, "y": 1}},
        {"identifiers": {"custom_id": "b"}, "attributes": {"x": 2}},
    ]


@pytest.mark.parametrize("later", [{"x": "unknown"}, {"x": None}, {"url(x)": "https://x.example"}])
def test_one_attribute_with_two_types_is_sent_in_two_entries(later: dict[str, Any]) -> None:
    """Batch does not document entries with both `x` and `date(x)`; the later value is sent last."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", **{"date(x)": "2024-01-01T00:00:00Z", "y": 1})
    put(buffer, 2, "a", **later)
    first = taken(buffer)
    seal(first)
    assert [json.loads(entry.body)["attributes"].keys() for entry in first] == [{"date(x)", "y"}]
    buffer.free(first)
    assert [entry["attributes"] for entry in encoded(buffer)] == [later]


def test_the_sixteenth_event_is_sent_later() -> None:
    """An entry has at most 15 events; the others wait until Batch has answered."""
    buffer = ProfileBuffer()
    for line in range(1, 18):
        happened(buffer, line, "a", f"e{line}")
    first = taken(buffer)
    assert [len(entry.events) for entry in first] == [15]
    assert taken(buffer) == []
    buffer.free(first)
    assert [len(entry.events) for entry in taken(buffer)] == [2]


def test_updates_of_an_id_in_flight_are_merged_until_its_answer() -> None:
    """Updates that arrive while an ID is in flight are sent together after the answer."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x=1)
    flying = taken(buffer)
    put(buffer, 2, "a", x=2)
    put(buffer, 3, "a", x=3)
    assert not buffer.ready
    buffer.free(flying)
    assert encoded(buffer)[0]["attributes"] == {"x": 3}


def test_partial_changes_of_an_array_are_not_overwritten() -> None:
    """A second `$add` does not replace the first one; it is sent in a separate entry."""
    buffer = ProfileBuffer(seals=False)
    put(buffer, 1, "a", tags={"$add": ["x"]})
    put(buffer, 2, "a", tags={"$add": ["y"]})
    first = taken(buffer)
    buffer.free(first)
    second = taken(buffer)
    assert [entry.attributes["tags"] for entry in (*first, *second)] == [
        {"$add": ["x"]},
        {"$add": ["y"]},
    ]


def test_an_attribute_whose_type_changed_is_not_merged_into_the_same_entry() -> None:
    """After a schema change, `x` and `date(x)` would name the same attribute twice."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x="soon")
    buffer.put(ProfileUpdate("a", {"date(x)": "2024-01-01T00:00:00Z"}, []), Ticket(origin("users"), 2, b"x"))
    assert len(encoded(buffer)) == 1
    assert buffer.entries == 1


def test_a_text_that_becomes_a_sixteenth_array_is_not_merged() -> None:
    """Merging would keep the number of attributes but exceed the limit of 15 arrays."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x="text", **{f"a{n}": ["v"] for n in range(15)})
    put(buffer, 2, "a", x=["v"])
    first = taken(buffer)
    buffer.free(first)
    assert [entry["attributes"] for entry in encoded(buffer)] == [{"x": ["v"]}]


def test_two_updates_with_more_than_50_attributes_are_not_merged() -> None:
    buffer = ProfileBuffer()
    put(buffer, 1, "a", **{f"a{n}": n for n in range(30)})
    put(buffer, 2, "a", **{f"b{n}": n for n in range(30)})
    assert [len(entry["attributes"]) for entry in encoded(buffer)] == [30]


def test_a_request_is_bounded_in_bytes() -> None:
    """Large entries make small requests, but a request has at least one entry."""
    buffer = ProfileBuffer()
    for number in range(5):
        put(buffer, number, f"u{number}", text="x" * 400)
    sizes = []
    while buffer.ready:
        sizes.append(len(buffer.take(100, 1000).entries))
    assert sizes == [2, 2, 1]


def test_the_oldest_line_is_that_of_the_oldest_waiting_update() -> None:
    """The state is held until this line is confirmed."""
    buffer = ProfileBuffer()
    assert buffer.oldest_line() is None
    put(buffer, 4, "a", x=1)
    put(buffer, 7, "b", x=1)
    taken(buffer, 1)
    assert buffer.oldest_line() == 7


def test_text_that_is_not_utf8_removes_only_its_own_entry() -> None:
    buffer = ProfileBuffer()
    for number in range(9):
        put(buffer, number, f"u{number}", text="\ud800" if number == 4 else "fine")
    entries = taken(buffer)
    assert [entry.custom_id for entry in seal(entries)] == ["u4"]
    assert [entry.custom_id for entry in entries if not entry.body] == ["u4"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.sampled_from("abc")),
        st.tuples(st.just("attribute"), st.sampled_from("abc")),
        st.tuples(st.just("cut"), st.integers(1, 4)),
        st.tuples(st.just("free"), st.integers(0, 5)),
    ),
    max_size=120,
)


@given(STEPS)
def test_in_any_sequence_of_steps_order_holds_and_nothing_is_lost(steps: list[tuple[str, Any]]) -> None:
    """Tickets leave exactly once, in order of arrival per ID, with one entry of an ID in flight at a time."""
    buffer, flying = ProfileBuffer(), list[list[Entry]]()
    arrived: dict[str, list[int]] = defaultdict(list)
    left: dict[str, list[int]] = defaultdict(list)

    def take(most: int) -> None:
        entries = taken(buffer, most)
        busy = Counter(entry.custom_id for request in (*flying, entries) for entry in request)
        assert not busy or max(busy.values()) == 1
        for entry in entries:
            left[entry.custom_id] += [ticket.line for ticket in entry.tickets]
            assert len(entry.events) <= 15
        if entries:
            flying.append(entries)

    for line, (what, value) in enumerate(steps):
        if what == "event":
            happened(buffer, line, value, f"e{line}")
            arrived[value].append(line)
        elif what == "attribute":
            put(buffer, line, value, x=line)
            arrived[value].append(line)
        elif what == "cut":
            take(value)
        elif flying:
            buffer.free(flying.pop(value % len(flying)))
    while buffer.entries or flying:
        take(100)
        buffer.free(flying.pop())
    assert left == arrived
    assert buffer.bytes == 0


def shaped(line: int, custom_id: str, **attributes: Any) -> tuple[ProfileUpdate, Ticket]:
    """Return an update and the ticket of its record."""
    return ProfileUpdate(custom_id, attributes, []), Ticket(USERS, line, b"x")


def test_an_encoded_update_can_still_be_merged() -> None:
    """Merging decodes the bytes without losing a digit or a null."""
    buffer = ProfileBuffer()
    buffer.put(*shaped(1, "a", x=Decimal("0.10000000000000000000001"), y=None))
    buffer.put(*shaped(2, "b", x=1))
    buffer.put(*shaped(3, "a", at="2026-01-02T00:00:00Z"))
    happened(buffer, 4, "b", "seen")
    first, second = taken(buffer)
    seal([first, second])
    assert first.body == (
        b'{"identifiers":{"custom_id":"a"},"attributes":'
        b'{"x":0.10000000000000000000001,"y":null,"at":"2026-01-02T00:00:00Z"}}'
    )
    assert json.loads(second.body) == {
        "identifiers": {"custom_id": "b"},
        "attributes": {"x": 1},
        "events": [{"name": "seen"}],
    }


def test_an_empty_update_has_no_attributes() -> None:
    buffer = ProfileBuffer()
    buffer.put(*shaped(1, "a"))
    assert encoded(buffer) == [{"identifiers": {"custom_id": "a"}}]


def test_text_that_is_not_utf8_is_reported_when_the_request_is_sealed() -> None:
    buffer = ProfileBuffer()
    buffer.put(*shaped(1, "a", x="half \ud800"))
    buffer.put(*shaped(2, "b", x="whole"))
    entries = taken(buffer)
    assert [entry.custom_id for entry in seal(entries)] == ["a"]
    assert entries[1].body
