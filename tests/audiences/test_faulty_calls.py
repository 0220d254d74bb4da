"""Members are right at the end although calls of every kind fail on the way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import figures
import pytest
from singer import record, state

from tests.audiences.cohorts import DONE, cohort, feed, head, kill, numbered, wait_for

if TYPE_CHECKING:
    from local_batch import LocalBatch

    from tests.audiences.cohorts import Loader

pytestmark = pytest.mark.chaos
SERVER_ERROR = {"answer": {"status": 500, "json": {"error_code": "OUCH", "error_message": "try again"}}}
FAULTS: dict[str, Any] = {
    "500": SERVER_ERROR,
    "500 after accepting": {"accept_then": SERVER_ERROR},
    "reset": "reset",
    "429": {"retry_after": "1"},
}
APP = {"destination": "app", "id_type": "custom_ids"}
STREAMS: dict[str, dict[str, Any]] = {
    "update": {},
    "app": APP,
    "app mirror": {**APP, "mode": "mirror"},
    "attribute": {"as_attribute": True},
    "attribute mirror": {"as_attribute": True, "mode": "mirror"},
}
KEYS = ["app-key-1", "app-key-2"]


def held(batch: LocalBatch, name: str, kind: str) -> list[set[str]]:
    """Return the members of a cohort in each destination."""
    if "attribute" not in kind:
        return [batch.audience(name, key) for key in (KEYS if "app" in kind else ["project"])]
    ids = [profile["id"] for profile in batch.get("profiles?limit=1000")["profiles"]]
    return [{id_ for id_ in ids if batch.attributes(id_).get(name)}]


@pytest.mark.parametrize("fault", FAULTS if figures.FULL else ["500 after accepting"])
@pytest.mark.parametrize("kind", STREAMS)
def test_members_are_right_although_every_second_call_fails(loader: Loader, kind: str, fault: str) -> None:
    """Members enter and leave two cohorts, and every record is delivered."""
    loader.settings = {
        "app_api_keys": KEYS,
        "max_audience_shrink": 1,
        "streams": {"cohort": {"audience_property": "cohort", **STREAMS[kind]}},
    }
    match = {"path": "*", "nth": {"every": 2}}
    loader.batch.script([{"match": match, "do": FAULTS[fault]}])
    lines = [head("cohort", "cohort", "action")]
    for turn in (1, 2):
        stays = numbered(turn, 6)
        words = [(who, "in") for who in stays] + [("u1", "out")] * (turn - 1)
        again = [record("cohort", user_id=w, cohort=c, action=a) for c in ("x", "y") for w, a in words]
        found = loader.run([*lines, *again, state(DONE)])
        assert found.code == 0, found.log
        assert found.states == [DONE]
        for name in ("x", "y"):
            for members in held(loader.batch, name, kind):
                assert members == set(stays), (name, turn)
    assert loader.batch.hits() >= (1 if kind == "attribute" else 3)
    assert found.codes() == []


class Nights:
    """Nightly runs of one mirror, with accidents that are drawn from a seed."""

    def __init__(self, loader: Loader, seed: int) -> None:
        self._loader = loader
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._wanted: set[str] = set()

    def run_one(self) -> str:
        """Change the cohort, run with an accident, check the members and return what happened."""
        loader, chance = self._loader, self._random
        before = loader.members()
        self._wanted = {who for who in numbered(1, 12) if chance.random() < chance.choice([0.2, 0.7, 0.9])}
        happening = chance.choice(["nothing", "nothing", "killed", "failing", "incomplete"])
        if happening == "killed":
            self._killed()
            code = None
        else:
            code = self._ended(happening)
        after = loader.members()
        assert after >= before & self._wanted, "a member of the cohort was removed"
        if code == 0:
            assert after == self._wanted
        return f"{happening} {code}"

    def _ended(self, happening: str) -> int:
        loader, lines = self._loader, cohort(sorted(self._wanted))
        before = loader.members()
        if happening == "failing":
            rule = {"path": "*/audiences/*", "nth": {"from": self._random.randint(1, 4)}}
            loader.batch.script([{"match": rule, "do": self._random.choice(list(FAULTS.values())[:3])}])
        found = loader.run(lines[:-1] if happening == "incomplete" else lines, max_retry_seconds=4)
        loader.unhang()
        assert found.code in {0, 1}, found.log
        assert found.states == ([] if found.code else [DONE])
        if "was not mirrored" in found.log:
            assert loader.members() == before
        assert found.code or happening != "incomplete"
        return found.code

    def _killed(self) -> None:
        loader = self._loader
        hang: dict[str, Any] = {"delay": {"seconds": 60, "then": "reset"}}
        do = self._random.choice([hang, {"accept_then": hang}])
        loader.batch.fault(do, path="*/audiences/*", nth=[self._random.randint(1, 4)])
        process = loader.cold()
        feed(process, cohort(sorted(self._wanted)), end=True)
        wait_for(lambda: loader.batch.hits() or process.poll() is not None)
        kill(process)
        loader.unhang()


@pytest.mark.parametrize("seed", range(20 if figures.FULL else 1))
def test_a_mirror_never_removes_its_members_and_ends_right_after_any_accidents(
    loader: Loader, seed: int, ledger_url: str
) -> None:
    """Refusals, crashes and failures come in any order, and a final run makes the audience right."""
    loader.settings = {
        "streams": {"cohort": {"kind": "audiences", "mode": "mirror", "audience": "vip"}},
        "ledger_url": ledger_url,
    }
    nights = Nights(loader, seed)
    happened = [nights.run_one() for _ in range(12 if figures.FULL else 4)]
    final = set(numbered(1, 12))
    found = loader.mirror(final)
    assert found.code == 0, (happened, found.log)
    assert loader.members() == final, happened
    found = loader.mirror([])
    assert found.code == 1
    assert loader.members() == final, happened
