"""Open points of the documentation: each value of a reading changes the answers of the local Batch."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from target_batch.sandbox.answers import Answer
from target_batch.sandbox.batch import LocalBatch, Options
from target_batch.sandbox.command import sandbox
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.gateway import respond
from target_batch.sandbox.readings import READINGS, SECTIONS, ReadingError, Readings, parse_readings

HEADERS = [
    (b"authorization", b"Bearer k"),
    (b"x-batch-project", b"p"),
    (b"x-authorization", b"k"),
    (b"content-type", b"application/json"),
]
OLD, NEW = "/1.0/K/custom-audience", "/1.1/K/custom-audience"
DATE = "2024-01-01T00:00:00Z"
ERASURE = {"request_type": "remove", "id": {"type": "custom_id", "value": "u1"}}
LATE = [{"identifiers": {"custom_id": "u1"}, "events": [{"name": "e", "time": DATE}]}]


class Caller(NamedTuple):
    """A local Batch that is called without a socket."""

    batch: LocalBatch

    def answer(self, method: str, path: str, body: Any = None) -> Answer:
        path, _, query = path.partition("?")
        content = b"" if body is None else json.dumps(body).encode()
        clock = self.batch.clock
        exchange = Exchange(1, method, path, query.encode(), HEADERS, clock.wall(), clock.steady(), content)
        return respond(self.batch, exchange)

    def status(self, method: str, path: str, body: Any = None) -> int:
        return self.answer(method, path, body).status

    def content(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.answer(method, path, body).body)

    def update(self, *entries: Any) -> Any:
        return self.content("POST", "/2.11/profiles/update", list(entries))

    def attributes(self, custom_id: str) -> Any:
        found = self.batch.profiles.detail(custom_id, 0)
        return found and found["attributes"]

    def create(self, name: str = "vip") -> Answer:
        body = {"name": name, "display_name": name, "type": "custom_ids"}
        return self.answer("POST", "/2.11/audiences/create", body)

    def add(self) -> Answer:
        members = [{"action": "add", "id": "u1"}]
        return self.answer("POST", "/2.11/audiences/update", {"name": "vip", "ids": members})

    def view(self) -> Any:
        return self.content("GET", "/2.11/audiences/view?name=vip")


def entry(custom_id: Any = "u1", **more: Any) -> dict[str, Any]:
    return {"identifiers": {"custom_id": custom_id}, **more}


def numbers(call: Caller) -> Any:
    call.create()
    errors = call.update(*LATE)["errors"]
    listed = call.content("GET", "/2.11/audiences/list")
    return errors[0]["bulk_index"], call.view()["nb_ids"], listed["count"], listed["has_more"]


def keys(call: Caller) -> Any:
    call.create()
    error = call.update(*LATE)["errors"][0]
    listed = call.content("GET", "/2.11/audiences/list")
    return len(error), len(call.view()), len(listed), len(listed["audiences"][0])


def app_keys(call: Caller) -> Any:
    call.answer("POST", f"{OLD}/vip", {"type": "custom_ids"})
    return len(call.content("GET", OLD)["custom_audiences"][0]), len(call.content("GET", f"{OLD}/vip"))


def tokens(call: Caller) -> Any:
    return call.create().body != b"{}", call.add().body != b"{}"


def retry_after(call: Caller) -> Any:
    call.batch.rates.enforced = True
    answers = [call.answer("GET", "/2.11/audiences/list") for _ in range(2)]
    return answers[1].status, dict(answers[1].headers).get(b"retry-after")


def bad_entry(call: Caller) -> Any:
    good = entry("u1", attributes={"a": 1})
    shape = call.answer("POST", "/2.11/profiles/update", [good, entry(7)])
    rule = call.answer("POST", "/2.11/profiles/update", [good, entry("null")])
    known = call.attributes("u1")
    return shape.status, rule.status, known


def refused_attribute(call: Caller) -> Any:
    errors = call.update(entry(attributes={"a": "", "b": 1}, events=LATE[0]["events"]))["errors"]
    assert call.attributes("u1") == {"b": 1}
    return tuple(error.get("attribute") for error in errors)


def refused_event(call: Caller) -> Any:
    """One event is late, and an attribute of the other one is wrong."""
    now = datetime.now(timezone.utc).isoformat()
    wrong = [{"name": "e", "time": now, "attributes": {"at_fault": ""}}]
    errors = call.update(entry(events=[*LATE[0]["events"], *wrong]))["errors"]
    return tuple(error.get("attribute") for error in errors)


def repeated_id(call: Caller) -> Any:
    call.update(entry("u1", attributes={"a": 1}), entry("u1", attributes={"a": 2}))
    return call.attributes("u1")


def repeated_name(call: Caller) -> Any:
    call.update(entry("u1", attributes={"a": "x", "date(a)": DATE}))
    return call.attributes("u1")


def last_page(call: Caller) -> Any:
    call.create()
    listed = call.content("GET", "/2.11/audiences/list")
    assert listed["has_more"] is False
    found = listed.get("next_from", "absent")
    if found not in {None, "absent"}:
        return call.content("GET", f"/2.11/audiences/list?from={found}")["audiences"]
    return found


def pending_state(call: Caller) -> Any:
    call.batch.options.index_seconds = 600
    call.create()
    return call.view()["indexing_state"]


def existing(call: Caller) -> Any:
    call.create()
    call.add()
    call.answer("POST", f"{OLD}/vip", {"type": "custom_ids"})
    again = call.create().status, call.status("POST", f"{OLD}/vip", {"type": "custom_ids"})
    assert call.view()["nb_ids"] == 1
    return again


def unknown(call: Caller) -> Any:
    view = call.status("GET", "/2.11/audiences/view?name=vip")
    remove = call.status("POST", "/2.11/audiences/remove", {"name": "vip"})
    return view, call.add().status, remove, call.status("GET", f"{OLD}/vip")


def empty_replace(call: Caller) -> Any:
    call.create()
    call.add()
    call.answer("POST", f"{OLD}/vip", {"type": "custom_ids"})
    app = call.status("PUT", f"{OLD}/vip", {"type": "custom_ids", "ids": []})
    project = call.status("POST", "/2.11/audiences/replace", {"name": "vip", "ids": []})
    assert call.status("POST", "/2.11/audiences/update", {"name": "vip", "ids": []}) == 400
    return app, project, call.view()["nb_ids"]


def app_change(call: Caller) -> Any:
    call.answer("POST", f"{OLD}/vip", {"type": "custom_ids"})
    update = {"type": "custom_ids", "ids": [{"action": "add", "id": "u1"}]}
    replace = {"type": "custom_ids", "ids": [{"id": "u1"}]}
    answers = [
        call.answer("PATCH", f"{OLD}/vip", update),
        call.answer("PUT", f"{OLD}/vip", replace),
    ]
    shown = {b"": None, b"{}": False, b"OK": "OK"}
    (found,) = {(answer.status, shown.get(answer.body, True)) for answer in answers}
    return found


def install_creation(call: Caller) -> Any:
    old = call.status("POST", f"{OLD}/people", {"type": "custom_ids"})
    return old, call.status("POST", f"{NEW}/vip", {"type": "install_ids"}), call.status("GET", f"{NEW}/vip")


def old_replace(call: Caller) -> Any:
    call.answer("POST", f"{OLD}/vip", {"type": "custom_ids"})
    call.answer("POST", f"{NEW}/devices", {"type": "install_ids"})
    members = {"ids": [{"id": "u1"}]}
    new = call.status("PUT", f"{NEW}/devices", members)
    old = call.status("PUT", f"{OLD}/vip", {"type": "custom_ids", **members})
    return new, old, call.content("GET", f"{OLD}/vip")["nb_ids"]


def unknown_person(call: Caller) -> Any:
    unknown = call.status("POST", "/1.0/K/gdpr/request", ERASURE)
    call.update(entry("u1", attributes={"a": 1}))
    return unknown, [call.status("POST", f"/1.0/{app}/gdpr/request", ERASURE) for app in ("A", "B")]


def erasure_id(call: Caller) -> Any:
    answer = call.answer("POST", "/1.0/K/gdpr/request", ERASURE)
    return list(json.loads(answer.body)) if answer.body[:1] == b"{" else (answer.status, answer.body)


def app_member_dates(call: Caller) -> Any:
    call.answer("POST", f"{NEW}/vip", {"type": "install_ids"})
    members = [{"action": "add", "id": "i1", "attributes": {"date(a)": date}} for date in (DATE, DATE[:-1])]
    return [call.status("PATCH", f"{NEW}/vip", {"ids": [member]}) for member in members]


def export_absent(call: Caller) -> Any:
    return exported(call, {"a": 1}, ["a", "b"])


def export_values(call: Caller) -> Any:
    return exported(call, {"a": 1, "b": True, "c": "x", "date(d)": DATE, "e": 1.5}, ["a", "b", "c", "d", "e"])


def exported(call: Caller, attributes: dict[str, Any], names: list[str]) -> Any:
    call.update(entry(attributes=attributes))
    body = {"export_type": "ATTRIBUTES", "attributes": names, "identifiers": ["custom_id"]}
    export = call.content("POST", "/2.11/profiles/export", body)["id"]
    (file,) = call.content("GET", f"/2.11/exports/view?id={export}")["files"]
    answer = call.answer("GET", f"/2.11/exports/download?id={file['id']}")
    token = dict(answer.headers)[b"location"].decode().rpartition("/")[2]
    return json.loads(call.batch.exports.content(token, call.batch.clock.steady()) or b"")["attributes"]


class Probe(NamedTuple):
    """A function that asks, and its result under each value of a reading."""

    ask: Callable[[Caller], Any]
    found: dict[str, Any]


PROBES = {
    "accepted_status": Probe(
        lambda call: (call.status("POST", "/2.11/profiles/update", [entry()]), call.create().status),
        {"202": (202, 202), "200": (200, 200), "201": (201, 201)},
    ),
    "numbers": Probe(numbers, {"number": (0, 0, 1, False), "text": ("0", "0", "1", False)}),
    "extra_keys": Probe(keys, {"absent": (4, 7, 3, 7), "present": (5, 8, 4, 8)}),
    "optional_keys": Probe(
        lambda call: (keys(call), app_keys(call)),
        {"present": ((4, 7, 3, 7), (6, 7)), "absent": ((3, 2, 3, 2), (1, 2))},
    ),
    "indexing_token": Probe(tokens, {"present": (True, True), "absent": (False, False)}),
    "retry_after": Probe(retry_after, {"absent": (429, None), "seconds": (429, b"1")}),
    "app_errors": Probe(
        lambda call: (set(call.content("GET", f"{OLD}/vip")), set(json.loads(call.add().body))),
        {
            "error_code": ({"error_code", "error_message"}, {"error_code", "error_message"}),
            "code": ({"code", "message"}, {"error_code", "error_message"}),
        },
    ),
    "bad_entry": Probe(
        bad_entry,
        {
            "mixed": (400, 202, {"a": 1}),
            "call": (400, 400, None),
            "partial_error": (202, 202, {"a": 1}),
        },
    ),
    "refused_attribute": Probe(refused_attribute, {"named": ("a", "e"), "unnamed": (None, "e")}),
    "refused_event": Probe(
        refused_event, {"named": ("e", "e"), "property": ("e", "at_fault"), "unnamed": (None, None)}
    ),
    "event_without_time": Probe(
        lambda call: call.update(entry(events=[{"name": "e"}]))["code"],
        {"arrival": "SUCCESS", "refused": "SUCCESS_WITH_PARTIAL_ERRORS"},
    ),
    "repeated_id": Probe(repeated_id, {"refused": None, "applied": {"a": 2}}),
    "repeated_name": Probe(repeated_name, {"refused": {}, "last_wins": {"a": DATE}}),
    "list_count": Probe(
        lambda call: call.content("GET", "/2.11/audiences/list").get("count"),
        {"present": 0, "absent": None},
    ),
    "last_page": Probe(last_page, {"absent": "absent", "null": None, "cursor": []}),
    "pending_state": Probe(pending_state, {"IN_PROGRESS": "IN_PROGRESS", "IN_PROCESS": "IN_PROCESS"}),
    "existing_audience": Probe(
        existing, {"400": (400, 400), "403": (403, 403), "409": (409, 409), "accepted": (202, 200)}
    ),
    "unknown_audience": Probe(
        unknown,
        {"by_route": (404, 400, 400, 404), "400": (400,) * 4, "404": (404,) * 4},
    ),
    "empty_replace": Probe(empty_replace, {"refused": (400, 400, 1), "accepted": (202, 202, 0)}),
    "install_creation": Probe(install_creation, {"accepted": (200, 200, 200), "refused": (200, 400, 404)}),
    "old_replace": Probe(
        old_replace,
        {
            "accepted": (202, 202, 1),
            **{status: (202, int(status), 0) for status in ("400", "404", "405")},
        },
    ),
    "app_change": Probe(
        app_change,
        {
            "202_with_token": (202, True),
            "200_with_token": (200, True),
            "202_without_token": (202, False),
            "200_without_token": (200, False),
            "202_without_body": (202, None),
            "204_without_body": (204, None),
            "200_with_text": (200, "OK"),
        },
    ),
    "app_member_dates": Probe(app_member_dates, {"without_zone": [400, 202], "any": [202, 202]}),
    "unknown_person": Probe(
        unknown_person,
        {"accepted": (200, [200, 200]), "400": (400, [200, 200]), "404": (404, [200, 200])},
    ),
    "erasure_id": Probe(
        erasure_id,
        {
            "id": ["id"],
            "request_id": ["request_id"],
            "absent": [],
            "no_body": (204, b""),
            "text": (200, b"OK"),
            "null": (200, b"null"),
        },
    ),
    "export_absent": Probe(export_absent, {"absent": {"a": 1}, "null": {"a": 1, "b": None}}),
    "export_values": Probe(
        export_values,
        {
            "typed": {"a": 1, "b": True, "c": "x", "d": DATE, "e": 1.5},
            "text": {"a": "1", "b": "true", "c": "x", "d": DATE[:-1], "e": "1.5"},
        },
    ),
}


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_each_value_of_a_reading_changes_what_is_answered(reading: Any) -> None:
    probe = PROBES[reading.name]
    assert probe.found.keys() == reading.values.keys()
    found = []
    for value, expected in probe.found.items():
        options = Options(rates=False, readings=Readings({reading.name: value}))
        answer = probe.ask(Caller(LocalBatch(options)))
        assert answer == expected, value
        assert answer not in found
        found.append(answer)
    assert len(found) > 1


def test_every_reading_names_its_section_and_its_meaning() -> None:
    assert len({reading.name for reading in READINGS}) == len(READINGS)
    assert PROBES.keys() == {reading.name for reading in READINGS}
    for reading in READINGS:
        assert set(reading.page.split(", ")) <= SECTIONS.keys()
        assert reading.about
        assert all(reading.values.values())


def test_readings_do_not_change_scripted_errors() -> None:
    call = Caller(LocalBatch(Options(readings=Readings({"numbers": "text", "extra_keys": "present"}))))
    body = json.dumps([entry()]).encode()
    exchange = Exchange(1, "POST", "/2.11/profiles/update", b"", HEADERS, 0.0, 0.0, body)
    exchange.scripted = [{"bulk_index": 0}]
    assert json.loads(respond(call.batch, exchange).body)["errors"] == [{"bulk_index": 0}]


@pytest.mark.parametrize("key", ["no_body", "text", "null"])
def test_other_readings_do_not_change_an_answer_that_is_not_an_object(key: str) -> None:
    others = {"numbers": "text", "extra_keys": "present", "app_errors": "code", "erasure_id": key}
    call = Caller(LocalBatch(Options(readings=Readings(others))))
    answer = call.answer("POST", "/1.0/K/gdpr/request", ERASURE)
    assert answer.body == {"no_body": b"", "text": b"OK", "null": b"null"}[key]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["numbers"], "NAME=VALUE"),
        (["speed=high"], "not a reading"),
        (["numbers=roman"], "number, text"),
        (["numbers=text", "numbers="], "number, text"),
    ],
)
def test_an_unknown_reading_is_refused(texts: list[str], reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        parse_readings(texts)


def test_the_last_value_of_a_reading_counts() -> None:
    assert parse_readings(["numbers=number", "numbers=text"]).deviating() == {"numbers": "text"}


def test_the_help_lists_every_reading_with_its_values() -> None:
    printed = CliRunner().invoke(sandbox, ["--help"]).output
    for reading in READINGS:
        assert f"{reading.name}: " in printed
        assert all(f"{value}: " in printed for value in reading.values)


def test_the_command_takes_readings(start: Any) -> None:
    server = start("--reading", "numbers=text", "--reading", "list_count=absent")
    chosen = Readings({"numbers": "text", "list_count": "absent"})
    assert server.get("settings")["readings"] == chosen.show()


def test_the_command_refuses_an_unknown_reading() -> None:
    command = [sys.executable, "-m", "target_batch.sandbox", "--reading", "numbers=roman"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "--reading" in done.stderr
