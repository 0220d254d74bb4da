"""On a terminal a run draws a line per stream, removes it at the end, and prints a table."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from feeding import Feeder, wait_until
from singer import INTEGER, STRING, record, schema, state
from target_process import ENDED_WITHIN, config_file, start
from terminal import Terminal

from target_batch.batch_api.client import Counters
from target_batch.common.operations import Tally
from target_batch.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch

LONG = "customers_of_the_shop_in_the_high_street"
COUNT = 2000


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal too narrow for some lines: a line that wraps could not be removed again."""
    made = Terminal(72)
    yield made
    made.close()


def lines() -> list[str]:
    """Users, one in ten of them without an ID, and a member of an audience."""
    made = [schema(LONG, {"user_id": STRING, "n": INTEGER}), schema("vips_audience", {"user_id": STRING})]
    made.append(record("vips_audience", user_id="u1"))
    for n in range(COUNT):
        made.append(record(LONG, user_id=None if n % 10 == 0 else f"u{n}", n=n))
        if n % 100 == 0:
            made.append(state({"seen": n}))
    return made


def test_live_lines_show_each_stream_and_leave_nothing_behind(
    tmp_path: Path, batch: LocalBatch, terminal: Terminal
) -> None:
    config = config_file(
        tmp_path,
        batch.url,
        checkpoint_records=200,
        profile_endpoint="mass_update",
        max_updates_per_second=2000,
        default_kind="profiles",
    )
    process = start(config, stdout=terminal.end, stderr=terminal.end, env={"TERM": "xterm"})
    feeder = Feeder(process, lines(), chunk=50, pause=0.01)
    wait_until(lambda: "% of 2,000 updates/s" in terminal.drawn, process)
    wait_until(feeder.done.is_set, process)
    process.communicate(timeout=ENDED_WITHIN)
    assert process.returncode == 0
    rows = terminal.close()

    assert "records/s" in terminal.drawn
    assert not [row for row in rows if "records/s" in row or "·" in row], "a live line stays behind"
    states = [json.loads(row) for row in rows if row.startswith("{")]
    assert states[-1] == {"seen": COUNT - 100}
    assert terminal.drawn.count('{"seen"') == len(states), "a state was drawn over"
    table = {row.split()[0][:10]: row.split()[1:] for row in rows}
    assert table["stream"] == ["read", "delivered", "rejected", "undelivered"]
    assert table[LONG[:10]] == ["2,000", "1,800", "200", "0"]
    assert table["vips_audie"] == ["1", "1", "0", "0"]
    assert table["all"] == ["2", "streams", "2,001", "1,801", "200", "0"]


@pytest.mark.parametrize(
    ("environment", "rule"),
    [
        ({"TERM": "xterm"}, "───"),
        ({"TERM": "dumb"}, ""),
        ({"TERM": "xterm", "PYTHONIOENCODING": "ascii:backslashreplace"}, "------"),
    ],
    ids=["usual", "dumb", "ascii"],
)
def test_a_narrow_or_simple_terminal_gets_what_it_can_show(
    tmp_path: Path, batch: LocalBatch, environment: dict[str, str], rule: str
) -> None:
    """All columns fit at 60; a dumb terminal gets no control sequences, and ASCII no escapes."""
    terminal = Terminal(60)
    config = config_file(tmp_path, batch.url, default_kind="profiles", profile_endpoint="mass_update")
    process = start(config, stdout=terminal.end, stderr=terminal.end, env=environment)
    users = [line for line in lines() if "vips" not in line]
    feeder = Feeder(process, users, chunk=50, pause=0.03)
    if rule:
        wait_until(lambda: "of limit" in terminal.drawn, process)
    wait_until(feeder.done.is_set, process)
    process.communicate(timeout=ENDED_WITHIN)
    rows = terminal.close()
    assert process.returncode == 0
    assert ("\x1b" in terminal.drawn) == bool(rule)
    assert rule in terminal.drawn
    assert "\\u" not in terminal.drawn
    assert "\\x" not in terminal.drawn
    assert not [row for row in rows if "records/s" in row], "a live line stays behind"


def test_a_target_without_input_says_what_it_waits_for(
    tmp_path: Path, batch: LocalBatch, terminal: Terminal
) -> None:
    """A user who types only the name of the program does not face a silent terminal."""
    process = start(config_file(tmp_path, batch.url), stdin=terminal.end, stderr=terminal.end)
    wait_until(lambda: "--input" in terminal.drawn, process)
    process.kill()


def test_if_the_table_has_no_room_the_totals_still_name_streams_in_full(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """With a line for each count there is room for the name."""
    terminal = Terminal(50)
    config = config_file(tmp_path, batch.url, default_kind="profiles")
    process = start(config, stdout=terminal.end, stderr=terminal.end, env={"TERM": "xterm"})
    wait_until(Feeder(process, [line for line in lines() if LONG not in line], chunk=50).done.is_set, process)
    process.communicate(timeout=ENDED_WITHIN)
    assert [row.split()[1] for row in terminal.close() if row.startswith("stream ")] == ["vips_audience"]


class Screen(io.TextIOWrapper):
    """A terminal in memory."""

    def isatty(self) -> bool:
        """Return true."""
        return True


def test_streams_whose_names_begin_alike_have_a_row_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are shortened to the same text, and the records of each are counted all the same."""
    monkeypatch.setenv("TERM", "xterm")
    written = io.BytesIO()
    screen = Screen(written, "utf-8")
    names = [f"{LONG}_{suffix}" for suffix in ("north", "south")]
    tallies = {name: Tally(read=count, delivered=count) for name, count in zip(names, (3, 4), strict=True)}
    Progress(FakeClock(), Counters(), screen).table(tallies)
    rows = [row.split() for row in written.getvalue().decode().splitlines()]
    assert [row[1] for row in rows if row[0].startswith(LONG[:30])] == ["3", "4"]
    assert ["all", "2", "streams", "7", "7", "0", "0"] in rows
