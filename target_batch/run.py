"""One run, from its settings to its totals; the target's message handlers act on it."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_batch.batch_api.client import Client
from target_batch.batch_api.dry_run import DryTransport
from target_batch.batch_api.transport import Transport
from target_batch.common.clock import Clock, Stop
from target_batch.common.errors import DeliveryError, MirrorRefusedError, StopRun
from target_batch.common.limits import MOST_NAMES
from target_batch.common.plain_text import counted
from target_batch.common.redaction import Scrubber, clean
from target_batch.common.storage import CALL_SECONDS, folder_at
from target_batch.delivery.deliveries import Deliveries, Surroundings
from target_batch.delivery.fates import Fates
from target_batch.delivery.states import Checkpoints
from target_batch.report import metrics, run_log
from target_batch.report.progress import Progress
from target_batch.report.rejects import RejectsFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings
    from target_batch.delivery.base import Delivery
    from target_batch.delivery.erasures import Erasures

SILENT_SECONDS: Final = 5.0
"""Seconds of silence after which the tap is assumed to be working, and the run is entered in the run log."""

GRACE_SECONDS: Final = 4.0
"""Seconds that retries and attempts may go on after a signal or a failure; the run ends within 5 seconds."""

PULSE_SECONDS: Final = 0.25
"""Seconds between updates of the live display while the run waits for answers."""


class Moment(NamedTuple):
    """A point in the run: the records so far, and the monotonic time."""

    records: int
    at: float


class Run:
    """The owner of delivery, fates, rejects and checkpoints; `emit` passes a state on.

    Once `distrusted`, after an unexpected error, it passes no more states on.
    """

    def __init__(
        self,
        settings: Settings,
        emit: Callable[[bytes], None],
        logger: logging.Logger,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.stop = Stop(self.clock)
        self._emit = emit
        self._logger = logger
        self._began = self.clock.monotonic()
        self._started = datetime.fromtimestamp(self.clock.time(), timezone.utc)
        self.name = f"{self._started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._folder = folder_at(settings.work_path, self._seconds_for_storage)
        self._dry = DryTransport(self._keep) if settings.dry_run else None
        scrub = Scrubber(key.reveal() for key in (settings.rest_api_key, *settings.app_api_keys))
        self._rejects = RejectsFolder(self._folder, self.name, self.clock.time, scrub)
        self.fates = Fates(self._rejects, settings.max_rejected_share)
        self._checkpoints = Checkpoints()
        self._flushed = self._passed = Moment(0, self._began)
        self._covered = 0
        self._told: set[tuple[str, str]] = set()
        self.sources: dict[str, str] = {}
        self._deliveries = Deliveries(settings, self._surroundings())
        self._progress = Progress(self.clock, self._client.counters, dry=settings.dry_run)
        path = None if settings.dry_run else settings.metrics_path
        self._metrics = metrics.MetricsFile(path, logger) if path else None
        self.input_ended = self.distrusted = self._signalled = False
        self._beats = 0
        self._cause: str | None = None
        self._begun = False
        self.input_size: Callable[[], tuple[int, int] | None] = lambda: None
        self.audience_names: dict[str, str] = {}

    @cached_property
    def _client(self) -> Client:
        transport = self._dry or Transport(
            self.settings.api_url,
            self.settings.request_timeout_seconds,
            f"target-batch/{metadata.version('target-batch')}",
            self.clock,
        )
        return Client(transport, self.clock, self.stop, self.settings.max_retry_seconds, self._logger.warning)

    @property
    def opening(self) -> str:
        """The opening log line: a live or a dry run, and where its data goes, without secrets."""
        settings = self.settings
        project = f"project `{settings.project_key}`" if settings.project_key else "no project"
        apps = counted(len(set(settings.app_api_keys)), "app")
        kind = "Dry run, nothing is sent" if self._dry else "Live run"
        return f"{kind}: {project} and {apps} at {settings.api_url}."

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            run=self.name,
            client=self._client,
            fates=self.fates,
            clock=self.clock,
            stop=self.stop,
            folder=self._folder,
            input_ended=lambda: self.input_ended,
            tell=self.tell,
            inform=self._logger.info,
            sources=self.sources,
        )

    def _keep(self, name: str, body: bytes) -> None:
        try:
            file = self._folder.append(f"dry-run/{self.name}/{name}")
            file.write(b"", body)
            file.close()
        except OSError as error:
            raise DeliveryError(
                f"The requests of the dry run cannot be written ({error.strerror or type(error).__name__}). "
                "Make room in the folder of `work_path`, or point it elsewhere, and run again."
            ) from None

    def _seconds_for_storage(self) -> float:
        """Return the time limit of a call to the storage of `work_path`, shorter if the run has to end."""
        return min(CALL_SECONDS, self.stop.deadline - self.clock.monotonic())

    def delivery(self, route: Route) -> Delivery:
        """Return the delivery for the operations of a stream.

        Raises:
            ConfigurationError: a setting that this kind of stream needs is missing.
        """
        return self._deliveries.of(route)

    def erasures(self, stream: str) -> Erasures:
        """Return the erasures of people for a stream.

        Raises:
            ConfigurationError: a setting that erasures need is missing.
        """
        return self._deliveries.erasures(stream)

    def tell(self, stream: str, note: str, level: int = logging.WARNING) -> None:
        """Log a note about a stream, once."""
        if (stream, note) not in self._told:
            self._told.add((stream, note))
            self._logger.log(level, "Stream '%s': %s", clean(stream), clean(note, 400))

    @property
    def _records(self) -> int:
        """Records read so far."""
        return sum(tally.read for tally in self.fates.tallies.values())

    @property
    def _settled(self) -> int:
        """Records whose fate is known."""
        return self._records - self.open_records

    def state(self, line: int, value: bytes) -> None:
        """Keep a state until everything before it is delivered or on disk."""
        self._checkpoints.received(line, value, self._records)
        for mirror in self._deliveries.mirrors:
            mirror.state(line, value)
        if self._records - self._flushed.records >= self.settings.checkpoint_records:
            self.tick()

    def activated(self, streams: Sequence[str]) -> None:
        """Note an ACTIVATE_VERSION: Batch has no versions, but mirrors take it as proof of completeness."""
        for mirror in self._deliveries.mirrors:
            for stream in streams:
                mirror.activated(stream)

    def drain(self) -> None:
        """Send everything that is waiting."""
        for delivery in self._deliveries:
            delivery.flush()

    def tick(self) -> None:
        """Settle the answers received; if a checkpoint is due, send what is waiting and pass the state on.

        Raises:
            StopRun: something could not be delivered.
        """
        if not self._begun and self.clock.monotonic() - self._began >= SILENT_SECONDS:
            self.begin()
        for delivery in self._deliveries:
            delivery.take_answers()
        if not any(delivery.waiting for delivery in self._deliveries):
            self._flushed = self._now()
        elif self._due(self._flushed, self._records):
            for delivery in self._deliveries:
                delivery.checkpoint()
            self._flushed = self._now()
        self._pass_state_if_due()

    def _pass_state_if_due(self) -> None:
        """Pass the newest confirmed state on if it is due, and update the live display."""
        self._beats += 1
        if self._checkpoints.waiting and self._due(self._passed, self._settled) and self._pass_state():
            self._passed = Moment(self._settled, self.clock.monotonic())
        if self._progress.live:
            self._progress.draw(self.fates.tallies, self._deliveries.limit, self.input_size())

    def _now(self) -> Moment:
        return Moment(self._records, self.clock.monotonic())

    def _due(self, last: Moment, records: int) -> bool:
        if self._checkpoints.waiting and records - last.records >= self.settings.checkpoint_records:
            return True
        return self.clock.monotonic() - last.at >= self.settings.checkpoint_seconds

    def _pass_state(self) -> bool:
        if self.distrusted or self._dry or self._rejects.failed or self.fates.tripped() is not None:
            return False
        state = self._checkpoints.confirmed(self._deliveries.oldest_line())
        if state is None:
            return False
        self._rejects.sync()
        self._progress.clear()
        self._emit(state)
        self._covered = self._checkpoints.covered
        self._logger.info("Checkpoint: a state passed that covers %d records.", self._covered)
        if self._metrics:
            self._metrics.write(self._entry(), self.clock.time())
        return True

    def finish(self) -> None:
        """Deliver everything, passing states on at their usual cadence and then the last one.

        Raises:
            StopRun: something could not be delivered; everything that could be has been confirmed.
        """
        self.drain()
        for delivery in self._deliveries:
            while delivery.waiting or delivery.in_flight:
                delivery.flush()
                if delivery.waiting and not delivery.in_flight:
                    raise DeliveryError(
                        "The records that wait cannot be sent after an earlier failure: run again."
                    )
                delivery.take_answers(PULSE_SECONDS)
                self._pass_state_if_due()
        self._finish_deliveries()
        self.fates.look_back()
        self._rejects.sync()
        self._pass_state()

    def _finish_deliveries(self) -> None:
        """Finish every delivery; a refused mirror holds the state but does not stop the other mirrors."""
        failure: StopRun | None = None
        for delivery in self._deliveries:
            try:
                delivery.finish()
            except StopRun as error:  # noqa: PERF203 - there are few deliveries
                if failure is not None:
                    self._logger.error("%s", failure)  # noqa: TRY400 - a message, not a traceback
                failure = error
                if not isinstance(error, MirrorRefusedError):
                    break
        if failure is not None:
            raise failure

    @property
    def failed(self) -> bool:
        """Whether something was not delivered or written to disk, or may not have been."""
        deliveries = any(delivery.failed for delivery in self._deliveries)
        return self.distrusted or self._rejects.failed or deliveries or self.fates.tripped() is not None

    def stopped_by(self, cause: str) -> None:
        """Record why the run stopped; only the first cause counts."""
        self._cause = self._cause or clean(cause, run_log.LONGEST_CAUSE)

    def begin(self) -> None:
        """Enter the run in the run log, so that a killed run is seen as one that did not end."""
        if self._begun:
            return
        self._begun = True
        entry = {"run": self.name, "started": self._started.isoformat(timespec="seconds"), "ended": False}
        self._log_run(entry | {"dry_run": self._dry is not None})
        if self._metrics:
            self._metrics.write(self._entry(), self.clock.time())

    def _log_run(self, entry: dict[str, Any]) -> None:
        try:
            run_log.append(self._folder, self.name, entry)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._logger.warning("The run log could not be written (%s): see `work_path`.", reason)

    def hurry(self, *, signalled: bool = False) -> None:
        """End soon: deliver what was read, but do not wait for a failing API."""
        self._signalled = self._signalled or signalled
        self._client.hurry(GRACE_SECONDS)

    def out_of_time(self) -> bool:
        """Return whether the run has to end and its grace period is over."""
        return self.clock.monotonic() > self.stop.deadline

    def pulse(self) -> tuple[int, int]:
        """Return a value that changes as long as the run makes progress."""
        return self._beats, self._client.counters.requests

    @property
    def open_records(self) -> int:
        """Records read whose fate is not known yet; may be read from any thread."""
        return sum(tally.undelivered for tally in list(self.fates.tallies.values()))

    def abandon(self) -> None:
        """After a failure, let the requests in flight end, and pass on the state that covers them."""
        self.hurry()
        for delivery in self._deliveries:
            while delivery.in_flight and self.clock.monotonic() < self.stop.deadline:
                self._beats += 1
                with suppress(StopRun):
                    delivery.salvage()
        self._pass_state()

    def close(self, exit_code: int) -> None:
        """Write the run's line to the run log and its totals to the log; notify if that is due.

        Raises:
            DeliveryError: the rejects could not be written to disk.
        """
        self._beats += 1
        already_told, trouble = self._rejects.failed, None
        try:
            self._rejects.close()
        except DeliveryError as error:
            trouble = None if already_told else error
        entry = self._entry(exit_code or (trouble.exit_code if trouble else 0))
        self._log_run(entry | {"attributes": sorted(self._deliveries.sent_names)[:MOST_NAMES]})
        self._beats += 1
        if self._metrics:
            self._metrics.write(entry, self.clock.time())
        self._tell_end(entry)
        if trouble:
            raise trouble

    def _tell_end(self, entry: dict[str, Any]) -> None:
        """Log what needs attention, notify if that is due, and close the log with the totals."""
        self._progress.table(self.fates.tallies)
        if self._dry:
            self._logger.info("Dry run %s, nothing was sent: %s.", self.name, self._dry.forecast())
        again = self._settled - self._covered
        if entry["exit"] and again > 0 and not self._dry:
            self._logger.info(
                "Records that the next run repeats: %d. No state has passed since they were settled.", again
            )
        for note in run_log.fully_rejected(self.fates.tallies, self.fates.tripped_by):
            self._logger.warning("%s", note)
        for name in self._rejects.names:
            self._logger.warning("Rejected records: %s", clean(name, 300))
        if self.settings.notify_url and run_log.must_notify(entry, self.settings.notify_rejected):
            seconds = run_log.HURRIED_NOTIFY_SECONDS if self._signalled else run_log.NOTIFY_SECONDS
            run_log.notify(self.settings.notify_url, entry, self._logger, seconds)
        if not self._progress.live:
            metrics.log_points(entry)
        totals = run_log.summary(self.fates.tallies, self.fates.spared, dry=self._dry is not None)
        named = {clean(name): counts for name, counts in entry["streams"].items()}
        self._logger.info("Totals: %s", totals or "no records", extra=entry | {"streams": named})

    def _entry(self, exit_code: int | None = None) -> dict[str, Any]:
        """Return the run's line in the run log; without an exit code, that of a run in progress."""
        counters, spared = self._client.counters, self.fates.spared
        return {
            "run": self.name,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(self.clock.monotonic() - self._began, 3),
            "ended": exit_code is not None,
            "exit": exit_code,
            "cause": self._cause if exit_code else None,
            "streams": {name: tally.as_dict() for name, tally in self.fates.tallies.items()},
            "requests": counters.requests,
            "retries": counters.retries,
            "throttled": counters.throttled,
            "possibly_twice": counters.possibly_twice + spared.risked,
            "spared": {"profiles": spared.profiles, "attributes": spared.attributes, "events": spared.events},
            "trouble": counters.trouble,
            "dry_run": self._dry is not None,
        }
