"""Many entries to a profile endpoint: one call, or as many as it takes to single out the guilty."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from target_batch.batch_api.answers import (
    Accepted,
    Denied,
    Malformed,
    Misrouted,
    Refusal,
    Retry,
    TooLarge,
    Verdict,
    classify_bulk,
)
from target_batch.common.errors import (
    AccessRefusedError,
    ConfigurationError,
    DeliveryError,
    StopRun,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import BulkEndpoint, Project
    from target_batch.batch_api.rate_limiter import Pacer

SINGLED_OUT: Final = 5
"""Operations refused one by one, with nothing ever accepted, that make it the configuration."""


@dataclass
class Receipt:
    """What became of the entries of one delivery, by their index.

    An index that is neither refused nor unconfirmed was accepted. `failure` is why there are
    unconfirmed ones, `document` the last success answer.
    """

    refused: dict[int, tuple[Refusal, ...]] = field(default_factory=dict)
    unconfirmed: set[int] = field(default_factory=set)
    failure: StopRun | None = None
    document: dict[str, Any] = field(default_factory=dict)


class Trust:
    """Whether Batch has accepted anything, in this run or, as the ledger knows, the same one before.

    Until then a refusal may be our fault.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._accepted = False
        self._singled_out = 0

    def accept(self) -> None:
        """Something was accepted: keys, project and version are right."""
        self._accepted = True

    def doubtful(self, *, last: bool) -> bool:
        """Whether the operations singled out so far speak against the configuration."""
        with self._lock:
            self._singled_out += not last
            return not self._accepted and (last or self._singled_out >= SINGLED_OUT)


class Divider:
    """Delivers entries in one call, or in as many as it takes to single out what Batch refuses."""

    def __init__(self) -> None:
        self._trust = Trust()

    def vouch(self) -> None:
        """Take note that Batch has accepted such entries before: what it refuses now is to blame itself."""
        self._trust.accept()

    def deliver(self, entries: Sequence[bytes], send: Callable[[Sequence[bytes]], Verdict]) -> Receipt:
        """Send entries; halve what is refused or too large as a whole, until the guilty are alone."""
        receipt = Receipt()
        ranges = [(0, len(entries))]
        while ranges:
            low, high = ranges.pop()
            receipt.failure = self._settle(send(entries[low:high]), low, high, ranges, receipt)
            if receipt.failure is not None:
                for first, last in (*ranges, (low, high)):
                    receipt.unconfirmed.update(range(first, last))
                break
        return self._doubted(receipt)

    def _settle(
        self, verdict: Verdict, low: int, high: int, ranges: list[tuple[int, int]], receipt: Receipt
    ) -> StopRun | None:
        if isinstance(verdict, Accepted):
            self._trust.accept()
            receipt.refused.update((low + i, found) for i, found in verdict.refusals.items())
            receipt.document = verdict.document
            return None
        if not isinstance(verdict, Malformed | TooLarge):
            return failure_of(verdict)
        if high - low > 1:
            middle = (low + high) // 2
            ranges += [(middle, high), (low, middle)]
            return None
        receipt.refused[low] = (_blamed_alone(verdict),)
        return _suspicion() if self._trust.doubtful(last=False) else None

    def _doubted(self, receipt: Receipt) -> Receipt:
        """Withdraw refusals that nothing vouches for: they must not fill the rejects."""
        alone = {i for i, found in receipt.refused.items() if found[0].category == ALONE}
        if not alone or not self._trust.doubtful(last=True):
            return receipt
        for index in alone:
            del receipt.refused[index]
        receipt.unconfirmed |= alone
        receipt.failure = receipt.failure or _suspicion()
        return receipt


class BulkSender:
    """Delivers encoded entries to the profile endpoints of one project."""

    def __init__(self, client: Client, project: Project, pacers: dict[str, Pacer]) -> None:
        self._client = client
        self._project = project
        self._pacers = pacers
        self._divider = Divider()
        self.vouch = self._divider.vouch

    def deliver(self, endpoint: BulkEndpoint, entries: Sequence[bytes]) -> Receipt:
        """Deliver entries to an endpoint; the receipt accounts for each of them."""

        def send(part: Sequence[bytes]) -> Verdict:
            call = self._project.post(endpoint.route, b"[" + b",".join(part) + b"]")
            pacer = self._pacers[endpoint.route]
            return self._client.send(call, partial(classify_bulk, entries=len(part)), pacer, len(part))

        return self._divider.deliver(entries, send)


ALONE: Final = "alone"


def _blamed_alone(verdict: Malformed | TooLarge) -> Refusal:
    reason = verdict.detail if isinstance(verdict, Malformed) else "too large for one request"
    return Refusal(reason or verdict.what, category=ALONE)


def _suspicion() -> ConfigurationError:
    return ConfigurationError(
        "Batch refused every operation it was given and has accepted none in this run, so it is not "
        "the records: check `project_key`, `api_version` and the `streams` options. "
        "Nothing was written to the rejects."
    )


def failure_of(verdict: Verdict) -> StopRun:
    """Turn a verdict that ends a run into its error."""
    if isinstance(verdict, Denied):
        return AccessRefusedError(
            f"Batch refused the access ({verdict.what}). Check `rest_api_key`, and that "
            "`project_key` (or `app_api_keys`) belongs to the same company."
        )
    if isinstance(verdict, Misrouted):
        return ConfigurationError(
            f"Nothing of Batch's answers at this address ({verdict.what}). Check `api_url` and `api_version`."
        )
    if isinstance(verdict, Retry):
        return DeliveryError(
            f"Batch did not take a request in time (last: {verdict.what}). What is not confirmed is "
            "undelivered and the state is held: run again, or raise `max_retry_seconds`."
        )
    what = getattr(verdict, "what", "an unexpected answer")
    return DeliveryError(
        f"Batch answered otherwise than documented ({what}), so nothing behind this answer counts "
        "as delivered and the state is held. Check `api_url` for a proxy, and `api_version`."
    )
