"""One run, from its settings to its totals: what the target's message handlers act upon."""

from __future__ import annotations

import math
import secrets
import shutil
import tempfile
from datetime import datetime, timezone
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from target_batch import runlog
from target_batch.api.audiences import AppAudiences, AudienceSender, ProjectAudiences
from target_batch.api.bulk import BulkSender
from target_batch.api.client import Client
from target_batch.api.clock import Clock, Stop
from target_batch.api.dry import DryTransport
from target_batch.api.endpoints import AUDIENCE_RATE, MASS_UPDATE, UPDATE, App, Project
from target_batch.api.limits import Rate
from target_batch.api.pacing import Pacer
from target_batch.api.transport import Transport
from target_batch.audiences import AudienceDelivery
from target_batch.checkpoints import Checkpoints
from target_batch.delivery import MASS_UPDATE_CUT, Delivery, Policy
from target_batch.errors import ConfigurationError
from target_batch.fates import Fates
from target_batch.files import LocalFolder, folder_at
from target_batch.places import AttributePlace, AudiencePlace, scope_of
from target_batch.progress import Progress
from target_batch.redaction import Scrubber, clean
from target_batch.rejects import RejectsFolder
from target_batch.settings import DEFAULT_LEDGER

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from target_batch.fates import Ticket
    from target_batch.ledger import Ledger
    from target_batch.mirror import MirrorLane
    from target_batch.options import StreamOptions
    from target_batch.places import Place
    from target_batch.routing import Route
    from target_batch.settings import Settings

GRACE_SECONDS: Final = 4.0
"""How long retries and attempts go on after a signal or a failure; the run ends within 5 seconds."""


PULSE_SECONDS: Final = 0.25
"""How often the live picture is looked after while the run waits for answers."""


class Lane(Protocol):
    """What delivers one sort of operation, in order, and knows what is not confirmed."""

    def put(self, operation: Any, ticket: Ticket) -> None:
        """Take an operation in."""

    def flush(self) -> None:
        """Send what waits."""

    def settle(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived."""

    def finish(self) -> None:
        """Send everything and wait for every answer."""

    def salvage(self) -> None:
        """Settle one more answer after a failure."""

    @property
    def waiting(self) -> bool:
        """Whether an operation has not left yet."""

    @property
    def in_flight(self) -> int:
        """Requests on the wire."""

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""

    def oldest_line(self) -> int | None:
        """The input line of the oldest record whose fate is open."""


class Moment(NamedTuple):
    """When something happened: after how many records, and at which monotonic second."""

    records: int
    at: float


class Run:
    """Owns delivery, fates, rejects and checkpoints; `emit` passes a state on.

    Once `distrusted` (an error that nobody foresaw), no state passes any more.
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
        self._folder = folder_at(settings.work_path)
        self._dry = DryTransport(self._keep) if settings.dry_run else None
        scrub = Scrubber((settings.rest_api_key, *settings.app_api_keys))
        self._rejects = RejectsFolder(self._folder, self.name, self.clock.time, scrub)
        self.fates = Fates(self._rejects, settings.max_rejected_share)
        self._checkpoints = Checkpoints()
        self._flushed = self._passed = Moment(0, self._began)
        self._told: set[tuple[str, str]] = set()
        self._lanes: dict[str, Lane] = {}
        self._mirrors: list[MirrorLane] = []
        self._progress = Progress(self.clock, self._client.counters)
        self.input_ended = self.distrusted = False
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
        return Client(transport, self.clock, self.stop, self.settings.max_retry_seconds)

    def _keep(self, name: str, body: bytes) -> None:
        file = self._folder.append(f"dry-run/{self.name}/{name}")
        file.write(b"", body)
        file.close()

    def lane(self, route: Route) -> Lane:
        """Return what delivers the operations of a stream; streams of one sort share it.

        Raises:
            ConfigurationError: a setting that this sort of stream needs is missing.
        """
        options = route.options
        membership = route.kind == "audiences"
        if options.destination == "project" or options.as_attribute or not membership:
            self._needs_project(route.stream)
        elif not self.settings.app_api_keys:
            raise ConfigurationError(
                f"Stream '{clean(route.stream)}' goes to apps, but `app_api_keys` is empty. "
                "Set it to the Live, Dev or SDK keys of the apps and sites."
            )
        if membership and options.mode == "mirror":
            name = f"mirror {route.stream}"
            return self._lanes.get(name) or self._open(name, self._mirror_lane(route))
        if not membership or options.as_attribute:
            return self._lanes.get("profiles") or self._open("profiles", self._profile_lane())
        name = f"{options.destination} {options.id_type}"
        return self._lanes.get(name) or self._open(name, self._audience_lane(options))

    def _open(self, name: str, lane: Lane) -> Lane:
        self._lanes[name] = lane
        return lane

    @cached_property
    def _bulk(self) -> BulkSender:
        pacers = {
            endpoint.route: Pacer(self._rate(endpoint.rate), self.clock, largest)
            for endpoint, largest in ((UPDATE, UPDATE.entries), (MASS_UPDATE, MASS_UPDATE_CUT))
        }
        return BulkSender(self._client, self._project, pacers)

    def _profile_lane(self) -> Delivery:
        settings = self.settings
        memory = None
        if settings.skip_unchanged:
            from target_batch.unchanged import PayloadMemory  # noqa: PLC0415 - SQLAlchemy costs start-up

            project = scope_of("project", settings.api_url, settings.project_key or "")
            max_age = settings.unchanged_max_age_days * 86_400
            memory = PayloadMemory(self._ledger, project, max_age, self.clock.time)
        return Delivery(
            self._bulk, self.fates, Policy(settings.profile_endpoint, settings.checkpoint_records), memory
        )

    def _audience_lane(self, options: StreamOptions) -> AudienceDelivery:
        senders = [sender for sender, _ in self._audience_senders(options)]
        return AudienceDelivery(senders, self.fates, self.clock, self._index_patience)

    @property
    def _index_patience(self) -> float:
        return self.settings.max_indexing_seconds if self.settings.wait_for_indexing else 0

    def _audience_senders(self, options: StreamOptions) -> Iterator[tuple[AudienceSender, str]]:
        """Give a sender for the project, or one for each app, and its name in the ledger."""
        settings = self.settings
        if options.destination == "project":
            scope = scope_of("project", settings.api_url, settings.project_key or "")
            yield AudienceSender(self._client, ProjectAudiences(self._project), self._slow_pacer), scope
            return
        for key in settings.app_api_keys:
            platform = AppAudiences(App(settings.rest_api_key, key), options.id_type)
            scope = scope_of("app", settings.api_url, key, options.id_type)
            yield AudienceSender(self._client, platform, self._slow_pacer), scope

    def _mirror_lane(self, route: Route) -> MirrorLane:
        from target_batch.mirror import MirrorLane  # noqa: PLC0415 - SQLAlchemy costs start-up

        settings, options = self.settings, route.options
        places: list[Place] = [
            AudiencePlace(sender, scope, self.clock, self._index_patience)
            for sender, scope in self._audience_senders(options)
        ]
        if options.as_attribute:
            scope = scope_of("attribute", settings.api_url, settings.project_key or "")
            places = [AttributePlace(self._bulk, scope)]
        lane = MirrorLane(
            route.stream,
            options,
            places,
            ledger=self._ledger,
            fates=self.fates,
            clock=self.clock,
            run=self.name,
            max_shrink=settings.max_audience_shrink,
            input_ended=lambda: self.input_ended,
            tell=self.tell,
            inform=self._logger.info,
        )
        self._mirrors.append(lane)
        return lane

    @cached_property
    def _ledger(self) -> Ledger:
        from target_batch.ledger import Ledger  # noqa: PLC0415 - SQLAlchemy costs start-up

        if self._dry:
            return Ledger("sqlite:///" + self._copied_ledger(), Path())
        return Ledger(self.settings.ledger_url, self._local_work_path())

    def _copied_ledger(self) -> str:
        """Copy the ledger for a dry run, which must not change it; one behind a URL is taken as empty."""
        copy = Path(self._scratch.name) / "ledger.db"
        original = self._local_work_path() / "ledger.db"
        if self.settings.ledger_url == DEFAULT_LEDGER and original.exists():
            shutil.copyfile(original, copy)
        return str(copy)

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="target-batch-")

    def _local_work_path(self) -> Path:
        if isinstance(self._folder, LocalFolder):
            return self._folder.root
        if "{work_path}" in self.settings.ledger_url:
            raise ConfigurationError(
                "`work_path` is behind a URL, where no SQLite file can live: set `ledger_url`, for example "
                "to a PostgreSQL database."
            )
        return Path()

    @cached_property
    def _slow_pacer(self) -> Pacer:
        return Pacer(Rate(math.inf, math.inf) if self._dry else AUDIENCE_RATE, self.clock)

    @cached_property
    def _project(self) -> Project:
        settings = self.settings
        return Project(settings.rest_api_key, settings.project_key or "", settings.api_version)

    def _rate(self, documented: Rate) -> Rate:
        chosen = math.inf if self._dry else self.settings.max_updates_per_second
        if chosen is None:
            return documented
        return Rate(chosen, documented.burst if chosen > documented.per_second else max(chosen, 1.0))

    def _needs_project(self, stream: str) -> None:
        if self.settings.project_key is None:
            raise ConfigurationError(
                f"Stream '{clean(stream)}' goes to a project, but `project_key` is not set. "
                "Set it to the project's key, from Batch's dashboard under Settings."
            )

    def tell(self, stream: str, note: str) -> None:
        """Log a note about a stream, once."""
        if (stream, note) not in self._told:
            self._told.add((stream, note))
            self._logger.warning("Stream '%s': %s", clean(stream), clean(note, 400))

    @property
    def _records(self) -> int:
        """Records read so far."""
        return sum(tally.read for tally in self.fates.tallies.values())

    def state(self, line: int, value: bytes) -> None:
        """Keep a state until everything before it is delivered or on disk."""
        self._checkpoints.received(line, value, self._records)
        for mirror in self._mirrors:
            mirror.state(line, value)
        if self._records - self._flushed.records >= self.settings.checkpoint_records:
            self.tick()

    def activated(self, stream: str, line: int) -> None:
        """Note an ACTIVATE_VERSION: Batch keeps no versions, but a mirror takes it as proof."""
        self.drain()
        for mirror in self._mirrors:
            mirror.activated(stream, line)

    def drain(self) -> None:
        """Send what came so far on its way, ahead of what follows."""
        for lane in self._lanes.values():
            lane.flush()

    def tick(self) -> None:
        """Settle what has arrived; when a checkpoint is due, send what waits and pass the state.

        Raises:
            StopRun: something could not be delivered.
        """
        for lane in self._lanes.values():
            lane.settle()
        if not any(lane.waiting for lane in self._lanes.values()):
            self._flushed = self._now()
        elif self._due(self._flushed):
            self.drain()
            self._flushed = self._now()
        if self._checkpoints.waiting and self._due(self._passed) and self._pass_state():
            self._passed = self._now()
        self._show()

    def _show(self) -> None:
        if self._progress.live:
            self._progress.draw(self.fates.tallies, self._limit(), self.input_size())

    def _limit(self) -> float:
        lane = self._lanes.get("profiles")
        endpoint = lane.endpoint if isinstance(lane, Delivery) else MASS_UPDATE
        return self._rate(endpoint.rate).per_second

    def _now(self) -> Moment:
        return Moment(self._records, self.clock.monotonic())

    def _due(self, last: Moment) -> bool:
        if self._checkpoints.waiting and self._records - last.records >= self.settings.checkpoint_records:
            return True
        return self.clock.monotonic() - last.at >= self.settings.checkpoint_seconds

    def _pass_state(self) -> bool:
        if self.distrusted or self._dry:
            return False
        state = self._checkpoints.confirmed(self._oldest_line())
        if state is None:
            return False
        self._rejects.sync()
        self._emit(state)
        self._logger.info("Checkpoint: state passed after %d records.", self._records)
        return True

    def _oldest_line(self) -> int | None:
        lines = (lane.oldest_line() for lane in self._lanes.values())
        return min((line for line in lines if line is not None), default=None)

    def finish(self) -> None:
        """Deliver everything, then pass the last state.

        Raises:
            StopRun: something could not be delivered; what could be has been confirmed.
        """
        self.drain()
        for lane in self._lanes.values():
            while lane.waiting or lane.in_flight:
                lane.flush()
                lane.settle(PULSE_SECONDS)
                self._show()
        mirrors = set(self._mirrors)
        for lane in sorted(self._lanes.values(), key=lambda lane: lane in mirrors):
            lane.finish()
        self._rejects.sync()
        self._pass_state()

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""
        return any(lane.failed for lane in self._lanes.values())

    def hurry(self) -> None:
        """End soon: what is read is delivered, but a failing API is not waited for."""
        self._client.hurry(GRACE_SECONDS)

    def abandon(self) -> None:
        """After a failure: let what is on the wire end, and pass the state that covers it."""
        self.hurry()
        for lane in self._lanes.values():
            while lane.in_flight and self.clock.monotonic() < self.stop.deadline:
                lane.salvage()
        self._pass_state()

    def close(self, exit_code: int) -> None:
        """Write the run's line into the run log, and its totals into the log."""
        self._rejects.close()
        counters = self._client.counters
        runlog.append(
            self._folder,
            self.name,
            {
                "run": self.name,
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(self.clock.monotonic() - self._began, 3),
                "exit": exit_code,
                "streams": {name: tally.as_dict() for name, tally in self.fates.tallies.items()},
                "requests": counters.requests,
                "retries": counters.retries,
                "throttled": counters.throttled,
                "possibly_twice": counters.possibly_twice,
                "trouble": counters.trouble,
            },
        )
        self._progress.table(self.fates.tallies)
        if self._dry:
            self._logger.info("Dry run, nothing was sent: %s.", self._dry.forecast())
        self._logger.info("Totals: %s", runlog.summary(self.fates.tallies) or "no records")
        for name in self._rejects.names:
            self._logger.warning("Rejected records: %s", clean(name, 300))
