"""Every kind of fault, over a real socket."""

import json
import socket
import time
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

import pytest
import requests

ENTRY = [{"identifiers": {"custom_id": "u1"}, "attributes": {"a": 1}}]
SUCCESS = {"code": "SUCCESS"}


def raw(server: Any, seconds: float = 2.0, body: Any = ENTRY) -> tuple[bytes, str]:
    """Send a call and return all bytes that came, and how the connection ended."""
    content = json.dumps(body).encode()
    head = (
        "POST /2.11/profiles/update HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
        "x-batch-project: p\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(head.encode() + content)
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                chunk = connection.recv(65536)
                if not chunk:
                    return received, "closed"
                received += chunk
        except ConnectionResetError:
            return received, "reset"
        except TimeoutError:
            pass
    return received, "open"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"status": 502, "body": "<h1>Bad gateway</h1>"}, 502, b"<h1>Bad gateway</h1>"),
        ({"status": 202, "body": ""}, 202, b""),
        ({"status": 202, "body": '{"code": "SUCC'}, 202, b'{"code": "SUCC'),
        ({"status": 202, "json": None}, 202, b"null"),
        ({"status": 202, "json": [1]}, 202, b"[1]"),
        ({"status": 202, "json": {"code": "PERHAPS"}}, 202, b'{"code":"PERHAPS"}'),
        ({"status": 204}, 204, b""),
        ({}, 200, b""),
    ],
)
def test_a_literal_answer_is_sent_unchanged(
    server: Any, answer: dict[str, Any], status: int, body: bytes
) -> None:
    server.script({"do": {"answer": answer}})
    response = server.update(ENTRY)
    assert (response.status_code, response.content) == (status, body)
    assert server.get("summary")["profiles"] == 0


def test_a_literal_answer_has_the_headers_of_the_script(server: Any) -> None:
    server.script({"do": {"answer": {"status": 503, "headers": {"Content-Type": "text/html"}}}})
    assert server.update(ENTRY).headers["content-type"] == "text/html"


def test_an_answer_can_be_cut_in_the_middle_of_its_body(server: Any) -> None:
    server.script({"do": {"answer": {"status": 202, "json": SUCCESS, "cut": 5}}})
    received, end = raw(server)
    assert received.endswith(b'\r\n\r\n{"cod')
    assert b"content-length: 18" in received
    assert end == "closed"


@pytest.mark.parametrize("lie", [{"answer": {"status": 500}}, "reset", "close"])
def test_accept_then_applies_the_request_and_denies_it(server: Any, lie: Any) -> None:
    server.script({"do": {"accept_then": lie}})
    received, _end = raw(server, seconds=0.4)
    assert not received.startswith(b"HTTP/1.1 202")
    assert server.get("profiles/u1")["attributes"] == {"a": 1}
    row = server.get("requests")["requests"][-1]
    assert (row["applied"], row["fault"]) == (True, "accept_then")


@pytest.mark.parametrize(("do", "end"), [("reset", "reset"), ("close", "closed")])
def test_the_connection_ends_without_a_byte(server: Any, do: str, end: str) -> None:
    server.script({"do": do})
    assert raw(server) == (b"", end)
    row = server.get("requests")["requests"][-1]
    assert (row["status"], row["applied"], row["fault"]) == (0, False, do)


def test_a_delay_affects_only_its_own_request(server: Any) -> None:
    server.script({"match": {"contains_id": "slow"}, "do": {"delay": 30}})
    slow = [{"identifiers": {"custom_id": "slow"}}]
    with pytest.raises(requests.ReadTimeout):
        server.call("POST", "/2.11/profiles/update", slow, timeout=0.2)
    assert server.update(ENTRY).json() == SUCCESS
    assert server.get("summary")["requests"]["in_flight"] == 1


def test_a_delayed_request_is_answered_as_usual(server: Any) -> None:
    server.script({"do": {"delay": 0.2}})
    began = time.monotonic()
    assert server.update(ENTRY).json() == SUCCESS
    assert time.monotonic() - began >= 0.2


def test_a_delay_can_end_in_another_fault(server: Any) -> None:
    server.script({"do": {"delay": {"seconds": 0.1, "then": {"answer": {"status": 504}}}}})
    assert server.update(ENTRY).status_code == 504


def test_a_trickling_body_never_ends(server: Any) -> None:
    server.script({"do": {"trickle": 0.02}})
    received, end = raw(server, seconds=0.5)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202")
    assert body.count(b" ") > 3
    assert end == "open"


def test_trickling_headers_never_end(server: Any) -> None:
    server.script({"do": {"trickle_headers": {"interval": 0.002}}})
    received, end = raw(server, seconds=0.5)
    assert received.startswith(b"HTTP/1.1 202 Slow\r\nx-slow: 1\r\n")
    assert b"\r\n\r\n" not in received
    assert end == "open"


def test_an_endless_fault_stops_when_the_client_disconnects(server: Any) -> None:
    server.script({"do": {"trickle": 0.01}}, {"do": "close"})
    raw(server, seconds=0.1)
    deadline = time.monotonic() + 3
    while server.get("summary")["requests"]["in_flight"]:
        assert time.monotonic() < deadline
    assert server.get("requests")["requests"][-1]["fault"] == "trickle"


def test_a_huge_body_has_the_size_of_the_script(server: Any) -> None:
    server.script({"do": {"huge": 3_000_000}})
    assert len(server.update(ENTRY).content) == 3_000_000


def test_an_endless_body_goes_on_until_the_client_disconnects(server: Any) -> None:
    server.script({"do": {"huge": {}}})
    with server.call("POST", "/2.11/profiles/update", ENTRY, stream=True) as response:
        chunks = islice(response.iter_content(65536), 200)
        assert sum(map(len, chunks)) > 1e7


def test_a_gzip_bomb_is_small_until_it_is_unpacked(server: Any) -> None:
    server.script({"do": {"gzip_bomb": 20_000_000}})
    response = server.update(ENTRY)
    assert int(response.headers["content-length"]) < 50_000
    assert len(response.content) == 20_000_000


def test_a_redirect_points_where_the_script_says(server: Any) -> None:
    server.script({"do": {"redirect": {"to": "http://127.0.0.2:9/x", "status": 308}}})
    response = server.update(ENTRY)
    assert (response.status_code, response.headers["location"]) == (308, "http://127.0.0.2:9/x")


def test_scripted_partial_errors_are_literal_and_entries_they_name_not_applied(server: Any) -> None:
    errors = [
        {"category": "x", "bulk_index": 0, "reason": "no"},
        {"category": "x", "bulk_index": 1, "reason": "no", "attribute": "a"},
        {"category": "x", "bulk_index": 99, "reason": "there is no such entry"},
    ]
    server.script({"do": {"partial_errors": errors}})
    entries = [{"identifiers": {"custom_id": name}, "attributes": {"a": 1, "b": 2}} for name in "xyz"]
    response = server.update(entries)
    assert response.json() == {"code": "SUCCESS_WITH_PARTIAL_ERRORS", "errors": errors}
    assert server.call("GET", "/_/profiles/x").status_code == 404
    assert server.get("profiles/y")["attributes"] == {"b": 2}
    assert server.get("profiles/z")["attributes"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(("value", "header"), [(3, "3"), (0.5, "0.5"), ("soon", "soon")])
def test_retry_after_is_written_as_the_script_says(server: Any, value: Any, header: str) -> None:
    server.script({"do": {"retry_after": value}})
    response = server.update(ENTRY)
    assert (response.status_code, response.headers["retry-after"]) == (429, header)
    assert response.json()["error_code"] == "TOO_MANY_REQUESTS"


def test_retry_after_can_be_a_date_ahead_and_come_with_another_status(server: Any) -> None:
    server.script({"do": {"retry_after": {"value": "+30", "status": 503}}})
    response = server.update(ENTRY)
    moment = parsedate_to_datetime(response.headers["retry-after"])
    assert response.status_code == 503
    assert 25 < moment.timestamp() - time.time() < 31


def test_refused_ids_make_the_whole_call_fail_and_others_pass(server: Any) -> None:
    server.script({"do": {"refuse_ids": ["u1"]}})
    other = [{"identifiers": {"custom_id": "u2"}}]
    assert server.update([*other, *ENTRY]).status_code == 400
    assert server.update(other).status_code == 202
    assert server.get("summary")["profiles"] == 1


def test_refused_ids_are_found_among_the_members_of_an_audience(server: Any) -> None:
    server.script({"do": {"refuse_ids": ["u1"]}})
    server.project("POST", "create", {"name": "a", "type": "custom_ids", "display_name": "A"})
    body = {"name": "a", "ids": [{"action": "add", "id": "u1"}]}
    assert server.project("POST", "update", body).status_code == 400


def test_a_body_above_the_scripted_size_is_answered_413(server: Any) -> None:
    server.script({"do": {"max_body": 100}})
    assert server.update(ENTRY).status_code == 202
    assert server.update([{**ENTRY[0], "attributes": {"a": "x" * 100}}]).status_code == 413


def test_faults_come_before_keys_and_never_touch_the_inspection(server: Any) -> None:
    server.script({"do": {"answer": {"status": 503}}})
    assert server.call("POST", "/2.11/profiles/update", ENTRY).status_code == 503
    assert server.call("GET", "/_/summary").status_code == 200
