"""The standard target tests of singer-sdk, with a check of what the local Batch holds afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty
from target_process import KEY, PROJECT

from target_batch.target import TargetBatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch
    from singer_sdk import Target

HELD = {
    "array_data": {"profiles": 4, "entries": 4},
    "camelcase": {"profiles": 2, "entries": 2},
    "camelcase_complex_schema": {"profiles": 0},
    "duplicate_records": {"profiles": 2},
    "invalid_schema": {"profiles": 0},
    "no_primary_keys": {"profiles": 3, "entries": 3},
    "optional_attributes": {"profiles": 4, "entries": 4},
    "pk_updates": {"profiles": 2},
    "record_before_schema": {"profiles": 0},
    "record_missing_fields": {"profiles": 2},
    "record_missing_key_property": {"profiles": 0},
    "schema_updates": {"profiles": 6, "entries": 6},
    "special_chars_in_attributes": {"profiles": 1},
}
"""The expected summary of the local Batch after each test."""


class Runner(TargetTestRunner):
    """The SDK's runner, which leaves its input and the run's files open."""

    def new_target(self) -> Target:
        """Remember every target that was made."""
        self.made = [*getattr(self, "made", []), target := super().new_target()]
        return target

    def close(self) -> None:
        """Close what the SDK leaves open."""
        if self.target_input is not None:
            self.target_input.close()
        for target in getattr(self, "made", []):
            target.run.close(0)


Suite: Any = get_target_test_class(TargetBatch, parse_env_config=False, config={})


class TestStandardSuite(Suite):  # type: ignore[misc]
    """Every standard test against a local Batch; streams of unknown kind are loaded as profiles."""

    test_target_invalid_schema = None
    """The suite expects a SCHEMA without `properties` to be refused, but the target accepts it."""

    @pytest.fixture
    def config(self) -> SuiteConfig:
        """The SDK's own configuration of the suite."""
        return SuiteConfig()

    @pytest.fixture
    def runner(self, tmp_path: Path, batch: LocalBatch) -> Iterator[TargetTestRunner]:
        """A runner whose target calls the local Batch."""
        settings = {
            "rest_api_key": KEY,
            "project_key": PROJECT,
            "api_url": batch.url,
            "work_path": str(tmp_path / "work"),
            "max_rejected_share": 1,
            "default_kind": "profiles",
            "streams": {
                "TestCamelcase": {"custom_id": "Id"},
                "ForecastingTypeToCategory": {"custom_id": "Id"},
                "test:SpecialChars*": {"custom_id": "_id"},
                "test_object_schema_*": {"custom_id": "object_store.id"},
                "*": {"custom_id": "id"},
            },
        }
        runner = Runner(target_class=TargetBatch, config=settings, parse_env_config=False)
        yield runner
        runner.close()

    @pytest.fixture(autouse=True)
    def arrived(self, request: pytest.FixtureRequest, batch: LocalBatch) -> Iterator[None]:
        """Check what the local Batch holds after each test."""
        yield
        name = request.node.name.removeprefix("test_target_")
        summary = batch.summary()
        assert {key: summary[key] for key in HELD.get(name, {})} == HELD.get(name, {})

    def test_target_record_missing_key_property(
        self, config: SuiteConfig, resource: Any, runner: TargetTestRunner, tmp_path: Path
    ) -> None:
        """A bad row does not stop a run: the record is rejected with its reason."""
        test = TargetRecordMissingKeyProperty()
        runner.input_filepath = test.singer_filepath
        _ = config, resource
        runner.sync_all()
        (file,) = (tmp_path / "work" / "rejects").glob("*.jsonl")
        (mark,) = json.loads(file.read_text().splitlines()[1])["record"]["_batch_reject"]
        assert mark["code"] == "missing_custom_id"


def test_the_last_values_of_repeated_records_win(tmp_path: Path, batch: LocalBatch) -> None:
    """After the suite's duplicate records, the profiles hold the last values."""
    from singer_sdk.testing.target_tests import TargetDuplicateRecords  # noqa: PLC0415 - one test's input

    settings = {"rest_api_key": KEY, "project_key": PROJECT, "api_url": batch.url, "default_kind": "profiles"}
    runner = Runner(
        target_class=TargetBatch,
        config={**settings, "work_path": str(tmp_path / "work")},
        input_filepath=TargetDuplicateRecords().singer_filepath,
        parse_env_config=False,
    )
    runner.sync_all()
    runner.close()
    assert [batch.attributes(custom_id) for custom_id in ("1", "2")] == [{"metric": 100}, {"metric": 20}]
    assert runner.state_messages == [{"test_duplicate_records": 2}]
