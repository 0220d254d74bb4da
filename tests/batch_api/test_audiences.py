"""The list of audiences is read completely, once per run, and an endless list ends the run."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock

from target_batch.batch_api.answers import Answer, Failure
from target_batch.batch_api.audiences import (
    MOST_PAGES,
    AppAudiences,
    AudienceSender,
    Listing,
    Platform,
    ProjectAudiences,
)
from target_batch.batch_api.bulk import Receipt
from target_batch.batch_api.client import Client
from target_batch.batch_api.endpoints import App, Project
from target_batch.batch_api.rate_limiter import RateLimiter
from target_batch.common.clock import Stop
from target_batch.common.errors import AccessRefusedError, DeliveryError
from target_batch.common.limits import Rate
from target_batch.common.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.batch_api.transport import Call

PROJECT = ProjectAudiences(Project(Secret("k"), "p", "2.11"))
APP = AppAudiences(App(Secret("k"), Secret("a")), "custom_ids")
UNLIMITED = Rate(math.inf, math.inf)
Reply = tuple[int, Any]


class Scripted:
    """A transport that answers with a function and keeps the calls."""

    def __init__(self, answer: Callable[[Call], Reply]) -> None:
        self._answer = answer
        self.calls: list[Call] = []

    def send(self, call: Call) -> Answer:
        """Answer one call."""
        self.calls.append(call)
        status, body = self._answer(call)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, {"Content-Type": "application/json"}, content)

    def hurry(self, seconds: float) -> None:
        """Do nothing, because no attempt hangs."""


def world(platform: Platform, answer: Callable[[Call], Reply]) -> tuple[Listing, AudienceSender, Scripted]:
    transport, clock = Scripted(answer), FakeClock()
    client = Client(transport, clock, Stop(clock), 5.0)  # type: ignore[arg-type]
    listing = Listing(client, platform, RateLimiter(UNLIMITED, clock))
    return listing, AudienceSender(client, platform, listing), transport


def page_of(names: list[str]) -> Callable[[Call], Reply]:
    """Answer as a project does: opaque cursors, and a count on the first page only."""

    def answer(call: Call) -> Reply:
        query = call.query or {}
        start = int(query["from"].removeprefix("c-"), 16) if "from" in query else 0
        end = start + int(query["limit"])
        body: dict[str, Any] = {"audiences": [{"name": name} for name in names[start:end]]}
        body |= {"has_more": end < len(names)}
        body |= {"next_from": f"c-{end:x}"} if end < len(names) else {}
        return 200, body | ({"count": len(names)} if start == 0 else {})

    return answer


def offset_of(names: list[str]) -> Callable[[Call], Reply]:
    """Answer as an app does: by offset, without saying whether more audiences follow."""

    def answer(call: Call) -> Reply:
        query = call.query or {}
        start = int(query["from"])
        shown = names[start : start + int(query["limit"])]
        return 200, {"custom_audiences": [{"name": name} for name in shown]}

    return answer


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350, 10_000])
@pytest.mark.parametrize(("platform", "answers"), [(PROJECT, page_of), (APP, offset_of)])
def test_every_audience_is_listed(platform: Platform, answers: Any, count: int) -> None:
    names = [f"a{number}" for number in range(count)]
    listing, _, transport = world(platform, answers(names))
    assert listing.names() == set(names)
    assert listing.names() == set(names), "the second time without calls"
    full_pages = count // 100 + 1 if platform is APP else max(1, math.ceil(count / 100))
    assert len(transport.calls) == full_pages
    assert ("from" in (transport.calls[0].query or {})) == (platform is APP)


def test_an_empty_page_does_not_end_a_list() -> None:
    """A page may be empty although more follow; two empty pages in a row count as an endless list."""
    pages = {None: project_page([], "c-1"), "c-1": project_page(["vip"], None, more=False)}
    listing, _, _ = world(PROJECT, lambda call: pages[(call.query or {}).get("from")])
    assert listing.names() == {"vip"}


@pytest.mark.parametrize("platform", [PROJECT, APP])
@pytest.mark.parametrize("status", [400, 404])
def test_an_audience_that_disappears_while_its_index_is_polled_is_named(
    platform: Platform, status: int
) -> None:
    refusal = {"error_code": "AUDIENCE_NOT_FOUND", "error_message": "m"}
    _, sender, _ = world(platform, lambda _: (status, refusal))
    found = sender.look("vip", "token")
    assert isinstance(found, Receipt)
    assert type(found.failure) is DeliveryError
    assert "audience 'vip' does not exist any more" in str(found.failure)


def project_page(names: list[str], cursor: Any, *, more: Any = True) -> Reply:
    return 200, {"audiences": [{"name": name} for name in names], "has_more": more, "next_from": cursor}


def endless(call: Call) -> Reply:
    """Answer with new names and a new cursor every time."""
    start = (call.query or {}).get("from", "0")
    return project_page([f"n{start}"], str(int(start) + 1))


ENDLESS: dict[str, tuple[Platform, Callable[[Call], Reply]]] = {
    "a cursor that repeats": (PROJECT, lambda _: project_page(["a"], "again")),
    "pages without a name": (PROJECT, lambda call: project_page([], str(call.query)[-9:])),
    "endless new names": (PROJECT, endless),
    "an offset that is not obeyed": (APP, lambda _: offset_of(["a"] * 100)(APP.list_call("0"))),
    "endless new names of an app": (
        APP,
        lambda call: (
            200,
            {"custom_audiences": [{"name": f"{(call.query or {})['from']}-{n}"} for n in range(100)]},
        ),
    ),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_an_endless_list_ends_the_run(case: str) -> None:
    platform, answer = ENDLESS[case]
    listing, sender, transport = world(platform, answer)
    assert isinstance(listing.names(), Failure)
    assert len(transport.calls) <= MOST_PAGES
    receipt = sender.change("vip", "vip", [b'{"action":"add","id":"u1"}'])
    assert isinstance(receipt.failure, DeliveryError)
    assert "does not end" in str(receipt.failure)
    assert not any(call.body for call in transport.calls), "an audience was created or changed"


ODD: dict[str, Reply] = {
    "HTML": (200, b"<html>welcome</html>"),
    "empty": (200, b""),
    "truncated": (200, b'{"audiences": [{"na'),
    "a list": (200, []),
    "no audiences": (200, {"has_more": False}),
    "no has_more": (200, {"audiences": []}),
    "has_more in words": project_page(["a"], "c", more="perhaps"),
    "no cursor": project_page(["a"], None),
    "a cursor that is an object": project_page(["a"], {}),
    "audiences without names": (200, {"audiences": [{"id": 1}], "has_more": False}),
    "audiences that are an object": (200, {"audiences": {"a": 1}, "has_more": False}),
    "another status": (204, b""),
    "the other platform": (200, {"custom_audiences": [{"name": "vip"}]}),
}


@pytest.mark.parametrize("case", ODD)
def test_an_unreadable_list_stops_every_change(case: str) -> None:
    """Otherwise an existing audience would be taken for a new one and replaced."""
    _, sender, transport = world(PROJECT, lambda _: ODD[case])
    for receipt in (
        sender.change("vip", "vip", [b'{"action":"add","id":"u1"}']),
        sender.replace("vip", "vip", [b'{"id":"u1"}']),
        sender.exists("vip"),
    ):
        assert isinstance(receipt, Receipt)
        assert type(receipt.failure) is DeliveryError
    assert not any(call.body for call in transport.calls)


@pytest.mark.parametrize("case", ["has_more in words", "no cursor", "a cursor that is an object"])
def test_a_page_that_does_not_say_whether_more_follows_is_described_by_its_form(case: str) -> None:
    listing, _, _ = world(PROJECT, lambda _: ODD[case])
    failure = listing.names()
    assert isinstance(failure, Failure)
    assert "200" in failure.what
    assert "keys audiences, has_more, next_from" in failure.what


def test_has_more_may_be_a_text() -> None:
    pages = {None: project_page(["a"], 7, more="true"), "7": project_page(["vip"], None, more="False")}
    listing, _, _ = world(PROJECT, lambda call: pages[(call.query or {}).get("from")])
    assert listing.names() == {"a", "vip"}


def test_an_audience_that_is_missing_in_the_list_is_looked_up() -> None:
    """A list may change while its pages are read, and a mirror must not take its audience for a new one."""
    names = [f"a{number}" for number in range(150)]

    def answer(call: Call) -> Reply:
        if call.path.endswith("/skipped"):
            return 200, {"name": "skipped"}
        return offset_of(names)(call) if call.query else (404, {"error_code": "ROUTE_NOT_FOUND"})

    _, sender, _ = world(APP, answer)
    assert sender.exists("skipped") is True
    assert sender.exists("never") is False


@pytest.mark.parametrize("status", [401, 403])
def test_a_denied_creation_is_reported_as_a_refused_access(status: int) -> None:
    def answer(call: Call) -> Reply:
        if call.method == "POST":
            return status, {"error_code": "API_MISUSE"}
        if "list" in call.path:
            return project_page([], None, more=False)
        return 404, {"error_code": "AUDIENCE_NOT_FOUND"}

    _, sender, _ = world(PROJECT, answer)
    receipt = sender.change("vip", "vip", [b'{"action":"add","id":"u1"}'])
    assert isinstance(receipt.failure, AccessRefusedError)


def test_members_are_not_rejected_while_batch_cannot_show_the_audience() -> None:
    """After a 400 for a change and a failed view, the members are undelivered."""

    def answer(call: Call) -> Reply:
        if "list" in call.path:
            return project_page(["vip"], None, more=False)
        return (400, {"error_code": "BAD"}) if call.body else (503, {"error_code": "MAINTENANCE_ERROR"})

    _, sender, _ = world(PROJECT, answer)
    receipt = sender.change("vip", "vip", [b'{"action":"add","id":"u1"}'])
    assert type(receipt.failure) is DeliveryError
    assert (receipt.refused, receipt.unconfirmed) == ({}, {0})


ODD_VIEWS: dict[str, Reply] = {
    "an error": (200, {"error_code": "AUDIENCE_NOT_FOUND"}),
    "an app's error": (200, {"code": "MISSING_PARAMETER"}),
    "another audience": (200, {"name": "VIP"}),
    "nothing": (200, {}),
    "no body": (204, b""),
    "422": (422, {"error_code": "BAD"}),
    "405": (405, {"error_code": "BAD"}),
    "410": (410, {}),
    "a redirect": (302, {}),
}


@pytest.mark.parametrize("case", ODD_VIEWS)
def test_only_a_400_or_404_means_that_an_audience_does_not_exist(case: str) -> None:
    """Only a view of it means that it exists; after any other answer the run stops without creating it."""
    names = [f"a{number}" for number in range(150)]

    def answer(call: Call) -> Reply:
        return page_of(names)(call) if "list" in call.path else ODD_VIEWS[case]

    _, sender, transport = world(PROJECT, answer)
    for found in (sender.exists("vip"), sender.change("vip", "vip", [b'{"action":"add","id":"u1"}'])):
        assert isinstance(found, Receipt)
        assert found.failure is not None
    assert not any(call.body for call in transport.calls)


def test_an_audience_that_is_missing_in_the_list_is_not_created_again() -> None:
    """Creating an existing audience might succeed and change it."""
    names = [f"a{number}" for number in range(150)]

    def answer(call: Call) -> Reply:
        if call.path.endswith("/skipped") and call.method == "GET":
            return 200, {"name": "skipped"}
        if call.query:
            return offset_of(names)(call)
        return (200, {}) if call.body else (404, {"error_code": "ROUTE_NOT_FOUND"})

    _, sender, transport = world(APP, answer)
    for name in ("skipped", "new"):
        assert sender.change(name, name, [b'{"action":"add","id":"u1"}']).failure is None
    created = [call.path.rpartition("/")[2] for call in transport.calls if call.method == "POST"]
    assert created == ["new"]


def app_that_refuses_to_replace(listed: list[str], bad: str = "") -> Callable[[Call], Reply]:
    """Answer as an app that refuses every PUT, and every change with a bad member."""
    audiences = set(listed)

    def answer(call: Call) -> Reply:
        name = call.path.rpartition("/")[2]
        if call.method == "GET" and name == "custom-audience":
            return offset_of(sorted(audiences))(call)
        if call.method == "POST":
            audiences.add(name)
            return 200, {}
        if call.method == "GET":
            return 200, {"name": name}
        holds_bad = bool(bad) and bad.encode() in (call.body or b"")
        refused = call.method == "PUT" or holds_bad
        return (400, {"error_code": "MISSING_PARAMETER"}) if refused else (202, {"indexing_token": "t"})

    return answer


MANY = [b'{"id":"u%d"}' % number for number in range(10_000)]


def test_a_refused_replacement_does_not_reject_its_members() -> None:
    """The run stops after a few calls, because it does not know the other members of the audience."""
    _, sender, transport = world(APP, app_that_refuses_to_replace(["vip"]))
    sender.vouch()
    receipt = sender.replace("vip", "vip", MANY)
    assert isinstance(receipt.failure, DeliveryError)
    assert "accepts additions, but no replacement of all its members" in str(receipt.failure)
    assert (receipt.refused, len(receipt.unconfirmed)) == ({}, len(MANY))
    assert len(transport.calls) < 20


def test_a_new_audience_is_filled_even_if_replacements_are_refused() -> None:
    _, sender, transport = world(APP, app_that_refuses_to_replace([], bad='"u77"'))
    receipt = sender.replace("vip", "vip", MANY)
    assert (receipt.failure, set(receipt.refused), receipt.unconfirmed) == (None, {77}, set())
    assert len(transport.calls) < 70


def test_a_member_that_can_neither_replace_nor_be_added_is_rejected() -> None:
    """The replacement itself is fine, as the next member shows."""

    def answer(call: Call) -> Reply:
        if call.method == "GET":
            return offset_of(["vip"])(call) if call.query else (200, {"name": "vip"})
        return (400, {}) if b'"bad"' in (call.body or b"") else (202, {})

    _, sender, transport = world(APP, answer)
    receipt = sender.replace("vip", "vip", [b'{"id":"bad"}', b'{"id":"u1"}', b'{"id":"u2"}'])
    assert (receipt.failure, set(receipt.refused), receipt.unconfirmed) == (None, {0}, set())
    methods = [call.method for call in transport.calls if call.method != "GET"]
    assert methods == ["PUT", "PUT", "PATCH", "PUT"]
