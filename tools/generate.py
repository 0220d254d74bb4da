"""Generate the parts of README, docs and Meltano's files that describe the code; `--check` only compares.

python tools/generate.py [--check]
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from target_batch.cli import COMMANDS, command
from target_batch.common.reasons import Reason
from target_batch.config.settings import SDK_SETTINGS, StreamOptions, json_schema
from target_batch.sandbox.readings import READINGS, SECTIONS
from target_batch.target import TargetBatch

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"integer": "integer", "array": "array", "object": "object"}
"""Meltano's kinds by type. The rest are texts that the target reads itself: a decimal number stops Meltano
(`Decimal is not JSON serializable`), and a word it does not know is false to it, even `dry_run: ture`."""
STREAM_OPTIONS = {
    "kind": "`profiles`, `events`, `segment`, `audiences` or `ignore`",
    "custom_id": "property (or dotted path) of the Custom User ID",
    "attributes": "property (or dotted path into an object) → `name`, `$native`, `date(name)`, "
    "`url(name)`, `number(name)`, `integer(name)`, `boolean(name)` (the last three for taps "
    "that send text); `''` (or null) leaves it out",
    "only_mapped": "send only what `attributes` names",
    "time": "property of the record's own time",
    "event": "one fixed event name",
    "event_property": "property of the event's name",
    "audience": "one fixed audience name",
    "audience_property": "property of the audience's name",
    "display_name_property": "property of the audience's label",
    "action_property": "property that says add or remove",
    "deleted_at": "property that marks a record as deleted at its source, beside the usual ones",
    "on_delete": "`ignore`, or `erase`: a record that is deleted at its source erases the person (profiles)",
    "mode": "`update` (changes) or `mirror` (the stream is the whole truth)",
    "complete_at": "mirror: what proves that the stream was whole: `state` (a STATE or ACTIVATE_VERSION "
    "after its "
    "last record) or `end_of_input`",
    "destination": "`project` or `app`",
    "id_type": "`custom_ids`, `install_ids` or `advertising_ids` (apps)",
    "tags": "property of a member's tags (apps, `install_ids`)",
    "as_attribute": "membership as a boolean profile attribute",
    "allow_empty": "mirror: an empty stream may empty the audience",
    "types": "Segment types to load (default `identify`, `track`)",
}
COSTS = {
    "record": "the record",
    "attribute": "the attribute",
    "either": "what is named",
    "ignored": "nothing (only counted)",
}


def settings_table() -> str:
    """Make the table of settings."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    schema = json_schema()
    for name, shown in schema["properties"].items():
        default = f"`{shown['default']}`" if "default" in shown else ""
        if name in schema["required"]:
            default = "**required**"
        values = f" One of {_values(shown['enum'])}." if "enum" in shown else ""
        secret = " Secret." if shown.get("secret") else ""
        rows.append(f"| `{name}` | {default} | {shown['description']}{values}{secret} |")
    return "\n".join(rows)


def options_table() -> str:
    """Make the table of stream options.

    Raises:
        SystemExit: an option has no description here, or a description names an option that does not exist.
    """
    if STREAM_OPTIONS.keys() != set(StreamOptions.__struct_fields__):
        sys.exit("tools/generate.py describes other stream options than there are")
    rows = ["| option | meaning |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{name}` | {text} |" for name, text in STREAM_OPTIONS.items())])


def reasons_table() -> str:
    """Make the table of reason codes."""
    rows = ["| code | costs | stops | what to do |", "|---|---|---|---|"]
    stops = {True: "yes", False: ""}
    listed = (f"| `{r.code}` | {COSTS[r.level]} | {stops[r.stops]} | {r.advice} |" for r in Reason)
    return "\n".join([*rows, *listed])


def commands_table() -> str:
    """Make the table of commands."""
    group = command()
    rows = ["| command | what it does |", "|---|---|"]
    for name in sorted(COMMANDS):
        found = group.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        rows.append(f"| `target-batch {name}` | {found.get_short_help_str(200)} |")
    return "\n".join(rows)


def readings_table() -> str:
    """Make the table of the answers that the local Batch may give where Batch's documentation is silent."""
    rows = ["| reading | about | values, the default first |", "|---|---|---|"]
    for reading in READINGS:
        sections = ", ".join(SECTIONS[section] for section in reading.page.split(", "))
        values = "; ".join(f"`{value}` {meaning}" for value, meaning in reading.values.items())
        rows.append(f"| `{reading.name}` | {reading.about} ({sections}) | {values} |")
    return "\n".join(rows)


def _values(values: list[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def plugin_settings() -> list[dict[str, Any]]:
    """Make the settings of Meltano's plugin definition."""
    found = []
    schema = json_schema()
    builtin = copy.deepcopy(schema)
    TargetBatch.append_builtin_config(builtin)
    own = schema["properties"]
    for name, shown in (own | {name: builtin["properties"][name] for name in sorted(SDK_SETTINGS)}).items():
        kinds = shown["type"] if isinstance(shown["type"], list) else [shown["type"]]
        texts = {"label": shown["title"], "description": " ".join(shown["description"].split())}
        setting: dict[str, Any] = {"name": name, **texts}
        setting["kind"] = "options" if "enum" in shown else KINDS.get(kinds[0], "string")
        if "enum" in shown:
            setting["options"] = [{"label": value, "value": value} for value in shown["enum"]]
        if "default" in shown:
            setting["value"] = shown["default"]
        if shown.get("secret"):
            setting["sensitive"] = True
        found.append(setting)
    return found


def plugin_definition() -> dict[str, Any]:
    """Make the plugin definition that Meltano's Hub and `--from-ref` take.

    In the Hub the variant is the owner of the repository; outside the Hub it is `original`.
    """
    return {
        "name": "target-batch",
        "namespace": "target_batch",
        "variant": "original",
        "label": "Batch",
        "description": "Loads users, events and cohorts into Batch (batch.com), and loses none of them.",
        "domain_url": "https://batch.com",
        "keywords": ["meltano_sdk", "reverse-etl"],
        "maintenance_status": "beta",
        "pip_url": "target-batch[parquet,postgres,sandbox]",
        "executable": "target-batch",
        "capabilities": [capability.value for capability in TargetBatch.capabilities],
        "settings_group_validation": [["rest_api_key", "project_key"], ["rest_api_key", "app_api_keys"]],
        "settings": plugin_settings(),
        "commands": plugin_commands(),
    }


def plugin_commands() -> dict[str, Any]:
    """Make the commands of Meltano's plugin definition."""
    group = command()
    commands = {}
    for name in sorted(COMMANDS):
        found = group.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        takes_config = any("--config" in parameter.opts for parameter in found.params)
        args = f"{name} --config ENV" if takes_config else name
        commands[name] = {"args": args, "description": found.get_short_help_str(200)}
    return commands


def editor_schema() -> dict[str, Any]:
    """Make the JSON schema by which an editor completes and checks a configuration file.

    A key may come from elsewhere, so none is required.
    """
    schema = copy.deepcopy(json_schema())
    TargetBatch.append_builtin_config(schema)
    properties = schema["properties"]
    options = properties["streams"]["additionalProperties"]["properties"]
    for name, text in STREAM_OPTIONS.items():
        options[name]["description"] = text.replace("`", "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of target-batch",
        "type": "object",
        "properties": {"$schema": {"type": "string"}, **properties},
        "additionalProperties": False,
    }


def _yaml(document: Any) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    return text


def between(text: str, name: str, content: str) -> str:
    """Replace what stands between the markers of a generated part."""
    start, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    head, _, rest = text.partition(start)
    if not rest:
        return text
    return f"{head}{start}\n{content}\n{end}{rest.partition(end)[2]}"


def documents() -> dict[Path, str]:
    """Return every generated file, whole."""
    parts = {
        "settings": settings_table(),
        "options": options_table(),
        "reasons": reasons_table(),
        "commands": commands_table(),
        "readings": readings_table(),
    }
    found: dict[Path, str] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))):
        text = path.read_text(encoding="utf-8")
        for name, content in parts.items():
            text = between(text, name, content)
        found[path] = text
    definition = plugin_definition()
    found[ROOT / "plugins/loaders/target-batch.yml"] = _yaml(definition)
    found[ROOT / "meltano.yml"] = _project(definition)
    schema = json.dumps(editor_schema(), indent=2, ensure_ascii=False)
    found[ROOT / "schemas/config.schema.json"] = f"{schema}\n"
    return found


def _project(definition: dict[str, Any]) -> str:
    path = ROOT / "meltano.yml"
    text = path.read_text(encoding="utf-8")
    comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    project = yaml.safe_load(text)
    (loader,) = project["plugins"]["loaders"]
    loader["capabilities"] = definition["capabilities"]
    loader["settings"] = [
        {"name": setting["name"], "kind": setting["kind"]}
        | ({"options": setting["options"]} if "options" in setting else {})
        | ({"sensitive": True} if setting.get("sensitive") else {})
        for setting in definition["settings"]
    ]
    loader["commands"] = definition["commands"]
    return comment + _yaml(project)


def main() -> None:
    """Write or compare every generated file."""
    stale = []
    for path, text in documents().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    verb = "differ from the code: make docs" if "--check" in sys.argv else "written"
    print(f"{json.dumps(stale)} {verb}" if stale else "everything generated is as the code says")
    sys.exit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
