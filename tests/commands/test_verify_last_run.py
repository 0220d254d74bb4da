"""`target-batch verify --last-run` compares the hashes of the ledger with an export of Batch."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer import DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state
from target_process import KEY, PROJECT, config_file, run

from target_batch.commands.readback import LedgerComparison
from target_batch.common.limits import MOST_NAMES
from target_batch.ledger.accepted import KnownProfile
from target_batch.ledger.held import digested, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from click.testing import Result
    from local_batch import LocalBatch
    from target_process import Ended

    from target_batch.ledger.accepted import ProfileReader
    from tests.commands.running import Command

ARRAY = {"type": ["array", "null"], "items": {"type": "string"}}
PROPERTIES = {
    "user_id": STRING,
    "email": STRING,
    "seat": INTEGER,
    "score": NUMBER,
    "born": DATE_TIME,
    "site": {"type": ["string", "null"], "format": "uri"},
    "tags": ARRAY,
    "vip": {"type": ["boolean", "null"]},
}
SIZE = 7
"""Attributes of each person."""


def person(number: int, **other: Any) -> str:
    """One user with an attribute of each type."""
    held: dict[str, Any] = {
        "email": f"u{number}@example.com",
        "seat": number,
        "score": number + 0.1,
        "born": "1989-07-20T02:00:00.5+02:00",
        "site": "https://example.com/é",
        "tags": ["b", "a"],
        "vip": number % 2 == 0,
    }
    return record("users", user_id=f"u{number}", **(held | other))


def people(count: int = 3) -> list[str]:
    return [schema("users", PROPERTIES), *map(person, range(1, count + 1)), state({"seen": count})]


def load(folder: Path, batch: LocalBatch, lines: list[str], **settings: Any) -> Ended:
    """Load with a ledger."""
    ended = run(folder, batch.url, lines, skip_unchanged=True, **settings)
    assert ended.code == 0, ended.log
    return ended


def write_as_another_program(folder: Path, batch: LocalBatch, lines: list[str]) -> None:
    """Write to Batch as another program would, so that neither run log nor ledger knows of it."""
    other = folder / "other"
    other.mkdir()
    assert run(other, batch.url, [schema("users", PROPERTIES), *lines]).code == 0


def verified(command: Command, *flags: str) -> Result:
    """Verify the last run; the command must not print a key."""
    done = command("verify", "--config", "config.json", "--last-run", *flags)
    assert KEY not in done.output
    assert PROJECT not in done.output
    return done


def as_json(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def counts(found: dict[str, Any], name: str) -> tuple[int, int, int, int]:
    """Return how often an attribute is equal, different, missing and not compared."""
    (row,) = [row for row in found["attributes"] if row["attribute"] == name]
    return row["equal"], row["different"], row["missing"], row["not_compared"]


@pytest.mark.parametrize(
    "reading", [{"export_absent": "absent"}, {"export_absent": "null"}, {"export_values": "text"}], ids=str
)
def test_values_that_the_last_run_sent_are_found_equal(
    command: Command, tmp_path: Path, batch: LocalBatch, reading: dict[str, str]
) -> None:
    """All types, values of an earlier run and deletions are compared, and no request writes."""
    batch.choose(**reading)
    load(tmp_path, batch, people())
    ended = load(
        tmp_path, batch, [*people()[:-1], person(3, seat=None, score=7.5, born="2001-01-01", vip=True)]
    )
    assert ended.run["attributes"] == ["born", "score", "seat", "vip"]
    before = len(batch.journal())
    done = verified(command, "--format", "json")
    assert done.exit_code == 0, done.output
    found = as_json(done)
    assert found["equal"] is True
    assert found["profiles"] == {"sent": 3, "missing": 0}
    assert {row["attribute"] for row in found["attributes"]} == {"born", "score", "seat", "vip"}
    assert all(counts(found, row["attribute"]) == (3, 0, 0, 0) for row in found["attributes"])
    assert len(batch.journal()) == before
    asked = [request["endpoint"] for request in batch.requests()][-3:]
    assert asked == ["profiles/export", "exports/view", "exports/download"]


def test_attributes_of_all_types_are_found_equal(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    load(tmp_path, batch, people(1500), profile_endpoint="mass_update")
    done = verified(command, "--format", "json")
    assert done.exit_code == 0, done.output
    found = as_json(done)
    assert len(found["attributes"]) == SIZE
    assert all(counts(found, row["attribute"]) == (1500, 0, 0, 0) for row in found["attributes"])


def test_values_that_another_program_changed_are_different(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    load(tmp_path, batch, people())
    write_as_another_program(
        tmp_path,
        batch,
        [
            record("users", user_id="u1", seat=99, score=1.25, born="1989-07-20T00:00:00Z", vip=True),
            record("users", user_id="u2", tags=["a"], email=None, site="https://example.com/other"),
            record("users", user_id="somebody", seat=1),
        ],
    )
    config_file(tmp_path, batch.url, skip_unchanged=True)
    done = verified(command, "--format", "json")
    assert done.exit_code == 1, done.output
    assert "custom_ids" not in done.stdout
    found = as_json(done)
    assert found["equal"] is False
    assert found["profiles"] == {"sent": 3, "missing": 0}
    for name in ("score", "born", "vip", "tags", "site"):
        assert counts(found, name) == (2, 1, 0, 0), name
    assert counts(found, "seat") == (2, 1, 0, 1)
    assert counts(found, "$email_address") == (2, 0, 1, 0)
    shown = verified(command, "--ids").stdout
    assert "seat: u1" in shown
    assert "$email_address: u2" in shown
    assert "does not hold everything" in shown


def test_profiles_that_batch_lost_are_counted(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    load(tmp_path, batch, people(4))
    batch.reset()
    write_as_another_program(tmp_path, batch, [person(1), person(2)])
    done = verified(command, "--format", "json")
    assert done.exit_code == 1
    assert as_json(done)["profiles"] == {"sent": 4, "missing": 2}
    assert "2 of 4 profiles not found" in " ".join(verified(command).stdout.split())


def test_values_that_the_ledger_cannot_know_are_not_compared(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """Only Batch knows the result of `$add`, and it may reorder a long array."""
    letters = [chr(97 + number) for number in range(10)]
    load(tmp_path, batch, people(2))
    lines = [person(1, tags={"$add": ["c"]}), person(2, tags=letters)]
    load(tmp_path, batch, [*people(0), *lines])
    write_as_another_program(tmp_path, batch, [record("users", user_id="u2", tags=[*letters[1:], "a", "z"])])
    config_file(tmp_path, batch.url, skip_unchanged=True)
    done = verified(command, "--format", "json")
    assert counts(as_json(done), "tags") == (0, 0, 0, 2)
    assert done.exit_code == 1
    assert "could be compared: use --sample" in " ".join(verified(command).stdout.split())


def test_dry_runs_and_runs_that_sent_no_attribute_are_skipped(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    first = load(tmp_path, batch, people()).run["run"]
    assert load(tmp_path, batch, people()).run["attributes"] == []
    dry = load(tmp_path, batch, [*people(), person(4, seat=40)], dry_run=True).run
    assert len(dry["attributes"]) == SIZE
    with (tmp_path / "work" / "runs.jsonl").open("a") as log:
        log.write('{"run": "9", "started": "9", "ended": false, "dry_run": false, "attributes": ["x"]}\n')
        log.write('{"run": "8", "started": "8", "ended": true, "dry_run": false, "attributes": "seat"}\n')
        log.write('{"run": "7", "started": "7", "ended": true, "dry_run": false}\n{"torn')
    config_file(tmp_path, batch.url, skip_unchanged=True)
    done = verified(command)
    assert done.exit_code == 0, done.output
    assert f"Run {first} sent {SIZE} attributes." in done.output
    assert "Batch holds everything that was sent of 3 profiles." in done.output


def test_a_missing_run_ledger_or_setting_is_reported(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """Without a run, a ledger, the right ledger or `skip_unchanged`, Batch is not called."""

    def refused(message: str) -> None:
        done = verified(command)
        assert (done.exit_code, type(done.exception)) == (2, SystemExit), done.output
        assert message in " ".join(done.output.split())

    config_file(tmp_path, batch.url, skip_unchanged=True)
    refused("has sent attributes with `skip_unchanged`. Load once")
    load(tmp_path, batch, people())
    asked = len(batch.requests())
    config_file(tmp_path, batch.url)
    refused("`--last-run` compares with the ledger")
    ledger = tmp_path / "absent" / "ledger.db"
    config_file(tmp_path, batch.url, skip_unchanged=True, ledger_url=f"sqlite:///{ledger}")
    refused("No ledger was found behind `ledger_url`")
    assert not ledger.parent.exists()
    empty = tmp_path / "empty" / "ledger.db"
    (tmp_path / "users").mkdir()
    load(tmp_path / "users", batch, [people()[0]], ledger_url=f"sqlite:///{empty}")
    load(
        tmp_path / "users",
        batch,
        [schema("users", {"user_id": STRING, "x": STRING}), record("users", user_id="u", x="1")],
        ledger_url=f"sqlite:///{empty}",
    )
    config_file(tmp_path, batch.url, skip_unchanged=True, ledger_url=f"sqlite:///{empty}")
    refused("knows of no profile")
    assert len(batch.requests()) == asked + 1


@pytest.mark.parametrize("flags", [[], ["--sample", "config.json", "--last-run"]])
def test_exactly_one_of_sample_and_last_run_has_to_be_given(
    command: Command, tmp_path: Path, batch: LocalBatch, flags: list[str]
) -> None:
    config_file(tmp_path, batch.url)
    done = command("verify", "--config", "config.json", *flags)
    assert done.exit_code == 2
    assert "either --sample FILE or --last-run" in done.output


def test_a_ledger_that_cannot_be_read_is_named(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    load(tmp_path, batch, people())
    (tmp_path / "work" / "ledger.db").write_bytes(b"not a database, whatever its name says\n" * 100)
    done = verified(command)
    assert done.exit_code == 1
    assert "`ledger_url`" in done.output


def test_the_run_log_limits_the_number_of_attribute_names(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    lines = []
    for stream in range(8):
        names = [f"s{stream}_{number}" for number in range(40)]
        lines.append(schema("users", {"user_id": STRING, **dict.fromkeys(names, STRING)}))
        lines.append(record("users", user_id=f"u{stream}", **dict.fromkeys(names, "secret value")))
    ended = load(tmp_path, batch, lines)
    assert len(ended.run["attributes"]) == MOST_NAMES
    assert "secret value" not in (tmp_path / "work" / "runs.jsonl").read_text()
    done = verified(command)
    assert done.exit_code == 0, done.output
    assert f"names {MOST_NAMES} at most: others are not compared" in done.output


def test_a_work_path_behind_a_url_needs_a_ledger_url(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """The run log may be behind a URL; the ledger of such runs needs its own address."""
    ended = load(tmp_path, batch, people(), ledger_url=f"sqlite:///{tmp_path}/ledger.db")
    line = json.dumps(ended.run).encode()
    fsspec.filesystem("memory").pipe(f"/verify/runs/{ended.run['run']}.jsonl", line)
    remote: dict[str, Any] = {"skip_unchanged": True, "work_path": "memory://verify"}
    config_file(tmp_path, batch.url, **remote)
    done = verified(command)
    assert done.exit_code == 2
    assert "set `ledger_url` to the ledger of the runs" in " ".join(done.output.split())
    config_file(tmp_path, batch.url, ledger_url=f"sqlite:///{tmp_path}/ledger.db", **remote)
    assert verified(command).exit_code == 0


class OneProfile:
    """A ledger reader for which every profile holds the same single attribute."""

    def __init__(self, key: str, value: Any) -> None:
        wanted = digested(b"u", {key: value})
        self.profile = KnownProfile(b"u", dict(zip(wanted.tags, wanted.hashes, strict=True)))

    def known(self, custom_ids: Sequence[str]) -> Iterator[KnownProfile]:
        return iter([self.profile] * len(custom_ids))

    def count(self, tags: AbstractSet[bytes]) -> int:
        assert tags == self.profile.hashes.keys()
        return 1


def compared(key: str, sent: Any, held: Any) -> dict[str, int]:
    """Return the counts of one attribute."""
    name = key.removeprefix("date(").removeprefix("url(").removesuffix(")")
    assert tag_of(key) == tag_of(name)
    comparison = LedgerComparison(cast("ProfileReader", OneProfile(key, sent)), [name])
    comparison.take([("u1", {name: held})])
    return {str(outcome): count for outcome, count in comparison.attributes[name].counts.items()}


SCALARS = st.booleans() | st.text(max_size=8) | st.integers(-(2**63), 2**63 - 1)
SOME_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from(["x", "date(x)", "url(x)"]), SCALARS | SOME_FLOATS | st.lists(st.text(max_size=4)))
def test_an_unchanged_value_is_equal(key: str, value: Any) -> None:
    """This holds for every type and every spelling of the name."""
    assert compared(key, value, json.loads(json.dumps(value))) == {"equal": 1}


@given(st.decimals(-(10**9), 10**9, places=4), st.decimals(-(10**9), 10**9, places=2))
def test_numbers_are_compared_by_their_value(sent: Any, other: Any) -> None:
    """`5.00` may come back as 5 or 5.0; another number counts as different."""
    assert compared("x", sent, float(sent)) == {"equal": 1}
    if sent == int(sent):
        assert compared("x", sent, int(sent)) == {"equal": 1}
    assert compared("x", sent, float(other)) == {"equal" if sent == other else "different": 1}


@pytest.mark.parametrize(
    ("key", "sent", "held", "outcome"),
    [
        ("x", None, None, "equal"),
        ("date(x)", None, None, "equal"),
        ("x", None, [], "equal"),
        ("x", "a", None, "missing"),
        ("x", None, "a", "different"),
        ("x", "5", 5, "different"),
        ("x", 5, "5", "equal"),
        ("x", Decimal("1.0E7"), 10000000.0, "equal"),
        ("x", Decimal("1E3"), "1000", "equal"),
        ("x", Decimal("1.230E9"), 1230000000, "equal"),
        ("x", Decimal("1E3"), 1001, "different"),
        ("x", Decimal("1E-7"), 0.0000001, "equal"),
        ("x", 5, "6", "different"),
        ("x", 1.5, "1.50", "equal"),
        ("x", True, "true", "equal"),
        ("x", True, "false", "different"),
        ("x", 0.1234567890123456, "0.1234567890123457", "not_compared"),
        ("x", True, 1, "different"),
        ("x", ["a", "b", "c"], ["c", "a", "b"], "equal"),
        ("x", ["a", "b", "c"], ["c", "a"], "different"),
        ("x", list("abcdefg"), list("gfedcba"), "equal"),
        ("x", list("bacdefg"), list("gfedcba"), "not_compared"),
        ("date(x)", "2001-02-03T04:05:06Z", "2001-02-03T04:05:06.000Z", "equal"),
        ("date(x)", "2001-02-03T04:05:06Z", "2001-02-03T05:05:06+01:00", "equal"),
        ("date(x)", "2001-02-03T04:05:06Z", "2001-02-03T04:05:07Z", "different"),
        ("x", "2001-02-03T05:05:06+01:00", "2001-02-03T05:05:06+01:00", "equal"),
        ("x", "2001-99-99", "2001-99-98", "different"),
        ("x", 1e22, 1.1e22, "not_compared"),
        ("x", 0.1234567890123456, 0.1234567890123457, "not_compared"),
        ("x", 5, {"odd": 1}, "not_compared"),
    ],
)
def test_the_outcome_of_a_comparison(key: str, sent: Any, held: Any, outcome: str) -> None:
    assert compared(key, sent, held) == {outcome: 1}
