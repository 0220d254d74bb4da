"""`target-batch check` names the wrong setting, makes one call per key, and never shows a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner
from listener import closed_port
from local_batch import LocalBatch
from singer import STRING, record, schema, state
from target_process import KEY, PROJECT, config_file, environment, finished

from target_batch.cli import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.commands.running import Command

APP = "canary-app-77aa"
WRONG = "canary-wrong-9c2d"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBatch]:
    """A local Batch that accepts only one key of each kind."""
    keys = ("--rest-api-key", KEY, "--project-key", PROJECT, "--app-key", APP)
    with LocalBatch(tmp_path_factory.mktemp("check"), "--no-rates", *keys) as server:
        yield server


@pytest.fixture
def server(running: LocalBatch) -> LocalBatch:
    """The local Batch of `running`, emptied."""
    running.reset()
    return running


def checked(command: Command, folder: Path, url: str, **settings: Any) -> Result:
    """Check a configuration; a setting of None is left out."""
    config = {"rest_api_key": KEY, "project_key": PROJECT, "api_url": url} | settings
    given = {name: value for name, value in config.items() if value is not None}
    (folder / "c.json").write_text(json.dumps(given))
    done = command("check", "--config", "c.json")
    for key in (KEY, PROJECT, APP, WRONG):
        assert key not in done.output
    return done


def test_right_keys_cost_one_call_each(command: Command, tmp_path: Path, server: LocalBatch) -> None:
    done = checked(command, tmp_path, server.url, app_api_keys=[APP])
    assert done.exit_code == 0, done.output
    assert done.output.count("OK") == 3
    requests = server.requests()
    assert [request["method"] for request in requests] == ["GET", "GET"]
    assert all(request["status"] == 200 for request in requests)
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"rest_api_key": WRONG}, "rest_api_key"),
        ({"rest_api_key": WRONG, "project_key": None, "app_api_keys": [APP]}, "rest_api_key"),
        ({"project_key": WRONG, "app_api_keys": [APP]}, "project_key"),
        ({"app_api_keys": [APP, WRONG]}, "app_api_keys[1]"),
        ({"api_version": "2.999"}, "api_version"),
        ({"project_key": None}, "project_key"),
    ],
)
def test_a_wrong_setting_is_named(
    command: Command, tmp_path: Path, server: LocalBatch, settings: dict[str, Any], setting: str
) -> None:
    """The command ends with 2; its last line names the setting and says what to do."""
    done = checked(command, tmp_path, server.url, **settings)
    assert done.exit_code == 2
    last = done.output.splitlines()[-1]
    assert last.startswith(f"`{setting}`: ")
    assert "To put it right: " in last


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_ulr": "x"}, "`api_ulr` (did you mean `api_url`?)"),
        ({"nulls": "canary"}, "`nulls` is wrong: Expected one of `delete`, `skip`."),
        (
            {"streams": {"users": {"kin": "profiles"}}},
            "`streams.users` has no option `kin` (did you mean",
        ),
        (
            {"streams": {"a": {}, "b": {"kind": "canary"}}},
            "`streams.b.kind` is wrong: Expected one of",
        ),
        ({"streams": {"u": {"types": ["canary"]}}}, "`streams.u.types[0]` is wrong: Expected one of `group`"),
        ({"replay": {"types": ["canary"]}}, "`replay.types[0]` is wrong: Expected one of `group`"),
        ({"streams": "canary"}, "`streams` is wrong: Expected `object`"),
        ({"max_audience_shrink": 3}, "`max_audience_shrink` is wrong: Expected `float` <= 1.0"),
        ({"api_url": "https://api.batch.com/2.11"}, "`api_url` ends with a version"),
        ({"replay": {"start": "canary"}}, "`replay.start` is not a date"),
        ({"default_country": "canary"}, "`default_country` is not an ISO 3166 country of two letters"),
        (
            {"ledger_url": "mysql://me:canary@db/x"},
            "`ledger_url` is not a URL of SQLite (sqlite:///FILE) or PostgreSQL (postgresql+psycopg://…).",
        ),
        ({"ledger_url": "postgresql+psycopg2://me:canary@db/x"}, "`ledger_url` is not a URL of SQLite"),
        ({"ledger_url": "sqlite+aiosqlite:///canary.db"}, "`ledger_url` is not a URL of SQLite"),
        (
            {"streams": {"u": {"attributes": {"n": "My Canary"}}}},
            "`streams.u.attributes.n` is not a name that",
        ),
        (
            {"work_path": "nowhere://x"},
            "`work_path` begins with nowhere://, which needs a package of its own",
        ),
    ],
)
def test_an_invalid_setting_is_reported_with_the_allowed_values(
    command: Command, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    """The message names the setting, down to the stream's option, and what is allowed, never its value."""
    done = checked(command, tmp_path, "http://127.0.0.1:9", **settings)
    assert done.exit_code == 2
    assert message in done.output
    assert "canary" not in done.output


def test_check_reads_nothing_from_a_terminal(tmp_path: Path, server: LocalBatch) -> None:
    """The command ends by itself, and input that was typed meanwhile is left for the shell."""
    config = config_file(tmp_path, server.url)
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"typed\n")
    command = [sys.executable, "-m", "target_batch", "check", "--config", str(config)]
    done = subprocess.run(
        command, stdin=terminal, capture_output=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert os.read(terminal, 100) == b"typed\n"
    os.close(keyboard)
    os.close(terminal)


def test_two_keys_that_batch_refuses_together_are_both_named(
    command: Command, tmp_path: Path, server: LocalBatch
) -> None:
    """Batch does not say which of the two it refuses, so the last line says where to find each of them."""
    done = checked(command, tmp_path, server.url, project_key=WRONG)
    assert done.exit_code == 2
    last = done.output.splitlines()[-1]
    assert last.startswith("`rest_api_key`: Batch refuses it together with `project_key`")
    assert "Settings, General" in last
    assert "in the project's Settings" in last


def test_swapped_keys_are_reported(command: Command, tmp_path: Path, server: LocalBatch) -> None:
    """A project key has its own prefix, by which the swap is recognised; the key itself is not shown."""
    done = checked(command, tmp_path, server.url, rest_api_key=f"project_{WRONG}", project_key=KEY)
    assert done.exit_code == 2
    assert "or the two are swapped: it begins as project keys do." in done.output.splitlines()[-1]
    assert "swapped" not in checked(command, tmp_path, server.url, rest_api_key=WRONG).output


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_colours_are_left_out_if_the_environment_does_not_want_them(
    monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(*variable)
    singer = click.Command("target-batch", callback=lambda: click.secho("green", fg="green"))
    done = CliRunner().invoke(CommandGroup(singer), [], color=True)
    assert ("\x1b" in done.output) == (variable == ("TERM", "xterm"))


def test_an_address_that_does_not_answer_ends_with_1(command: Command, tmp_path: Path) -> None:
    done = checked(command, tmp_path, f"http://127.0.0.1:{closed_port()}")
    assert done.exit_code == 1
    assert "`api_url`: Batch is not reached (no connection)" in done.output


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ({"answer": {"status": 200, "body": "<html>hello</html>"}}, 2, "is not Batch"),
        ({"answer": {"status": 200, "json": {"hello": 1}}}, 2, "is not Batch"),
        ({"redirect": {"to": "http://127.0.0.1:9/x", "status": 302}}, 2, "leads elsewhere"),
        (
            {"answer": {"status": 404, "body": "<html>Not here</html>"}},
            2,
            "`api_url`: what answers",
        ),
        (
            {"answer": {"status": 400, "json": {"error_code": "MISSING_PARAMETER"}}},
            2,
            "`project_key`: Batch refuses the request (400 MISSING_PARAMETER)",
        ),
        ({"answer": {"status": 503}}, 1, "cannot answer now (503"),
        ({"answer": {"status": 401}}, 2, "`rest_api_key`: Batch refuses it together with `project_key`"),
        (
            {"answer": {"status": 403, "json": {"error_code": "API_MISUSE"}}},
            2,
            "`project_key`: Batch forbids this use of its API (403 API_MISUSE), which does not say that",
        ),
    ],
)
def test_answers_that_are_not_those_of_batch_are_reported(
    command: Command, tmp_path: Path, server: LocalBatch, fault: dict[str, Any], code: int, message: str
) -> None:
    server.fault(fault)
    done = checked(command, tmp_path, server.url)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.split())
    assert ("leave it out" in done.output) == ("api_url" in done.output and code == 2), "only a wrong address"


def test_a_passing_error_of_batch_is_retried(command: Command, tmp_path: Path, server: LocalBatch) -> None:
    server.fault({"answer": {"status": 500}}, times=1)
    assert checked(command, tmp_path, server.url).exit_code == 0


def test_the_settings_can_come_from_the_environment(
    command: Command, monkeypatch: pytest.MonkeyPatch, server: LocalBatch
) -> None:
    """Meltano passes settings to a command as variables."""
    monkeypatch.setenv("TARGET_BATCH_REST_API_KEY", KEY)
    monkeypatch.setenv("TARGET_BATCH_PROJECT_KEY", PROJECT)
    monkeypatch.setenv("TARGET_BATCH_API_URL", server.url)
    monkeypatch.setenv("TARGET_BATCH_STREAMS", '{"a": {"kind": "ignore"}}')
    monkeypatch.setenv("TARGET_BATCH_MAX_RETRY_SECONDS", "1.5")
    done = command("check", "--config", "ENV")
    assert done.exit_code == 0, done.output
    assert "no setting" not in done.output
    monkeypatch.setenv("TARGET_BATCH_PROJEKT_KEY", PROJECT)
    assert "did you mean `TARGET_BATCH_PROJECT_KEY`?" in command("check", "--config", "ENV").output


def test_a_variable_that_cannot_be_read_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_BATCH_REST_API_KEY", KEY)
    monkeypatch.setenv("TARGET_BATCH_STREAMS", "{canary")
    done = command("check", "--config", "ENV")
    assert done.exit_code == 2
    assert "TARGET_BATCH_STREAMS cannot be read" in done.output
    assert "canary" not in done.output


def test_a_missing_key_is_reported_as_in_a_run(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    done = command("check", "--config", "c.json")
    assert done.exit_code == 2
    assert "`rest_api_key` is missing" in done.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "c.json: the file cannot be read: No such file"),
        ("[1]", "c.json: the file is not a JSON object"),
        ('{\n  "nulls": "canary",\n}', "c.json: the file is not JSON: line "),
        ("", "c.json: the file is not JSON: line 1, column 1"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_reported(
    command: Command, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    done = command("check", "--config", "c.json")
    assert done.exit_code == 2
    assert message in done.output
    assert "canary" not in done.output


def test_options_of_streams_that_meltano_flattened_are_understood(
    command: Command, tmp_path: Path, server: LocalBatch
) -> None:
    """A configuration that the target accepts is not refused by its commands."""
    done = checked(command, tmp_path, server.url, streams={"vip.kind": "audiences", "vip.mode": "mirror"})
    assert done.exit_code == 0, done.output
    given = schema("vip", {"user_id": STRING}, ["user_id"]) + "\n"
    shown = command("explain", "--config", "c.json", "--format", "json", given=given)
    assert shown.exit_code == 0, shown.output
    assert [stream["kind"] for stream in json.loads(shown.output)["streams"]] == ["audiences"]


def test_a_file_with_a_bom_is_read(command: Command, tmp_path: Path, server: LocalBatch) -> None:
    """Editors on Windows write a byte order mark; the target accepts it, too."""
    config = {"rest_api_key": KEY, "project_key": PROJECT, "api_url": server.url}
    (tmp_path / "c.json").write_text(json.dumps(config), encoding="utf-8-sig")
    assert command("check", "--config", "c.json").exit_code == 0


MELTANO = [
    schema(
        "meltano_test_stream",
        {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "created_at": {"type": "string", "format": "date-time"},
        },
        ["id"],
    ),
    record("meltano_test_stream", id=1, name="Meltano Test Record", created_at="2025-09-29T00:00:00Z"),
    state({"bookmarks": {"meltano_test_stream": {"last_record": 1}}}),
]
"""The messages that `meltano config test` of Meltano 4.4 sends."""


def meltano_test(folder: Path, url: str, **settings: Any) -> tuple[int, list[str]]:
    """Run the target as Meltano's test does; return its exit code and the lines of both outputs."""
    config = folder / "config.json"
    work = str(folder / "work")
    config.write_text(
        json.dumps(
            {"rest_api_key": KEY, "project_key": PROJECT, "api_url": url, "work_path": work} | settings
        )
    )
    ended = finished(config, MELTANO)
    assert KEY not in ended.out + ended.log
    assert not (folder / "work").exists()
    return ended.code, (ended.out + ended.log).splitlines()


def test_meltanos_test_succeeds_with_right_keys(tmp_path: Path, server: LocalBatch) -> None:
    """The target makes one read-only call and prints no line that Meltano takes for a failure."""
    code, lines = meltano_test(tmp_path, server.url)
    assert code == 0
    assert not [line for line in lines if "error" in line.lower() or "exception" in line.lower()]
    assert [request["method"] for request in server.requests()] == ["GET"]
    assert server.summary()["profiles"] == 0


def test_meltanos_test_names_the_wrong_key(tmp_path: Path, server: LocalBatch) -> None:
    """Meltano shows its user the last line."""
    code, lines = meltano_test(tmp_path, server.url, rest_api_key=WRONG)
    assert code == 2
    assert lines[-1].startswith("`rest_api_key`: Batch refuses it")
    assert "dashboard" in lines[-1]


def test_a_stream_named_like_that_of_meltanos_test_is_loaded(tmp_path: Path, server: LocalBatch) -> None:
    """Only the exact messages that Meltano sends are taken for its test."""
    properties = {"user_id": {"type": "string"}, "name": {"type": "string"}}
    lines = [schema("meltano_test_stream", properties), record("meltano_test_stream", user_id="u1", name="x")]
    config = tmp_path / "config.json"
    settings = {
        "rest_api_key": KEY,
        "project_key": PROJECT,
        "api_url": server.url,
        "default_kind": "profiles",
    }
    config.write_text(json.dumps(settings | {"work_path": str(tmp_path / "work")}))
    assert finished(config, lines).code == 0
    assert server.summary()["profiles"] == 1
