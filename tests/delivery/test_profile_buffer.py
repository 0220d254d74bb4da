"""The buffer merges what waits for one custom ID and never lets it be overtaken."""

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
    """Make where a record comes from."""
    return Origin(stream, {}, (), (), lambda _: (), record_in, Tally())


USERS = origin()


def put(buffer: ProfileBuffer, line: int, custom_id: str, **attributes: Any) -> None:
    """Put an update of attributes in."""
    buffer.put(ProfileUpdate(custom_id, attributes, []), Ticket(USERS, line, b"x" * 400))


def happened(buffer: ProfileBuffer, line: int, custom_id: str, name: str) -> None:
    """Put an event in."""
    buffer.put(ProfileUpdate(custom_id, {}, [{"name": name}]), Ticket(USERS, line, b"x" * 10))


def taken(buffer: ProfileBuffer, most: int = 100) -> list[Entry]:
    """Cut a request."""
    return buffer.cut(most, 10**6).entries


def cut(buffer: ProfileBuffer, most: int = 100) -> list[Any]:
    """Cut a request, encode it, and decode it."""
    entries = taken(buffer, most)
    seal(entries)
    return [json.loads(entry.body) for entry in entries]


def test_updates_of_one_id_become_one_entry_last_wins() -> None:
    """Batch counts custom IDs: merging is free speed."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x=1, y=1)
    put(buffer, 2, "b", x=2)
    put(buffer, 3, "a", x=3)
    assert cut(buffer) == [
        {"identifiers": {"custom_id": "a"}, "attributes": {"x": 3, "y": 1}},
        {"identifiers": {"custom_id": "b"}, "attributes": {"x": 2}},
    ]


@pytest.mark.parametrize("later", [{"x": "unknown"}, {"x": None}, {"url(x)": "https://x.example"}])
def test_one_attribute_in_two_spellings_goes_in_two_entries(later: dict[str, Any]) -> None:
    """Batch is not known to take `x` and `date(x)` together; the later one wins, of any stream."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", **{"date(x)": "2024-01-01T00:00:00Z", "y": 1})
    put(buffer, 2, "a", **later)
    first = taken(buffer)
    seal(first)
    assert [json.loads(entry.body)["attributes"].keys() for entry in first] == [{"date(x)", "y"}]
    buffer.free(first)
    assert [entry["attributes"] for entry in cut(buffer)] == [later]


def test_the_sixteenth_event_goes_later() -> None:
    """15 events an entry; the rest waits until the first ones are answered."""
    buffer = ProfileBuffer()
    for line in range(1, 18):
        happened(buffer, line, "a", f"e{line}")
    first = taken(buffer)
    assert [len(entry.events) for entry in first] == [15]
    assert taken(buffer) == []
    buffer.free(first)
    assert [len(entry.events) for entry in taken(buffer)] == [2]


def test_a_busy_id_gathers_until_it_is_free() -> None:
    """What arrives while an ID is in flight leaves together, after the answer."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x=1)
    flying = taken(buffer)
    put(buffer, 2, "a", x=2)
    put(buffer, 3, "a", x=3)
    assert not buffer.ready
    buffer.free(flying)
    assert cut(buffer)[0]["attributes"] == {"x": 3}


def test_partial_changes_of_an_array_are_not_overwritten() -> None:
    """`$add` after `$add` is not last-wins: the second goes in an entry of its own."""
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


def test_two_spellings_of_one_attribute_do_not_meet() -> None:
    """After a schema change `x` and `date(x)` would be one attribute named twice."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x="soon")
    buffer.put(ProfileUpdate("a", {"date(x)": "2024-01-01T00:00:00Z"}, []), Ticket(origin("users"), 2, b"x"))
    assert len(cut(buffer)) == 1
    assert buffer.entries == 1


def test_a_text_that_becomes_a_sixteenth_array_does_not_merge() -> None:
    """The number of attributes stays the same, that of the arrays does not."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", x="text", **{f"a{n}": ["v"] for n in range(15)})
    put(buffer, 2, "a", x=["v"])
    first = taken(buffer)
    buffer.free(first)
    assert [entry["attributes"] for entry in cut(buffer)] == [{"x": ["v"]}]


def test_more_than_50_attributes_do_not_merge() -> None:
    """Two records that fit alone may not fit together."""
    buffer = ProfileBuffer()
    put(buffer, 1, "a", **{f"a{n}": n for n in range(30)})
    put(buffer, 2, "a", **{f"b{n}": n for n in range(30)})
    assert [len(entry["attributes"]) for entry in cut(buffer)] == [30]


def test_a_request_is_bounded_in_bytes() -> None:
    """Large entries make small requests; an entry alone always leaves."""
    buffer = ProfileBuffer()
    for number in range(5):
        put(buffer, number, f"u{number}", text="x" * 400)
    sizes = []
    while buffer.ready:
        sizes.append(len(buffer.cut(100, 1000).entries))
    assert sizes == [2, 2, 1]


def test_the_oldest_line_is_that_of_the_oldest_that_waits() -> None:
    """It is what the state is held for."""
    buffer = ProfileBuffer()
    assert buffer.oldest_line() is None
    put(buffer, 4, "a", x=1)
    put(buffer, 7, "b", x=1)
    taken(buffer, 1)
    assert buffer.oldest_line() == 7


def test_text_without_utf8_costs_only_its_entry() -> None:
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
def test_whatever_happens_order_holds_and_nothing_is_lost(steps: list[tuple[str, Any]]) -> None:
    """Arrival order per custom ID, one entry of an ID in flight, every ticket exactly once."""
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
    """Make an update, and the ticket of its record."""
    return ProfileUpdate(custom_id, attributes, []), Ticket(USERS, line, b"x")


def test_what_is_encoded_at_once_can_still_be_merged() -> None:
    """No digit is lost on the way back from the bytes, and a null stays a null."""
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


def test_an_update_of_nothing_has_no_attributes() -> None:
    buffer = ProfileBuffer()
    buffer.put(*shaped(1, "a"))
    assert cut(buffer) == [{"identifiers": {"custom_id": "a"}}]


def test_text_without_utf8_is_told_when_the_request_is_sealed() -> None:
    buffer = ProfileBuffer()
    buffer.put(*shaped(1, "a", x="half \ud800"))
    buffer.put(*shaped(2, "b", x="whole"))
    entries = taken(buffer)
    assert [entry.custom_id for entry in seal(entries)] == ["a"]
    assert entries[1].body
