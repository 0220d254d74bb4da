"""Each query of docs/alerts.md returns nothing for a healthy run log and a row for one with its problem."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from demo.database import postgresql
from target_batch.commands.rejects import rejects
from target_batch.commands.runs import runs
from target_batch.report.metrics import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"^```sql\n-- alert: ([^\n]+)\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL))
NOW = datetime.now(timezone.utc)
TYPES = {"string": "text", "integer": "bigint", "number": "double precision", "boolean": "boolean"}
HEALTHY = {"read": 1000, "delivered": 995, "merged": 0, "unchanged": 0, "ignored": 0, "rejected": 5}
COUNTERS = {"requests": 100, "retries": 2, "throttled": 0, "possibly_twice": 0}


@dataclass
class Log:
    """The run log and rejects of ten nightly runs, the last one two hours ago."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for day in reversed(range(10)):
            self.run(24 * day + 2)
            self.reject("invalid_email", 24 * day + 2)

    def run(self, hours_ago: float, **changed: Any) -> None:
        """Add a run; its rejects file is named after it."""
        counts = {**HEALTHY, "undelivered": 0, "reasons": {"invalid_email": 5}} | changed.pop("counts", {})
        started = NOW - timedelta(hours=hours_ago)
        entry = {
            "run": f"{started:%Y%m%dT%H%M%SZ}-{len(self.runs):06x}",
            "started": started.isoformat(timespec="seconds"),
            "seconds": 12.5,
            "exit": 0,
            "streams": {"users": counts},
            **COUNTERS,
            "trouble": {},
            "dry_run": False,
        }
        self.runs.append({**entry, **changed})

    def reject(self, code: str, hours_ago: float) -> None:
        """Add a reject to the last run."""
        mark = {"code": code, "property": "email", "attribute": "$email_address", "message": "", "line": 4}
        at = (NOW - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
        self.rejects.append((self.runs[-1]["run"], {"user_id": "u1", "_batch_reject": [{**mark, "at": at}]}))

    def dry_run(self, code: str) -> None:
        """Add a dry run of a large table that stopped and rejected all records for one reason."""
        self.run(1, dry_run=True, exit=1, counts={"read": 100_000, "rejected": 100_000})
        self.reject(code, 1)

    def last(self, **changed: Any) -> None:
        """Change the last run."""
        self.runs[-1] |= changed

    def last_counts(self, **changed: int) -> None:
        """Change what the last run counted."""
        self.runs[-1]["streams"]["users"] |= changed

    def write(self, folder: Path) -> None:
        """Write the log and the rejects as runs do."""
        (folder / "rejects").mkdir()
        (folder / "runs.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in self.runs))
        head = {
            "type": "SCHEMA",
            "stream": "users",
            "key_properties": ["user_id"],
            "schema": {"properties": {}},
        }
        for run, record in self.rejects:
            path = folder / "rejects" / f"{run}-users.singer.jsonl"
            message = {"type": "RECORD", "stream": "users", "record": record}
            with path.open("a") as file:
                file.write(f"{json.dumps(head)}\n{json.dumps(message)}\n")


PROBLEMS: dict[str, Callable[[Log], Any]] = {
    "no run came through": lambda log: log.runs.__delitem__(slice(-2, None)),
    "the last run stopped": lambda log: log.last(exit=1),
    "many records of a stream were rejected": lambda log: log.last_counts(rejected=50),
    "a reason that was not there before": lambda log: log.reject("invalid_phone", 2),
    "events come too late": lambda log: log.reject("event_outside_window", 2),
    "a stream has run dry": lambda log: log.last(streams={}),
    "a full load where little should change": lambda log: log.last_counts(read=100_000),
    "Batch slows the runs down": lambda log: log.last(retries=15, throttled=10),
    "events may have gone twice": lambda log: log.last(possibly_twice=3),
}
DRY = {
    "the last run stopped": "invalid_email",
    "many records of a stream were rejected": "invalid_email",
    "a reason that was not there before": "invalid_phone",
    "events come too late": "event_outside_window",
    "a full load where little should change": "invalid_email",
}
"""Alerts, and what a dry run rejects that must not raise them."""

SILENT: list[tuple[str, Callable[[Log], Any]]] = [
    ("the last run stopped", lambda log: log.last(exit=143)),
    ("no run came through", lambda log: log.run(1, exit=1)),
    *((alert, partial(Log.dry_run, code=code)) for alert, code in DRY.items()),
]
"""Logs that resemble a problem but must not raise the alert."""


@pytest.fixture(scope="session")
def warehouse() -> Iterator[psycopg.Connection[Any]]:
    """A real PostgreSQL."""
    with postgresql() as database, psycopg.connect(database.url) as connection:
        yield connection


def load(warehouse: psycopg.Connection[Any], work: Path, log: Log) -> None:
    """Load the output of both commands into tables, as a Singer target does."""
    log.write(work)
    config = work / "config.json"
    config.write_text(json.dumps({"work_path": str(work)}))
    for command in (runs, rejects):
        done = CliRunner().invoke(command, ["--config", str(config), "--format", "singer"])
        assert done.exit_code == 0, done.output
        for line in done.stdout.splitlines():
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                create(warehouse, message["stream"], message["schema"]["properties"])
            else:
                insert(warehouse, message["stream"], message["record"])


def create(warehouse: psycopg.Connection[Any], stream: str, properties: dict[str, Any]) -> None:
    """Create a stream's table."""
    columns = []
    for name, schema in properties.items():
        kind = "timestamptz" if schema.get("format") == "date-time" else TYPES.get(schema["type"][0], "jsonb")
        columns.append(sql.SQL("{} " + kind).format(sql.Identifier(name)))
    table = sql.Identifier(stream)
    warehouse.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))


def insert(warehouse: psycopg.Connection[Any], stream: str, record: dict[str, Any]) -> None:
    """Insert a record."""
    names = sql.SQL(", ").join(map(sql.Identifier, record))
    values = [json.dumps(value) if isinstance(value, dict | list) else value for value in record.values()]
    places = sql.SQL(", ").join(sql.Placeholder() for _ in record)
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(stream), names, places)
    warehouse.execute(query, values)


def rows_of_alert(
    warehouse: psycopg.Connection[Any], work: Path, alert: str, change: Callable[[Log], Any]
) -> list[Any]:
    """Return the rows of an alert's query over a changed log; the warehouse is rolled back."""
    log = Log()
    change(log)
    with warehouse.transaction(force_rollback=True):
        load(warehouse, work, log)
        return warehouse.execute(QUERIES[alert].encode()).fetchall()


def test_every_alert_of_the_page_is_tested() -> None:
    assert QUERIES.keys() == PROBLEMS.keys()
    assert PAGE.count("```sql") == len(QUERIES)


@pytest.mark.parametrize("alert", PROBLEMS)
def test_a_healthy_log_raises_no_alert(
    alert: str, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    assert rows_of_alert(warehouse, tmp_path, alert, lambda _: None) == []


@pytest.mark.parametrize("alert", PROBLEMS)
def test_a_problem_raises_its_alert(alert: str, warehouse: psycopg.Connection[Any], tmp_path: Path) -> None:
    assert rows_of_alert(warehouse, tmp_path, alert, PROBLEMS[alert])


@pytest.mark.parametrize(("alert", "change"), SILENT, ids=[alert for alert, _ in SILENT])
def test_a_log_that_only_resembles_a_problem_raises_no_alert(
    alert: str, change: Callable[[Log], Any], warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    assert rows_of_alert(warehouse, tmp_path, alert, change) == []


def test_the_prometheus_rules_use_only_metrics_that_a_run_writes() -> None:
    """They match vectors only with vectors: `0.01 * on (stream)` makes Prometheus refuse the whole file."""
    (rules,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    (group,) = yaml.safe_load(textwrap.dedent(f"  {rules}"))["groups"]
    entry = {**Log().runs[-1], "ended": True}
    written = {
        family.name for family in text_string_to_metric_families(as_text(entry, 0, "nightly").decode())
    }
    for rule in group["rules"]:
        assert set(re.findall(r"target_batch_\w+", rule["expr"])) <= written
        assert not re.search(r"[\d.]+ \S+ (on|ignoring)\b", rule["expr"]), rule["alert"]
    assert len(group["rules"]) == PAGE.count("expr:")
