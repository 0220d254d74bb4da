"""All streams of a sample: through the stream maps, if there are any, each into its own study."""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from target_batch.commands.samples import Row, Schema
from target_batch.commands.study import Study
from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.redaction import clean
from target_batch.config.settings import SDK_SETTINGS
from target_batch.singer.messages import record_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.mapper import PluginMapper

    from target_batch.config.settings import Settings


class Survey:
    """Studies by stream, in the order in which their schemas came."""

    def __init__(self, config: dict[str, Any], settings: Settings, now: float) -> None:
        self._settings = settings
        self._now = now
        self._mapper = _mapper(config)
        self._known: set[str] = set()
        self.studies: dict[str, Study] = {}

    def take(self, found: Schema | Row) -> None:
        """Take a SCHEMA or a record.

        Raises:
            InputError: a record comes before the SCHEMA of its stream.
        """
        if isinstance(found, Schema):
            self._known.add(found.stream)
            self._take_schema(found)
        elif found.stream not in self._known:
            raise InputError(f"Line {found.line} is a RECORD before its SCHEMA. Correct the tap.")
        elif self._mapper is None:
            self.studies[found.stream].take(found)
        else:
            self._take_mapped(self._mapper, found)

    def _take_schema(self, found: Schema) -> None:
        if self._mapper is None:
            self._study(found.stream).under(found)
            return
        schema = copy.deepcopy(found.schema)
        with _maps_told():
            self._mapper.register_raw_stream_schema(found.stream, schema, list(found.key_properties))
        for stream_map in self._mapper.stream_maps[found.stream]:
            if type(stream_map).__name__ != "RemoveRecordTransform":
                keys = tuple(stream_map.transformed_key_properties or ())
                alias, mapped = stream_map.stream_alias, stream_map.transformed_schema
                self._study(alias).under(Schema(alias, mapped, keys, found.inferred))

    def _take_mapped(self, mapper: PluginMapper, row: Row) -> None:
        for stream_map in mapper.stream_maps[row.stream]:
            study = self.studies.get(stream_map.stream_alias)
            if study is None:
                continue
            try:
                record = stream_map.transform(copy.copy(row.record))
            except Exception:  # noqa: BLE001 - an expression of the user's met a value it cannot take
                study.refuse_unmapped(row)
                continue
            if record is None:
                study.filter(row)
            else:
                study.take(Row(stream_map.stream_alias, record, row.line, record_line(record)))

    def _study(self, stream: str) -> Study:
        return self.studies.setdefault(stream, Study(self._settings, self._now))


def _mapper(config: dict[str, Any]) -> PluginMapper | None:
    given = {name: config[name] for name in SDK_SETTINGS if config.get(name) is not None}
    if not given:
        return None
    from singer_sdk.mapper import PluginMapper  # noqa: PLC0415 - slow, and few configurations need it

    quiet = logging.getLogger("target_batch.explain")
    quiet.setLevel(logging.WARNING)
    with _maps_told():
        return PluginMapper(copy.deepcopy(given), quiet)


@contextmanager
def _maps_told() -> Iterator[None]:
    from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError  # noqa: PLC0415 - slow

    try:
        yield
    except (MapExpressionError, StreamMapConfigError) as error:
        raise ConfigurationError(f"The setting `stream_maps` is wrong: {clean(error, 200)}") from None
