"""Refused bulk calls are split until the bad entry is found; no entry is rejected without proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_batch.batch_api.answers import (
    Accepted,
    Denied,
    Malformed,
    Misrouted,
    Refusal,
    Retry,
    TooLarge,
    Undocumented,
    Verdict,
)
from target_batch.batch_api.bulk import BulkSender, Divider, failure_of
from target_batch.batch_api.endpoints import UPDATE, Project
from target_batch.common.errors import AccessRefusedError, ConfigurationError, DeliveryError, StopRun
from target_batch.common.limits import BODY_BYTES
from target_batch.common.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence


class Batch:
    """A server that refuses every call with a bad entry as a whole."""

    def __init__(self, bad: set[bytes], most: int = 10**6) -> None:
        self.bad = bad
        self.most = most
        self.accepted: list[bytes] = []
        self.calls = 0

    def send(self, entries: Sequence[bytes]) -> Verdict:
        """Answer one call."""
        self.calls += 1
        if sum(map(len, entries)) > self.most:
            return TooLarge()
        if self.bad & set(entries):
            return Malformed("400 BAD_REQUEST", 400, "BAD_REQUEST", "something is wrong with it")
        self.accepted += entries
        return Accepted()


def test_a_403_is_not_reported_as_a_wrong_key() -> None:
    """Batch answers 401 for a key that it does not know, and API_MISUSE with a 403."""
    wrong, misused = failure_of(Denied("401", 401)), failure_of(Denied("403 API_MISUSE", 403, "API_MISUSE"))
    assert type(wrong) is type(misused) is AccessRefusedError
    assert "Check `rest_api_key`" in str(wrong)
    assert "Batch forbids this use of its API (403 API_MISUSE)" in str(misused)
    assert "`rest_api_key`" in str(misused)


class Recorder:
    """A client that accepts every call and keeps its body."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def send(self, call: Any, *_: Any, **__: Any) -> Verdict:
        """Accept a call."""
        self.bodies.append(call.body)
        return Accepted()


def test_a_call_is_split_by_the_bytes_of_its_body() -> None:
    """The size of the records is not enough to go by, because dates and names grow."""
    client: Any = Recorder()
    project = Project(Secret("k"), "p", "2.11")
    sender = BulkSender(client, project, dict.fromkeys([UPDATE.route], client), Accepted)
    entries = [b'{"n":"%05d%s"}' % (number, b"x" * 30_000) for number in range(400)]
    receipt = sender.deliver(UPDATE, entries)
    assert not receipt.refused
    assert not receipt.unconfirmed
    assert b",".join(body[1:-1] for body in client.bodies) == b",".join(entries)
    assert all(len(body) <= BODY_BYTES for body in client.bodies)


def divider(probe: Verdict | None = None) -> Divider:
    """Make a divider; without a `probe`, keys and address are right."""
    return Divider(lambda: probe or Accepted())


def entries(count: int) -> list[bytes]:
    return [f"e{number:04d}".encode() for number in range(count)]


def test_only_the_bad_entry_of_a_call_is_refused() -> None:
    batch = Batch({b"e0077"})
    receipt = divider().deliver(entries(200), batch.send)
    assert set(receipt.refused) == {77}
    assert receipt.refused[77][0].reason == "something is wrong with it"
    assert len(batch.accepted) == 199
    assert batch.calls <= 2 * 8 + 1


def test_a_call_that_is_too_large_is_split_in_order() -> None:
    batch = Batch(set(), most=50)
    receipt = divider().deliver(entries(40), batch.send)
    assert not receipt.refused
    assert batch.accepted == entries(40)


def test_refusals_without_any_success_are_a_configuration_error() -> None:
    """After five refused entries and not one success, the run stops without rejecting any of them."""
    batch = Batch(set(entries(50)))
    receipt = divider().deliver(entries(50), batch.send)
    assert isinstance(receipt.failure, ConfigurationError)
    assert receipt.refused == {}
    assert receipt.unconfirmed == set(range(50))
    assert batch.calls < 20


def test_a_call_without_a_request_does_not_prove_the_configuration_right() -> None:
    """If its events may have arrived before, they are not sent again, so there is no answer of Batch."""
    batch = Batch(set(entries(50)))
    shared = divider()
    assert shared.deliver([b"x"], lambda _: Accepted(sent=False)).failure is None
    receipt = shared.deliver(entries(50), batch.send)
    assert isinstance(receipt.failure, ConfigurationError)
    assert receipt.refused == {}


def test_few_refused_entries_are_rejected_if_keys_and_address_are_right() -> None:
    """Four refusals do not prove that, but a read-only call does."""
    receipt = divider().deliver(entries(4), Batch(set(entries(4))).send)
    assert receipt.failure is None
    assert set(receipt.refused) == {0, 1, 2, 3}
    assert all(refusal.alone for (refusal,) in receipt.refused.values())


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (Denied("401"), AccessRefusedError),
        (Misrouted("404"), ConfigurationError),
        (Malformed("400"), ConfigurationError),
        (Retry("503"), DeliveryError),
        (Undocumented("204"), DeliveryError),
    ],
)
def test_few_refused_entries_are_undelivered_if_keys_and_address_are_not_proven(
    probe: Verdict, expected: type[StopRun]
) -> None:
    receipt = divider(probe).deliver([b"x"], Batch({b"x"}).send)
    assert type(receipt.failure) is expected
    assert receipt.unconfirmed == {0}
    assert receipt.refused == {}


def test_the_read_only_call_is_made_once_and_only_if_needed() -> None:
    probes: list[int] = []

    def probe() -> Verdict:
        probes.append(1)
        return Accepted()

    known = Divider(probe)
    known.deliver([b"x"], Batch({b"x"}).send)
    known.deliver([b"y"], Batch({b"y"}).send)
    assert len(probes) == 1
    vouched = Divider(probe)
    vouched.vouch()
    vouched.deliver([b"x"], Batch({b"x"}).send)
    assert len(probes) == 1


def test_refused_entries_are_rejected_once_an_entry_was_accepted() -> None:
    known = divider()
    known.deliver([b"fine"], Batch(set()).send)
    receipt = known.deliver(entries(8), Batch(set(entries(8))).send)
    assert receipt.failure is None
    assert set(receipt.refused) == set(range(8))


def test_entries_accepted_before_a_failure_stay_confirmed() -> None:
    """After a 401 in the middle of a split call, the first half is confirmed and the rest is not."""
    verdicts: list[Verdict] = [Malformed("400"), Accepted(), Denied("401")]
    receipt = divider().deliver(entries(4), lambda _: verdicts.pop(0))
    assert isinstance(receipt.failure, AccessRefusedError)
    assert receipt.unconfirmed == {2, 3}


def test_a_wrong_address_does_not_refuse_entries() -> None:
    receipt = divider().deliver(entries(4), lambda _: Misrouted("404"))
    assert isinstance(receipt.failure, ConfigurationError)
    assert not receipt.refused


def test_partial_errors_of_a_split_call_keep_their_index() -> None:
    verdicts: list[Verdict] = [TooLarge(), Accepted(), Accepted({1: (Refusal("no", "x"),)})]
    receipt = divider().deliver(entries(4), lambda _: verdicts.pop(0))
    assert receipt.refused == {3: (Refusal("no", "x"),)}


@given(st.integers(1, 60), st.sets(st.integers(0, 59)), st.integers(5, 400))
def test_every_entry_is_accepted_or_refused_exactly_once(count: int, bad: set[int], most: int) -> None:
    """With any bad entries and any size limit, every entry is settled and no accepted one is sent twice."""
    known = divider()
    known.deliver([b"fine"], Batch(set()).send)
    given_entries = entries(count)
    batch = Batch({given_entries[index] for index in bad if index < count}, most)
    receipt = known.deliver(given_entries, batch.send)
    accepted = {given_entries.index(entry) for entry in batch.accepted}
    assert len(accepted) == len(batch.accepted)
    assert accepted | receipt.refused.keys() == set(range(count))
    assert not accepted & receipt.refused.keys()
    assert batch.accepted == sorted(batch.accepted)
