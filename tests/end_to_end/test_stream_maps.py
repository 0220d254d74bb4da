"""The SDK's stream maps and flattening are applied before the mapping, and Batch gets their results."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from singer import BOOLEAN, DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state
from target_process import config_file, encoded, run, start
from target_process import ended as ended_of
from verdict import unbalanced

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

PROPERTIES: dict[str, Any] = {
    "user_id": STRING,
    "email": STRING,
    "seat": INTEGER,
    "score": NUMBER,
    "vip": BOOLEAN,
    "born": DATE_TIME,
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
}
PEOPLE: list[dict[str, Any]] = [
    {"user_id": "u1", "email": "ada@example.com", "seat": 1, "score": 19.99, "vip": True, "tags": ["a", "b"]},
    {"user_id": "u2", "email": None, "seat": 2**60, "score": 0.1, "born": "1815-12-10T00:00:00Z"},
    {"user_id": "u3", "seat": 3, "score": 1e-7, "tags": {"$add": ["c"]}, "vip": None},
    {"user_id": "u4", "email": "not an address", "seat": 4, "born": "2026-02-30T00:00:00Z"},
    {"user_id": None, "seat": 5},
]
LINES = [schema("users", PROPERTIES), *(record("users", **row) for row in PEOPLE), state({"seen": 5})]
CHANGED = {**PROPERTIES, "seat": STRING, "born": {**STRING, "maxLength": 4}, "city": STRING}
UNUSUAL = [
    *LINES,
    record("users", user_id="u5", seat=6, tags=[]),
    record("users", user_id="u6", seat=7, unheard="of"),
    record("users", user_id="u7", seat="seven", email="u7@example.com"),
    record("users", user_id="u8", seat=8, _sdc_deleted_at="2026-01-01T00:00:00Z"),
    schema("buyers", {"user_id": STRING, "spent": NUMBER}),
    record("buyers", user_id="u5", spent=12.50),
    record("users", user_id="u5", seat=9, email="  u5@example.com "),
    record("buyers", user_id="u5", spent="a lot"),
    schema("users", CHANGED),
    record("users", user_id="u5", seat="9a", city="Lyon"),
    record("users", user_id="u9", seat=9, city="x" * 301),
    record("users", user_id="u10", seat="1", born="1815-12-10"),
    record("users", user_id="u11", born="1815"),
    '{"type": "RECORD", "stream": "users", "record": {"user_id": "u12", "seat": "a", "city": "\\ud800"}}',
    record("users", user_id=" u13 ", city=""),
    record("users", user_id="nan", city="Lyon"),
    state({"seen": 20}),
]
"""Unusual records among usual ones, over two SCHEMAs."""


def held(batch: LocalBatch) -> dict[str, dict[str, Any]]:
    """Return what arrived, by custom ID."""
    return {line["custom_id"]: line["attributes"] for line in batch.journal()}


@pytest.mark.parametrize(("lines", "profiles"), [(LINES, 4), (UNUSUAL, 12)], ids=["usual", "unusual"])
def test_an_identity_map_changes_nothing(
    tmp_path: Path, batch: LocalBatch, lines: list[str], profiles: int
) -> None:
    """With and without an empty stream map, the same input has the same journal, fates and rejects."""
    found = []
    for name, maps in (("plain", None), ("mapped", {"users": {}, "buyers": {}})):
        batch.reset()
        (tmp_path / name).mkdir()
        ended = run(
            tmp_path / name, batch.url, lines, stream_maps=maps, streams={"buyers": {"kind": "profiles"}}
        )
        assert ended.code == 0
        rejects = ended.rejects()
        marks = [
            [(mark["code"], mark["property"], mark["line"]) for mark in row.pop("_batch_reject")]
            for row in rejects
        ]
        found.append((held(batch), ended.totals("users"), rejects, marks, ended.emitted))
    assert found[0] == found[1]
    assert len(found[0][0]) == profiles


def test_a_map_can_hash_remove_and_make_properties(tmp_path: Path, batch: LocalBatch) -> None:
    maps = {"users": {"email": None, "email_hash": "md5(record['user_id'])", "seat_next": "int(seat) + 1"}}
    ended = run(tmp_path, batch.url, [LINES[0], LINES[1]], stream_maps=maps)
    assert ended.code == 0
    digest = hashlib.md5(b"u1", usedforsecurity=False).hexdigest()
    found = held(batch)["u1"]
    assert found["email_hash"] == digest
    assert found["seat_next"] == 2
    assert "$email_address" not in found
    assert "ada@example.com" not in str(batch.journal())


def test_an_alias_decides_the_kind(tmp_path: Path, batch: LocalBatch) -> None:
    """A stream of unknown kind gets one by its alias, and is counted under the alias."""
    lines = [line.replace('"users"', '"table_17"') for line in LINES]
    ended = run(tmp_path, batch.url, lines, stream_maps={"table_17": {"__alias__": "users"}})
    assert ended.code == 0
    assert set(held(batch)) == {"u1", "u2", "u3", "u4"}
    assert ended.totals("users")["read"] == 5
    assert unbalanced(ended) == []


def test_a_filter_leaves_records_out_and_counts_them(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, LINES, stream_maps={"users": {"__filter__": "seat > 2 and seat < 5"}})
    assert ended.code == 0
    assert set(held(batch)) == {"u3", "u4"}
    totals = ended.totals("users")
    assert (totals["read"], totals["delivered"], totals["ignored"]) == (5, 2, 3)
    assert ended.emitted == ['{"seen": 5}']


def test_a_removed_stream_is_counted_as_ignored(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [schema("products", {"id": INTEGER}), record("products", id=1), *LINES[:2], state({"seen": 1})]
    ended = run(tmp_path, batch.url, lines, stream_maps={"products": None})
    assert ended.code == 0
    assert set(held(batch)) == {"u1"}
    assert sum(total["ignored"] for total in ended.run["streams"].values()) == 1
    assert unbalanced(ended) == []


def test_a_stream_can_be_duplicated(tmp_path: Path, batch: LocalBatch) -> None:
    """One stream becomes profiles and events, each with its own counts."""
    maps = {
        "users": {"email": None},
        "user_events": {"__source__": "users", "__else__": None, "user_id": "user_id", "event": "'loaded'"},
    }
    ended = run(tmp_path, batch.url, LINES, stream_maps=maps, late_events="now")
    assert ended.code == 0
    events = [(line["custom_id"], event["name"]) for line in batch.journal() for event in line["events"]]
    assert sorted(events) == [(f"u{n}", "loaded") for n in (1, 2, 3, 4)]
    assert batch.attributes("u1")["score"] == 19.99
    assert [ended.totals(name)["delivered"] for name in ("users", "user_events")] == [4, 4]
    assert unbalanced(ended) == []


def test_a_map_that_fails_on_one_record_rejects_only_that_record(tmp_path: Path, batch: LocalBatch) -> None:
    """The run goes on and passes its state."""
    maps = {"users": {"next": "int(seat) + 1"}}
    lines = [LINES[0], LINES[1], record("users", user_id="u9", seat=None), LINES[3], state({"seen": 3})]
    ended = run(tmp_path, batch.url, lines, stream_maps=maps)
    assert ended.code == 0
    assert set(held(batch)) == {"u1", "u3"}
    assert ended.totals("users")["rejected"] == 1
    assert ended.emitted == ['{"seen": 3}']


def test_flattening_opens_objects(tmp_path: Path, batch: LocalBatch) -> None:
    address = {"type": ["object", "null"], "properties": {"city": STRING, "zip": STRING}}
    lines = [
        schema("users", {"user_id": STRING, "address": address}),
        record("users", user_id="u1", address={"city": "Paris", "zip": "75001"}),
    ]
    ended = run(tmp_path, batch.url, lines, flattening_enabled=True, flattening_max_depth=2)
    assert ended.code == 0
    assert sorted(held(batch)["u1"].values()) == ["75001", "Paris"]
    assert ended.rejects() == []


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"user": {"email": None}}, "Is it meant by `user`?"),
        ({"public-users": {"email": None}}, "Is it meant by `public-users`?"),
        ({"Users": None}, "Is it meant by `Users`?"),
        ({"crm.users.email": "__NULL__"}, "Is it meant by `crm.users.email`?"),
        ({"people": {"email": None}}, "These have fitted no stream so far: `people`."),
        ({"masked": {"__source__": "accounts", "email": None}}, "fitted no stream so far: `masked`."),
    ],
)
def test_a_map_that_fits_no_stream_is_reported_before_a_record_is_sent(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, Any], message: str
) -> None:
    """A column that it should mask would be sent; the report is repeated at the end of the run."""
    config = config_file(tmp_path, batch.url, stream_maps=maps, checkpoint_seconds=600)
    process = start(config)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(f"{LINES[0]}\n".encode())
    process.stdin.flush()
    before = b""
    while b"no entry of `stream_maps` fits it" not in before:
        before = process.stderr.readline()
    assert message in before.decode()
    assert "Stream 'users'" in before.decode()
    assert batch.journal() == []
    ended = ended_of(process, config, encoded([LINES[1]]))
    assert ended.code == 0
    assert "Entries of `stream_maps` that no stream of this input has" in ended.log


@pytest.mark.parametrize(
    "maps",
    [
        {"users": {"email": None}},
        {"us*": {"email": None}},
        {"masked": {"__source__": "users", "email": None}},
        {"users": None, "masked": {"__source__": "users", "email": None}},
        {"users.email": "__NULL__", "users.score": "__NULL__"},
        {"masked.__source__": "users", "masked.email": "__NULL__"},
        {"__else__": None, "users": {"__alias__": "people"}},
    ],
)
def test_a_map_that_fits_a_stream_is_not_reported(
    tmp_path: Path, batch: LocalBatch, maps: dict[str, Any]
) -> None:
    ended = run(tmp_path, batch.url, LINES[:2], stream_maps=maps, default_kind="profiles")
    assert ended.code == 0
    assert "stream_maps`" not in ended.log


def test_an_entry_of_streams_that_fits_no_mapped_name_is_reported(tmp_path: Path, batch: LocalBatch) -> None:
    """The report comes before a stop at the SCHEMA, of which the entry is often the cause."""
    maps = {"users": {"__alias__": "folk"}}
    ended = run(tmp_path, batch.url, LINES[:2], stream_maps=maps, streams={"folks": {"kind": "profiles"}})
    assert ended.code == 2
    first, last = ended.log.index("Is it meant by `folks`?"), ended.log.index("is of no known kind")
    assert first < last
    streams = {"folk": {"kind": "profiles"}, "later": {}}
    ended = run(tmp_path, batch.url, LINES[:2], stream_maps=maps, streams=streams)
    assert ended.code == 0
    assert "Stream 'folk': no entry" not in ended.log
    assert "Entries of `streams` that no stream of this input has: `later`." in ended.log
