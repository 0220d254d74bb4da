"""Random `profiles` streams for comparing whole runs, with usual and odd SCHEMAs and records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

S: Final = {"type": "string"}
MAYBE: Final = {"type": ["string", "null"]}
SCALARS: Final[list[Any]] = [
    {}, True, S, MAYBE, {"type": "integer"}, {"type": ["integer", "null"]}, {"type": "number"},
    {"type": ["number", "null"]}, {"type": "boolean"}, {"type": ["null", "boolean"]}, {"type": "object"},
    {"type": ["object", "null"]}, {"type": "null"}, {"type": ["string", "integer"]},
    {"type": ["string", "number", "null"]}, {"type": ["array", "object", "string", "null"]},
    {**MAYBE, "format": "date-time"}, {**S, "format": "date-time"}, {**MAYBE, "format": "date"},
    {**S, "format": "uri"}, {**MAYBE, "format": "singer.decimal"}, {**S, "maxLength": 3},
    {"enum": ["", "x", 1]},
    {"type": "integer", "minimum": 0, "maximum": 9}, {"type": "number", "multipleOf": 0.01},
    {"$ref": "#/definitions/d"}, {"not": S}, {**S, "nullable": True}, {"allOf": [S, {"maxLength": 3}]},
    {"type": "number", "maximum": 10, "exclusiveMaximum": True}, {"type": "object", "properties": {"a": S}},
]  # fmt: skip
NAMES: Final = (
    "a", "b", "c d", "C-D", "c_d", "email", "Email", "phone", "locale", "language", "region", "timezone",
    "email_marketing", "topic_preferences", "createdAt", "_sdc_batched_at", "_sdc_deleted_at",
    "$email_address",
    "x" * 31, "class", "日本", 'q"x', "back\\slash", "tab\t", "f0", "id", "user.id", "date(x)", "", "a" * 300,
)  # fmt: skip
TEXTS: Final = (
    "", " ", "x", "abc", " a@b.co ", "a@b.co", "+33612345678", "0612345678", "fr-FR", "zh_Hant_TW", "und",
    "nan",
    "Europe/Paris", "yes", "no", "1", "null", "2024-01-02", "2024-02-30", "2024-01-02T03:04:05Z",
    "2024-01-02 03:04:05", "2024-01-02T03:04:05.1234567+02:00", "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59.9999999Z", "2024-06-30T23:59:60Z", "20240102", " 2024-01-0", "https://a.b/c", "http://",
    "x" * 300, "x" * 301, "é" * 300, "😀\n", "1.50", "1e400", "Infinity", "u" * 600,
)  # fmt: skip
WHOLE: Final = ("0", "-0", "7", "7.0", "1e3", "9007199254740993", "18446744073709551616", "1" * 400)
NUMBERS: Final = (
    *WHOLE,
    "-0.0",
    "1E400",
    "-1e-400",
    "0.10000000000000000000001",
    "1.10",
    "1234567890.0123456789012345",
)
ARRAYS: Final = (
    "[]", '["a"]', '["a",null]', '[""]', "[1]", "[1.50,true]", "[1e400]", '["x",{"a":1}]', '[["a"]]',
    '[{"a":1}]',
    json.dumps(["x"] * 25), json.dumps(["x"] * 26), json.dumps(["y" * 301]), "[" * 200 + "]" * 200,
)  # fmt: skip
OBJECTS: Final = (
    "{}", '{"a":1.50}', '{"id":"u9"}', '{"id":7}', '{"$add":["a"]}', '{"$remove":[]}', '{"$add":[1],"x":1}',
)  # fmt: skip
ODD: Final = (
    "NaN", "1e9999999999999999999999", "7" * 5000, "[1e999999999]", '"\\ud800"', "null", "null", "true",
    "false",
)  # fmt: skip
TARGETS: Final = (None, "m1", "m2", "date(m3)", "url(m4)", "$email_address", "$language", "$email_marketing")
IDS: Final = ("user_id", "user_id", "id", "user.id", "a", "nowhere", "obj.id")
BY_TYPE: Final[dict[str, tuple[str, ...]]] = {
    "string": tuple(map(json.dumps, TEXTS)), "integer": WHOLE, "number": NUMBERS,
    "boolean": ("true", "false"),
    "object": OBJECTS, "null": ("null",),
}  # fmt: skip
ANY: Final = (*BY_TYPE["string"], *NUMBERS, *ARRAYS, *OBJECTS, *ODD)


@dataclass
class Stream:
    """One random stream: its options and its lines in order, including SCHEMAs."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def stream(random: Random, name: str) -> Stream:
    """Make a stream with one SCHEMA, or with two in succession."""
    path = random.choice(IDS)
    made = Stream(f"{name}_users", {"kind": "profiles", "custom_id": path})
    names = [*random.sample(NAMES, random.choice((0, 1, 3, 6, 10))), *_many(random)]
    if random.random() < 0.4:
        mapped = random.sample([*NAMES, path, "unknown"], 3)
        made.options["attributes"] = {one: random.choice(TARGETS) for one in (*mapped, path)}
        made.options["only_mapped"] = random.random() < 0.3
    for version in range(random.choice((1, 1, 1, 2))):
        properties = _properties(random, names, path)
        schema = properties.pop("")
        message = {"type": "SCHEMA", "stream": made.name, "schema": schema, "key_properties": []}
        made.lines.append(json.dumps(message))
        for number in range(random.choice((1, 4, 12))):
            owner = f"{name}-{version}-{number}"
            made.lines.append(_record(random, made.name, schema["properties"], path, owner))
    return made


def _many(random: Random) -> list[str]:
    return [f"p{number}" for number in range(random.choice((45, 60)) if random.random() < 0.05 else 0)]


def _properties(random: Random, names: list[str], path: str) -> dict[str, Any]:
    """Return the SCHEMA of a record, under an empty name."""
    properties = {name: _schema(random) for name in names}
    if path in {"user_id", "id"} and random.random() < 0.9:
        properties[path] = random.choice((S, MAYBE, {"type": ["integer", "null"]}, {"type": "number"}, {}))
    if path == "obj.id" and random.random() < 0.7:
        properties["obj"] = random.choice(
            ({"type": "object"}, {}, {"type": "object", "properties": {"id": S}})
        )
    if properties and path not in properties:
        properties.setdefault(
            path.split(".", maxsplit=1)[0], {}
        )  # a SCHEMA without what `custom_id` names is refused
    schema: dict[str, Any] = {
        "type": random.choice(("object", ["object", "null"])),
        "properties": properties,
    }
    if "$ref" in json.dumps(properties):
        schema["definitions"] = {"d": S}
    if properties and random.random() < 0.3:
        schema["required"] = random.sample(list(properties), 1)
    if random.random() < 0.25:
        schema["additionalProperties"] = random.choice((False, True, S, {"type": "integer"}, {}))
    if random.random() < 0.1:
        schema |= random.choice(({"minProperties": 3}, {"patternProperties": {"^a": S}}))
    return {"": schema}


def _schema(random: Random, depth: int = 0) -> Any:
    choice = random.random()
    if choice < 0.7 or depth > 2:
        return random.choice(SCALARS)
    if choice < 0.87:
        kind = random.choice(("array", ["array", "null"], ["array", "string"]))
        return {"type": kind, **({"items": _schema(random, depth + 1)} if random.random() < 0.8 else {})}
    union = random.choice(("anyOf", "anyOf", "oneOf"))
    return {union: [_schema(random, depth + 1) for _ in range(random.randint(1, 3))]}


def _record(random: Random, name: str, properties: dict[str, Any], path: str, owner: str) -> str:
    values = {
        one: _fitting(random, schema) if random.random() < 0.85 else random.choice(ANY)
        for one, schema in properties.items()
        if random.random() < 0.75
    }
    head, _, inside = path.partition(".")
    if path in properties or not inside:
        head, inside = path, ""
    if random.random() < 0.9:
        values[head] = json.dumps({inside: owner} if inside else owner)
    if random.random() < 0.15:
        values[random.choice(("unknown", "UNKNOWN", "user_id", "_sdc_deleted_at"))] = random.choice(ANY)
    if not values:  # the SDK's own maps remove an empty record
        values["_sdc_sequence"] = "1"
    pairs = list(values.items())
    if random.random() < 0.2:
        random.shuffle(pairs)
    if pairs and random.random() < 0.03:
        pairs.append((pairs[0][0], random.choice(ANY)))
    body = ",".join(f"{json.dumps(one)}:{value}" for one, value in pairs)
    return f'{{"type":"RECORD","stream":{json.dumps(name)},"record":{{{body}}}}}'


def _fitting(random: Random, schema: Any) -> str:
    """Return a value, as JSON, that probably fits the schema of its property."""
    if not isinstance(schema, dict):
        return random.choice(ANY)
    union = schema.get("anyOf") or schema.get("oneOf")
    if union:
        return _fitting(random, random.choice(union))
    kind = schema.get("type")
    kind = random.choice(kind) if isinstance(kind, list) else kind
    if kind == "array":
        return (
            "["
            + ",".join(_fitting(random, schema.get("items", {})) for _ in range(random.randint(0, 3)))
            + "]"
        )
    return random.choice(BY_TYPE.get(str(kind), ANY))
