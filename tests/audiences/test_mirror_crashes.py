"""After a mirror was killed between two calls or got errors, the next run makes the audience right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.audiences.cohorts import MIRROR, assert_balanced, cohort, feed, kill, numbered, wait_for

if TYPE_CHECKING:
    from tests.audiences.cohorts import Loader

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(
        os.environ.get("CHAOS") != "full",
        reason="minutes at one request a second: make test-chaos runs it",
    ),
]
LONG = 60
NOT_APPLIED = {"delay": {"seconds": LONG, "then": "reset"}}
APPLIED = {"accept_then": {"delay": {"seconds": LONG, "then": "reset"}}}
SERVER_ERROR = {"answer": {"status": 500, "json": {"error_code": "OUCH", "error_message": "try again"}}}
FIRST = numbered(1, 21_000)
"""Takes three calls: a replacement and two additions."""

CHANGED = numbered(10_501, 31_500)
"""Differs from FIRST by two calls of additions and two of removals."""


def crashed(loader: Loader, ids: list[str], do: dict[str, Any], path: str, nth: int) -> None:
    """Kill a mirror during its `nth` call to a path."""
    loader.batch.fault(do, path=path, nth=[nth])
    process = loader.cold()
    feed(process, cohort(ids), end=True)
    wait_for(loader.batch.hits, 40)
    kill(process)


@pytest.mark.parametrize("do", [NOT_APPLIED, APPLIED], ids=["not applied", "applied"])
@pytest.mark.parametrize(
    ("path", "nth"), [("*/audiences/replace", 1), ("*/audiences/update", 2)], ids=["replace", "add"]
)
def test_a_killed_first_mirror_is_completed_by_the_next_run(
    loader: Loader, do: dict[str, Any], path: str, nth: int
) -> None:
    """This holds whether Batch applied the last call or not."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    crashed(loader, FIRST, do, path, nth)
    loader.unhang()
    found = loader.mirror(FIRST)
    assert found.code == 0, found.log
    assert loader.members() == set(FIRST)
    assert loader.staged() == 0, "the staged rows of the killed run were not deleted"


@pytest.mark.parametrize("do", [NOT_APPLIED, APPLIED], ids=["not applied", "applied"])
@pytest.mark.parametrize("nth", [2, 4], ids=["add", "remove"])
def test_a_killed_later_mirror_is_completed_by_the_next_run(
    mirror: Loader, do: dict[str, Any], nth: int
) -> None:
    """Members are removed only after all additions, and the next run does the rest."""
    assert mirror.mirror(FIRST).code == 0
    crashed(mirror, CHANGED, do, "*/audiences/update", nth)
    assert len(mirror.members()) >= 21_000 - 500
    mirror.unhang()
    found = mirror.mirror(CHANGED)
    assert found.code == 0, found.log
    assert mirror.members() == set(CHANGED)


def test_members_that_a_crash_left_in_doubt_are_removed_if_the_stream_lacks_them(loader: Loader) -> None:
    """They are removed whether Batch applied the last call or not."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    loader.mirror(numbered(1, 20))
    crashed(loader, numbered(1, 25), APPLIED, "*/audiences/update", 1)
    loader.unhang()
    assert loader.members() == set(numbered(1, 25))
    found = loader.mirror(numbered(1, 20))
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 20))


FAULTS = {
    "500 after accepting": {"accept_then": SERVER_ERROR},
    "500": SERVER_ERROR,
    "reset": "reset",
    "reset after accepting": {"accept_then": "reset"},
    "429": {"retry_after": 1},
}


@pytest.mark.parametrize("do", FAULTS.values(), ids=FAULTS.keys())
def test_a_mirror_is_right_although_every_second_call_fails(loader: Loader, do: Any) -> None:
    """The failed calls of a first mirror and of a later one are repeated."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    paths = ("list*", "create", "replace", "update", "view*")
    rules = [{"match": {"path": f"*/audiences/{path}", "nth": {"every": 2}}, "do": do} for path in paths]
    loader.batch.script(rules)
    found = loader.mirror(numbered(1, 15_000))
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(1, 15_000))
    found = loader.mirror(numbered(3001, 18_000))
    assert found.code == 0, found.log
    assert loader.members() == set(numbered(3001, 18_000))
    assert found.totals("cohort")["delivered"] == 3000
    assert loader.batch.hits() >= 3


def test_an_api_that_keeps_failing_leaves_the_rest_undelivered(loader: Loader) -> None:
    """Exit code 1, the state is held, and the next run sends only the members not accepted before."""
    loader.settings = {"streams": {"cohort": MIRROR}}
    rule = {"match": {"path": "*/audiences/update", "nth": {"from": 2}}, "do": SERVER_ERROR}
    loader.batch.script([rule])
    found = loader.mirror(FIRST, max_retry_seconds=20)
    assert found.code == 1
    assert found.states == []
    assert found.totals("cohort")["undelivered"] == 21_000
    assert len(loader.members()) == 20_000
    loader.unhang()
    before = len(loader.calls())
    again = loader.mirror(FIRST)
    assert again.code == 0, again.log
    assert loader.members() == set(FIRST)
    assert loader.calls()[before:] == [("update", 1000)]
    assert_balanced(again)


def test_a_key_withdrawn_during_a_run_is_reported_as_a_wrong_setting(loader: Loader) -> None:
    loader.settings = {"streams": {"cohort": MIRROR}}
    answer = {"status": 401, "json": {"error_code": "AUTHENTICATION_INVALID", "error_message": "no"}}
    loader.batch.fault({"answer": answer}, path="*/audiences/update")
    found = loader.mirror(numbered(1, 11_000))
    assert found.code == 2
    assert "rest_api_key" in found.log
    loader.unhang()
    assert loader.mirror(numbered(1, 11_000)).code == 0
    assert loader.members() == set(numbered(1, 11_000))
