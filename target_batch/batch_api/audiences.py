"""Audience calls on both platforms, behind one interface: list, create, change, replace, look."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

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
    classify_change,
    classify_creation,
    classify_document,
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
"""States of a change that is settled: `REPLACED` is one whose content a later replace has removed [doc]."""

MOST_PAGES: Final = 1000
"""Pages of one list, 100,000 audiences: a list that is longer has no end."""

PAGES_OF_NOTHING_NEW: Final = 2
"""Pages in a row without a new name that prove the same: one may be empty, or repeat what moved onto it."""

ABSENT: Final = frozenset({400, 404})
"""Statuses by which Batch may say that an audience does not exist [open]."""

ROUTE_REFUSED: Final = frozenset({404, 405, 409})
"""Statuses by which Batch refuses to replace as such; others are about keys or members."""

SORTS: Final = {
    "custom_id": "custom IDs",
    "install_id": "installation IDs",
    "advertising_id": "advertising IDs",
}
"""What an audience may hold, by the type that a view tells, in small letters and without a final `s`."""

_encode: Final = msgspec.json.encode


class Look(NamedTuple):
    """What Batch shows of an audience; `members` is None where it does not say."""

    indexed: bool
    members: int | None
    state: str


class Page(NamedTuple):
    """One page of a list: names of audiences, and where the next page begins; None after the last one."""

    names: list[str]
    following: str | None


def adding(member: bytes) -> bytes:
    """Turn a member as a replace takes it into one that an update adds."""
    return b'{"action":"add",' + member[1:]


class Platform(Protocol):
    """How one platform spells the audience calls.

    Attributes:
        id_type: The type of ID that members have, as in a request.
    """

    id_type: str

    def list_call(self, start: str | None = None, limit: int = AUDIENCE_LIST_PAGE) -> Call:
        """Make the call for one page of audiences, the first one without `start`."""

    def classify_list(self, answer: Answer) -> Verdict:
        """Read the answer to a list."""

    def page(self, document: dict[str, Any], start: str | None) -> Page:
        """Read an accepted list."""

    def create_call(self, name: str, display_name: str) -> Call:
        """Make the call that creates an empty audience."""

    def change_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that adds and removes encoded members."""

    def replace_call(self, name: str, members: Sequence[bytes]) -> Call:
        """Make the call that removes all members and adds encoded members."""

    def view_call(self, name: str, token: str) -> Call:
        """Make the call that shows an audience's size and index state."""


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
        """Read the answer to a list, which has to say whether more follows, and where."""
        verdict = _classify_list(answer, "audiences", "has_more")
        if not isinstance(verdict, Accepted):
            return verdict
        more = _has_more(verdict.document)
        if more is None:
            return undocumented(answer, "`has_more` that is neither true nor false")
        follows = not more or _cursor(verdict.document)
        return verdict if follows else undocumented(answer, "more audiences without a `next_from`")

    def page(self, document: dict[str, Any], start: str | None) -> Page:
        """Read an accepted list: an opaque cursor for as long as there is more [doc]."""
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
        """Read an accepted list: nothing says whether there is more, but a page that is not full [doc]."""
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


def _with_members(head: dict[str, str], members: Sequence[bytes]) -> bytes:
    start = _encode(head)[:-1]
    comma = b"," if head else b""
    return start + comma + b'"ids":[' + b",".join(members) + b"]}"


def _names(audiences: list[dict[str, Any]]) -> list[str]:
    return [str(audience["name"]) for audience in audiences]


def _has_more(document: dict[str, Any]) -> bool | None:
    """Return whether more pages follow, which may come as text; None where that is not said."""
    return {"true": True, "false": False}.get(str(document["has_more"]).lower())


def _cursor(document: dict[str, Any]) -> str:
    """Return where the next page begins, empty where that is not said."""
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
    """The audiences of one platform and key: listed once, then kept up to date by who creates them.

    Whoever carries calls with this key shares it, and the rate limiter.
    """

    def __init__(self, client: Client, platform: Platform, limiter: RateLimiter) -> None:
        self._client = client
        self._platform = platform
        self.limiter = limiter
        self._lock = Lock()
        self._names: set[str] | None = None
        self.paged = False
        """Whether it took several pages: an audience may have moved from one to another meanwhile."""

    def names(self) -> set[str] | Failure:
        """Return every known name, or why they cannot be listed."""
        with self._lock:
            if self._names is None:
                found = self._listed()
                if isinstance(found, Failure):
                    return found
                self._names = found
            return self._names

    def _listed(self) -> set[str] | Failure:
        """List every audience: one that a page leaves out would be taken as new, and be replaced."""
        known: set[str] = set()
        starts: set[str | None] = set()
        start: str | None = None
        nothing_new = 0
        while start not in starts and len(starts) < MOST_PAGES:
            starts.add(start)
            verdict = self._page_at(start)
            if not isinstance(verdict, Page):
                return verdict
            if verdict.following is None:
                return known.union(verdict.names)
            nothing_new = nothing_new + 1 if known.issuperset(verdict.names) else 0
            if nothing_new == PAGES_OF_NOTHING_NEW:
                break
            known.update(verdict.names)
            start, self.paged = verdict.following, True
        return Undocumented(
            f"a list of audiences that does not end: {len(starts)} pages with {len(known)} names"
        )

    def _page_at(self, start: str | None) -> Page | Failure:
        call = self._platform.list_call(start)
        verdict = self._client.send(call, self._platform.classify_list, self.limiter)
        if not isinstance(verdict, Accepted):
            return verdict
        return self._platform.page(verdict.document, start)


class AudienceSender:
    """Carries audience calls of one platform (and, for apps, of one key), one after the other.

    `where` names the key in the message of a failure, where there are several.
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
        """Remove all members and add these, once; what Batch refuses with others is then added alone.

        Where Batch adds a member by whom it refused to replace all others, it is the replacing that it
        refuses [open for 1.0]: a new audience is filled by additions instead, any other one is a failure.
        """
        replaced = False

        def write(part: Sequence[bytes], new: bool) -> Verdict:  # noqa: FBT001 - as `_deliver` calls it
            nonlocal replaced
            additions = [adding(body) for body in part]
            if replaced:
                return self._changed(name, additions)
            verdict = self._send(self._platform.replace_call(name, part), classify_change)
            replaced = isinstance(verdict, Accepted)
            by_route = isinstance(verdict, Failure) and verdict.status in ROUTE_REFUSED
            if isinstance(verdict, Accepted) or not (by_route or _names_one(verdict, part)):
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
        return self._send(self._platform.change_call(name, members), classify_change)

    def _deliver(
        self,
        name: str,
        display_name: str,
        members: Sequence[bytes],
        write: Callable[[Sequence[bytes], bool], Verdict],
    ) -> Receipt:
        """Deliver members by `write`, which learns whether the audience was created for them."""
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
        """Find out whether a call was refused since its audience is gone, and not for what it carries."""
        found = self._viewed(name)
        if isinstance(found, Failure):
            return found
        gone = f"{refusal.what}, audience '{clean(name)}' does not exist any more"
        return None if found else Undocumented(gone, refusal.status, refusal.code)

    def _ensure(self, name: str, display_name: str) -> Failure | bool:
        """Create the audience if it does not exist; where that is refused, see whether it does after all.

        Return whether it is new, or why it cannot be created.
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
        """Return whether an audience exists; one that the pages of a list may have skipped is viewed."""
        known = self._known(name)
        return self._failed(known) if isinstance(known, Failure) else name in known

    def _known(self, name: str) -> set[str] | Failure:
        """Return the audiences that exist, `name` among them if it does, or why that cannot be known."""
        known = self._listing.names()
        if isinstance(known, Failure) or name in known or not self._listing.paged:
            return known
        found = self._viewed(name)
        if isinstance(found, Failure):
            return found
        known.update([name] if found else [])
        return known

    def assume(self, name: str) -> None:
        """Take an audience for listed, without asking."""
        if not isinstance(known := self._listing.names(), Failure):
            known.add(name)

    def look(self, name: str, token: str = "") -> Look | Receipt:
        """Return the members an audience has, and whether what `token` stands for is indexed.

        Without a token it is the state of the audience's last change.
        """
        verdict = self._send(self._platform.view_call(name, token), _classify_view)
        if isinstance(verdict, Malformed | Misrouted) and verdict.status in ABSENT:
            return self._failed(self._missing(name, verdict) or verdict)
        if not isinstance(verdict, Accepted):
            return self._failed(verdict)
        state = str(verdict.document["indexing_state"])
        return Look(state in INDEXED, whole_number(verdict.document.get("nb_ids")), state)

    def _viewed(self, name: str) -> bool | Failure:
        """Return whether Batch shows an audience, or why that cannot be known or it cannot be written to.

        A 400 or 404 means that it does not exist; any other refusal says nothing about that.
        """
        classify = partial(_classify_named, name=name, sort=_sort(self._platform.id_type))
        verdict = self._send(self._platform.view_call(name, ""), classify)
        if isinstance(verdict, Failure) and verdict.status in ABSENT:
            return False
        return verdict if isinstance(verdict, Failure) else True

    def _send(self, call: Call, classify: Callable[[Answer], Verdict]) -> Verdict:
        return self._client.send(call, classify, self._listing.limiter)

    def _probe(self) -> Verdict:
        """Return that keys and address are right: the list, a read-only call, was accepted before."""
        known = self._listing.names()
        return known if isinstance(known, Failure) else Accepted()

    def _located(self, receipt: Receipt) -> Receipt:
        """Say which key a failure is about."""
        if receipt.failure is not None and self.where:
            receipt.failure = type(receipt.failure)(f"{self.where}: {receipt.failure}")
        return receipt

    def _failed(self, failure: Failure) -> Receipt:
        return self._located(Receipt(failure=failure_of(failure)))


def _names_one(verdict: Verdict, part: Sequence[bytes]) -> bool:
    return isinstance(verdict, Malformed) and len(part) == 1


def _not_replaced(name: str, refusal: Failure) -> Failure:
    """Name the refusal of a replacement as such: who else is in the audience cannot be known."""
    what = (
        f"{refusal.what}, audience '{clean(name)}' takes additions and no replacement of all its members. "
        "Delete it in Batch's dashboard, or mirror into one of another name: a new one is filled by additions"
    )
    return Undocumented(what, refusal.status, refusal.code)


def _not_created(name: str, refusal: Failure) -> Failure:
    """Name the refusal of an audience that does not exist; a 403 is about the key after all."""
    what = f"{refusal.what}, audience '{clean(name)}' does not exist and cannot be created"
    if refusal.status == FORBIDDEN:
        return Denied(what, refusal.status, refusal.code)
    return Undocumented(f"{what}: create it in Batch's dashboard", refusal.status, refusal.code)


def _classify_named(answer: Answer, name: str, sort: str) -> Verdict:
    """Read the view of an audience; one that holds IDs of another type is not the stream's."""
    verdict = classify_document(answer, "name")
    if not isinstance(verdict, Accepted):
        return verdict
    if str(verdict.document["name"]) != name:
        return undocumented(answer, "the view of another audience")
    held = SORTS.get(_sort(verdict.document.get("type")))
    if held in {None, SORTS[sort]}:
        return verdict
    return Undocumented(
        f"audience '{clean(name)}' holds {held}, the stream sends {SORTS[sort]}: give it another name, or "
        "delete that one in Batch's dashboard",
        answer.status,
    )


def _sort(id_type: object) -> str:
    return str(id_type).lower().removesuffix("s")


def _classify_view(answer: Answer) -> Verdict:
    return classify_document(answer, "indexing_state")
