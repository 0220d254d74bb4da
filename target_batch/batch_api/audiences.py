"""Audience calls on both platforms behind one interface: list, create, change, replace, view."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from target_batch.batch_api.answers import (
    FORBIDDEN,
    Accepted,
    Denied,
    Failure,
    Malformed,
    Misrouted,
    Retry,
    Undocumented,
    Verdict,
    classify_creation,
    classify_document,
    classify_write,
    undocumented,
    whole_number,
)
from target_batch.batch_api.bulk import Divider, Receipt, failure_of
from target_batch.common.limits import AUDIENCE_LIST_PAGE
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_batch.batch_api.answers import Answer
    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import App, Project
    from target_batch.batch_api.rate_limiter import RateLimiter
    from target_batch.batch_api.transport import Call

INDEXED: Final = frozenset({"APPLIED", "REPLACED"})
"""States of a completed change; `REPLACED` means that a later replace has removed its content [doc]."""

MOST_PAGES: Final = 1000
"""Maximum pages of one list (100,000 audiences); a longer list is taken to be endless."""

PAGES_OF_NOTHING_NEW: Final = 2
"""Consecutive pages without a new name after which a list is taken to be endless.

A single such page may just be empty, or repeat audiences that have moved onto it.
"""

ABSENT: Final = frozenset({400, 404})
"""Statuses that may mean that an audience does not exist [open]."""

ROUTE_REFUSED: Final = frozenset({404, 405, 409})
"""Statuses that refuse the replace operation itself; others are about keys or members."""

ID_KINDS: Final = {
    "custom_id": "custom IDs",
    "install_id": "installation IDs",
    "advertising_id": "advertising IDs",
}
"""Names of the ID types, by the `type` of a request or a view, in lower case and without a final `s`."""

_encode: Final = msgspec.json.encode


class Look(NamedTuple):
    """The state of an audience as Batch shows it; `members` is None if Batch does not say."""

    indexed: bool
    members: int | None
    state: str


class Page(NamedTuple):
    """One page of a list: audience names, and where the next page begins (None on the last page)."""

    names: list[str]
    following: str | None


def adding(member: bytes) -> bytes:
    """Convert a member encoded for a replace into one encoded for an update that adds it."""
    return b'{"action":"add",' + member[1:]


class ProjectAudiences:
    """Audiences of custom IDs in an omnichannel project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.id_type = "custom_ids"

    def list_call(self, start: str | None = None, limit: int = AUDIENCE_LIST_PAGE) -> Call:
        """Make the call for one page of audiences; a first page has no `from` [doc]."""
        query = {"limit": str(limit)} if start is None else {"from": start, "limit": str(limit)}
        return self._project.get("/audiences/list", query)

    def classify_list(self, answer: Answer) -> Verdict:
        """Read the answer to a list, which must say whether there are more pages, and where they begin."""
        verdict = _classify_list(answer, "audiences", "has_more")
        if not isinstance(verdict, Accepted):
            return verdict
        more = _has_more(verdict.document)
        if more is None:
            return undocumented(answer, "`has_more` that is neither true nor false")
        follows = not more or _cursor(verdict.document)
        return verdict if follows else undocumented(answer, "more audiences without a `next_from`")

    def page(self, document: dict[str, Any], start: str | None) -> Page:
        """Read an accepted list: an opaque cursor leads to the next page while there is one [doc]."""
        _ = start
        return Page(_names(document["audiences"]), _cursor(document) if _has_more(document) else None)

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""
        body = {"name": name, "type": self.id_type, "display_name": display_name}
        return self._project.post("/audiences/create", _encode(body))

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""
        return self._project.post("/audiences/update", _with_members({"name": name}, members), len(members))

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes all members and adds encoded members."""
        return self._project.post("/audiences/replace", _with_members({"name": name}, members), len(members))

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that shows an audience's size and index state."""
        query = {"name": name, "indexing_token": token} if token else {"name": name}
        return self._project.get("/audiences/view", query)


class AppAudiences:
    """Custom audiences of one app; the version of the API follows from the type of ID [doc]."""

    def __init__(self, app: App, id_type: str) -> None:
        self._app = app
        self.id_type = id_type
        self._version = "1.1" if id_type == "install_ids" else "1.0"
        self._type = {} if self._version == "1.1" else {"type": id_type}

    def list_call(self, start: str | None = None, limit: int = AUDIENCE_LIST_PAGE) -> Call:
        """Make the call for one page of audiences, newest first, by offset [doc]."""
        return self._app.call(self._version, "GET", query={"from": start or "0", "limit": str(limit)})

    def classify_list(self, answer: Answer) -> Verdict:
        """Read the answer to a list."""
        return _classify_list(answer, "custom_audiences")

    def page(self, document: dict[str, Any], start: str | None) -> Page:
        """Read an accepted list: only a page that is not full shows that it is the last one [doc]."""
        names = _names(document["custom_audiences"])
        full = len(names) >= AUDIENCE_LIST_PAGE
        return Page(names, str(int(start or "0") + len(names)) if full else None)

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""
        body = {"type": self.id_type, "description": display_name}
        return self._app.call(self._version, "POST", name, _encode(body))

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""
        body = _with_members(self._type, members)
        return self._app.call(self._version, "PATCH", name, body, operations=len(members))

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes all members and adds encoded members."""
        body = _with_members(self._type, members)
        return self._app.call(self._version, "PUT", name, body, operations=len(members))

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that shows an audience's size and index state."""
        query = {"indexing_token": token} if token else None
        return self._app.call(self._version, "GET", name, query=query)


Platform: TypeAlias = ProjectAudiences | AppAudiences
"""The same calls on either platform; `id_type` is the members' type of ID, as written in requests."""


def _with_members(head: dict[str, str], members: Sequence[bytes]) -> bytes:
    start = _encode(head)[:-1]
    comma = b"," if head else b""
    return start + comma + b'"ids":[' + b",".join(members) + b"]}"


def _names(audiences: list[dict[str, Any]]) -> list[str]:
    return [str(audience["name"]) for audience in audiences]


def _has_more(document: dict[str, Any]) -> bool | None:
    """Return whether more pages follow (the value may be a string); None if it is neither true nor false."""
    return {"true": True, "false": False}.get(str(document["has_more"]).lower())


def _cursor(document: dict[str, Any]) -> str:
    """Return where the next page begins; empty if the document does not say."""
    cursor = document.get("next_from")
    return str(cursor) if type(cursor) is int else cursor if isinstance(cursor, str) else ""


def _classify_list(answer: Answer, key: str, *required: str) -> Verdict:
    verdict = classify_document(answer, key, *required)
    if not isinstance(verdict, Accepted):
        return verdict
    audiences = verdict.document[key]
    named = isinstance(audiences, list) and all(
        isinstance(audience, dict) and type(audience.get("name")) in {str, int} for audience in audiences
    )
    return verdict if named else undocumented(answer, f"`{key}` without names")


class Listing:
    """The audience names of one platform and key: listed once, then updated as audiences are created.

    All senders with the same key share one listing and its rate limiter.
    """

    def __init__(self, client: Client, platform: Platform, limiter: RateLimiter) -> None:
        self._client = client
        self._platform = platform
        self.limiter = limiter
        self._lock = Lock()
        self._names: set[str] | None = None
        self.paged = False
        """Whether the list had several pages: an audience may have moved between pages while it was read."""

    def names(self) -> set[str] | Failure:
        """Return all known names, or why they cannot be listed."""
        with self._lock:
            if self._names is None:
                found = self._listed()
                if isinstance(found, Failure):
                    return found
                self._names = found
            return self._names

    def _listed(self) -> set[str] | Failure:
        """List every audience: one that is missed would be taken for new, and its members replaced."""
        known: set[str] = set()
        starts: set[str | None] = set()
        start: str | None = None
        nothing_new = 0
        while start not in starts and len(starts) < MOST_PAGES:
            starts.add(start)
            call = self._platform.list_call(start)
            verdict = self._client.send(call, self._platform.classify_list, self.limiter)
            if not isinstance(verdict, Accepted):
                return verdict
            page = self._platform.page(verdict.document, start)
            if page.following is None:
                return known.union(page.names)
            nothing_new = nothing_new + 1 if known.issuperset(page.names) else 0
            if nothing_new == PAGES_OF_NOTHING_NEW:
                break
            known.update(page.names)
            start, self.paged = page.following, True
        return Undocumented(
            f"a list of audiences that does not end: {len(starts)} pages with {len(known)} names"
        )


class AudienceSender:
    """Sends the audience calls of one platform (and, for apps, of one key), one after the other.

    If there are several keys, `where` names this one in the messages of failures.
    """

    def __init__(self, client: Client, platform: Platform, listing: Listing, where: str = "") -> None:
        self._client = client
        self.where = where
        self._platform = platform
        self._listing = listing
        self._divider = Divider(self._probe)
        self.vouch = self._divider.vouch

    def change(self, name: str, display_name: str, members: Sequence[bytes]) -> Receipt:
        """Add and remove members; an audience that is not listed is created first."""
        return self._deliver(name, display_name, members, lambda part, _: self._changed(name, part))

    def replace(self, name: str, display_name: str, members: Sequence[bytes]) -> Receipt:
        """Replace all members with these: the first accepted call replaces them, any later parts are added.

        If Batch refuses a replace but accepts an addition of the same member, it refuses the replace itself
        [open for 1.0]: a new audience is then filled by additions, for any other one that is a failure.
        """
        replaced = False

        def write(part: Sequence[bytes], new: bool) -> Verdict:  # noqa: FBT001 - as `_deliver` calls it
            nonlocal replaced
            additions = [adding(body) for body in part]
            if replaced:
                return self._changed(name, additions)
            verdict = self._send(self._platform.replace_call(name, part), classify_write)
            if isinstance(verdict, Accepted):
                replaced = True
                return verdict
            by_route = verdict.status in ROUTE_REFUSED
            if not by_route and not (isinstance(verdict, Malformed) and len(part) == 1):
                return verdict
            added = self._changed(name, additions[:1])
            if not isinstance(added, Accepted):
                return verdict if by_route else added
            if not new:
                return _not_replaced(name, verdict)
            replaced = True
            return self._changed(name, additions) if by_route else added

        return self._deliver(name, display_name, members, write)

    def _changed(self, name: str, members: Sequence[bytes]) -> Verdict:
        return self._send(self._platform.change_call(name, members), classify_write)

    def _deliver(
        self,
        name: str,
        display_name: str,
        members: Sequence[bytes],
        write: Callable[[Sequence[bytes], bool], Verdict],
    ) -> Receipt:
        """Deliver members with `write`, whose second argument says whether the audience is new."""
        new = self._ensure(name, display_name)
        if isinstance(new, Failure):
            return self._failed(new)
        there = False

        def send(part: Sequence[bytes]) -> Verdict:
            nonlocal there
            verdict = write(part, new)
            if isinstance(verdict, Accepted):
                there = True
            elif isinstance(verdict, Malformed | Misrouted) and not there:
                missing = self._missing(name, verdict)
                there = missing is None
                return missing or verdict
            return verdict

        return self._located(self._divider.deliver(members, send))

    def _missing(self, name: str, refusal: Failure) -> Failure | None:
        """Return a failure if the audience of a refused call is gone or cannot be viewed, otherwise None."""
        found = self._viewed(name)
        if isinstance(found, Failure):
            return found
        gone = f"{refusal.what}, audience '{clean(name)}' does not exist any more"
        return None if found else Undocumented(gone, refusal.status, refusal.code)

    def _ensure(self, name: str, display_name: str) -> Failure | bool:
        """Create the audience if it does not exist; return whether it is new, or why it cannot be created.

        If Batch refuses to create it, a view shows whether it exists after all.
        """
        known = self._known(name)
        if isinstance(known, Failure):
            return known
        if name in known:
            return False
        verdict = self._send(self._platform.create_call(name, display_name), classify_creation)
        if isinstance(verdict, Retry | Denied):
            return verdict
        if isinstance(verdict, Failure) and (found := self._viewed(name)) is not True:
            return found or _not_created(name, verdict)
        known.add(name)
        return isinstance(verdict, Accepted)

    def exists(self, name: str) -> bool | Receipt:
        """Return whether an audience exists, or a receipt with the failure if that cannot be found out.

        If the list had several pages, an audience missing from it is viewed: the pages may have skipped it.
        """
        known = self._known(name)
        return self._failed(known) if isinstance(known, Failure) else name in known

    def _known(self, name: str) -> set[str] | Failure:
        """Return the existing audiences, including `name` if it exists, or why that cannot be found out."""
        known = self._listing.names()
        if isinstance(known, Failure) or name in known or not self._listing.paged:
            return known
        found = self._viewed(name)
        if isinstance(found, Failure):
            return found
        known.update([name] if found else [])
        return known

    def assume(self, name: str) -> None:
        """Treat an audience as existing, without asking Batch."""
        if not isinstance(known := self._listing.names(), Failure):
            known.add(name)

    def look(self, name: str, token: str = "") -> Look | Receipt:
        """Return the size of an audience, and whether the change identified by `token` is indexed.

        Without a token, the state is that of the audience's last change.
        """
        call = self._platform.view_call(name, token)
        verdict = self._send(call, lambda answer: classify_document(answer, "indexing_state"))
        if isinstance(verdict, Malformed | Misrouted) and verdict.status in ABSENT:
            return self._failed(self._missing(name, verdict) or verdict)
        if not isinstance(verdict, Accepted):
            return self._failed(verdict)
        state = str(verdict.document["indexing_state"])
        return Look(state in INDEXED, whole_number(verdict.document.get("nb_ids")), state)

    def _viewed(self, name: str) -> bool | Failure:
        """Return whether Batch shows an audience, or why that is unknown or the audience cannot be used.

        A 400 or 404 means that it does not exist; any other refusal says nothing about that.
        """
        classify = partial(
            _classify_named, name=name, kind=ID_KINDS[self._platform.id_type.removesuffix("s")]
        )
        verdict = self._send(self._platform.view_call(name, ""), classify)
        if isinstance(verdict, Accepted):
            return True
        return False if verdict.status in ABSENT else verdict

    def _send(self, call: Call, classify: Callable[[Answer], Verdict]) -> Verdict:
        return self._client.send(call, classify, self._listing.limiter)

    def _probe(self) -> Verdict:
        """Check keys and address using the list, a read-only call."""
        known = self._listing.names()
        return known if isinstance(known, Failure) else Accepted()

    def _located(self, receipt: Receipt) -> Receipt:
        """Add the name of the key to the message of a failure."""
        if receipt.failure is not None and self.where:
            receipt.failure = type(receipt.failure)(f"{self.where}: {receipt.failure}")
        return receipt

    def _failed(self, failure: Failure) -> Receipt:
        return self._located(Receipt(failure=failure_of(failure)))


def _not_replaced(name: str, refusal: Failure) -> Failure:
    """Explain a refused replacement: the other members of the audience cannot be known."""
    what = (
        f"{refusal.what}, audience '{clean(name)}' accepts additions, but no replacement of all its members. "
        "Delete it in Batch's dashboard, or mirror into one of another name: a new one is filled by additions"
    )
    return Undocumented(what, refusal.status, refusal.code)


def _not_created(name: str, refusal: Failure) -> Failure:
    """Explain a refused creation of an audience that does not exist; here, a 403 is about the key."""
    what = f"{refusal.what}, audience '{clean(name)}' does not exist and cannot be created"
    if refusal.status == FORBIDDEN:
        return Denied(what, refusal.status, refusal.code)
    return Undocumented(f"{what}: create it in Batch's dashboard", refusal.status, refusal.code)


def _classify_named(answer: Answer, name: str, kind: str) -> Verdict:
    """Read the view of an audience; it fails if the audience holds IDs of another type than the stream's."""
    verdict = classify_document(answer, "name")
    if not isinstance(verdict, Accepted):
        return verdict
    if str(verdict.document["name"]) != name:
        return undocumented(answer, "the view of another audience")
    held = ID_KINDS.get(str(verdict.document.get("type")).lower().removesuffix("s"))
    if held in {None, kind}:
        return verdict
    return Undocumented(
        f"audience '{clean(name)}' holds {held}, the stream sends {kind}: give it another name, or "
        "delete that one in Batch's dashboard",
        answer.status,
    )
