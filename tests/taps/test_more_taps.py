"""Spreadsheets and JSON lines: taps that guess types from the values."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import holding
import pytest
from taps import ENVIRONMENTS, Tap
from target_process import config_file, finished

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = [pytest.mark.taps, pytest.mark.more_taps, pytest.mark.timeout(120)]

WORKBOOK = """
import json, sys
from openpyxl import Workbook
book = Workbook()
for row in json.load(sys.stdin):
    book.active.append(row)
book.active.title = "Clients"
book.save(sys.argv[1])
"""
CLIENTS: list[list[Any]] = [
    ["User ID", "Prénom", "Email", "Phone", "Dépenses", "Note"],
    [1, "Zoé", "zoe@example.com", 33612345678.0, 12.5, "à rappeler"],
    [2, "Anaïs", None, 33612345679, 0.1, ""],
    [3, None, "c@example.com", None, None, "VIP"],
]
"""Excel keeps a phone number as a number."""


def test_an_excel_sheet_is_loaded(batch: LocalBatch, tmp_path: Path) -> None:
    file = tmp_path / "clients.xlsx"
    python = ENVIRONMENTS / "tap-spreadsheets" / "bin" / "python"
    subprocess.run([python, "-c", WORKBOOK, file], input=json.dumps(CLIENTS), text=True, check=True)
    sheet = {"path": str(file), "format": "excel", "worksheet": "Clients", "table_name": "clients"}
    tap = Tap(
        "tap-spreadsheets", "tap-spreadsheets", tmp_path, {"files": [sheet | {"primary_keys": ["User ID"]}]}
    )
    streams = {"clients": {"kind": "profiles"}}
    ended = finished(config_file(tmp_path, batch.url, streams=streams), tap.read())
    assert ended.code == 0, ended.log
    assert holding.profiles(batch) == {
        "1": {
            "prenom": "Zoé",
            "$email_address": "zoe@example.com",
            "$phone_number": "+33612345678",
            "depenses": 12.5,
            "note": "à rappeler",
        },
        "2": {"prenom": "Anaïs", "$phone_number": "+33612345679", "depenses": 0.1},
        "3": {"$email_address": "c@example.com", "note": "VIP"},
    }


def test_a_growing_file_of_json_lines_is_loaded_twice(batch: LocalBatch, tmp_path: Path) -> None:
    """The tap reads a file that has grown again from its start, and no event is sent twice."""
    start = datetime.now(timezone.utc) - timedelta(hours=1)
    rows = [
        {
            "userId": f"ü-{number % 3}",
            "event": "Page vue",
            "occurred_at": (start + timedelta(seconds=number)).isoformat(),
            "order_id": number,
            "cart": {"total": number + 0.25, "lines": [{"sku": "Ä", "n": number}]} if number % 2 else None,
        }
        for number in range(20)
    ]
    file = tmp_path / "events.jsonl"
    options = {"path": str(file), "stream_name": "events", "primary_keys": ["order_id"]}
    tap = Tap("tap-jsonl", "tap-jsonl", tmp_path, options)
    config = config_file(tmp_path, batch.url, skip_unchanged=True)
    state = None
    for last in (12, 20):
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows[:last]), encoding="utf-8")
        ended = finished(config, tap.read(state))
        assert ended.code == 0, ended.log
        state = ended.states[-1]
        assert [row["order_id"] for row in holding.events(batch)] == list(range(last))
    held = holding.events(batch)
    assert [row.get("cart") for row in held] == [row["cart"] for row in rows]
    assert [row["date(time)"] for row in held] == [
        datetime.fromisoformat(str(row["occurred_at"])) for row in rows
    ]
