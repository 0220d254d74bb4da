"""Flattening, as the advice for rejected objects recommends it: arrays stay arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer import STRING, record, schema
from target_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

WORDS = {"type": ["array", "null"], "items": {"type": "string"}}
PLACE = {"type": ["object", "null"], "properties": {"city": STRING, "tags": WORDS}}
PROPERTIES: dict[str, Any] = {"user_id": STRING, "words": WORDS, "topic_preferences": WORDS, "place": PLACE}
FLATTENING = {"flattening_enabled": True, "flattening_max_depth": 1}


def test_arrays_stay_arrays(tmp_path: Path, batch: LocalBatch) -> None:
    place = {"city": "Lyon", "tags": ["x"]}
    row = record("users", user_id="u", words=["a", "b"], topic_preferences=["news"], place=place)
    ended = run(tmp_path, batch.url, [schema("users", PROPERTIES), row], **FLATTENING)
    assert ended.code == 0, ended.log
    expected = {
        "words": ["a", "b"],
        "$topic_preferences": ["news"],
        "place__city": "Lyon",
        "place__tags": ["x"],
    }
    assert batch.attributes("u") == expected
    assert ended.rejects() == []


def test_a_null_object_deletes_its_attributes(tmp_path: Path, batch: LocalBatch) -> None:
    lines = [schema("users", PROPERTIES), record("users", user_id="u", place={"city": "Lyon", "tags": ["x"]})]
    run(tmp_path, batch.url, lines, **FLATTENING)
    assert batch.attributes("u") == {"place__city": "Lyon", "place__tags": ["x"]}
    run(tmp_path, batch.url, [lines[0], record("users", user_id="u", place=None)], **FLATTENING)
    assert batch.attributes("u") == {}


def test_the_separator_can_be_set(tmp_path: Path, batch: LocalBatch) -> None:
    row = record("users", user_id="u", place={"city": "Lyon", "tags": ["x"]})
    settings = {**FLATTENING, "flattening_separator": "_in_"}
    ended = run(tmp_path, batch.url, [schema("users", PROPERTIES), row], **settings)
    assert ended.code == 0, ended.log
    assert batch.attributes("u") == {"place_in_city": "Lyon", "place_in_tags": ["x"]}
