"""A folder of CSV files, as people export them: every value is text, and names are not normalised."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import holding
import pytest
from taps import Tap
from target_process import config_file, finished

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

pytestmark = [pytest.mark.taps, pytest.mark.timeout(120)]

ROWS = [
    {
        "USER_ID": f" {number}" if number % 4 == 0 else str(number),
        "EMAIL": f"Client+{number}@Example.com" if number % 5 else "",
        "Phone": f"06.12.34.56.{number + 10}" if number % 3 else "",
        "EMAIL_MARKETING": ["Oui", "Non", ""][number % 3],
        "Prénom": ["Zoé", "Anaïs", ""][number % 3],
        "Dépenses": ["12.50", "0.10", ""][number % 3],
        "VIP": ["true", "false", ""][number % 3],
        "Inscrit le": "2026-01-15T10:00:00+02:00" if number % 2 else "",
        "Note": 'dit "bonjour", puis\nau revoir' if number == 7 else "",
    }
    for number in range(1, 31)
]
CONSENT = {"Oui": "subscribed", "Non": "unsubscribed"}
ATTRIBUTES = {
    "Dépenses": "number(depenses)",
    "VIP": "boolean(vip)",
    "Inscrit le": "date(inscrit_le)",
    "_sdc_path": "",
    "_sdc_line_number": "",
}


def expected(row: dict[str, str]) -> dict[str, Any]:
    """Return what Batch should hold of a row; an empty text counts as no value."""
    found = {
        "$email_address": row["EMAIL"],
        "$phone_number": row["Phone"] and "+33" + row["Phone"].replace(".", "")[1:],
        "$email_marketing": CONSENT.get(row["EMAIL_MARKETING"]),
        "prenom": row["Prénom"],
        "depenses": row["Dépenses"] and float(row["Dépenses"]),
        "vip": {"true": True, "false": False}.get(row["VIP"]),
        "date(inscrit_le)": row["Inscrit le"],
        "note": row["Note"],
    }
    return holding.comparable({name: value for name, value in found.items() if value not in {"", None}})


def write(folder: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> None:
    """Write a file as a spreadsheet program exports it."""
    folder.mkdir(exist_ok=True)
    with (folder / "export.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(rows)


def tap_csv(folder: Path, files: Path) -> Tap:
    config = {"filesystem": "local", "path": str(files), "read_mode": "merge", "stream_name": "customers"}
    return Tap("tap-csv-folder", "tap-csv-folder", folder, config)


def test_a_file_is_loaded_twice_with_changes_between(batch: LocalBatch, tmp_path: Path) -> None:
    """The properties `USER_ID`, `EMAIL` and `Phone` are recognised without a setting."""
    files = tmp_path / "exports"
    streams = {"customers": {"attributes": ATTRIBUTES}}
    config = config_file(tmp_path, batch.url, streams=streams, default_country="FR", skip_unchanged=True)
    changed = [
        {**row, "Prénom": "", "Dépenses": "99.99", "EMAIL_MARKETING": "Non"} if index % 10 == 0 else row
        for index, row in enumerate(ROWS)
    ]
    for rows in (ROWS, changed):
        write(files, rows)
        ended = finished(config, tap_csv(tmp_path, files).read())
        assert ended.code == 0, ended.log
        assert holding.profiles(batch) == {row["USER_ID"].strip(): expected(row) for row in rows}
        assert ended.rejects() == []
    assert ended.totals("customers")["unchanged"] == len(ROWS) - 3


def test_a_byte_order_mark_before_the_first_name_stops_before_anything_is_sent(
    batch: LocalBatch, tmp_path: Path
) -> None:
    """The column is then not named USER_ID; the message shows its real name."""
    files = tmp_path / "exports"
    write(files, ROWS, "utf-8-sig")
    config = config_file(tmp_path, batch.url, custom_id="USER_ID", default_country="FR")
    ended = finished(config, tap_csv(tmp_path, files).read())
    assert ended.code == 2
    assert "USER_ID" in ended.log
    assert batch.requests() == []
