"""The deliveries of a run: one for profile updates, one per kind of audience, one per mirrored stream."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from target_batch.batch_api.audiences import AppAudiences, AudienceSender, Listing, ProjectAudiences
from target_batch.batch_api.bulk import BulkSender
from target_batch.batch_api.endpoints import AUDIENCE_RATE, MASS_UPDATE, UPDATE, App, Project
from target_batch.batch_api.people import ErasureSender
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.common.errors import ConfigurationError, DeliveryError
from target_batch.common.limits import Rate
from target_batch.common.redaction import clean
from target_batch.common.storage import LocalFolder
from target_batch.delivery.audiences import AudienceDelivery, PollTiming
from target_batch.delivery.erasures import ErasedPeople, Erasures
from target_batch.delivery.mirror_destinations import AttributeDestination, AudienceDestination
from target_batch.delivery.profiles import MASS_UPDATE_ENTRIES, SMALL_DRAIN, Policy, ProfileDelivery
from target_batch.ledger.held import scope_of
from target_batch.report.erasures import ErasureBook
from target_batch.report.progress import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_batch.batch_api.answers import Verdict
    from target_batch.batch_api.audiences import Platform
    from target_batch.batch_api.client import Client
    from target_batch.common.clock import Clock, Stop
    from target_batch.common.redaction import Secret
    from target_batch.common.storage import Folder
    from target_batch.config.routing import Route
    from target_batch.config.settings import Settings, StreamOptions
    from target_batch.delivery.base import Delivery
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.memory import Memory
    from target_batch.delivery.mirror import MirrorDelivery
    from target_batch.delivery.mirror_destinations import Destination
    from target_batch.ledger.database import Ledger


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts of a run that its deliveries need."""

    run: str
    client: Client
    fates: Fates
    clock: Clock
    stop: Stop
    folder: Folder
    input_ended: Callable[[], bool]
    tell: Callable[[str, str], None]
    inform: Callable[[str], None]
    sources: Mapping[str, str]
    """The name in the tap of each stream that a stream map made."""


class Deliveries:
    """Creates deliveries when streams need them; streams of one kind share a delivery."""

    def __init__(self, settings: Settings, run: Surroundings) -> None:
        self._settings = settings
        self._run = run
        self._auto = settings.profile_endpoint == "auto"
        project_key = settings.project_key or ""
        self._project = Project(settings.rest_api_key, project_key, settings.api_version)
        self._project_scope = scope_of("project", settings.api_url, project_key)
        self._attribute_scope = scope_of("attribute", settings.api_url, project_key)
        indexing = settings.max_indexing_seconds
        self._timing = PollTiming(run.clock, indexing, run.stop, waits=settings.wait_for_indexing)
        self._deliveries: dict[str, Delivery] = {}
        self._of_profiles: set[str] = set()
        self._senders: dict[str, AudienceSender] = {}
        self._listings: dict[str, Listing] = {}
        rate = Rate(math.inf, math.inf) if settings.dry_run else AUDIENCE_RATE
        self._limiters = defaultdict[str, RateLimiter](lambda: RateLimiter(rate, run.clock))
        """One for each key, shared by its audience calls and erasures."""
        self._time_asked = False
        self.mirrors: list[MirrorDelivery] = []
        self.sent_names: set[str] = set()
        """Names of the profile attributes that were sent; collected only if a ledger knows their values."""

    def __iter__(self) -> Iterator[Delivery]:
        """Return an iterator over the deliveries: mirrors after the others, erasures last."""
        every = self._deliveries.values()
        return iter(sorted(every, key=lambda one: (isinstance(one, Erasures), one in self.mirrors)))

    @property
    def limit(self) -> Quota:
        """The current limit in custom IDs per second, and the streams it applies to."""
        delivery = self._deliveries.get("profiles")
        endpoint = delivery.endpoint if isinstance(delivery, ProfileDelivery) else MASS_UPDATE
        return Quota(self._rate(endpoint.rate).per_second, frozenset(self._of_profiles))

    def erasures(self, stream: str) -> Erasures:
        """Return the delivery of a stream's erasures.

        Raises:
            ConfigurationError: a required setting is missing.
        """
        shown, settings, run = clean(stream, 60), self._settings, self._run
        if not settings.app_api_keys:
            raise ConfigurationError(
                f"`streams.{shown}.on_delete` is `erase`, but `app_api_keys` is empty: Batch erases people "
                "app by app. Set it to the Live, Dev or SDK keys of every app and site."
            )
        if isinstance(found := self._deliveries.get("erasures"), Erasures):
            return found
        senders = [
            ErasureSender(
                run.client,
                App(settings.rest_api_key, key),
                self._limiters[name],
                scope_of("app", settings.api_url, key.reveal()),
                where,
            )
            for name, key, where in self._app_keys()
        ]
        forget = self._memory.profiles.forget if self._memory else lambda _: None
        share = settings.max_erasures_share
        erasures = Erasures(senders, self._book, run.fates, share, run.input_ended, forget)
        self._deliveries["erasures"] = erasures
        return erasures

    def _app_keys(self) -> Iterator[tuple[str, Secret, str]]:
        """Yield each app's name in this run, its key, and the words that point to the key in a message."""
        keys = list(dict.fromkeys(self._settings.app_api_keys))
        for number, key in enumerate(keys, start=1):
            yield f"app {number}", key, f"`app_api_keys`, key {number} of {len(keys)}"

    @cached_property
    def _book(self) -> ErasureBook:
        run = self._run
        return ErasureBook(run.folder, run.run, run.clock.time, dry=self._settings.dry_run)

    @cached_property
    def _erased(self) -> ErasedPeople | None:
        """The people who were erased; None if the record is unreadable, which stops only runs that erase."""
        try:
            return ErasedPeople(self._book, self._forget_cohorts)
        except DeliveryError as error:
            self._run.inform(
                f"{error} People whom this run brings back may not be erased again by a later deletion."
            )
            return None

    def _forget_cohorts(self, custom_ids: list[str]) -> None:
        """Remove people's boolean attributes from the ledger, if there is a ledger."""
        from target_batch.ledger.database import is_missing_file  # noqa: PLC0415 - SQLAlchemy costs start-up
        from target_batch.ledger.members import forget_people  # noqa: PLC0415 - same

        url, folder = self._settings.ledger_url, self._run.folder
        if "{work_path}" in url and not isinstance(folder, LocalFolder):
            return
        if not is_missing_file(url, self._local_work_path()):
            forget_people(self._ledger, self._attribute_scope, custom_ids)

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose fate is open, if there is one."""
        lines = (delivery.oldest_line() for delivery in self._deliveries.values())
        return min((line for line in lines if line is not None), default=None)

    def of(self, route: Route) -> Delivery:
        """Return the delivery for a stream's operations; streams of one kind share it.

        Raises:
            ConfigurationError: a setting that this kind of stream requires is missing.
        """
        options, stream, settings = route.options, route.stream, self._settings
        membership = route.kind == "audiences"
        of_profiles = not membership or options.as_attribute
        if of_profiles:
            self._of_profiles.add(stream)
        to_project = of_profiles or options.destination == "project"
        if to_project and settings.project_key is None:
            raise ConfigurationError(
                f"Stream '{clean(stream)}' goes to a project, but `project_key` is not set. "
                "Set it to the project's key, from Batch's dashboard under Settings."
            )
        if not to_project and not settings.app_api_keys:
            raise ConfigurationError(
                f"Stream '{clean(stream)}' goes to apps, but `app_api_keys` is empty. "
                "Set it to the Live, Dev or SDK keys of the apps and sites."
            )
        if route.kind in {"events", "segment"}:
            self._learn_time()
        make: Callable[[], Delivery]
        if membership and options.mode == "mirror":
            name, make = f"mirror {stream}", partial(self._mirror_delivery, route)
        elif of_profiles:
            name, make = "profiles", self._profile_delivery
        else:
            name, make = f"{options.destination} {options.id_type}", partial(self._audience_delivery, options)
        if name not in self._deliveries:
            self._deliveries[name] = make()
        return self._deliveries[name]

    @cached_property
    def _bulk(self) -> BulkSender:
        limiters = {
            endpoint.route: RateLimiter(self._rate(endpoint.rate), self._run.clock, largest)
            for endpoint, largest in ((UPDATE, UPDATE.entries), (MASS_UPDATE, self._most_entries))
        }
        return BulkSender(self._run.client, self._project, limiters, self._probe)

    def _probe(self, send: Callable[..., Verdict] | None = None) -> Verdict:
        """Make a read-only call to the project; its answer shows whether keys and address are right."""
        platform = ProjectAudiences(self._project)
        send = send or self._run.client.send
        return send(platform.list_call(limit=1), platform.classify_list, self._limiters["project"])

    def _learn_time(self) -> None:
        """Call Batch once before the first event: its clock, not this machine's, tells which are too old."""
        if not self._settings.dry_run and not self._time_asked:
            self._time_asked = True
            self._probe(self._run.client.glance)

    def _profile_delivery(self) -> ProfileDelivery:
        settings = self._settings
        policy = Policy(
            settings.profile_endpoint,
            settings.checkpoint_records,
            self._most_entries,
            settings.late_events == "now",
            risks_events_twice=not settings.skip_unchanged or settings.events_in_doubt == "send",
        )
        now = self._run.clock.time
        return ProfileDelivery(self._bulk, self._run.fates, policy, now, self._memory, self._erased)

    @cached_property
    def _memory(self) -> Memory | None:
        """The record of what Batch holds, shared by all profile updates of the run; None if not kept."""
        settings = self._settings
        if not settings.skip_unchanged:
            return None
        from target_batch.delivery.memory import Memory  # noqa: PLC0415 - SQLAlchemy costs start-up
        from target_batch.ledger.accepted import EventMemory, ProfileMemory  # noqa: PLC0415 - same

        ledger, now = self._ledger, self._run.clock.time
        return Memory(
            ledger,
            ProfileMemory(ledger, self._project_scope, settings.unchanged_max_age_days, now),
            EventMemory(ledger, self._project_scope, now),
            self._run.fates.spared,
            self.sent_names,
            risks_twice=settings.events_in_doubt == "send",
        )

    @property
    def _most_entries(self) -> int:
        """Entries in one request: at a low rate no more than one second's worth, to leave room for others.

        At a rate above that of /profiles/update, `auto` collects more than `SMALL_DRAIN` entries, because
        only the other endpoint can reach that rate.
        """
        chosen = self._settings.max_updates_per_second
        if chosen is None:
            return MASS_UPDATE_ENTRIES
        least = SMALL_DRAIN + 1 if self._auto and chosen > UPDATE.rate.per_second else 1
        return max(least, min(MASS_UPDATE_ENTRIES, int(chosen)))

    def _audience_delivery(self, options: StreamOptions) -> AudienceDelivery:
        senders = [sender for sender, _ in self._audience_senders(options)]
        longest_wait = self._settings.checkpoint_seconds
        return AudienceDelivery(senders, self._run.fates, self._timing, longest_wait)

    def _audience_senders(self, options: StreamOptions) -> Iterator[tuple[AudienceSender, str]]:
        """Yield the sender for the project, or one for each app, with its scope in the ledger.

        A scope has one sender; senders with the same key share a listing and a rate limiter.
        """
        settings = self._settings
        found: list[tuple[str, str, Platform, str]] = []
        if options.destination == "project":
            found.append((self._project_scope, "project", ProjectAudiences(self._project), ""))
        else:
            for name, key, where in self._app_keys():
                scope = scope_of("app", settings.api_url, key.reveal(), options.id_type)
                app = App(settings.rest_api_key, key)
                found.append((scope, name, AppAudiences(app, options.id_type), where))
        for scope, name, platform, where in found:
            if scope not in self._senders:
                listing = self._listing(name, platform)
                self._senders[scope] = AudienceSender(self._run.client, platform, listing, where)
            yield self._senders[scope], scope

    def _listing(self, key: str, platform: Platform) -> Listing:
        if key not in self._listings:
            self._listings[key] = Listing(self._run.client, platform, self._limiters[key])
        return self._listings[key]

    def _mirror_delivery(self, route: Route) -> MirrorDelivery:
        from target_batch.delivery.mirror import MirrorDelivery  # noqa: PLC0415 - SQLAlchemy costs start-up

        delivery = MirrorDelivery(
            route.stream,
            route.options,
            self._destinations(route.options),
            ledger=self._ledger,
            fates=self._run.fates,
            max_shrink=self._settings.max_audience_shrink,
            input_ended=self._run.input_ended,
            tell=self._run.tell,
            inform=self._run.inform,
            source=self._run.sources.get(route.stream),
        )
        self.mirrors.append(delivery)
        return delivery

    def _destinations(self, options: StreamOptions) -> list[Destination]:
        if not options.as_attribute:
            asks = not self._settings.dry_run
            return [
                AudienceDestination(sender, scope, self._timing, asks=asks)
                for sender, scope in self._audience_senders(options)
            ]
        endpoint, most = self._settings.profile_endpoint, 2 * self._most_entries
        scope, memory, erased = self._attribute_scope, self._memory, self._erased
        return [AttributeDestination(self._bulk, scope, endpoint, most, memory, erased)]

    @cached_property
    def _ledger(self) -> Ledger:
        from target_batch.ledger.database import Ledger, opened_copy  # noqa: PLC0415 - SQLAlchemy costs start-up

        url, work_path = self._settings.ledger_url, self._local_work_path()
        if self._settings.dry_run:
            self._scratch = tempfile.TemporaryDirectory(prefix="target-batch-")  # removed when the run ends
            return opened_copy(url, work_path, Path(self._scratch.name))
        return Ledger(url, work_path)

    def _local_work_path(self) -> Path:
        if isinstance(self._run.folder, LocalFolder):
            return self._run.folder.root
        if "{work_path}" in self._settings.ledger_url:
            raise ConfigurationError(
                "`work_path` is behind a URL, where no SQLite file can live: set `ledger_url`, for example "
                "to a PostgreSQL database."
            )
        return Path()

    def _rate(self, documented: Rate) -> Rate:
        chosen = math.inf if self._settings.dry_run else self._settings.max_updates_per_second
        if chosen is None:
            return documented
        if self._auto and documented.per_second < chosen <= MASS_UPDATE.rate.per_second:
            return documented  # the setting lowers mass updates; no source says that Batch allows more here
        return Rate(chosen, documented.burst if chosen > documented.per_second else max(chosen, 1.0))
