"""Destinations of a mirror: an audience of a project or app, or a boolean attribute of profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from target_batch.batch_api.audiences import adding
from target_batch.batch_api.bulk import BulkSender, Receipt
from target_batch.batch_api.endpoints import MASS_UPDATE, UPDATE
from target_batch.common.errors import DeliveryError
from target_batch.common.limits import AUDIENCE_ENTRIES
from target_batch.common.redaction import clean
from target_batch.delivery.profile_buffer import Entry, Sending, seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.delivery.audiences import PollTiming
    from target_batch.delivery.erasures import ErasedPeople
    from target_batch.delivery.memory import Memory

Found = TypeVar("Found")


class Destination(Protocol):
    """A destination that a mirror makes equal to its stream.

    `scope` identifies it in the ledger, `where` in the log if there are several; neither contains a key.
    `chunk` is the maximum number of members in one call. Without `can_replace`, members that the ledger does
    not know stay. In the methods, `name` is that of the audience or attribute, `label` its display name, and
    `bodies` are encoded members.
    """

    scope: str
    where: str
    chunk: int
    can_replace: bool

    def exists(self, name: str) -> bool:
        """Return whether the audience exists."""

    def size(self, name: str) -> int | None:
        """Return the current number of members; None if the audience does not exist."""

    def expect(self, ids: Sequence[str]) -> None:
        """Prepare for members that will be added, before the ledger notes them."""

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Add or update members."""

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Remove members."""

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Remove all members, then add the given ones."""

    def wait_until_indexed(self, name: str, token: str) -> int | None:
        """Wait until accepted changes have taken effect; return the size, or None if it is not requested."""

    def vouch(self) -> None:
        """Note that members were accepted here before, so new refusals are not due to the settings."""


class AudienceDestination:
    """An audience, accessed with one key.

    Without `asks`, as in a dry run, Batch is not asked whether an audience exists: it is assumed to.
    """

    chunk = AUDIENCE_ENTRIES
    can_replace = True

    def __init__(self, sender: AudienceSender, scope: str, timing: PollTiming, *, asks: bool = True) -> None:
        self.scope = scope
        self.where = sender.where
        self.vouch = sender.vouch
        self._sender = sender
        self._timing = timing
        self._asks = asks

    def exists(self, name: str) -> bool:
        """Return whether Batch lists the audience.

        Raises:
            StopRun: Batch did not return it.
        """
        if not self._asks:
            self._sender.assume(name)
        return _answer_of(self._sender.exists(name))

    def size(self, name: str) -> int | None:
        """Return the number of members that Batch reports once indexed; None if the audience does not exist.

        Raises:
            StopRun: Batch did not return the number, without which no member may be replaced.
        """
        if not _answer_of(self._sender.exists(name)):
            return None
        members = self._indexed(name, "").members
        if members is None:
            raise DeliveryError(
                f"Batch does not say how many members audience '{clean(name)}' has (its answer lacks "
                "`nb_ids`), so no member was replaced."
            )
        return members

    def expect(self, ids: Sequence[str]) -> None:
        """Do nothing: Batch keeps IDs in an audience whether there is a profile or not."""

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Add or update members."""
        return self._sender.change(name, label, [adding(body) for body in bodies])

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:
        """Remove members."""
        bodies = [msgspec.json.encode({"action": "remove", "id": id_}) for id_ in ids]
        return self._sender.change(name, label, bodies)

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Remove all members, then add the given ones."""
        return self._sender.replace(name, label, bodies)

    def wait_until_indexed(self, name: str, token: str) -> int | None:
        """Poll until everything is indexed, and return the size; None if the run does not wait for indexing.

        Raises:
            StopRun: indexing took too long, or Batch did not return its state.
        """
        return self._indexed(name, token).members if self._timing.waits else None

    def _indexed(self, name: str, token: str) -> Look:
        begun = self._timing.now()
        while not (look := _answer_of(self._sender.look(name, token))).indexed:
            self._timing.check(begun, name, look.state)
            self._timing.pause_until(self._timing.next_poll(begun))
        return look


def _answer_of(found: Found | Receipt) -> Found:
    """Return Batch's answer, or raise the error that prevented it."""
    if isinstance(found, Receipt):
        raise found.failure or DeliveryError("Batch did not return the state of an audience.")
    return found


class AttributeDestination:
    """A boolean attribute of the project's profiles: true for members, false for former members.

    `endpoint` is the setting `profile_endpoint`. `most_entries` limits one call, to leave room for others.
    """

    can_replace = False
    where = ""

    def __init__(
        self,
        sender: BulkSender,
        scope: str,
        endpoint: str,
        most_entries: int,
        memory: Memory | None = None,
        erased: ErasedPeople | None = None,
    ) -> None:
        self.scope = scope
        self.vouch = sender.vouch
        self._memory = memory
        self._erased = erased
        self._sender = sender
        self._small = 0 if endpoint == "mass_update" else UPDATE.entries
        self.chunk = min(most_entries, UPDATE.entries if endpoint == "update" else MASS_UPDATE.entries)

    def exists(self, name: str) -> bool:  # noqa: ARG002
        """Return True: an attribute exists as soon as a profile has it."""
        return True

    def size(self, name: str) -> int | None:
        """Return None: profiles cannot be counted by an attribute."""

    def expect(self, ids: Sequence[str]) -> None:
        """Note that people who were erased come back; what the ledger knows of them is forgotten."""
        if self._erased:
            self._erased.come_back(ids)

    def add(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:  # noqa: ARG002
        """Set the attribute to true."""
        return self._set(name, [msgspec.json.decode(body)["id"] for body in bodies], value=True)

    def remove(self, name: str, label: str, ids: Sequence[str]) -> Receipt:  # noqa: ARG002
        """Set the attribute to false, except for people who were erased: it would bring them back."""
        return self._set(name, ids, value=False)

    def replace(self, name: str, label: str, bodies: Sequence[bytes]) -> Receipt:
        """Never called: `can_replace` is false."""
        raise NotImplementedError

    def wait_until_indexed(self, name: str, token: str) -> int | None:
        """Return None: profiles have no index to wait for."""

    def _set(self, name: str, ids: Sequence[str], *, value: bool) -> Receipt:
        gone = set(self._erased.among(ids)) if self._erased and not value else frozenset[str]()
        entries = [Entry(custom_id, {name: value}, [], [], 0) for custom_id in ids if custom_id not in gone]
        sending = self._memory.claim(entries) if self._memory else Sending(entries)
        if not sending.entries:
            return Receipt()
        seal(sending.entries)
        endpoint = UPDATE if len(sending.entries) <= self._small else MASS_UPDATE
        receipt = self._sender.deliver(endpoint, [entry.body for entry in sending.entries])
        if self._memory:
            self._memory.record(sending, receipt)
        positions = {custom_id: position for position, custom_id in enumerate(ids)}
        moved = [positions[entry.custom_id] for entry in sending.entries]
        refused = {moved[index]: found for index, found in receipt.refused.items()}
        return replace(receipt, refused=refused, unconfirmed={moved[i] for i in receipt.unconfirmed})
