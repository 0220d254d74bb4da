"""Every setting arrives unchanged through a real Meltano: by variable, `config set` or `meltano.yml`."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from meltano_project import REQUIRED, Project, definition
from singer import STRING, record, schema

from target_batch.config.settings import json_schema

if TYPE_CHECKING:
    from local_batch import LocalBatch

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(180)]

READER = f"""#!{sys.executable}
import json, sys
from importlib.machinery import ModuleSpec
from types import ModuleType
sys.path.insert(0, {str(ROOT)!r})
sys.modules["faker"] = ModuleType("faker")
sys.modules["faker"].__spec__ = ModuleSpec("faker", None)
import msgspec
from target_batch.config.files import read
from target_batch.config.files import nested
from target_batch.config.checks import load
from target_batch.config.settings import SDK_SETTINGS
config = nested(read([sys.argv[sys.argv.index("--config") + 1]]))
own = msgspec.to_builtins(load(config), enc_hook=lambda secret: secret.reveal())
print("READ " + json.dumps(own | {{name: config.get(name) for name in SDK_SETTINGS}}), flush=True)
"""
"""A stand-in for the target's executable, as if `faker` were installed beside it, that prints how the target
reads the file it is given."""

CHOSEN: dict[str, Any] = {
    "rest_api_key": "shown-by-the-reader",
    "app_api_keys": ["LIVE-1", "DEV-2"],
    "api_url": "http://localhost:9",
    "api_version": "2.12",
    "notify_url": "https://example.com/hook",
    "ledger_url": "sqlite:///ledger.db",
    "default_country": "FR",
    "streams": {
        "users": {"kind": "profiles", "attributes": {"note": None, "E-mail": "$email_address"}},
        "shop.users": {
            "kind": "profiles",
            "only_mapped": True,
            "attributes": {"geo.city": "city", "note": ""},
        },
        "public.orders": {"kind": "segment", "types": ["identify", "group"]},
        "crm-*": {"kind": "ignore"},
    },
    "replay": {"start": "2026-01-01", "end": "2026-02-01", "types": ["track"]},
    "stream_maps": {"users": {"name": "name.upper()", "__filter__": "seat > 1"}},
    "stream_map_config": {"seed": "a.b"},
    "faker_config": {"locale": ["fr_FR"]},
    "flattening_enabled": True,
}
"""Values of settings that take no other text or object; the rest follows from a setting's type."""


def values() -> dict[str, Any]:
    """Return a value for every setting of the definition, other than its default."""
    return {setting["name"]: _value(setting) for setting in definition()["settings"]}


def _value(setting: dict[str, Any]) -> Any:
    name = setting["name"]
    shown = json_schema()["properties"].get(name, {"type": setting["kind"]})
    if name in CHOSEN:
        return CHOSEN[name]
    if "enum" in shown:
        return next(value for value in shown["enum"] if value != shown["default"])
    kinds = shown["type"] if isinstance(shown["type"], list) else [shown["type"]]
    return {"number": 0.25, "integer": 7, "boolean": not shown.get("default"), "string": f"some_{name}"}[
        kinds[0]
    ]


def as_text(value: Any) -> str:
    """Write a value as people write it on a command line."""
    return value if isinstance(value, str) else json.dumps(value)


def meant() -> dict[str, Any]:
    """Return what the target should make of the values; of a stream only the options that were set."""
    expected = copy.deepcopy(values())
    for options in expected["streams"].values():
        if "attributes" in options:
            given = options["attributes"].items()
            options["attributes"] = {source: target or None for source, target in given}
    return expected


def arrived(project: Project, **variables: str) -> dict[str, Any]:
    """Invoke the target through Meltano; return what it read, without what was not set."""
    output = project.meltano("invoke", "target-batch", variables=variables)
    (line,) = (line for line in output.splitlines() if line.startswith("READ "))
    found: dict[str, Any] = json.loads(line.removeprefix("READ "))
    for stream, options in found["streams"].items():
        asked = meant()["streams"].get(stream, options)
        found["streams"][stream] = {name: options[name] for name in asked}
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose target shows what it reads."""
    reader = tmp_path / "reader"
    reader.write_text(READER)
    reader.chmod(0o755)
    return Project(tmp_path, {}, reader)


def test_every_setting_arrives_by_variable(project: Project) -> None:
    given = {f"TARGET_BATCH_{name.upper()}": as_text(value) for name, value in values().items()}
    assert arrived(project, **given) == meant()


def test_every_setting_arrives_by_config_set(project: Project) -> None:
    project.set({name: as_text(value) for name, value in values().items()})
    assert arrived(project) == meant()


def test_every_setting_arrives_from_meltano_yml(project: Project) -> None:
    project.configure(values())
    assert arrived(project) == meant()


@pytest.mark.parametrize("name", ["dry_run", "flattening_enabled"])
def test_a_word_that_is_not_a_boolean_reaches_the_target_and_is_refused(tmp_path: Path, name: str) -> None:
    """Meltano's own boolean kind would turn it into false, and the run would be live."""
    project = Project(tmp_path, {**REQUIRED, "api_url": "http://localhost:9", name: "ture"})
    project.add_tap("tap-lines", [schema("users", {"user_id": STRING})])
    output = project.meltano("run", "tap-lines", "target-batch", codes=(1,))
    assert f"The setting `{name}` is wrong: Expected `true` or `false`" in output


@pytest.mark.parametrize("word", ["yes", "On", "1"])
def test_a_word_for_true_is_true(tmp_path: Path, word: str) -> None:
    """The run is dry through Meltano, too: nothing listens where its requests would go."""
    project = Project(tmp_path, {**REQUIRED, "api_url": "http://localhost:9"})
    project.add_tap("tap-lines", [schema("users", {"user_id": STRING}), record("users", user_id="u1")])
    project.meltano("run", "tap-lines", "target-batch", variables={"TARGET_BATCH_DRY_RUN": word})


MASKED = {"email": "__NULL__"}


@pytest.mark.parametrize("way", ["variable", "yaml", "null in yaml", "config set"])
def test_the_options_and_the_map_of_a_stream_with_a_dot_are_applied(
    tmp_path: Path, batch: LocalBatch, way: str
) -> None:
    """With `meltano run`, a masked column is not sent, and the options apply to their stream."""
    project = Project(tmp_path, {**REQUIRED, "api_url": batch.url})
    lines = [
        schema("shop.users", {"uid": STRING, "email": STRING, "geo.city": STRING, "note": STRING}),
        record("shop.users", uid="u1", email="a@example.com", **{"geo.city": "Lyon", "note": "between us"}),
    ]
    project.add_tap("tap-lines", lines)
    attributes = {"geo.city": "town", "note": None if way == "null in yaml" else ""}
    options = {"kind": "profiles", "custom_id": "uid", "attributes": attributes}
    maps = {"email": None} if way == "null in yaml" else MASKED
    settings = {"streams": {"shop.users": options}, "stream_maps": {"shop.users": maps}}
    variables = {}
    if way == "variable":
        variables = {f"TARGET_BATCH_{name.upper()}": json.dumps(value) for name, value in settings.items()}
    elif way == "config set":
        project.set(
            {
                "streams.shop.users.kind": "profiles",
                "streams.shop.users.custom_id": "uid",
                "streams.shop.users.attributes.geo.city": "town",
                "streams.shop.users.attributes.note": "",
                "stream_maps.shop.users.email": "__NULL__",
            }
        )
    else:
        project.configure(settings)
    output = project.meltano("run", "tap-lines", "target-batch", variables=variables)
    assert batch.attributes("u1") == {"town": "Lyon"}
    assert "no stream of this input has" not in output
