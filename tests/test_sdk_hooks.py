"""The SDK still has the methods, attributes and log lines that this target overrides or relies on."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import singer_sdk
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform, StreamMap
from singer_sdk.plugin_base import BaseSingerReader, PluginBase
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.sinks import Sink
from singer_sdk.target_base import Target

from target_batch.target import CHATTER, TargetBatch

OVERRIDDEN = [
    (Target, "_process_schema_message"),
    (Target, "_process_record_message"),
    (Target, "_process_state_message"),
    (Target, "_process_activate_version_message"),
    (Target, "_process_batch_message"),
    (Target, "process_endofpipe"),
    (Target, "get_sink"),
    (Target, "get_sink_class"),
    (PluginBase, "setup_mapper"),
    (Target, "append_builtin_config"),
    (Target, "invoke"),
    (Target, "get_singer_command"),
    (PluginBase, "_handle_termination"),
    (PluginBase, "_setup_signal_handlers"),
    (PluginBase, "_validate_config"),
    (PluginBase, "cb_config"),
    (GenericSingerReader, "process_lines"),
    (GenericSingerReader, "default_input"),
    (Sink, "get_validator"),
    (Sink, "is_full"),
    (Sink, "clean_up"),
    (Sink, "process_record"),
    (Sink, "process_batch"),
]


@pytest.mark.parametrize(("owner", "name"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", value))
def test_the_sdk_still_has_the_overridden_method(owner: type, name: str) -> None:
    assert hasattr(owner, name)


def test_every_private_name_of_the_sdk_that_is_overridden_is_in_the_table() -> None:
    """A new override of a private method must be added to `OVERRIDDEN`."""
    mine = {name for name in vars(TargetBatch) if name.startswith("_") and not name.startswith("__")}
    theirs = {name for owner in (Target, PluginBase, BaseSingerReader) for name in vars(owner)}
    assert (mine & theirs) - {"_abc_impl"} <= {name for _, name in OVERRIDDEN}


@pytest.mark.parametrize("attribute", ["_sinks_active", "_sinks_to_clear", "_config", "_env_var_prefix"])
def test_the_sdk_still_keeps_its_state_under_these_names(attribute: str) -> None:
    sources = "".join(inspect.getsource(owner) for owner in (Target, PluginBase))
    assert attribute in sources


def test_stream_maps_still_have_the_classes_and_the_flag_that_the_target_checks() -> None:
    assert issubclass(SameRecordTransform, StreamMap)
    assert issubclass(RemoveRecordTransform, StreamMap)
    assert hasattr(StreamMap, "flattening_enabled")


@pytest.mark.parametrize("beginning", CHATTER)
def test_the_sdk_still_logs_the_lines_that_are_suppressed(beginning: str) -> None:
    folder = Path(singer_sdk.__file__).parent
    assert any(beginning in path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
