"""Erasure: people who were deleted at the source are removed from Batch, app by app, once.

Requests are sent at the end of the input, after everything else: an update sent later would bring the person
back, and only then is it known whether the stream asks for suspiciously many erasures.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_batch.batch_api.answers import NOT_FOUND, Accepted, Denied, Failure, Malformed, leaves_doubt
from target_batch.batch_api.bulk import SINGLED_OUT
from target_batch.common.errors import AccessRefusedError, DeliveryError, ErasureRefusedError
from target_batch.common.reasons import Issue, Reason
from target_batch.common.redaction import clean
from target_batch.delivery.base import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.batch_api.people import ErasureSender
    from target_batch.common.errors import StopRun
    from target_batch.common.operations import Ticket
    from target_batch.delivery.fates import Fates
    from target_batch.report.erasures import ErasureBook

ALWAYS_ALLOWED: Final = 10
"""Erasures of a stream in one run that are always allowed: a short run may consist of deletions only."""


class Erasure(NamedTuple):
    """A person to be erased."""

    custom_id: str


class ErasedPeople:
    """The people who were erased, for everything that updates profiles: an update would create them again.

    `forget` removes the cohorts of erased people from the ledger, as Batch has erased their attributes.
    """

    def __init__(self, book: ErasureBook, forget: Callable[[list[str]], None]) -> None:
        self._book = book
        self._forget = forget

    def among(self, custom_ids: Sequence[str]) -> list[str]:
        """Return those of the given people who were erased and have not come back since."""
        return self._book.erased(custom_ids)

    def come_back(self, custom_ids: Sequence[str]) -> None:
        """Record, before an update is sent, that it will create these people again.

        Raises:
            StopRun: it could not be recorded; nothing may be sent.
        """
        if back := self.among(custom_ids):
            self._forget(back)
            self._book.returned(back)


class AppRefusal(NamedTuple):
    """One app's refusal to erase one person."""

    sender: ErasureSender
    verdict: Failure

    def issue(self, ticket: Ticket) -> Issue:
        """Return the refusal as an issue for the rejects."""
        said = self.verdict.detail if isinstance(self.verdict, Malformed) else ""
        message = f"{self.sender.where}: {said or self.verdict.what}"
        if leaves_doubt(self.verdict):
            message += " (an attempt before was not answered, and may have erased the person)"
        return Issue(Reason.REFUSED_BY_BATCH, ticket.origin.identity[0], None, message)


class Erasures(Delivery):
    """Collects the erasures of a run and requests them at its end; holds the state from the first one on.

    There is one sender for each app key. At most `max_share` of a stream's records may be erasures. `forget`
    removes people's profiles from the ledger, before their erasure is requested.
    """

    def __init__(
        self,
        senders: Sequence[ErasureSender],
        book: ErasureBook,
        fates: Fates,
        max_share: float,
        input_ended: Callable[[], bool],
        forget: Callable[[list[str]], None],
    ) -> None:
        super().__init__()
        self._senders = senders
        self._book = book
        self._fates = fates
        self._max_share = max_share
        self._input_ended = input_ended
        self._forget = forget
        self._pending: dict[tuple[str, str], list[Ticket]] = {}
        self._refused: dict[tuple[str, str], list[AppRefusal]] = {}
        self._accepted: set[str] = set()
        self._finished = False

    def put(self, operation: Erasure, ticket: Ticket) -> None:
        """Add one deleted record."""
        self._pending.setdefault((ticket.origin.stream, operation.custom_id), []).append(ticket)

    def returned(self, stream: str, custom_id: str) -> None:
        """Drop the erasure of a person whom the stream contains again: the last record decides."""
        for _ in self._pending.pop((stream, custom_id), ()):
            self._fates.ignored(stream, Reason.DELETED_AT_SOURCE.code)

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose erasure was not requested yet, if there is one."""
        return min((tickets[0].line for tickets in self._pending.values()), default=None)

    def finish(self) -> None:
        """Check the limits, then request the erasures not requested yet; only once, even if it fails.

        Raises:
            ErasureRefusedError: the share is too large or the input incomplete; nothing was requested.
            StopRun: a request could not be delivered.
        """
        if self._finished:
            return
        self._finished = True
        if self._pending:
            self._check()
        for key, tickets in list(self._pending.items()):
            self._request(key, tickets)
        self._judge()

    def _check(self) -> None:
        if not self._input_ended():
            raise ErasureRefusedError(
                "The input was not read to its end, so no erasure was requested. The state is held before "
                "the first record that is deleted at its source: run again."
            )
        for stream, count in Counter(stream for stream, _ in self._pending).items():
            read = self._fates.tally(stream).read
            if count > ALWAYS_ALLOWED and count > self._max_share * read:
                raise ErasureRefusedError(
                    f"Stream '{clean(stream)}' asks to erase {count} people with {read} records, more than "
                    f"`max_erasures_share` ({self._max_share}) allows. Nothing was erased and the state is "
                    "held. If that is meant, raise it for one run."
                )

    def _request(self, key: tuple[str, str], tickets: list[Ticket]) -> None:
        """Request the erasure of one person from every app, even if one of them refuses."""
        _, custom_id = key
        self._forget([custom_id])
        left = [sender for sender in self._senders if not self._book.has(sender.scope, custom_id)]
        refusals = [found for sender in left if (found := self._sent(sender, custom_id, tickets[0]))]
        if refusals:
            self._refused[key] = refusals
            return
        settle = self._fates.delivered if left else self._fates.unchanged
        settle(tickets)
        del self._pending[key]

    def _sent(self, sender: ErasureSender, custom_id: str, ticket: Ticket) -> AppRefusal | None:
        """Request one erasure from one app; return its refusal, if it refused this person.

        A person reported as unknown counts as erased if an earlier, unanswered attempt may have erased them.
        """
        verdict = sender.send(custom_id)
        if isinstance(verdict, Accepted):
            self._book.write(sender.scope, custom_id, ticket.origin.stream, _request_id(verdict.document))
            self._accepted.add(sender.scope)
            return None
        unknown = verdict.status == NOT_FOUND and bool(verdict.code)
        if unknown and leaves_doubt(verdict):
            self._book.write(sender.scope, custom_id, ticket.origin.stream, None, unknown=True)
            return None
        if isinstance(verdict, Malformed) or unknown:
            return AppRefusal(sender, verdict)
        raise self._stopped(sender, verdict)

    def _judge(self) -> None:
        """Reject the records of people whom an app refused or does not know, if key and address are right.

        Raises:
            StopRun: they are wrong, or nothing shows that they are right; these erasures are undelivered.
        """
        refusing = {found.sender.scope: found for refusals in self._refused.values() for found in refusals}
        for scope, (sender, _) in refusing.items():
            if scope not in self._accepted and not isinstance(probed := sender.probe(), Accepted):
                raise self._stopped(sender, probed)
        is_new = self._book.apps.isdisjoint(sender.scope for sender in self._senders)
        if is_new and len(self._refused) >= SINGLED_OUT:
            what = next(iter(refusing.values())).verdict.what
            self._failure = DeliveryError(
                f"Batch refused every erasure, of {len(self._refused)} people ({what}), and has never "
                "accepted one, so the requests themselves may be wrong. They are undelivered and the state "
                "is held. See `app_api_keys` and `api_url`; if Batch does not know these people, erase one "
                "whom it knows along with them."
            )
            raise self._failure
        for key, refusals in self._refused.items():
            issues = [found.issue(self._pending[key][0]) for found in refusals]
            for ticket in self._pending.pop(key):
                self._fates.rejected(ticket, tuple(issues))

    def _stopped(self, sender: ErasureSender, verdict: Failure) -> StopRun:
        """Return the error that ends the run; no further erasure is requested."""
        if isinstance(verdict, Denied):
            self._failure = AccessRefusedError(
                f"Batch refuses the erasure ({verdict.what}): see `rest_api_key` and {sender.where}."
            )
        else:
            self._failure = DeliveryError(
                f"An erasure could not be requested ({verdict.what}) from {sender.where}. It is undelivered "
                "and the state is held: run again."
            )
        return self._failure


def _request_id(document: dict[str, Any]) -> str | None:
    """Return the ID of a request; the key under which Batch returns it is not documented where we looked."""
    found = (document.get(key) for key in ("id", "request_id", "token"))
    return next((str(one) for one in found if isinstance(one, str | int) and one != ""), None)
