"""The counts of a run as metrics: a file for Prometheus, and points in the log in the SDK's format."""

from __future__ import annotations

import zlib
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import metrics

from target_batch.common.redaction import clean
from target_batch.common.storage import write_whole

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from prometheus_client.core import Metric

WRITE_SECONDS: Final = 5.0
"""Maximum seconds to write the file if it is a URL; the run waits for it."""

LONGEST_LABEL: Final = 200
"""Maximum number of characters of a stream's name in a label."""

FATES: Final = ("delivered", "unchanged", "ignored", "rejected", "undelivered")
TOTALS: Final = {
    "requests": "Requests that were sent.",
    "retries": "Requests that were sent again.",
    "throttled": "Answers of status 429.",
    "possibly_twice": "Operations whose answer was lost and that were sent again.",
}


class MetricsFile:
    """The file of `metrics_path`, replaced as a whole each time, so that readers never see a partial file.

    Args:
        path: A file, or a URL that fsspec supports.
        logger: Receives one warning if the file cannot be written; nothing is raised.
    """

    def __init__(self, path: str, logger: logging.Logger) -> None:
        self._path = path
        self._pipeline = PurePosixPath(path).stem
        self._logger = logger
        self._failed = False

    def write(self, entry: dict[str, Any], now: float) -> None:
        """Write the counts, after a failure only the final ones; `now` is in seconds since the epoch."""
        if self._failed and not entry["ended"]:
            return
        try:
            write_whole(self._path, as_text(entry, now, self._pipeline), WRITE_SECONDS)
        except OSError as error:
            if not self._failed:
                reason = error.strerror or type(error).__name__
                self._logger.warning(
                    "The metrics cannot be written to `metrics_path` (%s); the run goes on without them.",
                    reason,
                )
            self._failed = True


def as_text(entry: dict[str, Any], now: float, pipeline: str) -> bytes:
    """Return an entry of the run log in Prometheus' text format; `now` is in seconds since the epoch.

    Every sample has the label `pipeline`, because a collector that reads several files refuses identical
    samples.
    """
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - only with metrics_path

    class Collector:
        def collect(self) -> Iterator[Metric]:
            for metric in (*_of_run(entry, now), *_of_streams(entry["streams"])):
                for sample in metric.samples:
                    sample.labels["pipeline"] = pipeline
                yield metric

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def _of_run(entry: dict[str, Any], now: float) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - only with metrics_path

    def gauge(name: str, help_: str, value: float) -> Metric:
        return GaugeMetricFamily(f"target_batch_{name}", help_, value=value)

    info = GaugeMetricFamily("target_batch_run_info", "The run that these are of.", labels=("run",))
    info.add_metric((entry["run"],), 1)
    yield info
    started = datetime.fromisoformat(entry["started"]).timestamp()
    yield gauge("run_started_timestamp_seconds", "When the run began.", started)
    yield gauge("run_updated_timestamp_seconds", "When this was written.", now)
    yield gauge("run_seconds", "How long the run has taken.", entry["seconds"])
    yield gauge("run_ended", "1 once the run has ended.", float(entry["ended"]))
    if entry["ended"]:
        yield gauge("run_exit_code", "The exit code of the run.", entry["exit"])
    for name, help_ in TOTALS.items():
        yield gauge(f"run_{name}", help_, entry[name])


def _of_streams(streams: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - only with metrics_path

    read = GaugeMetricFamily("target_batch_records_read", "Records read.", labels=("stream",))
    records = GaugeMetricFamily("target_batch_records", "Records by their fate.", labels=("stream", "fate"))
    merged = GaugeMetricFamily(
        "target_batch_records_merged", "Delivered records that shared an entry.", labels=("stream",)
    )
    reasons = GaugeMetricFamily(
        "target_batch_refusals", "Refusals of records and attributes by reason.", labels=("stream", "reason")
    )
    for name, counts in streams.items():
        stream = _label(name)
        read.add_metric((stream,), counts["read"])
        merged.add_metric((stream,), counts["merged"])
        for fate in FATES:
            records.add_metric((stream, fate), counts[fate])
        for code, count in counts["reasons"].items():
            reasons.add_metric((stream, code), count)
    yield from (read, records, merged, reasons)


def _label(stream: str) -> str:
    """Return a stream's name as a label; a long one is cut and ends in a checksum, to stay unique."""
    if len(stream) <= LONGEST_LABEL:
        return stream
    return f"{stream[:LONGEST_LABEL]}-{zlib.crc32(stream.encode()):08x}"


def log_points(entry: dict[str, Any]) -> None:
    """Log the counts of a run as metric points that Singer tools recognize, through the SDK's own logger."""
    logger = metrics.get_metrics_logger()
    sent = 0 if entry["dry_run"] else entry["requests"]
    for stream, counts in entry["streams"].items():
        tags = {metrics.Tag.STREAM.value: clean(stream)}
        metrics.log(logger, metrics.Point("counter", metrics.Metric.RECORD_COUNT, counts["read"], tags))
    status = metrics.Status.FAILED if entry["exit"] else metrics.Status.SUCCEEDED
    tags = {metrics.Tag.STATUS.value: status.value}
    metrics.log(logger, metrics.Point("counter", metrics.Metric.HTTP_REQUEST_COUNT, sent, {}))
    metrics.log(logger, metrics.Point("timer", metrics.Metric.JOB_DURATION, entry["seconds"], tags))
