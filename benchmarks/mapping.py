"""Measure the mapping of one record, beside decoding and encoding that record with msgspec.

Run `python benchmarks/mapping.py`. The first figure is for decoding a record and encoding it again, the
second for the whole way from its bytes to the bytes of Batch's entry; the difference is the mapping. Each is
the median of several runs, taken in turns; a run is the fastest of many short rounds, so that other processes
on the machine do not count.
"""

from __future__ import annotations

import statistics
import timeit
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_batch.common.redaction import Secret
from target_batch.config.routing import route
from target_batch.config.settings import Settings
from target_batch.mapping import Plan, compile_plan

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_700_000_000.0
RUNS, ROUNDS, CALLS = 7, 60, 400

decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode

TEXT = {"type": ["string", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
USER = {
    "id": {"type": "integer"}, "first_name": TEXT, "last_name": TEXT, "full_name": TEXT,
    "email": TEXT, "phone": TEXT, "locale": TEXT, "signup_at": MOMENT, "last_seen_at": MOMENT,
    "interests": {"type": "array", "items": {"type": "string"}}, "orders": {"type": "integer"},
    "vip": {"type": "boolean"},
}  # fmt: skip
LINE = (
    b'{"id":184467,"first_name":"Marguerite","last_name":"Delacroix",'
    b'"full_name":"Marguerite Delacroix","email":"marguerite.delacroix@example.com",'
    b'"phone":"+33612345678","locale":"fr-FR","signup_at":"2024-01-02T03:04:05.123456Z",'
    b'"last_seen_at":"2025-11-12T13:14:15Z","interests":["sport","music","cooking"],'
    b'"orders":42,"vip":true}'
)
EVENT = (
    b'{"id":184467,"event":"Order Completed","timestamp":"2023-11-14T22:00:00Z","total":129.90,'
    b'"currency":"EUR","coupon":null,"lines":[{"sku":"A-1","quantity":2},{"sku":"B-7","quantity":1}]}'
)
IDENTIFY = (
    b'{"type":"identify","userId":"184467","messageId":"m-1","timestamp":"2023-11-14T22:00:00Z",'
    b'"traits":{"firstName":"Marguerite","email":"marguerite.delacroix@example.com",'
    b'"plan":"premium","logins":5,"signup":"2024-01-02T03:04:05Z"},'
    b'"context":{"locale":"fr-FR","timezone":"Europe/Paris"}}'
)
MEMBER = b'{"id":184467,"cohort":"Big Spenders","action":"entered"}'

VARIANTS = {"every date +02:00": (b'Z"', b'+02:00"'), "a bad phone": (b"+336", b"call ")}


def plan_of(stream: str, properties: dict[str, Any]) -> Plan:
    """Compile the plan of a stream."""
    settings = Settings(rest_api_key=Secret("key"), project_key="project", custom_id=None)
    schema = {"type": "object", "properties": properties}
    return compile_plan(route(stream, schema, ["id"], settings), schema, settings)


def microseconds(call: Callable[[], object]) -> float:
    """Return the duration of a call when nothing disturbs it."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def whole_way(plan: Plan, line: bytes) -> Callable[[], object]:
    """Return a function that turns a record's bytes into those of its entry, as the target does."""
    return lambda: encode(plan(decode(line), NOW))


def compare(name: str, line: bytes, plan: Plan) -> None:
    """Print one line: decode and encode, the whole way, and the mapping's part of it."""
    way = whole_way(plan, line)
    codec, whole = [], []
    for _ in range(RUNS):
        codec.append(microseconds(lambda: encode(decode(line))))
        whole.append(microseconds(way))
    left, right = statistics.median(codec), statistics.median(whole)
    mapped = f"{right - left:>9.2f}{(right - left) / left:>8.2f}"
    print(f"{name:<34}{len(line):>7}{left:>17.2f}{right:>14.2f}{mapped}")


def main() -> None:
    """Print the table."""
    print(f"{'record':<34}{'bytes':>7}{'decode+encode µs':>17}{'whole way µs':>14}{'map µs':>9}{'ratio':>8}")
    compare("user, 12 properties", LINE, plan_of("users", USER))
    for name, (old, new) in VARIANTS.items():
        compare(f"the same, {name}", LINE.replace(old, new), plan_of("users", USER))
    event = {"id": {}, "event": TEXT, "timestamp": MOMENT, "total": {"type": "number"}, "lines": {}}
    compare("event, 7 properties", EVENT, plan_of("events", event))
    message: dict[str, Any] = {"type": {}, "userId": {}, "traits": {}, "context": {}}
    compare("Segment identify, 5 traits", IDENTIFY, plan_of("messages", message))
    compare("audience member", MEMBER, plan_of("cohort_members", {"cohort": {}, "action": {}}))


if __name__ == "__main__":
    main()
