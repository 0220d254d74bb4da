"""The rules that a script may hold."""

from typing import Any

import pytest

from target_batch.sandbox.faults.book import FaultBook
from target_batch.sandbox.faults.script import ScriptError, read_rule
from target_batch.sandbox.inspection.faulting import READY


@pytest.mark.parametrize(
    "do",
    [
        "reset",
        "close",
        {"reset": {}},
        {"answer": {"status": 500, "headers": {"a": "b"}, "body": "x", "cut": 0}},
        {"accept_then": "reset"},
        {"accept_then": {"delay": 1}},
        {"delay": 0.5},
        {"delay": {"seconds": 1, "then": {"accept_then": "close"}}},
        {"trickle": 1},
        {"trickle_headers": {"interval": 0.1, "status": 200}},
        {"huge": 10},
        {"huge": {}},
        {"gzip_bomb": 10},
        {"redirect": "http://x"},
        {"partial_errors": [{"anything": 1}, None]},
        {"retry_after": "+5"},
        {"refuse_ids": ["a"]},
        {"max_body": 5},
    ],
)
def test_every_documented_do_is_read(do: Any) -> None:
    assert read_rule({"do": do})


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ([], "not a rule"),
        ({}, "do"),
        ({"do": "explode"}, "explode"),
        ({"do": {}}, "one key"),
        ({"do": {"reset": {}, "close": {}}}, "one key"),
        ({"do": {"delay": -1}}, "delay"),
        ({"do": {"delay": {"second": 1}}}, "second"),
        ({"do": {"answer": {"status": 99}}}, "answer"),
        ({"do": {"accept_then": {"explode": 1}}}, "explode"),
        ({"do": {"refuse_ids": "a"}}, "refuse_ids"),
        ({"do": "reset", "when": 1}, "when"),
        ({"do": "reset", "match": {"paht": "*"}}, "paht"),
        ({"do": "reset", "match": {"share": 2}}, "share"),
        ({"do": "reset", "match": {"nth": [0]}}, "nth"),
        ({"do": "reset", "match": {"nth": {"each": 2}}}, "each"),
        ({"do": "reset", "times": 0}, "times"),
    ],
)
def test_a_malformed_rule_is_refused_and_the_message_says_where(rule: Any, where: str) -> None:
    with pytest.raises(ScriptError, match=where):
        read_rule(rule)


def test_a_list_with_one_bad_rule_adds_none() -> None:
    book = FaultBook()
    with pytest.raises(ScriptError):
        book.add([{"do": "reset"}, {"do": "explode"}])
    assert book.faults == []


def test_the_ready_made_faults_are_well_formed() -> None:
    assert FaultBook().add(READY)
