"""The requests that a rule chooses."""

from typing import Any

import pytest

from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.faults.book import FaultBook


def exchange(path: str = "/2.11/profiles/update", body: bytes = b"", method: str = "POST") -> Any:
    return Exchange(1, method, path, b"", [], 0.0, 0.0, body)


def hits(match: dict[str, Any], requests: int = 10, **more: Any) -> list[int]:
    """Return which of so many requests a rule chooses, from 1."""
    book = FaultBook()
    book.add([{"match": match, "do": "reset", **more}])
    return [n for n in range(1, requests + 1) if book.pick(exchange())]


@pytest.mark.parametrize(
    ("match", "chosen"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"nth": [1, 4]}, [1, 4]),
        ({"nth": {"from": 3, "to": 5}}, [3, 4, 5]),
        ({"nth": {"from": 9}}, [9, 10]),
        ({"nth": {"every": 3}}, [3, 6, 9]),
        ({"path": "*/mass-update"}, []),
        ({"path": "*/profiles/*", "nth": [2]}, [2]),
        ({"method": "GET"}, []),
        ({"share": 0.0}, []),
        ({"share": 1.0, "nth": [10]}, [10]),
    ],
)
def test_a_match_chooses_requests(match: dict[str, Any], chosen: list[int]) -> None:
    assert hits(match) == chosen


def test_times_bounds_the_hits() -> None:
    assert hits({}, times=2) == [1, 2]


def test_a_share_is_drawn_from_its_seed() -> None:
    drawn = hits({"share": 0.3, "seed": 7}, requests=1000)
    assert drawn == hits({"share": 0.3, "seed": 7}, requests=1000)
    assert drawn != hits({"share": 0.3, "seed": 8}, requests=1000)
    assert 250 < len(drawn) < 350


@pytest.mark.parametrize(
    "body",
    [
        b'[{"identifiers":{"custom_id":"u1"}}]',
        b'[{"identifiers":{"custom_id":"\\u0075\\u0031"}}]',
        b'{"name":"a","ids":[{"id":"u1"}]}',
    ],
)
def test_an_id_is_found_wherever_a_call_names_it(body: bytes) -> None:
    book = FaultBook()
    book.add([{"match": {"contains_id": "u1"}, "do": "reset"}])
    assert book.pick(exchange(body=body))
    assert not book.pick(exchange(body=body.replace(b"u1", b"u11").replace(b"31", b"32")))


def test_the_first_matching_rule_acts_and_every_rule_counts() -> None:
    book = FaultBook()
    book.add([{"match": {"nth": [1]}, "do": "reset"}, {"match": {"nth": [2]}, "do": "close"}])
    kinds = []
    for _ in range(3):
        request = exchange()
        book.pick(request)
        kinds.append(request.fault)
    assert kinds == ["reset", "close", ""]
    assert [(f.seen, f.hits) for f in book.faults] == [(3, 1), (3, 1)]


def test_a_rule_switched_off_neither_counts_nor_acts() -> None:
    assert hits({}, enabled=False) == []


def test_removing_one_rule_leaves_the_others_and_their_ids() -> None:
    book = FaultBook()
    assert book.add([{"do": "reset"}, {"do": "close"}]) == [1, 2]
    book.remove(1)
    assert [fault.number for fault in book.faults] == [2]
    assert book.add([{"do": "reset"}]) == [3]
    book.remove()
    assert book.faults == []
