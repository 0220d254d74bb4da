"""Audience calls on both platforms, behind one interface: list, create, change, replace, look."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from target_batch.batch_api.answers import (
    Accepted,
    Malformed,
    Misrouted,
    Undocumented,
    Verdict,
    classify_document,
    classify_token,
)
from target_batch.batch_api.bulk import Divider, Receipt, failure_of
from target_batch.batch_api.limits import AUDIENCE_LIST_PAGE
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.batch_api.answers import Answer
    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import App, Project
    from target_batch.batch_api.rate_limiter import Pacer
    from target_batch.batch_api.transport import Call

INDEXED: Final = frozenset({"APPLIED", "REPLACED"})
_encode: Final = msgspec.json.encode


class Look(NamedTuple):
    """What Batch shows of an audience; `members` is None where it does not tell."""

    indexed: bool
    members: int | None
    state: str


def adding(member: bytes) -> bytes:
    """Turn a member as a replace takes it into one that an update adds."""
    return b'{"action":"add",' + member[1:]


class Platform(Protocol):
    """How one platform spells the audience calls."""

    def list_call(self, start: int) -> Call:
        """Make the call for one page of audiences."""

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes everybody and adds encoded members."""

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that tells an audience's size and index state."""


class ProjectAudiences:
    """Audiences of custom IDs in an omnichannel project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def list_call(self, start: int) -> Call:
        """Make the call for one page of audiences."""
        query = {"from": str(start), "limit": str(AUDIENCE_LIST_PAGE)}
        return self._project.get("/audiences/list", query)

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""
        body = {"name": name, "type": "custom_ids", "display_name": display_name}
        return self._project.post("/audiences/create", _encode(body))

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""
        return self._project.post("/audiences/update", _with_members({"name": name}, members))

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes everybody and adds encoded members."""
        return self._project.post("/audiences/replace", _with_members({"name": name}, members))

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that tells an audience's size and index state."""
        query = {"name": name, "indexing_token": token} if token else {"name": name}
        return self._project.get("/audiences/view", query)


class AppAudiences:
    """Custom audiences of one app; the version of the API follows from the type of ID [doc]."""

    def __init__(self, app: App, id_type: str) -> None:
        self._app = app
        self._id_type = id_type
        self._version = "1.1" if id_type == "install_ids" else "1.0"
        self._type = {} if self._version == "1.1" else {"type": id_type}

    def list_call(self, start: int) -> Call:
        """Make the call for one page of audiences."""
        query = {"from": str(start), "limit": str(AUDIENCE_LIST_PAGE)}
        return self._app.call(self._version, "GET", query=query)

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""
        body = {"type": self._id_type, "description": display_name}
        return self._app.call(self._version, "POST", name, _encode(body))

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""
        return self._app.call(self._version, "PATCH", name, _with_members(self._type, members))

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes everybody and adds encoded members."""
        return self._app.call(self._version, "PUT", name, _with_members(self._type, members))

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that tells an audience's size and index state."""
        query = {"indexing_token": token} if token else None
        return self._app.call(self._version, "GET", name, query=query)


def _with_members(head: dict[str, str], members: Sequence[bytes]) -> bytes:
    start = _encode(head)[:-1]
    comma = b"," if head else b""
    return start + comma + b'"ids":[' + b",".join(members) + b"]}"


class AudienceSender:
    """Carries audience calls of one platform (and, for apps, of one key), one after the other.

    `where` names the key in what is told of a failure, where there are several.
    """

    def __init__(self, client: Client, platform: Platform, pacer: Pacer, where: str = "") -> None:
        self._client = client
        self.where = where
        self._platform = platform
        self._pacer = pacer
        self._divider = Divider()
        self.vouch = self._divider.vouch
        self._known: set[str] | None = None
        self._not_created: dict[str, str] = {}

    def change(self, name: str, display_name: str, members: Sequence[bytes]) -> Receipt:
        """Add and remove members; an audience that is not listed is created first."""
        if (failure := self._ensure(name, display_name)) is not None:
            return failure
        return self._located(
            self._divider.deliver(members, partial(self._write, self._platform.change_call, name))
        )

    def replace(self, name: str, display_name: str, members: Sequence[bytes]) -> Receipt:
        """Remove everybody and add members, once; what Batch refuses with others is then added alone."""
        if (failure := self._ensure(name, display_name)) is not None:
            return failure
        replaced = False

        def send(part: Sequence[bytes]) -> Verdict:
            nonlocal replaced
            if replaced:
                return self._write(self._platform.change_call, name, [adding(body) for body in part])
            verdict = self._write(self._platform.replace_call, name, part)
            replaced = isinstance(verdict, Accepted)
            return verdict

        return self._located(self._divider.deliver(members, send))

    def _located(self, receipt: Receipt) -> Receipt:
        """Say which key a failure is about."""
        if receipt.failure is not None and self.where:
            receipt.failure = type(receipt.failure)(f"{self.where}: {receipt.failure}")
        return receipt

    def _failed(self, verdict: Verdict) -> Receipt:
        return self._located(Receipt(failure=failure_of(verdict)))

    def _write(
        self, call: Callable[[str, Sequence[bytes]], Call], name: str, members: Sequence[bytes]
    ) -> Verdict:
        verdict = self._send(call(name, members), classify_token)
        if isinstance(verdict, Misrouted):
            refused = self._not_created.get(name)
            why = f", and refused to create it ({refused})" if refused else ""
            return Undocumented(f"{verdict.what}: it does not know audience '{clean(name)}'{why}")
        return verdict

    def _send(self, call: Call, classify: Callable[[Answer], Verdict]) -> Verdict:
        return self._client.send(call, classify, self._pacer)

    def _ensure(self, name: str, display_name: str) -> Receipt | None:
        """Create the audience if it is not listed; a 4xx on create means that it is there after all."""
        known = self._all_known()
        if isinstance(known, Receipt):
            return known
        if name in known:
            return None
        verdict = self._send(self._platform.create_call(name, display_name), classify_token)
        if not isinstance(verdict, Accepted):
            if not isinstance(verdict, Malformed | Undocumented) or not verdict.what.startswith("4"):
                return self._failed(verdict)
            self._not_created[name] = verdict.what
        known.add(name)
        return None

    def exists(self, name: str) -> bool | Receipt:
        """Return whether an audience is listed, as far as this run knows."""
        known = self._all_known()
        return known if isinstance(known, Receipt) else name in known

    def assume(self, name: str) -> None:
        """Take an audience for listed, without asking."""
        if not isinstance(known := self._all_known(), Receipt):
            known.add(name)

    def _all_known(self) -> set[str] | Receipt:
        if self._known is None:
            listed = self._listed()
            if isinstance(listed, Receipt):
                return listed
            self._known = listed
        return self._known

    def _listed(self) -> set[str] | Receipt:
        """List every audience: one that a page leaves out would be taken as new, and be replaced."""
        known: set[str] = set()
        start = 0
        while True:
            verdict = self._send(self._platform.list_call(start), _classify_list)
            if not isinstance(verdict, Accepted):
                return self._failed(verdict)
            known.update(audience["name"] for audience in verdict.document["audiences"])
            if not verdict.document["has_more"]:
                return known
            following = verdict.document.get("next_from")
            if type(following) is not int or following <= start:
                return self._failed(Undocumented("a list of audiences without its next page"))
            start = following

    def look(self, name: str, token: str = "") -> Look | Receipt:
        """Return the members an audience has, and whether what `token` stands for is indexed."""
        call = self._platform.view_call(name, token)
        verdict = self._send(call, lambda answer: classify_document(answer, "indexing_state"))
        if isinstance(verdict, Accepted):
            state, members = verdict.document["indexing_state"], verdict.document.get("nb_ids")
            return Look(state in INDEXED, members if type(members) is int else None, str(state))
        return self._failed(verdict)


def _classify_list(answer: Answer) -> Verdict:
    verdict = classify_document(answer, "audiences", "has_more")
    if not isinstance(verdict, Accepted):
        return verdict
    audiences = verdict.document["audiences"]
    named = isinstance(audiences, list) and all(
        isinstance(audience, dict) and isinstance(audience.get("name"), str) for audience in audiences
    )
    return verdict if named else Undocumented("a list of audiences without names")
