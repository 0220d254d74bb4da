"""Wrong settings are refused by name before anything is read, and their values are never shown."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from singer import STRING, record, schema, users
from target_process import KEY, PROJECT, config_file, ended, environment, finished, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from local_batch import LocalBatch

CANARY = "canary-setting-31c0"

REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown settings": ({"checkpoint_record": CANARY, "batch": 5}, ("checkpoint_record", "batch")),
    "an SDK setting that means nothing here": ({"load_method": CANARY}, ("load_method",)),
    "an unknown stream option": ({"streams": {"users": {"kynd": CANARY}}}, ("kynd",)),
    "installation IDs in a project": (
        {"streams": {"users": {"kind": "audiences", "id_type": "install_ids"}}},
        ("`streams.users.id_type` is `install_ids`", "Set `destination` to `app`"),
    ),
    "an unknown value": ({"nulls": CANARY}, ("nulls",)),
    "a text for a number": ({"checkpoint_records": CANARY}, ("checkpoint_records",)),
    "a number below its range": ({"max_rejected_share": -1}, ("max_rejected_share",)),
    "a list for a key": ({"rest_api_key": [CANARY]}, ("rest_api_key",)),
    "a key with a line break": ({"rest_api_key": f"{CANARY}\nX-Evil: 1"}, ("rest_api_key",)),
    "a project key with a line break": ({"project_key": f"{CANARY}\r\nX-Evil: 1"}, ("project_key",)),
    "app keys that are one text": ({"app_api_keys": {CANARY: CANARY}}, ("app_api_keys",)),
    "no key": ({"rest_api_key": None}, ("rest_api_key",)),
    "no project key": ({"project_key": None}, ("project_key",)),
    "http to another machine": ({"api_url": f"http://{CANARY}.example"}, ("api_url", "http")),
    "a password in the address": ({"api_url": f"https://me:{CANARY}@example.com"}, ("api_url",)),
    "an address with control characters": ({"api_url": f"https://x\x1b[31m{CANARY}"}, ("api_url",)),
    "an address with a line break": ({"api_url": f"https://{CANARY}.example\n"}, ("api_url", "line break")),
    "an address with a blank": ({"api_url": f"https://{CANARY}.example "}, ("api_url", "blank")),
    "an address with an empty query": ({"api_url": f"https://{CANARY}.example?"}, ("api_url", "query")),
    "an address with an empty fragment": ({"api_url": f"https://{CANARY}.example#"}, ("api_url", "fragment")),
    "a webhook with a line break": ({"notify_url": f"https://{CANARY}.example/\n"}, ("notify_url",)),
    "a time-out beyond a day": ({"request_timeout_seconds": 1e10}, ("request_timeout_seconds", "86400")),
    "an endless time-out": ({"request_timeout_seconds": "Infinity"}, ("request_timeout_seconds", "86400")),
    "endless retries": ({"max_retry_seconds": "inf"}, ("max_retry_seconds", "86400")),
    "endless checkpoints": ({"checkpoint_seconds": 1e300}, ("checkpoint_seconds", "86400")),
    "no version": ({"api_version": f"../{CANARY}"}, ("api_version",)),
}


@pytest.mark.parametrize(("settings", "names"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_setting_is_refused_by_name(
    tmp_path: Path, batch: LocalBatch, settings: dict[str, Any], names: tuple[str, ...]
) -> None:
    """The run ends with 2 and names the setting; it shows no value and sends no request."""
    ended = run(tmp_path, batch.url, users(1, 3, every=1), **settings)
    assert ended.code == 2
    assert all(name in ended.log for name in names)
    assert CANARY not in ended.log + ended.out
    assert KEY not in ended.log
    assert "Traceback" not in ended.log
    assert "\x1b" not in ended.log
    assert (ended.states, batch.summary()["requests"]["total"]) == ([], 0)


def test_settings_can_come_from_the_environment(tmp_path: Path, batch: LocalBatch) -> None:
    """Numbers, booleans and objects are read from variables as they are from a file."""
    config = config_file(tmp_path, batch.url, max_retry_seconds=None)
    environment = {
        "TARGET_BATCH_MAX_RETRY_SECONDS": "0.5",
        "TARGET_BATCH_CHECKPOINT_RECORDS": "5",
        "TARGET_BATCH_VALIDATE_RECORDS": "false",
        "TARGET_BATCH_STREAMS": '{"users": {"attributes": {"seat": "place"}}}',
        "TARGET_BATCH_STREAM_MAPS": "{}",
        "TARGET_BATCH__LOAD_SCHEMA": "of Meltano",
        "TARGET_BATCH_STREAMS_USERS_KIND": "of Meltano",
    }
    ended = finished(config, users(1, 3, every=3), "--config", "ENV", env=environment)
    assert ended.code == 0, ended.log
    assert "is not read" not in ended.log
    assert batch.attributes("u1") == {"place": 1}


def test_a_variable_that_is_not_a_setting_is_reported(tmp_path: Path, batch: LocalBatch) -> None:
    """The warning suggests the right name; it comes only if settings are read from variables."""
    environment = {"TARGET_BATCH_SKIP_UNCHANGD": CANARY}
    config = config_file(tmp_path, batch.url)
    ended = finished(config, users(1, 3), "--config", "ENV", env=environment)
    assert ended.code == 0, ended.log
    meant = "TARGET_BATCH_SKIP_UNCHANGD is not a setting (did you mean `TARGET_BATCH_SKIP_UNCHANGED`?)"
    assert meant in ended.log
    assert CANARY not in ended.log
    assert "no setting" not in finished(config, users(1, 3), env=environment).log


WRONG_VARIABLES = {
    "MAX_RETRY_SECONDS": (CANARY,),
    "CHECKPOINT_RECORDS": (CANARY, "", "1.5", "[1]"),
    "DRY_RUN": ("ture", '"true"', "t", "y", "true ", "enabled", "", "2"),
    "STREAMS": (CANARY, "[]", f'"{CANARY}"', "{"),
    "APP_API_KEYS": ("[", f"[{CANARY}]"),
    "FLATTENING_ENABLED": ("ture",),
}


@pytest.mark.parametrize("name", WRONG_VARIABLES)
def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, batch: LocalBatch, name: str) -> None:
    """Nothing is sent, since a mistyped dry run would be a live one."""
    config = config_file(tmp_path, batch.url)
    for value in WRONG_VARIABLES[name]:
        ended = finished(config, users(1, 3), "--config", "ENV", env={f"TARGET_BATCH_{name}": value})
        assert ended.code == 2, (value, ended.log)
        assert f"TARGET_BATCH_{name} cannot be read" in ended.log or f"`{name.lower()}`" in ended.log
        assert CANARY not in ended.log
        assert "Traceback" not in ended.log
    assert batch.summary()["requests"]["total"] == 0


@pytest.mark.parametrize(
    "value", ["true", "TRUE", "1", "yes", "On", "no", "OFF", "0", "ture", '"yes"', "on "]
)
@pytest.mark.parametrize("way", ["variable", "file", "stream's option", "the SDK's"])
def test_booleans_may_be_the_same_words_in_variables_and_in_files(
    tmp_path: Path, batch: LocalBatch, way: str, value: str
) -> None:
    """Meltano writes its variables into the file as text."""
    meaning = {"true": True, "1": True, "yes": True, "on": True, "no": False, "off": False, "0": False}
    meant = meaning.get(value.lower())
    env: dict[str, str] = {}
    given: dict[str, Any] = {}
    if way == "variable":
        env, name = {"TARGET_BATCH_DRY_RUN": value}, "dry_run"
    elif way == "file":
        given, name = {"dry_run": value}, "dry_run"
    elif way == "stream's option":
        given, name = {"streams": {"users.only_mapped": value}}, "streams.users.only_mapped"
    else:
        given, name = {"flattening_enabled": value, "flattening_max_depth": 1}, "flattening_enabled"
    ended = finished(config_file(tmp_path, batch.url, **given), users(1, 3), "--config", "ENV", env=env)
    if meant is None:
        assert ended.code == 2
        assert f"The setting `{name}` is wrong: Expected `true` or `false` (or 1, 0, yes" in ended.log
    else:
        assert ended.code == 0, ended.log
    if name == "dry_run":
        assert bool(batch.summary()["requests"]["total"]) == (meant is False)
    elif name == "streams.users.only_mapped" and meant is not None:
        assert bool(batch.attributes("u1")) != meant


def test_the_environment_wins_over_dotenv_and_that_over_files(tmp_path: Path, batch: LocalBatch) -> None:
    """The nearest `.env` from the working directory upward is read; it does not change set variables."""
    (tmp_path / ".env").write_text(
        f"TARGET_BATCH_PROJECT_KEY=of-dotenv\nTARGET_BATCH_REST_API_KEY={CANARY}\n"
    )
    below = tmp_path / "below"
    below.mkdir()
    config = config_file(tmp_path, batch.url, dry_run=True, project_key="of-the-file")
    for variables, project in (({}, "of-dotenv"), ({"TARGET_BATCH_PROJECT_KEY": "real"}, "real")):
        process = start(config, "--config", "ENV", cwd=below, env=variables)
        found = ended(process, config, b"")
        assert found.code == 0, found.log
        assert f"project `{project}`" in found.log
        assert CANARY not in found.log
    process = start(config, cwd=below)
    assert "project `of-the-file`" in ended(process, config, b"").log


SDK_SETTINGS = {
    "stream_maps": ("", [], "{}"),
    "stream_map_config": ("",),
    "faker_config": ("", [1]),
    "flattening_enabled": ("ture", 1),
    "flattening_max_depth": ("x", -1, 1.5),
    "flattening_separator": (1,),
}


@pytest.mark.parametrize("name", SDK_SETTINGS)
def test_a_wrong_setting_of_the_sdk_is_refused_by_name(tmp_path: Path, batch: LocalBatch, name: str) -> None:
    for value in SDK_SETTINGS[name]:
        found = run(tmp_path, batch.url, users(1, 3), **{name: value})
        assert found.code == 2, (value, found.log)
        assert f"`{name}`" in found.log
        assert "Traceback" not in found.log
    assert batch.summary()["requests"]["total"] == 0


def test_flattening_needs_a_depth(tmp_path: Path, batch: LocalBatch) -> None:
    found = run(tmp_path, batch.url, users(1, 3), flattening_enabled=True)
    assert found.code == 2
    assert "`flattening_max_depth` is missing" in found.log


def test_faker_needs_its_package(tmp_path: Path, batch: LocalBatch) -> None:
    if find_spec("faker") is not None:
        pytest.skip("faker is installed here")
    found = run(tmp_path, batch.url, users(1, 3), faker_config={"seed": 1})
    assert found.code == 2
    assert "`faker_config` needs a package that is missing" in found.log


def test_null_counts_as_not_set_for_the_settings_of_the_sdk_too(tmp_path: Path, batch: LocalBatch) -> None:
    """A null in the file is an empty entry, as for every other setting."""
    config = config_file(tmp_path, batch.url)
    found = json.loads(config.read_text())
    config.write_text(json.dumps({**found, **dict.fromkeys(SDK_SETTINGS)}))
    assert finished(config, users(1, 3)).code == 0


def test_the_separator_of_flattened_names_can_be_set(tmp_path: Path, batch: LocalBatch) -> None:
    nested = {"user_id": STRING, "plan": {"type": "object", "properties": {"name": STRING}}}
    lines = [schema("users", nested), record("users", user_id="u1", plan={"name": "gold"})]
    flattening = {"flattening_enabled": True, "flattening_max_depth": 1, "flattening_separator": "_of_"}
    assert run(tmp_path, batch.url, lines, **flattening).code == 0
    assert batch.attributes("u1") == {"plan_of_name": "gold"}


@pytest.mark.parametrize("name", ["LOGLEVEL", "TARGET_BATCH_LOGLEVEL"])
def test_an_unknown_log_level_is_refused_by_name(tmp_path: Path, batch: LocalBatch, name: str) -> None:
    config = config_file(tmp_path, batch.url)
    found = finished(config, users(1, 3), env={name: "TRACE"})
    assert found.code == 2
    assert f"The variable {name} is not one of DEBUG, INFO" in found.log
    assert "Traceback" not in found.log
    quiet = finished(config, users(1, 3), "--config", "ENV", env={name: "error"})
    assert (quiet.code, quiet.log) == (0, "")


def test_the_first_line_says_where_a_run_goes(tmp_path: Path, batch: LocalBatch) -> None:
    """It says whether the run is live or dry, its project and number of apps, and no secret."""
    keys = [f"{CANARY}1", f"{CANARY}2"]
    live = run(tmp_path, batch.url, users(1, 3), app_api_keys=keys)
    first = live.log.splitlines()[0]
    assert first.endswith(f"Live run: project `{PROJECT}` and 2 apps at {batch.url}.")
    dry = run(tmp_path, batch.url, [], dry_run=True, project_key=None)
    assert dry.log.splitlines()[0].endswith(
        f"Dry run, nothing is sent: no project and 0 apps at {batch.url}."
    )
    assert CANARY not in live.log
    assert KEY not in live.log + dry.log


def test_a_configuration_that_is_not_json_is_reported_with_its_line(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The message has the file and the line; a trailing comma is the usual mistake."""
    broken = tmp_path / "broken.json"
    broken.write_text(f'{{\n"rest_api_key": "{CANARY}",\n"project_key": "p",\n}}')
    ended = finished(config_file(tmp_path, batch.url), users(1, 3), "--config", str(broken))
    assert ended.code == 2
    assert "broken.json: the file is not JSON: line " in ended.log
    assert CANARY not in ended.log


def test_options_for_streams_that_do_not_come_are_reported(tmp_path: Path, batch: LocalBatch) -> None:
    """A mistyped name would otherwise be ignored silently."""
    streams = {"user": {"kind": "ignore"}, "us*": {}, "other": {}}
    ended = run(tmp_path, batch.url, users(1, 3), streams=streams)
    assert ended.code == 0
    assert "no stream of this input has: `user` (did you mean `users`?), `other`." in ended.log
    assert "no stream of this input" not in run(tmp_path, batch.url, users(1, 3), streams={"us*": {}}).log


def test_an_internal_error_at_the_start_is_not_reported_as_a_wrong_setting(
    tmp_path: Path, batch: LocalBatch
) -> None:
    """The SDK raises a ValueError for wrong variables, and an internal error may be one, too."""
    script = tmp_path / "faulty.py"
    script.write_text(
        "from target_batch.target import TargetBatch\n"
        "def make_run(*_):\n"
        f"    raise ValueError({CANARY!r})\n"
        "TargetBatch.make_run = make_run\n"
        "from target_batch.cli import cli\n"
        "cli()\n"
    )
    config = config_file(tmp_path, batch.url)
    command = [sys.executable, str(script), "--config", str(config)]
    done = subprocess.run(command, input=b"", capture_output=True, env=environment(), timeout=60, check=False)
    log = done.stderr.decode()
    assert done.returncode == 1, log
    assert "Internal error, nothing was read: ValueError at faulty.py:3" in log
    assert "variable" not in log
    assert "Traceback" not in log
    assert CANARY not in log
