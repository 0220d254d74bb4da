"""Several runs may share one ledger, and ledgers of other versions are migrated or refused."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from singer import STRING, record, schema, state
from target_process import config_file, encoded, ended

from target_batch.common.errors import ConfigurationError
from target_batch.ledger.database import Ledger
from target_batch.ledger.tables import STEPS, audiences
from tests.audiences.cohorts import (
    DONE,
    MIRROR,
    assert_balanced,
    cohort,
    feed,
    head,
    kill,
    numbered,
    rows,
    states,
    wait_for,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from target_process import Ended

    from tests.audiences.cohorts import Loader

AT_ONCE = 4

FIRST_VERSION = (
    "DROP TABLE target_batch_arrivals",
    "DROP TABLE target_batch_staged",
    "CREATE TABLE target_batch_staged (staging INTEGER, name TEXT, member TEXT, body TEXT, fate INTEGER)",
    "INSERT INTO target_batch_staged VALUES (1, 'vip', 'u1', '{}', 0)",
    "INSERT INTO target_batch_stagings (id, run) VALUES (7000, 'dead')",
    "ALTER TABLE target_batch_audiences DROP COLUMN indexing",
    "DELETE FROM target_batch_version",
    "INSERT INTO target_batch_version (version) VALUES (1)",
)
"""Statements that turn a ledger into one of version 0.1.0."""


END_THE_COPY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE 'COPY target_batch_arrivals%'
"""


class Crowd:
    """Runs that start at the same time, with separate folders and one ledger."""

    def __init__(self, loader: Loader, ledger_url: str) -> None:
        self._loader = loader
        self._ledger_url = ledger_url

    def run(self, inputs: Sequence[list[str]], **settings: Any) -> list[Ended]:
        """Run over all inputs at the same time."""
        started: list[tuple[subprocess.Popen[bytes], Path, list[str]]] = []
        for number, lines in enumerate(inputs):
            folder = self._loader.folder / f"run-{number}"
            folder.mkdir(exist_ok=True)
            config = config_file(folder, self._loader.batch.url, ledger_url=self._ledger_url, **settings)
            started.append((self._loader.start(config), config, lines))
        for process, _, lines in started:
            assert process.stdin is not None
            process.stdin.write(encoded(lines))
            process.stdin.close()
            process.stdin = None
        found = [ended(process, config) for process, config, _ in started]
        for one in found:
            assert_balanced(one)
        return found


@pytest.fixture
def crowd(loader: Loader, ledger_url: str) -> Crowd:
    """Runs with one ledger, of both kinds."""
    return Crowd(loader, ledger_url)


def test_runs_that_create_the_ledger_at_the_same_time_all_succeed(crowd: Crowd, loader: Loader) -> None:
    """Four runs mirror four audiences with an empty database, and later their differences."""
    streams = {"*": {"kind": "audiences", "mode": "mirror"}}
    for first in (1, 4):
        members = numbered(first, first + 2000)
        found = crowd.run([cohort(members, f"part_{n}") for n in range(AT_ONCE)], streams=streams)
        assert [one.code for one in found] == [0] * AT_ONCE, "\n".join(one.log for one in found)
        for number in range(AT_ONCE):
            assert loader.members(f"part_{number}") == set(members)


def test_runs_that_mirror_one_audience_at_the_same_time_do_not_mix_their_members(
    crowd: Crowd, loader: Loader
) -> None:
    """Runs are refused while another one mirrors, and the audience equals the stream of one of them."""
    streams = {"cohort": MIRROR}
    wanted = [numbered(n, n + 2000) for n in range(1, AT_ONCE + 1)]
    for _ in range(2):
        found = crowd.run([cohort(ids) for ids in wanted], streams=streams)
        assert {one.code for one in found} <= {0, 1}
        assert any(one.code == 0 for one in found), found[0].log
        for one in found:
            assert one.code == 0 or "another run is mirroring it" in one.log, one.log
        assert loader.members() in [set(ids) for ids in wanted]
    final = crowd.run([cohort(wanted[0])], streams=streams)[0]
    assert final.code == 0, final.log
    assert loader.members() == set(wanted[0])
    assert "are expected" not in final.log


def test_skip_unchanged_skips_no_change_if_runs_overlap(crowd: Crowd, loader: Loader) -> None:
    """Four runs write four values for the same users, and later runs still send every difference."""

    def users(plan: str) -> list[str]:
        lines = [schema("users", {"user_id": STRING, "plan": STRING}, ["user_id"])]
        lines += [record("users", user_id=id_, plan=plan) for id_ in numbered(1, 600)]
        return [*lines, state(DONE)]

    settings = {"skip_unchanged": True, "checkpoint_records": 100}
    found = crowd.run([users(f"plan-{n}") for n in range(AT_ONCE)], **settings)
    assert [one.code for one in found] == [0] * AT_ONCE, "\n".join(one.log for one in found)
    for plan in ("plan-0", "plan-3"):
        assert crowd.run([users(plan)], **settings)[0].code == 0
        held = {loader.batch.attributes(id_)["plan"] for id_ in numbered(1, 600)[::37]}
        assert held == {plan}


def test_runs_of_streams_that_share_attributes_do_not_deadlock(crowd: Crowd, loader: Loader) -> None:
    """Each run deletes the values that it overwrites from the ledger, always in the same order."""
    shared = {"a_users": ("plan", "city"), "b_users": ("city", "team"), "c_users": ("team", "plan")}
    draw = random.Random(7)  # noqa: S311 - test data

    def lines(number: int) -> list[str]:
        made = [schema(name, dict.fromkeys(("user_id", *both), STRING)) for name, both in shared.items()]
        for _ in range(12):
            name = draw.choice(sorted(shared))
            value = dict.fromkeys(shared[name], f"of {number}")
            made += [record(name, user_id=id_, **value) for id_ in draw.sample(numbered(1, 400), 200)]
            made.append(state(DONE))
        return made

    settings = {"skip_unchanged": True, "checkpoint_records": 100}
    found = crowd.run([lines(number) for number in range(AT_ONCE)], **settings)
    assert [one.code for one in found] == [0] * AT_ONCE, "\n".join(one.log for one in found)
    table = [schema("a_users", dict.fromkeys(("user_id", "plan", "city"), STRING))]
    table += [record("a_users", user_id=id_, plan="last", city="last") for id_ in numbered(1, 400)]
    assert crowd.run([[*table, state(DONE)]], **settings)[0].code == 0
    assert {loader.batch.attributes(id_)["plan"] for id_ in numbered(1, 400)} == {"last"}


def test_an_older_ledger_is_migrated_once(ledger_url: str, tmp_path: Path) -> None:
    """A migration keeps the data and runs in one transaction; a failed one changes nothing."""
    first = Ledger(ledger_url, tmp_path)
    with first.begin() as connection:
        connection.execute(first.insert(audiences).values(scope="s", name="vip", known=True))
    first.close()
    done: list[str] = []

    def fails(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE target_batch_audiences ADD COLUMN half TEXT"))
        raise RuntimeError

    def step(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE target_batch_audiences ADD COLUMN half TEXT"))
        done.append("step")

    with pytest.raises(RuntimeError):
        Ledger(ledger_url, tmp_path, steps=(*STEPS, fails))
    for _ in range(2):
        Ledger(ledger_url, tmp_path, steps=(*STEPS, step)).close()
    assert done == ["step"]
    newer = Ledger(ledger_url, tmp_path, steps=(*STEPS, step))
    with newer.begin() as connection:
        assert (
            connection.scalar(sa.text("SELECT name FROM target_batch_audiences WHERE half IS NULL")) == "vip"
        )
    newer.close()
    with pytest.raises(ConfigurationError, match="newer target-batch"):
        Ledger(ledger_url, tmp_path)


def test_a_migrated_ledger_of_the_first_version_keeps_its_members(loader: Loader, ledger_url: str) -> None:
    """Rows that a killed run had staged in the old form are deleted."""
    settings = {"streams": {"cohort": MIRROR}, "ledger_url": ledger_url}
    loader.mirror(numbered(1, 5), **settings)
    as_first_version(ledger_url, loader.folder / "work")
    found = loader.mirror([*numbered(2, 5), "u6"], **settings)
    assert found.code == 0, found.log
    assert "+1 \N{MINUS SIGN}1 =4" in found.log
    assert loader.members() == {"u2", "u3", "u4", "u5", "u6"}


def test_a_database_connection_lost_while_rows_are_written_stops_the_run(
    loader: Loader, new_database: Callable[[], str]
) -> None:
    """Exit code 1 without a traceback, the audience is not changed, and the next run succeeds."""
    url = new_database()
    loader.settings = {"streams": {"cohort": MIRROR}, "ledger_url": url}
    loader.mirror(["person-1"])
    server = url.replace("+psycopg", "")
    with psycopg.connect(server, autocommit=True) as watching, psycopg.connect(server) as locking:
        process = loader.cold()
        feed(process, [head(), *rows(["person-1"])])
        wait_for(lambda: watching.execute("SELECT 1 FROM target_batch_stagings").fetchone())
        locking.execute("LOCK TABLE target_batch_arrivals")
        feed(process, [*rows(f"person-{n}" for n in range(10_500)), state(DONE)], end=True)
        wait_for(lambda: watching.execute(END_THE_COPY).fetchone())
    assert process.stderr is not None
    log = process.stderr.read().decode()
    assert process.wait(30) == 1
    assert states(process) == []
    kill(process)
    assert "`ledger_url`" in log
    assert "Traceback" not in log
    assert "person-" not in log
    assert loader.members() == {"person-1"}
    assert loader.mirror(["person-1", "person-2"]).code == 0


def as_first_version(url: str, folder: Path) -> None:
    """Turn a ledger into one of the first version."""
    ledger = Ledger(url, folder)
    with ledger.begin() as connection:
        for statement in FIRST_VERSION:
            connection.execute(sa.text(statement))
    ledger.close()


def tables_of(url: str) -> tuple[set[str], int]:
    """Return the names of a ledger's tables, and their version."""
    engine = sa.create_engine(url)
    try:
        names = set(sa.inspect(engine).get_table_names())
        with engine.connect() as connection:
            version = "SELECT max(version) FROM target_batch_version"
            return names, connection.scalar(sa.text(version)) if names else 0
    finally:
        engine.dispose()


def test_a_dry_run_does_not_migrate_the_ledger(loader: Loader, ledger_url: str) -> None:
    """After a dry run with a new version, the old version can still be used."""
    settings = {"streams": {"cohort": MIRROR}, "ledger_url": ledger_url}
    loader.mirror(numbered(1, 5), **settings)
    as_first_version(ledger_url, loader.folder / "work")
    before = tables_of(ledger_url)
    found = loader.mirror([*numbered(2, 5), "u6"], **settings, dry_run=True)
    assert found.code == 0, found.log
    assert "+1 \N{MINUS SIGN}1 =4" in found.log
    assert tables_of(ledger_url) == before
    assert before[1] == 1


def test_a_dry_run_creates_no_tables(loader: Loader, ledger_url: str) -> None:
    found = loader.mirror(["u1"], streams={"cohort": MIRROR}, ledger_url=ledger_url, dry_run=True)
    assert found.code == 0, found.log
    assert tables_of(ledger_url) == (set(), 0)


def test_a_ledger_file_of_version_0_1_0_is_migrated(loader: Loader) -> None:
    """Its members are kept, and its profiles are sent once more."""
    work = loader.folder / "work"
    work.mkdir()
    (work / ".gitignore").write_text("*\n")
    with contextlib.closing(sqlite3.connect(work / "ledger.db")) as connection:
        connection.executescript((Path(__file__).parents[1] / "ledger" / "ledger-0.1.0.sql").read_text())
    lines = [schema("users", {"user_id": STRING, "plan": STRING}, ["user_id"])]
    lines += [record("users", user_id=id_, plan="free") for id_ in numbered(1, 5)]
    for unchanged in (0, 5):
        found = loader.run([*lines, state(DONE)], skip_unchanged=True)
        assert found.code == 0, found.log
        assert found.totals("users")["unchanged"] == unchanged
    names, version = tables_of(f"sqlite:///{work}/ledger.db")
    assert (version, "target_batch_payloads" in names) == (1 + len(STEPS), False)
    with contextlib.closing(sqlite3.connect(work / "ledger.db")) as connection:
        kept = connection.execute("SELECT member FROM target_batch_members WHERE hash IS NOT NULL")
        assert [member for (member,) in kept] == ["u1", "u2", "u3"]


def test_after_a_migration_streams_that_share_an_attribute_send_it_again(
    loader: Loader, ledger_url: str
) -> None:
    """The first version did not know which streams share an attribute, so its values are not trusted."""

    def users(stream: str, plan: str) -> list[str]:
        lines = [schema(stream, {"user_id": STRING, "plan": STRING}, ["user_id"])]
        return [*lines, record(stream, user_id="u1", plan=plan), state(DONE)]

    settings = {"skip_unchanged": True, "ledger_url": ledger_url}
    loader.run(users("users", "free"), **settings)
    as_first_version(ledger_url, loader.folder / "work")
    loader.run(users("crm_users", "plus"), **settings)
    for stream, plan in (("users", "free"), ("crm_users", "plus")) * 2:
        assert loader.run(users(stream, plan), **settings).code == 0
        assert loader.batch.attributes("u1") == {"plan": plan}


def test_a_ledger_of_a_newer_version_stops_the_run(loader: Loader, ledger_url: str) -> None:
    Ledger(ledger_url, loader.folder, steps=(*STEPS, lambda _: None)).close()
    ledger = Ledger(ledger_url, loader.folder, steps=(*STEPS, lambda _: None))
    with ledger.begin() as connection:
        assert connection.scalar(sa.text("SELECT max(version) FROM target_batch_version")) == 2 + len(STEPS)
    ledger.close()
    found = loader.run(cohort(["u1"]), streams={"cohort": MIRROR}, ledger_url=ledger_url)
    assert found.code == 2
    assert "Upgrade target-batch" in found.log
    assert loader.batch.requests() == []
