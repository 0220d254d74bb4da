"""The ledger stays correct when random runs overlap, are killed or lose their database connection."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest
from singer import STRING, record, schema, state

from tests.audiences.cohorts import DONE, feed, kill, numbered, wait_for
from tests.audiences.test_shared_ledger import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.audiences.cohorts import Loader

COLUMNS = {"a_users": ("plan", "city"), "b_users": ("city", "team"), "c_users": ("team", "plan")}
SETTINGS = {"skip_unchanged": True, "checkpoint_records": 50}
EVERYBODY = numbered(1, 120)


def rows(stream: str, value: str, ids: list[str]) -> list[str]:
    """Make a stream in which all columns have the same value."""
    columns = COLUMNS[stream]
    head = schema(stream, dict.fromkeys(("user_id", *columns), STRING), ["user_id"])
    return [head, *(record(stream, user_id=id_, **dict.fromkeys(columns, value)) for id_ in ids)]


def walk(draw: random.Random, value: str) -> list[str]:
    """Make an input of several streams that share columns."""
    lines: list[str] = []
    for _ in range(6):
        lines += rows(draw.choice(sorted(COLUMNS)), draw.choice([value, "x"]), draw.sample(EVERYBODY, 60))
        lines.append(state({"at": len(lines)}))
    return lines


def assert_true(loader: Loader, **settings: object) -> None:
    """Assert that after a run of each stream Batch holds its values, so that nothing was wrongly skipped."""
    for stream, columns in COLUMNS.items():
        for _ in range(2):
            found = loader.run([*rows(stream, "x", EVERYBODY), state(DONE)], **settings)
            assert found.code == 0, found.log
            held = {loader.batch.attributes(id_).get(name) for id_ in EVERYBODY for name in columns}
            assert held == {"x"}, stream


@pytest.mark.parametrize("at_once", [2, 4])
def test_the_ledger_is_correct_after_runs_at_the_same_time(
    loader: Loader, ledger_url: str, at_once: int
) -> None:
    """The runs write the same columns, and some answers are slow or lost."""
    draw = random.Random()  # noqa: S311 - test data
    lost = {"accept_then": {"delay": {"seconds": 0.05, "then": "reset"}}}
    loader.batch.fault(lost, path="*/profiles/*", nth=[2, 5, 9])
    crowd = Crowd(loader, ledger_url)
    found = crowd.run([walk(draw, f"of {n}") for n in range(at_once)], **SETTINGS)
    assert [one.code for one in found] == [0] * at_once, "\n".join(one.log for one in found)
    loader.unhang()
    assert_true(loader, **SETTINGS, ledger_url=ledger_url)


def test_the_ledger_is_correct_after_killed_runs(loader: Loader, ledger_url: str) -> None:
    """Each run is killed during a request, which Batch applies at once, later or never."""
    draw = random.Random()  # noqa: S311 - test data
    settings = {**SETTINGS, "ledger_url": ledger_url}
    for number in range(3):
        hang: dict[str, Any] = {"delay": {"seconds": draw.choice([0.5, 60]), "then": "reset"}}
        late = draw.choice([{"accept_then": hang}, hang])
        loader.batch.fault(late, path="*/profiles/*", nth=[draw.randrange(1, 4)])
        process = loader.cold(**settings)
        feed(process, walk(draw, f"of {number}"), end=True)
        wait_for(lambda process=process: process.poll() is not None or loader.batch.hits())
        kill(process)
        loader.unhang()
    assert_true(loader, **settings)


def test_the_ledger_is_correct_after_the_database_closed_all_sessions(
    loader: Loader, new_database: Callable[[], str]
) -> None:
    """A restart of the server releases the locks by which runs recognise live runs."""
    url = new_database()
    settings = {**SETTINGS, "ledger_url": url}
    loader.run([*rows("a_users", "first", EVERYBODY), state(DONE)], **settings)
    loader.batch.fault({"delay": {"seconds": 2}}, path="*/profiles/*", nth=[1])
    process = loader.cold(**settings)
    feed(process, [*rows("a_users", "cut", EVERYBODY), state(DONE)], end=True)
    wait_for(loader.batch.hits)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        server.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}".encode())
    assert loader.run([*rows("b_users", "other", EVERYBODY), state(DONE)], **settings).code == 0
    assert process.wait(60) in {0, 1}
    kill(process)
    assert_true(loader, **settings)
