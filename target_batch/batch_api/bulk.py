"""Delivery of entries in one call, or in as many as it takes to single out the invalid ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from target_batch.batch_api.answers import (
    FORBIDDEN,
    Accepted,
    Denied,
    Failure,
    Malformed,
    Misrouted,
    Refusal,
    Retry,
    TooLarge,
    Verdict,
    classify_bulk,
    leaves_doubt,
)
from target_batch.common.errors import AccessRefusedError, ConfigurationError, DeliveryError, StopRun
from target_batch.common.limits import BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import BulkEndpoint, Project
    from target_batch.batch_api.rate_limiter import RateLimiter

Part = TypeVar("Part")

SINGLED_OUT: Final = 5
"""Operations refused one by one, with none ever accepted, that prove the configuration wrong."""


@dataclass
class Receipt:
    """The result of one delivery, by the index of each entry.

    An index that is neither refused nor unconfirmed was accepted. `failure` says why there are unconfirmed
    ones. `token` identifies the latest change of an audience: empty if Batch returned none, None if nothing
    was changed. `doubted` means that an attempt may have reached Batch without being answered;
    `events_lost` are entries whose events may have been in it and were not sent again.
    """

    refused: dict[int, tuple[Refusal, ...]] = field(default_factory=dict)
    unconfirmed: set[int] = field(default_factory=set)
    failure: StopRun | None = None
    token: str | None = None
    doubted: bool = False
    events_lost: set[int] = field(default_factory=set)


class Divider:
    """Delivers entries in one call, or in as many as it takes to single out the refused ones.

    Refusals are due to the entries once Batch has accepted anything, in this run or, according to the ledger,
    in an earlier one. Until then, `SINGLED_OUT` refused entries prove the configuration wrong. With fewer,
    `probe`, a read-only call, finds out whether keys and address are right.
    """

    def __init__(self, probe: Callable[[], Verdict]) -> None:
        self._probe = probe
        self._probed: Verdict | None = None
        self._lock = Lock()
        self._accepted = False
        self._singled_out = 0

    def vouch(self) -> None:
        """Note that Batch accepted such entries before: keys, project and version are right."""
        self._accepted = True

    def deliver(self, entries: Sequence[Part], send: Callable[[Sequence[Part]], Verdict]) -> Receipt:
        """Send entries; split calls that are refused or too large in half until invalid entries are alone."""
        receipt = Receipt()
        ranges = [(0, len(entries))]
        while ranges:
            low, high = ranges.pop()
            receipt.failure = self._take_verdict(send(entries[low:high]), low, high, ranges, receipt)
            if receipt.failure is not None:
                for first, last in (*ranges, (low, high)):
                    receipt.unconfirmed.update(range(first, last))
                break
        return self._without_false_refusals(receipt)

    def _take_verdict(
        self, verdict: Verdict, low: int, high: int, ranges: list[tuple[int, int]], receipt: Receipt
    ) -> StopRun | None:
        receipt.doubted |= leaves_doubt(verdict)
        if isinstance(verdict, Accepted):
            if verdict.sent:
                self._accepted = True
            receipt.refused.update((low + i, found) for i, found in verdict.refusals.items())
            receipt.token = verdict.document.get("indexing_token", receipt.token)
            return None
        if not isinstance(verdict, Malformed | TooLarge):
            return failure_of(verdict)
        if high - low > 1:
            middle = (low + high) // 2
            ranges += [(middle, high), (low, middle)]
            return None
        reason = verdict.detail if isinstance(verdict, Malformed) else "too large for one request"
        receipt.refused[low] = (Refusal(reason or verdict.what, alone=True),)
        return self._objection(last=False)

    def _objection(self, *, last: bool) -> StopRun | None:
        """Return why a refusal is due to the configuration, if it is; `last` if no more answers will come."""
        with self._lock:
            self._singled_out += not last
            proven = self._singled_out >= SINGLED_OUT
            if self._accepted or not (proven or last):
                return None
            if not proven:
                self._probed = self._probed or self._probe()
                if isinstance(self._probed, Accepted):
                    return None
                if not isinstance(self._probed, Malformed):
                    return failure_of(self._probed)
        return ConfigurationError(
            "Batch refused every operation as a whole and has accepted none in this run, so the cause is the "
            "configuration, not the records: check `project_key`, `api_version` and the `streams` options. "
            "These operations are undelivered and the state is held."
        )

    def _without_false_refusals(self, receipt: Receipt) -> Receipt:
        """Withdraw refusals that are due to the configuration: they must not fill the rejects."""
        alone = {index for index, found in receipt.refused.items() if found[0].alone}
        objection = self._objection(last=True) if alone else None
        if objection is None:
            return receipt
        for index in alone:
            del receipt.refused[index]
        receipt.unconfirmed |= alone
        receipt.failure = receipt.failure or objection
        return receipt


class BulkSender:
    """Delivers encoded entries to the profile endpoints of one project.

    `limiters` is keyed by the endpoint's route; `probe` makes a read-only call with the same keys.
    """

    def __init__(
        self,
        client: Client,
        project: Project,
        limiters: dict[str, RateLimiter],
        probe: Callable[[], Verdict],
    ) -> None:
        self._client = client
        self._project = project
        self._limiters = limiters
        self._divider = Divider(probe)
        self.vouch = self._divider.vouch

    def deliver(
        self,
        endpoint: BulkEndpoint,
        entries: Sequence[bytes],
        without_events: Mapping[int, bytes | None] | None = None,
        operations: Mapping[int, int] | None = None,
    ) -> Receipt:
        """Deliver entries to an endpoint; the receipt accounts for each of them.

        The entries in `without_events` are sent only once with their events. If that attempt may have
        arrived, retries use the body given there, or skip the entry if it is None. `operations` is the number
        of operations per entry, by default 1.
        """
        left = dict(without_events or {})
        bodies: list[bytes | None] = list(entries)
        counts = dict(operations or {})

        def send(part: Sequence[int]) -> Verdict:
            once = left.keys() & set(part) if left else set()
            verdict = self._post(endpoint, part, bodies, counts, once=bool(once))
            if not once or not isinstance(verdict, Retry) or not verdict.ambiguous:
                return verdict
            for index in once:
                bodies[index] = left.pop(index)
                counts.pop(index, None)
            if again := sum(bodies[index] is not None for index in part):
                self._client.counters.again(verdict, again)
            return replace(self._post(endpoint, part, bodies, counts, once=False), doubted=True)

        receipt = self._divider.deliver(range(len(entries)), send)
        receipt.events_lost = set(without_events or ()) - left.keys()
        return receipt

    def _post(
        self,
        endpoint: BulkEndpoint,
        part: Sequence[int],
        bodies: Sequence[bytes | None],
        counts: Mapping[int, int],
        *,
        once: bool,
    ) -> Verdict:
        """Send the remaining entries of a part in one call; refusals are indexed from the part's start."""
        sent = part if None not in bodies else [index for index in part if bodies[index] is not None]
        if not sent:
            return Accepted(sent=False)
        body = _array([*filter(None, bodies[part[0] : part[-1] + 1])])
        if len(sent) > 1 and len(body) > BODY_BYTES:
            return TooLarge("more than a call may hold")
        operations = sum(counts.get(index, 1) for index in sent) if counts else len(sent)
        call = self._project.post(endpoint.route, body, operations)
        classify = partial(classify_bulk, entries=len(sent))
        limiter = self._limiters[endpoint.route]
        verdict = self._client.send(call, classify, limiter, len(sent), once=once)
        if not isinstance(verdict, Accepted) or not verdict.refusals:
            return verdict
        placed = {sent[place] - part[0]: found for place, found in verdict.refusals.items()}
        return replace(verdict, refusals=placed)


def _array(items: list[bytes]) -> bytes:
    """Return the JSON array of encoded items, written once: copies of a whole request are costly."""
    items[0] = b"[" + items[0]
    items[-1] += b"]"
    return b",".join(items)


def failure_of(verdict: Failure) -> StopRun:
    """Return the error for a verdict that ends the run."""
    if isinstance(verdict, Denied) and verdict.status == FORBIDDEN:
        return AccessRefusedError(
            f"Batch forbids this use of its API ({verdict.what}): it does not say that the key is wrong. See "
            "what `rest_api_key` and `project_key` (or `app_api_keys`) may do, and ask Batch."
        )
    if isinstance(verdict, Denied):
        return AccessRefusedError(
            f"Batch refused the access ({verdict.what}). Check `rest_api_key`, and that "
            "`project_key` (or `app_api_keys`) belongs to the same company."
        )
    if isinstance(verdict, Misrouted):
        return ConfigurationError(
            f"Batch does not answer at this address ({verdict.what}). Check `api_url` and `api_version`."
        )
    if isinstance(verdict, Retry):
        return DeliveryError(
            f"Batch did not take a request in time (last: {verdict.what}). What is not confirmed is "
            "undelivered and the state is held: run again, or raise `max_retry_seconds`."
        )
    return DeliveryError(
        f"Batch's answer is not one that it documents ({verdict.what}), so nothing after it counts as "
        "delivered and the state is held. Check `api_url` for a proxy, and `api_version`."
    )
