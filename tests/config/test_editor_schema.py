"""The JSON schema for editors accepts the same configurations as the target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from target_batch.common.errors import ConfigurationError
from target_batch.config.checks import load
from target_batch.config.files import of_file

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
EDITOR = jsonschema.Draft202012Validator(SCHEMA)
CONFIGURATIONS = [path for path in sorted((ROOT / "examples").glob("**/*.json")) if "cohort" not in path.stem]


def accepted(config: dict[str, Any]) -> bool:
    """Return whether the target accepts a configuration."""
    try:
        load({"rest_api_key": "k", **config})
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_every_example_configuration_is_valid(path: Path) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    EDITOR.validate(config)
    assert accepted(config)


@pytest.mark.parametrize(
    "config",
    [
        {"unknown": 1},
        {"nulls": "maybe"},
        {"streams": {"users": {"kin": "profiles"}}},
        {"streams": {"users": {"kind": "people"}}},
        {"streams": {"users": {"mode": "mirrored"}}},
        {"max_audience_shrink": 3},
        {"checkpoint_records": 0},
        {"replay": {"begin": "2026"}},
        {"app_api_keys": "one"},
    ],
    ids=str,
)
def test_a_configuration_that_the_target_refuses_is_invalid_in_the_editor(config: dict[str, Any]) -> None:
    assert not EDITOR.is_valid(config)
    assert not accepted(config)


def test_the_key_schema_in_a_file_is_not_a_setting(tmp_path: Path) -> None:
    """The target ignores `$schema`, which names the schema for the editor."""
    config = {"$schema": "./config.schema.json", "nulls": "skip"}
    EDITOR.validate(config)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config))
    assert of_file(str(path)) == {"nulls": "skip"}
