"""`target-batch verify` compares what Batch holds with what was sent, by a read-back that writes nothing."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from listener import closed_port
from singer import DATE_TIME, INTEGER, NUMBER, STRING, record, schema, state
from target_process import KEY, PROJECT, config_file, run

from target_batch.commands.readback import SampleComparison

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result
    from local_batch import LocalBatch

    from tests.commands.running import Command


@pytest.fixture(autouse=True)
def settings(batch: LocalBatch) -> Iterator[None]:
    """Exports that end at once, restored after a test that changed this."""
    yield
    batch.post("settings", {"export_seconds": 0})


ARRAY = {"type": ["array", "null"], "items": {"type": "string"}}
PROPERTIES = {
    "user_id": STRING,
    "email": STRING,
    "seat": INTEGER,
    "score": NUMBER,
    "born": DATE_TIME,
    "tags": ARRAY,
    "vip": {"type": ["boolean", "null"]},
}


def person(number: int, **other: Any) -> str:
    """One user with an attribute of each type."""
    held: dict[str, Any] = {
        "email": f"u{number}@example.com",
        "seat": number,
        "score": number + 0.1,
        "born": "1989-07-20T02:00:00.5+02:00",
        "tags": ["b", "a"],
        "vip": number % 2 == 0,
    }
    return record("users", user_id=f"u{number}", **(held | other))


def people(count: int = 3) -> list[str]:
    return [schema("users", PROPERTIES), *map(person, range(1, count + 1)), state({"seen": count})]


def verified(command: Command, folder: Path, lines: list[str], *flags: str) -> Result:
    """Verify a sample with the configuration of the last run."""
    (folder / "sample.singer").write_text("\n".join(lines))
    done = command("verify", "--config", "config.json", "--sample", "sample.singer", *flags)
    assert KEY not in done.output
    assert PROJECT not in done.output
    return done


def as_json(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["attribute"]: row for row in found["attributes"]}


def test_loaded_values_are_found_equal(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    """All types, whole arrays, later values and deletions are compared, and no request writes."""
    lines = [*people(), person(3, seat=30, email=None, tags={"$add": ["c"], "$remove": ["a"]})]
    lines.append(person(2, tags={"$remove": ["a", "b"]}))
    assert run(tmp_path, batch.url, lines).code == 0
    before = len(batch.journal())
    done = verified(command, tmp_path, lines, "--format", "json")
    assert done.exit_code == 0, done.output
    found = as_json(done)
    assert found["equal"] is True
    assert found["profiles"] == {"sent": 3, "missing": 0}
    assert {row["attribute"] for row in found["attributes"]} == {
        "$email_address", "seat", "score", "born", "tags", "vip",
    }  # fmt: skip
    assert all(row["equal"] == 3 for row in found["attributes"])
    assert len(batch.journal()) == before
    asked = [request["endpoint"] for request in batch.requests()][-3:]
    assert asked == ["profiles/export", "exports/view", "exports/download"]


def test_different_and_missing_values_are_counted_by_attribute(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """Custom IDs are shown only with `--ids`."""
    other = [schema("users", PROPERTIES), person(1), person(2, seat=99), person(3, email=None)]
    assert run(tmp_path, batch.url, other).code == 0
    done = verified(command, tmp_path, people(4))
    assert done.exit_code == 1
    assert "1 of 4 profiles not found" in " ".join(done.output.split())
    assert "u2" not in done.output
    found = as_json(verified(command, tmp_path, people(4), "--format", "json", "--ids"))
    assert found["profiles"] == {"sent": 4, "missing": 1, "custom_ids": ["u4"]}
    rows = by_name(found)
    seat, email = rows["seat"], rows["$email_address"]
    assert (seat["equal"], seat["different"], seat["missing"], seat["custom_ids"]) == (2, 1, 0, ["u2"])
    assert (email["equal"], email["different"], email["missing"], email["custom_ids"]) == (2, 0, 1, ["u3"])
    assert "u2" in verified(command, tmp_path, people(4), "--ids").output


def test_a_sample_with_more_records_than_are_compared_is_reported(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    """An equal first part does not prove an equal whole."""
    assert run(tmp_path, batch.url, people(3)).code == 0
    done = verified(command, tmp_path, people(3), "--records", "2", "--format", "json")
    assert as_json(done)["profiles"]["sent"] == 2
    assert "its first 2 records are compared" in done.stderr
    for whole in ("3", "0"):
        done = verified(command, tmp_path, people(3), "--records", whole, "--format", "json")
        assert as_json(done)["profiles"]["sent"] == 3
        assert "The sample is larger" not in done.output


def test_all_files_of_an_export_are_read(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    lines = people(2500)
    assert run(tmp_path, batch.url, lines, profile_endpoint="mass_update").code == 0
    done = verified(command, tmp_path, lines, "--format", "json")
    assert done.exit_code == 0, done.output
    assert as_json(done)["profiles"]["sent"] == 2500
    assert [request["endpoint"] for request in batch.requests()].count("exports/download") == 3


@pytest.mark.parametrize(
    "reading", [{"export_absent": "absent"}, {"export_absent": "null"}, {"export_values": "text"}], ids=str
)
def test_a_deleted_attribute_is_equal_to_a_null(
    command: Command, tmp_path: Path, batch: LocalBatch, reading: dict[str, str]
) -> None:
    batch.choose(**reading)
    lines = [*people(1), person(1, email=None)]
    assert run(tmp_path, batch.url, lines).code == 0
    assert verified(command, tmp_path, lines).exit_code == 0


def test_a_slow_export_is_waited_for(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    batch.post("settings", {"export_seconds": 3})
    assert run(tmp_path, batch.url, people()).code == 0
    done = verified(command, tmp_path, people())
    assert done.exit_code == 0, done.output
    assert any(state in done.output for state in ("CREATED", "PENDING", "RUNNING"))


def test_an_export_that_does_not_end_is_abandoned_after_a_while(
    command: Command, tmp_path: Path, batch: LocalBatch
) -> None:
    batch.post("settings", {"export_seconds": 3600})
    assert run(tmp_path, batch.url, people()).code == 0
    done = verified(command, tmp_path, people(), "--wait-seconds", "1")
    assert done.exit_code == 1
    assert "--wait-seconds" in done.output


class FileServer:
    """A file server that keeps the headers of its requests, and redirects to `further` if that is given."""

    def __init__(self, content: bytes, further: str = "") -> None:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(302 if further else 200)
                if further:
                    self.send_header("Location", further)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.seen = seen
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/part"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    made = FileServer(b'{"identifiers": {"custom_id": "u1"}, "attributes": {"seat": 1}}\n')
    yield made
    made.server.shutdown()
    made.server.server_close()


SEATS = [schema("users", {"user_id": STRING, "seat": INTEGER}), record("users", user_id="u1", seat=1)]


def test_no_key_follows_the_redirect_to_the_file(
    command: Command,
    tmp_path: Path,
    batch: LocalBatch,
    file_server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither Batch's keys nor the login that `.netrc` has for the other host are sent."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert run(tmp_path, batch.url, SEATS).code == 0
    batch.fault({"redirect": {"to": file_server.url, "status": 307}}, "*/exports/download")
    done = verified(command, tmp_path, SEATS)
    assert done.exit_code == 0, done.output
    (headers,) = file_server.seen
    assert headers.keys() <= {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_a_second_redirect_is_not_followed(
    command: Command, tmp_path: Path, batch: LocalBatch, file_server: FileServer
) -> None:
    redirecting = FileServer(b"", file_server.url)
    assert run(tmp_path, batch.url, SEATS).code == 0
    batch.fault({"redirect": {"to": redirecting.url, "status": 307}}, "*/exports/download")
    done = verified(command, tmp_path, SEATS)
    redirecting.server.shutdown()
    redirecting.server.server_close()
    assert done.exit_code == 1
    assert "answers 302" in done.output
    assert file_server.seen == []


@pytest.mark.parametrize(
    ("endpoint", "fault", "code", "message"),
    [
        ("profiles/export", {"answer": {"status": 401}}, 2, "Batch refuses the access (401"),
        ("profiles/export", {"answer": {"status": 202, "json": {"token": 1}}}, 1, "cannot be read"),
        ("profiles/export", {"answer": {"status": 400}}, 1, "cannot be read (400"),
        ("exports/view", {"answer": {"status": 200, "json": {"status": "ERROR"}}}, 1, "with an error"),
        ("exports/view", {"answer": {"status": 200, "json": {"status": "SUCCESS"}}}, 1, "without `files`"),
        ("exports/view", {"answer": {"status": 200, "body": "<html>"}}, 1, "cannot be read"),
        ("exports/download", {"answer": {"status": 200, "json": {}}}, 1, "no link to the file"),
        ("exports/download", {"redirect": {"to": "http://example.com/x", "status": 307}}, 1, "not an https"),
        ("exports/download", {"redirect": {"to": "ftp://127.0.0.1/x", "status": 307}}, 1, "not an https"),
        ("exports/download", {"answer": {"status": 404}}, 1, "cannot be read (404"),
    ],
)
def test_an_unexpected_answer_is_reported(
    command: Command,
    tmp_path: Path,
    batch: LocalBatch,
    endpoint: str,
    fault: dict[str, Any],
    code: int,
    message: str,
) -> None:
    assert run(tmp_path, batch.url, SEATS, max_retry_seconds=0.5).code == 0
    batch.fault(fault, f"*/{endpoint}")
    done = verified(command, tmp_path, SEATS)
    assert (done.exit_code, type(done.exception)) == (code, SystemExit), done.output
    assert message in done.output


@pytest.mark.parametrize("content", [b"not JSON\n", b"[]\n", b'{"identifiers": 1}\n', b"\xff\xfe\n"])
def test_a_malformed_export_file_is_reported_with_its_line(
    command: Command, tmp_path: Path, batch: LocalBatch, content: bytes
) -> None:
    storage = FileServer(b'{"identifiers": {"custom_id": "x"}, "attributes": {}}\n' + content)
    assert run(tmp_path, batch.url, SEATS).code == 0
    batch.fault({"redirect": {"to": storage.url, "status": 307}}, "*/exports/download")
    done = verified(command, tmp_path, SEATS)
    storage.server.shutdown()
    storage.server.server_close()
    assert done.exit_code == 1
    assert "Line 2 of an exported file" in done.output


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 1, "The input is empty"),
        (b"\x89PNG\r\n\x00\xff", 1, "is not UTF-8"),
        (b'{"user_id": "u1"\n', 1, "is not a JSON object"),
        (b"user_id\nu1\n", 1, "Nothing of the sample can be read back"),
        (b"name\nx\n", 2, "has no custom ID"),
    ],
)
def test_an_unusable_sample_sends_no_request(
    command: Command, tmp_path: Path, batch: LocalBatch, content: bytes, code: int, message: str
) -> None:
    config_file(tmp_path, batch.url)
    (tmp_path / "users.csv").write_bytes(content)
    done = command("verify", "--config", "config.json", "--sample", "users.csv")
    assert (done.exit_code, type(done.exception)) == (code, SystemExit), done.output
    assert message in done.output
    assert batch.requests() == []


def test_events_and_members_cannot_be_read_back(command: Command, tmp_path: Path, batch: LocalBatch) -> None:
    config_file(tmp_path, batch.url)
    done = verified(command, tmp_path, [schema("vips", {"user_id": STRING}), record("vips", user_id="u1")])
    assert done.exit_code == 2
    lines = [schema("vip_audience", {"user_id": STRING}), record("vip_audience", user_id="u1")]
    done = verified(command, tmp_path, lines)
    assert done.exit_code == 1
    assert "neither events nor the members of audiences" in done.output


def test_an_unreachable_batch_is_reported(command: Command, tmp_path: Path) -> None:
    config_file(tmp_path, f"http://127.0.0.1:{closed_port()}", max_retry_seconds=0.5)
    done = verified(command, tmp_path, SEATS)
    assert done.exit_code == 1
    assert "no connection" in done.output


@pytest.mark.parametrize("ids", [(), ("--ids",)], ids=["counts", "with IDs"])
def test_the_counts_are_available_as_a_singer_stream(
    command: Command, tmp_path: Path, batch: LocalBatch, ids: tuple[str, ...]
) -> None:
    assert run(tmp_path, batch.url, SEATS).code == 0
    other = [SEATS[0], record("users", user_id="u1", seat=2)]
    done = verified(command, tmp_path, other, "--format", "singer", *ids)
    assert done.exit_code == 1
    head, row = map(json.loads, done.stdout.splitlines())
    assert (head["type"], head["stream"]) == ("SCHEMA", "target_batch_verify")
    assert row["record"].keys() == head["schema"]["properties"].keys()
    assert row["record"]["different"] == 1
    assert ("u1" in done.stdout) == bool(ids)


def test_the_table_fits_a_narrow_terminal(
    command: Command, tmp_path: Path, batch: LocalBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert run(tmp_path, batch.url, people()).code == 0
    done = verified(command, tmp_path, people(4), "--ids")
    assert done.exit_code == 1
    assert max(map(len, done.stdout.splitlines())) <= 60


@pytest.mark.parametrize(
    ("sent", "held", "equal"),
    [
        (5, "5", True), (5.0, "5", True), (2.5, "2.5", True), (True, "true", True), (False, False, True),
        (5, "6", False), (5, "five", False), (5, None, False), (True, "yes", False), ("5", "5", True),
    ],
)  # fmt: skip
def test_numbers_and_booleans_are_compared_with_their_texts(sent: Any, held: Any, *, equal: bool) -> None:
    """Batch's documentation does not say how an export spells them."""
    comparison = SampleComparison()
    comparison.sent("u1", {"seat": sent})
    comparison.take([("u1", {"seat": held})])
    assert comparison.is_equal is equal
