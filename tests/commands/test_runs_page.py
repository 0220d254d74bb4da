"""`runs --web` serves what runs left behind over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from runs_page import RunsPage, serving
from singer import INTEGER, STRING, record, schema, state
from target_process import KEY, config_file, run

from target_batch.commands.runs_page.page import (
    FRESH_SECONDS,
    FRESH_SECONDS_BEHIND_URL,
    Work,
    described,
    matches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_batch import LocalBatch

    from tests.commands.running import Command

PRIVATE = "somebody@canary.example"
LINES = [
    schema("users", {"user_id": STRING, "email": STRING, "seat": INTEGER}, ["user_id"]),
    record("users", user_id="u1", email=f"{PRIVATE} no address", seat=1),
    record("users", user_id=None, email=PRIVATE, seat=2),
    record("users", user_id="u3", email=PRIVATE, seat=3),
    record("users", user_id="", email=PRIVATE, seat=4),
    state({"seen": 4}),
]
KILLED = {
    "run": "20300101T000000Z-abc",
    "started": "2030-01-01T00:00:00+00:00",
    "ended": False,
    "dry_run": False,
}


@pytest.fixture
def work(tmp_path: Path, batch: LocalBatch) -> Path:
    """A work folder after one run with rejects; its configuration is `config.json` beside it."""
    ended = run(tmp_path, batch.url, LINES)
    assert ended.code == 0
    return ended.work


@pytest.fixture
def page(tmp_path: Path, work: Path) -> Iterator[RunsPage]:
    """The page of that folder."""
    assert work.exists()
    with serving(tmp_path / "config.json") as page:
        yield page


def log(work: Path, *entries: Any) -> None:
    """Add lines to the run log."""
    with (work / "runs.jsonl").open("a") as file:
        file.writelines(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in entries)


def test_a_run_shows_its_counts_and_each_reason_with_examples_and_what_to_do(
    page: RunsPage, work: Path
) -> None:
    listed = page.get("runs")
    assert (listed["total"], listed["totals"]["delivered"], listed["totals"]["rejected"]) == (1, 2, 2)
    entry = listed["runs"][0]
    assert (entry["outcome"], entry["names"], entry["read"]) == ("rejecting", ["users"], 4)
    shown = page.get(f"runs/{entry['run']}")
    stream = shown["streams"][0]
    assert (stream["name"], stream["read"], stream["delivered"], stream["rejected"]) == ("users", 4, 2, 2)
    reasons = {reason["code"]: reason for reason in stream["reasons"]}
    missing = reasons["missing_custom_id"]
    assert (missing["label"], missing["count"], missing["costs"]) == ("Missing custom ID", 2, "record")
    assert missing["advice"].startswith("The record has no Custom User ID.")
    assert [example["line"] for example in missing["examples"]] == [3, 5]
    assert reasons["invalid_email"]["properties"] == ["email"]
    file = str(next((work / "rejects").iterdir()))
    assert shown["files"] == [file]
    assert shown["replay"] == [f"target-batch --config {work.parent / 'config.json'} --input {file}"]


def test_no_record_no_value_and_no_key_is_shown(page: RunsPage) -> None:
    name = page.get("runs")["runs"][0]["run"]
    for path in ("/_/runs", f"/_/runs/{name}", "/"):
        text = page.ask("GET", path).text
        assert PRIVATE not in text
        assert KEY not in text


def test_the_page_is_read_only_and_closed_to_other_sites(page: RunsPage) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert page.ask(method, "/_/runs").status_code == 405
    foreign: list[dict[str, str]] = [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ]
    for headers in foreign:
        for path in ("/", "/_/runs", "/static/main.js", "/static/shared/dom.js"):
            assert page.ask("GET", path, headers=headers).status_code == 403
    answer = page.ask("GET", "/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "://" not in answer.text
    assert page.ask("GET", "/_/runs/20200101T000000Z-none").status_code == 404
    assert page.ask("GET", "/static/../page.py").status_code == 404


def test_runs_are_searched_filtered_and_paged_the_newest_first(page: RunsPage, work: Path) -> None:
    many = [
        {
            "run": f"2031010{n}T000000Z-a",
            "started": f"2031-01-0{n}T00:00:00+00:00",
            "ended": True,
            "exit": int(n == 3),
        }
        for n in range(1, 6)
    ]
    many[2]["cause"] = "Batch does not answer."
    log(work, *many, KILLED)
    page.until(lambda found: found["total"] == 7)
    names = [entry["run"] for entry in page.get("runs?limit=2")["runs"]]
    assert names == ["20310105T000000Z-a", "20310104T000000Z-a"]
    assert page.get("runs?limit=2&from=5")["runs"][0]["run"] == KILLED["run"]
    assert [entry["run"] for entry in page.get("runs?search=DOES%20NOT%20ANSWER")["runs"]] == [
        "20310103T000000Z-a"
    ]
    outcomes = [entry["outcome"] for entry in page.get("runs?problems=1")["runs"]]
    assert outcomes == ["failed", "did_not_end", "rejecting"]
    assert page.get("runs")["outcomes"] == {"failed": 1, "did_not_end": 1}
    killed = page.get(f"runs/{KILLED['run']}")
    assert (killed["ended"], killed["streams"]) == (False, [])
    assert killed["cause"].startswith("It did not end")


def test_streams_come_in_pages(page: RunsPage, work: Path) -> None:
    streams = {f"s{n:03}": {"read": n} for n in range(120)}
    log(work, {"run": "r", "started": "2031", "ended": True, "exit": 0, "streams": streams})
    page.until(lambda found: found["total"] == 2)
    shown = page.get("runs/r?from=20&limit=100000")
    assert (shown["found"], len(shown["streams"]), shown["streams"][0]["name"]) == (120, 100, "s020")
    assert (shown["streams_total"], len(shown["names"])) == (120, 20)


@pytest.mark.parametrize(
    "entry",
    [
        {"streams": 5, "exit": "x", "seconds": None, "cause": 7},
        {"streams": {"users": 3, "orders": {"read": "many", "reasons": [1]}, "x": {"reasons": {"a": "b"}}}},
        {"started": {"at": 1}, "requests": 1e300, "dry_run": "yes"},
        {"streams": {"<img src=x>\x1b[31m": {"reasons": {"<b>": 3}}}, "cause": "\u202ebidi"},
    ],
)
def test_malformed_entries_of_the_run_log_are_shown(
    page: RunsPage, work: Path, entry: dict[str, Any]
) -> None:
    log(work, "{torn", "[]", '"text"', {"run": 5}, {"run": "odd", "ended": True, **entry})
    page.until(lambda found: found["total"] == 2)
    shown = page.get("runs/odd")
    assert shown["run"] == "odd"
    assert "\x1b" not in json.dumps(shown, ensure_ascii=False)
    assert matches({"run": "odd", **entry}, "ODD")
    assert described({"run": "odd", **entry})["run"] == "odd"


def test_rejects_of_a_run_without_an_end_are_shown(page: RunsPage, work: Path) -> None:
    """A killed run has no counts in the log, but its rejects are on disk."""
    mark = {
        "code": "invalid_email",
        "property": "email",
        "attribute": None,
        "message": "",
        "line": 9,
        "at": "",
    }
    lines = [{"type": "RECORD", "stream": "users", "record": {"email": PRIVATE, "_batch_reject": [mark]}}]
    file = work / "rejects" / f"{KILLED['run']}-users.singer.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    log(work, KILLED)
    page.until(lambda found: found["total"] == 2)
    stream = page.get(f"runs/{KILLED['run']}")["streams"][0]
    assert (stream["name"], stream["counted"]) == ("users", False)
    assert stream["reasons"][0]["examples"][0]["line"] == 9


def test_a_work_folder_behind_a_url_is_shown_too(tmp_path: Path, batch: LocalBatch) -> None:
    ended = run(tmp_path, batch.url, LINES, work_path=f"local://{tmp_path}/objects")
    assert ended.code == 0
    with serving(tmp_path / "config.json") as page:
        name = page.get("runs")["runs"][0]["run"]
        shown = page.get(f"runs/{name}")
        codes = {reason["code"] for reason in shown["streams"][0]["reasons"]}
        assert codes == {"invalid_email", "missing_custom_id"}
        assert [call.rpartition(" ")[2] for call in shown["replay"]] == shown["files"]
        assert shown["files"][0].startswith(f"file://{tmp_path}/objects/rejects/{name}-users")


@pytest.mark.parametrize(
    ("path", "fresh"), [("{folder}", FRESH_SECONDS), ("local://{folder}", FRESH_SECONDS_BEHIND_URL)]
)
def test_the_run_log_is_read_again_only_after_a_while(tmp_path: Path, path: str, fresh: float) -> None:
    now = [0.0]
    work = Work(path.format(folder=tmp_path), lambda: now[0])
    log(tmp_path, {"run": "a"})
    assert len(work.runs()) == 1
    log(tmp_path, {"run": "b"})
    now[0] = fresh * 0.9
    assert len(work.runs()) == 1
    now[0] = fresh * 1.1
    assert len(work.runs()) == 2


def test_a_folder_that_cannot_be_read_is_reported(tmp_path: Path, command: Command) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"work_path": "nonsense://x"}))
    done = command("runs", "--web", "--config", tmp_path / "c.json")
    assert done.exit_code != 0
    assert "nonsense://" in done.output


def test_the_page_and_another_format_exclude_each_other(command: Command) -> None:
    done = command("runs", "--web", "--format", "json")
    assert done.exit_code == 2
    assert "--format" in done.output


def test_a_port_in_use_is_reported(page: RunsPage, command: Command, tmp_path: Path) -> None:
    done = command("runs", "--web", "--config", tmp_path / "config.json", "--port", page.port)
    assert done.exit_code != 0
    assert f"cannot listen on port {page.port}" in " ".join(done.output.split())


def test_without_its_packages_the_command_says_what_to_install(tmp_path: Path) -> None:
    config_file(tmp_path, "http://127.0.0.1:1")
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from target_batch.commands.runs import runs\n"
        "runs(['--web', '--config', 'config.json'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "target-batch[sandbox]" in done.stderr


def test_the_table_loads_no_web_server(tmp_path: Path) -> None:
    config_file(tmp_path, "http://127.0.0.1:1")
    code = (
        "import sys; from target_batch.commands.runs import runs\n"
        "runs(['--config', 'config.json'], standalone_mode=False)\n"
        "assert not {'uvicorn', 'starlette'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
