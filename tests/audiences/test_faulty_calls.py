"""Faults in the middle of every plan: each kind of call fails, and at the end the members are right."""

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
    """Return who is in a cohort, in each place that holds it."""
    if "attribute" not in kind:
        return [batch.audience(name, key) for key in (KEYS if "app" in kind else ["project"])]
    ids = [profile["id"] for profile in batch.get("profiles?limit=1000")["profiles"]]
    return [{id_ for id_ in ids if batch.attributes(id_).get(name)}]


@pytest.mark.parametrize("fault", FAULTS if figures.FULL else ["500 after accepting"])
@pytest.mark.parametrize("kind", STREAMS)
def test_every_second_call_fails(loader: Loader, kind: str, fault: str) -> None:
    """Some come in, some leave, in two cohorts; whatever is answered on the way."""
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
    """A mirror, night after night, as a seed has it."""

    def __init__(self, loader: Loader, seed: int) -> None:
        self._loader = loader
        self._random = random.Random(seed)  # noqa: S311 - a story that can be told again
        self._wanted: set[str] = set()

    def pass_one(self) -> str:
        """Change the cohort, let something happen during the run, and compare; return what happened."""
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
        assert after >= before & self._wanted, "somebody who belongs is gone"
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
def test_any_sequence_of_nights_ends_true_or_refused(loader: Loader, seed: int, ledger_url: str) -> None:
    """Guards, crashes and failures in any order: nobody who belongs leaves, and it ends true."""
    loader.settings = {
        "streams": {"cohort": {"kind": "audiences", "mode": "mirror", "audience": "vip"}},
        "ledger_url": ledger_url,
    }
    nights = Nights(loader, seed)
    happened = [nights.pass_one() for _ in range(12 if figures.FULL else 4)]
    final = set(numbered(1, 12))
    found = loader.mirror(final)
    assert found.code == 0, (happened, found.log)
    assert loader.members() == final, happened
    found = loader.mirror([])
    assert found.code == 1
    assert loader.members() == final, happened
