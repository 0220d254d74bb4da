"""The state of the local Batch."""

from dataclasses import dataclass, field

from target_batch.sandbox.clock import Clock
from target_batch.sandbox.faults.book import FaultBook
from target_batch.sandbox.keys import Keys
from target_batch.sandbox.rates import Rates
from target_batch.sandbox.readings import Readings
from target_batch.sandbox.store.audiences import Audiences
from target_batch.sandbox.store.erasures import Erasures
from target_batch.sandbox.store.exports import Exports
from target_batch.sandbox.store.journal import Journal
from target_batch.sandbox.store.profiles import Profiles
from target_batch.sandbox.store.requests import Requests


@dataclass
class Options:
    """Settings of the local Batch, most of which can be changed while it runs.

    Attributes:
        latency: Minimum duration of every call, in seconds.
        index_seconds: Seconds until an accepted audience change is indexed.
        export_seconds: Seconds until an export is complete.
        null: Answer immediately and keep only counts.
        journal: Keep a journal of accepted entries.
        rates: Enforce the documented rates.
        readings: Behaviour where the documentation is silent.
    """

    latency: float = 0.0
    index_seconds: float = 0.0
    export_seconds: float = 0.0
    null: bool = False
    journal: bool = True
    rates: bool = True
    readings: Readings = field(default_factory=Readings)


@dataclass
class Totals:
    """Running totals of accepted and refused data.

    Attributes:
        entries: Profile entries accepted, at least in part.
        entries_refused: Profile entries refused as a whole inside a 202.
        events: Events accepted.
        events_late: Events refused because they are outside the last 24 hours.
        member_changes: Members added, removed or replaced.
        null_requests: Requests answered in null mode.
        null_bytes: Size of the bodies of those requests, in bytes.
        keys_at_storage: Requests for an exported file that included a Batch key.
    """

    entries: int = 0
    entries_refused: int = 0
    events: int = 0
    events_late: int = 0
    member_changes: int = 0
    null_requests: int = 0
    null_bytes: int = 0
    keys_at_storage: int = 0


@dataclass
class LocalBatch:
    """One local Batch.

    All project keys share the same data, but rates are counted per key. Each app has its own audiences.

    Attributes:
        options: Its settings.
        keys: The accepted keys.
        clock: Its clock.
        faults: The scripted faults.
    """

    options: Options = field(default_factory=Options)
    keys: Keys = field(default_factory=Keys)
    clock: Clock = field(default_factory=Clock)
    faults: FaultBook = field(default_factory=FaultBook)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard all data received; keep options, keys and faults, and reset the faults' counters."""
        self.started = self.clock.steady()
        self.rates = Rates(enforced=self.options.rates)
        self.profiles = Profiles()
        self.audiences = Audiences()
        self.exports = Exports()
        self.erasures = Erasures()
        self.journal = Journal(keep=self.options.journal)
        self.requests = Requests()
        self.totals = Totals()
        self.faults.rewind()
