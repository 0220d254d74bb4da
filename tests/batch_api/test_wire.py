"""Every request has the form that Batch documents, and every documented answer is understood.

Real runs against the local Batch are recorded on the wire and compared with the files of `tests/wire`, in
both directions: a route without a file fails, and so does a file without a route.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from local_batch import LocalBatch
from relay import Relay
from singer import BOOLEAN, DATE_TIME, INTEGER, STRING, record, schema, state, users
from target_process import KEY, PROJECT, start_warm
from wire import documented, goldens

from target_batch.batch_api.answers import (
    Accepted,
    Answer,
    Denied,
    Failure,
    Malformed,
    Misrouted,
    Retry,
    Undocumented,
    classify_bulk,
    classify_creation,
    classify_document,
    classify_write,
)
from target_batch.batch_api.audiences import AppAudiences, ProjectAudiences
from target_batch.batch_api.endpoints import MASS_UPDATE, UPDATE, App, Project
from target_batch.batch_api.people import classify_download, classify_request, classify_view
from target_batch.common.redaction import Secret
from tests.audiences.cohorts import DONE, Loader, cohort, head, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from relay import Sent
    from wire import Golden

    from target_batch.batch_api.answers import Verdict
    from target_batch.batch_api.transport import Call

GOLDENS = goldens()
APP = "wire-app-key"
PROJECT_PLATFORM = ProjectAudiences(Project(Secret(KEY), PROJECT, "2.11"))
APP_PLATFORMS = [
    AppAudiences(App(Secret(KEY), Secret(APP)), id_type) for id_type in ("custom_ids", "install_ids")
]

NOT_CALLED = {
    "audiences-remove": "a mirror empties an audience, it deletes none",
    "app-remove-1.0": "the same",
    "app-remove-1.1": "the same",
    "profiles-update-installation": "every profile has a custom ID",
    "app-erasure": "an erasure is requested once and written down; its state is for people to look at",
}
"""Documented requests that the client never makes, and why."""

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "list_call": (),
    "create_call": ("vip", "Our VIPs"),
    "change_call": ("vip", [b'{"action":"add","id":"u1"}']),
    "replace_call": ("vip", [b'{"id":"u1"}']),
    "view_call": ("vip", "token"),
}


def profiles() -> list[list[str]]:
    """Return streams of users with attributes of all kinds, of events, and of both."""
    now = datetime.now(timezone.utc).isoformat()
    properties = {"user_id": STRING, "email": STRING, "seat": INTEGER, "vip": BOOLEAN, "born": DATE_TIME}
    event = {"user_id": STRING, "event": STRING, "time": DATE_TIME, "price": {"type": "number"}}
    people = [
        schema("users", properties),
        record("users", user_id="u1", email="a@example.com", seat=1, vip=True, born="1989-07-20T00:00:00Z"),
        record("users", user_id="u2", email=None, seat=None),
    ]
    purchases = [
        schema("events", event),
        record("events", user_id="u1", event="bought", time=now, price=3.99),
    ]
    return [people, purchases, people + purchases]


def deleted() -> list[str]:
    """Return a stream of a user who is deleted at the source."""
    properties = {"user_id": STRING, "_sdc_deleted_at": DATE_TIME}
    gone = record("users", user_id="u9", _sdc_deleted_at="2026-01-01T00:00:00Z")
    return [schema("users", properties), gone, state(DONE)]


def changes() -> list[str]:
    """Return a stream that adds members with attributes and removes one."""
    return [
        head("cohort", "action", "label", "interests", "since"),
        *rows(["u1", "u2"], action="add", label="gold", interests=["books"], since="2012-08-12T22:30:05Z"),
        *rows(["u3"], action="remove"),
        state(DONE),
    ]


def fill_lists(batch: LocalBatch) -> None:
    """Create more audiences than a page of the list holds, on both platforms."""
    with requests.Session() as session:
        session.trust_env = False
        for number in range(101):
            name, body = f"old-{number}", {"type": "custom_ids"}
            headers = {"Authorization": f"Bearer {KEY}", "X-Batch-Project": PROJECT}
            created = session.post(
                f"{batch.url}/2.11/audiences/create",
                json={"name": name, "display_name": name, **body},
                headers=headers,
                timeout=10,
            )
            assert created.ok, created.text
            url = f"{batch.url}/1.0/{APP}/custom-audience/{name}"
            created = session.post(url, json=body, headers={"X-Authorization": KEY}, timeout=10)
            assert created.ok, created.text


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sent]]:
    """Every request of runs that use all features of the client."""
    folder = tmp_path_factory.mktemp("wire")
    with LocalBatch(folder, "--no-rates") as batch, Relay(batch.url) as relay:
        fill_lists(batch)
        loader = Loader(batch, folder, {"api_url": relay.url, "app_api_keys": [APP]})
        carried = {"label": "label", "since": "date(since)"}
        app = {"destination": "app", "id_type": "custom_ids"}
        install = {
            "destination": "app",
            "id_type": "install_ids",
            "attributes": carried,
            "tags": "interests",
        }
        runs: list[tuple[list[str], dict[str, Any]]] = [
            *((lines, {"profile_endpoint": "update"}) for lines in profiles()),
            (users(1, 20), {"profile_endpoint": "mass_update"}),
            (changes(), {"streams": {"cohort": {"audience": "vip", "attributes": carried}}}),
            (changes(), {"streams": {"cohort": {"audience": "vip", **app}}}),
            (changes(), {"streams": {"cohort": {"audience": "devices", **install}}}),
            (deleted(), {"streams": {"users": {"on_delete": "erase"}}, "confirm_erasures": True}),
        ]
        for ids in (["u1", "u2", "u4"], ["u1", "u4", "u5"]):
            runs += [
                (cohort(ids), {"streams": {"cohort": {"audience": name, "mode": "mirror", **options}}})
                for name, options in (("vip", {}), ("vip", app), ("devices", {**install, "tags": None}))
            ]
        for lines, settings in runs:
            found = loader.run(lines, **settings)
            assert found.code == 0, found.log
        checked = start_warm(loader.config(), command=["check"])
        assert checked.communicate(timeout=60)[1] == b""
        assert checked.returncode == 0
        sample = folder / "sample.singer"
        sample.write_text("\n".join(users(1, 3)))
        verified = start_warm(loader.config(), "--sample", str(sample), command=["verify"])
        verified.communicate(timeout=60)
        assert verified.returncode in {0, 1}
        yield relay.requests()


def test_every_request_is_documented(sent: list[Sent]) -> None:
    assert len(sent) > 20
    for request in sent:
        if request.url.startswith("/storage/"):  # a link to a file, which is not part of the API
            continue
        assert documented(*request), (request.method, request.url, request.body)


def test_only_documented_headers_are_sent(sent: list[Sent]) -> None:
    """Headers are those of the golden files and those that HTTP itself needs."""
    free = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}
    keys = {"authorization", "x-authorization", "x-batch-project", "content-type"}
    for request in sent:
        assert {name.lower() for name in request.headers} <= free | keys
        assert request.headers["Accept-Encoding"] == "identity"


def _is_for_the_client(golden: Golden) -> bool:
    return (
        golden.answer["status"] < 300
        and not (golden.reading or golden.scripted)
        and golden.name not in NOT_CALLED
    )


@pytest.mark.parametrize("name", [name for name, golden in GOLDENS.items() if _is_for_the_client(golden)])
def test_every_documented_request_is_made(sent: list[Sent], name: str) -> None:
    assert [request for request in sent if not GOLDENS[name].request_differences(*request)]


def test_the_requests_that_are_not_made_are_documented() -> None:
    assert NOT_CALLED.keys() <= GOLDENS.keys()


def calls() -> Iterator[tuple[str, Call]]:
    """Yield every call that the client can make."""
    for endpoint in (UPDATE, MASS_UPDATE):
        yield endpoint.route, Project(Secret(KEY), PROJECT, "2.11").post(endpoint.route, b"[]")
    for number, platform in enumerate((PROJECT_PLATFORM, *APP_PLATFORMS)):
        makers = [name for name in dir(platform) if name.endswith("_call")]
        for name in makers:
            yield f"{name} {number}", getattr(platform, name)(*ARGUMENTS[name])


@pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in calls()])
def test_every_route_of_the_client_has_a_file_and_was_recorded(sent: list[Sent], call: Call) -> None:
    files = [golden for golden in GOLDENS.values() if golden.is_about(call.method, call.path)]
    assert files
    paths = [(request.method, request.url.partition("?")[0]) for request in sent]
    assert any(golden.is_about(*path) for path in paths for golden in files)


def test_a_run_lists_the_audiences_at_most_once(sent: list[Sent]) -> None:
    """101 audiences need several pages; each run that needs the list requests its first page once."""
    pages = Counter(request.url for request in sent if "/audiences/list" in request.url)
    runs_with_the_list = 3
    assert pages["/2.11/audiences/list?limit=100"] == runs_with_the_list


OF_PEOPLE: dict[str, Callable[[Answer], Verdict]] = {
    "/profiles/export": classify_request,
    "/exports/view": classify_view,
    "/exports/download": classify_download,
    "/1.0/APP_KEY/gdpr/request": classify_write,
    "/1.0/APP_KEY/gdpr/request/REQUEST_ID": classify_write,
}


def classifier(golden: Golden) -> Callable[[Answer], Verdict]:
    """Return the function that classifies the answer of a golden file."""
    ending = golden.request["path"].removeprefix("/VERSION")
    return OF_PEOPLE.get(ending) or _of_writes_and_lists(golden)


def _of_writes_and_lists(golden: Golden) -> Callable[[Answer], Verdict]:
    method, path = golden.request["method"], golden.request["path"]
    is_app = "custom-audience" in path
    if "/profiles/" in path:
        return partial(classify_bulk, entries=len(golden.request["body"]))
    if path.endswith("/create") or (is_app and method == "POST"):
        return classify_creation
    if path.endswith("/list"):
        return PROJECT_PLATFORM.classify_list
    if path.endswith("/custom-audience"):
        return APP_PLATFORMS[0].classify_list
    if method == "GET":
        return lambda answer: classify_document(answer, "indexing_state")
    return classify_write


FAILURES: dict[int, tuple[type[Failure], ...]] = {
    400: (Malformed,),
    401: (Denied,),
    403: (Denied, Undocumented),
    404: (Misrouted,),
    409: (Undocumented,),
    429: (Retry,),
    500: (Retry,),
    503: (Retry,),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_every_documented_answer_is_understood(name: str) -> None:
    golden = GOLDENS[name]
    status, body = golden.answer["status"], golden.answer.get("body", {})
    raw = json.dumps(body).encode() if "body" in golden.answer else b""
    headers = {**golden.answer["headers"], "Content-Length": str(len(raw))}
    verdict = classifier(golden)(Answer(status, headers, raw))
    if status == 307:
        assert isinstance(verdict, Accepted)
        assert verdict.document == {"location": golden.answer["headers"]["Location"]}
        return
    if status >= 300:
        assert isinstance(verdict, FAILURES[status])
        assert (verdict.status, verdict.code) == (status, body["error_code"])
        return
    assert isinstance(verdict, Accepted)
    assert verdict.document.items() >= body.items()
    found = {
        (index, refusal.attribute, refusal.category, refusal.reason)
        for index, refusals in verdict.refusals.items()
        for refusal in refusals
    }
    assert found == {
        (error["bulk_index"], error.get("attribute"), error.get("category"), error["reason"])
        for error in body.get("errors", ())
    }


def test_the_pages_of_a_list_are_requested_as_documented() -> None:
    first, last = (GOLDENS[f"audiences-list-{name}"].answer["body"] for name in ("first-page", "next-page"))
    page = PROJECT_PLATFORM.page(first, None)
    assert page
    names, following = page
    assert (names, following) == ([audience["name"] for audience in first["audiences"]], first["next_from"])
    assert PROJECT_PLATFORM.list_call(following).query == {"from": first["next_from"], "limit": "100"}
    assert PROJECT_PLATFORM.page(last, following) == (["vip"], None)
