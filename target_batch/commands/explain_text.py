"""The findings of `explain` as plain text, one block per stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from target_batch.common.plain_text import counted, cut, fitted, number, room, share, table, wrapped
from target_batch.common.redaction import clean
from target_batch.mapping.checks import ABOUT_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING: Final = "-"
LONGEST_EXAMPLE: Final = 28
LONGEST_LIST: Final = 60
SHOWN_NAMES: Final = 6
INFERRED: Final = (
    "schema     inferred from these rows; a tap's own SCHEMA may say otherwise, and `replay` takes rows of "
    "JSON by their JSON types unless it has a --schema"
)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def shown(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that show the findings about a stream."""
    yield _title(found)
    if found["problem"]:
        yield ""
        yield "  " + click.style("The target would stop here", fg="red", bold=True)
        yield wrapped(clean(found["problem"], 600), 2)
        return
    going = [row for row in found["properties"] if row["attribute"]]
    staying = [row for row in found["properties"] if not row["attribute"]]
    blocks = (
        _facts(found),
        _going(going),
        _staying(staying),
        _notes(found),
        _budgets(found),
        _reasons(found),
    )
    for block in blocks:
        if lines := list(block):
            yield ""
            yield from lines


def _title(found: dict[str, Any]) -> str:
    counts = found["records"]
    name = click.style(clean(found["stream"], 60), bold=True)
    if not counts["read"]:
        return f"{name}  no records in the sample"
    parts = [counted(counts["read"], "record"), f"{number(counts['sent'])} would go"]
    if counts["sent_in_part"]:
        parts[-1] += f" ({number(counts['sent_in_part'])} of them without an attribute)"
    if counts["erased"]:
        parts.append(f"{number(counts['erased'])} would erase a person")
    parts += [f"{number(counts[fate])} {fate}" for fate in ("ignored", "rejected") if counts[fate]]
    return fitted(f"{name}  {', '.join(parts)}")


def _facts(found: dict[str, Any]) -> Iterator[str]:
    yield fitted(f"  kind       {found['kind']}: {found['kind_found']}", 13)
    if found["custom_id"]:
        yield fitted(f"  custom ID  {clean(found['custom_id'], 60)}: {found['custom_id_found']}", 13)
    if found["schema_inferred"]:
        yield wrapped(INFERRED, 2, hanging=13)


def _going(going: list[dict[str, Any]]) -> Iterator[str]:
    if going:
        rows = [
            (_text(row["property"]), _text(row["attribute"]), row["type"], _example(row)) for row in going
        ]
        yield from _indented(("property", "in Batch", "type", "example"), rows)
        yield from (fitted(f"  {_text(row['property'])}: {row['note']}", 4) for row in going if row["note"])


def _staying(staying: list[dict[str, Any]]) -> Iterator[str]:
    if staying:
        rows = [
            (_text(row["property"]), row["type"], row["note"] or "", row["reason"] or "") for row in staying
        ]
        yield from _indented(("not an attribute", "type", "because", "reason"), rows)


def _notes(found: dict[str, Any]) -> Iterator[str]:
    """Yield the notes on the SCHEMA that the tables do not show."""
    shown_above = found["kind"] != "segment"
    for note in found["notes"]:
        if not (shown_above and note.startswith(ABOUT_PROPERTY)):
            yield wrapped(clean(note, 600), 2)


def _text(value: Any) -> str:
    return clean(value, 60)


def _example(row: dict[str, Any]) -> str:
    if row["example"] is None:
        return NOTHING
    example = _value(row["example"])
    if row["refused"]:
        return f"{example} → refused"
    if row["sent"] is None or row["sent"] == row["example"]:
        return example
    became = ", ".join(map(_value, row["sent"])) if isinstance(row["sent"], list) else _value(row["sent"])
    return example if became == example else f"{example} → {became}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else _encode(value).decode()
    return cut(clean(text, 200), LONGEST_EXAMPLE)


def _budgets(found: dict[str, Any]) -> Iterator[str]:
    budgets = found["budgets"]
    if not budgets:
        return
    if found["names"]:
        yield from _names(found)
    names = budgets["attributes"]
    planned, limit = names["planned"], names["limit"]
    within = f"{planned} of {limit} that Batch takes at once"
    over = click.style(f"{planned}, more than the {limit} that Batch takes at once", fg="red")
    yield fitted(f"  attributes  {within if planned <= limit else over}", 14)
    if names["most_in_a_record"]:
        yield fitted(f"              {names['most_in_a_record']} at most in one record of the sample", 14)
    if budgets["texts_too_long"]:
        long = number(budgets["texts_too_long"])
        yield fitted(f"  texts       {long} longer than Batch takes (300 characters)", 14)
    if events := budgets.get("events"):
        most, limit = events["most_of_one_custom_id"], events["limit_per_entry"]
        if most:
            yield fitted(
                f"  at once     {number(most)} at most of one custom ID, {limit} fit in one request", 14
            )
        late = share(events["late"], events["met"])
        yield fitted(f"  late        {late} of the events are outside the 24 hours that Batch takes", 14)


def _names(found: dict[str, Any]) -> Iterator[str]:
    names = [f"{clean(name, 80)} ({number(count)})" for name, count in found["names"].items()]
    more = f" and {number(len(names) - SHOWN_NAMES)} more" if len(names) > SHOWN_NAMES else ""
    head = "audiences" if found["kind"] == "audiences" and ": " in names[0] else "events"
    yield fitted(f"  {head:<12}{', '.join(names[:SHOWN_NAMES])}{more}", 14)


def _reasons(found: dict[str, Any]) -> Iterator[str]:
    if found["reasons"]:
        yield click.style("  Met in the sample", bold=True)
    for met in found["reasons"]:
        where = f"line {', '.join(map(str, met['lines']))}"
        more = " …" if met["count"] > len(met["lines"]) else ""
        names = f"  {cut(', '.join(met['properties']), LONGEST_LIST)}" if met["properties"] else ""
        head = f"  {number(met['count']):>8}  {click.style(met['code'], fg='yellow')}{names}  {where}{more}"
        yield fitted(head, 12)
        yield wrapped(met["advice"], 12)


def _indented(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    columns = room()
    lines = table(heads, rows, longest=60, columns=columns and columns - 2)
    return (f"  {line}".rstrip() for text in lines for line in text.split("\n"))
