"""Helpers shared by the handlers, mainly those of project and app audiences."""

from typing import Any, Final, TypeVar

import msgspec

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.refusals import UNREADABLE, Refused
from target_batch.sandbox.rules.audiences import audience_name_violation, count_violation
from target_batch.sandbox.rules.limits import LIST_DEFAULT, LIST_LIMIT
from target_batch.sandbox.store.audiences import Action, Audience, MemberChange

Body = TypeVar("Body")

_UNKNOWN: Final = {"audiences/update": 400, "audiences/replace": 400, "audiences/remove": 400}
"""Statuses for an unknown audience with the reading ``by_route``; all other endpoints answer 404."""


def admit(batch: LocalBatch, exchange: Exchange, owner: str) -> None:
    """Count a call against the default budget.

    Raises:
        Refused: With 429, if the call exceeds the budget.
    """
    if not batch.rates.admit(owner, exchange.endpoint, 1, exchange.steady):
        raise Refused.too_many()


def decode(exchange: Exchange, form: type[Body]) -> Body:
    """Decode a body of the given type.

    Raises:
        Refused: With 400, if it does not match the type, or as described in `Exchange.check_body`.
    """
    exchange.check_body()
    try:
        return msgspec.json.decode(exchange.body, type=form)
    except UNREADABLE as error:
        raise Refused.malformed(str(error)) from None


def check_name(name: str) -> str:
    """Check the name of an audience and return it.

    Raises:
        Refused: With 400, if the name is invalid.
    """
    check(audience_name_violation(name))
    return name


def check(violation: str | None) -> None:
    """Refuse the call if there is a violation.

    Raises:
        Refused: With 400 and the violation as its message.
    """
    if violation:
        raise Refused.malformed(violation)


def check_count(batch: LocalBatch, exchange: Exchange, ids: list[Any], action: Action) -> None:
    """Record the number of members in a call, and check it.

    Raises:
        Refused: With 400, if there are none or too many.
    """
    exchange.entries = len(ids)
    may_be_empty = action == "replace" and batch.options.readings["empty_replace"] == "accepted"
    if ids or not may_be_empty:
        check(count_violation(len(ids)))


def find(batch: LocalBatch, exchange: Exchange, platform: str, name: str) -> Audience:
    """Find an audience and index its due changes.

    Raises:
        Refused: With 404 or 400, if there is no audience of that name.
    """
    audience = batch.audiences.of(platform).get(check_name(name))
    if audience is None:
        reading = batch.options.readings["unknown_audience"]
        status = _UNKNOWN.get(exchange.endpoint, 404) if reading == "by_route" else int(reading)
        raise Refused(status, "AUDIENCE_NOT_FOUND", "audience not found")
    audience.settle(batch.clock.steady())
    return audience


def make(batch: LocalBatch, exchange: Exchange, platform: str, audience: Audience) -> str:
    """Create an empty audience; return the indexing token of the call.

    Raises:
        Refused: With 400, 403 or 409, if the name is taken.
    """
    existing = batch.audiences.of(platform).get(audience.name)
    if existing is None:
        batch.audiences.add(platform, audience)
        return write(batch, exchange, platform, audience, "create", [])
    reading = batch.options.readings["existing_audience"]
    if reading != "accepted":
        raise Refused(int(reading), "AUDIENCE_ALREADY_EXISTS", "an audience of this name exists")
    return existing.accept("create", [], batch.clock.steady())


def write(
    batch: LocalBatch,
    exchange: Exchange,
    platform: str,
    audience: Audience,
    action: Action,
    members: list[MemberChange],
) -> str:
    """Accept an audience change, to be indexed later; return its indexing token."""
    now = batch.clock.steady()
    audience.settle(now)
    token = audience.accept(action, members, now + batch.options.index_seconds)
    audience.settle(now)
    audience.updated = exchange.wall
    _note(batch, exchange, platform, audience.name, action, members)
    return token


def drop(batch: LocalBatch, exchange: Exchange, platform: str, name: str) -> str:
    """Delete an audience immediately; return the indexing token of the call.

    Raises:
        Refused: With 404 or 400, if there is no audience of that name.
    """
    find(batch, exchange, platform, name)
    del batch.audiences.of(platform)[name]
    _note(batch, exchange, platform, name, "delete", [])
    return f"{exchange.number:032x}"


def limit(parameters: dict[str, str]) -> int:
    """Read the ``limit`` of a list.

    Raises:
        Refused: With 400, if it is not a whole number from 1 to 100.
    """
    return whole(parameters, "limit", LIST_DEFAULT, 1, LIST_LIMIT)


def whole(parameters: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """Read a whole number from the query.

    Raises:
        Refused: With 400, if it is not a whole number or is out of bounds.
    """
    text = parameters.get(name, str(default))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    number = int(text) if is_number else least - 1
    if not least <= number <= most:
        raise Refused.malformed(f"{name} is a whole number from {least} to {most}")
    return number


def state(audience: Audience, token: str | None) -> str:
    """Return the indexing state of the call with this token, or of the last call.

    Raises:
        Refused: With 400, if the token is unknown.
    """
    found = audience.state(token)
    if found is None:
        raise Refused.malformed("the indexing token is unknown")
    return found


def _note(
    batch: LocalBatch,
    exchange: Exchange,
    platform: str,
    name: str,
    action: str,
    members: list[MemberChange],
) -> None:
    """Write an accepted call to the journal: one line per member, or one line if it has no members."""
    exchange.applied = True
    head = {
        "request": exchange.number,
        "at": exchange.wall,
        "endpoint": exchange.endpoint,
        "platform": platform,
        "audience": name,
    }
    lines: list[dict[str, Any]] = [
        {
            **head,
            "action": "replace" if action == "replace" else member.action,
            "id": member.id,
            **(member.extra or {}),
        }
        for member in members
    ]
    batch.totals.member_changes += len(lines)
    batch.journal.append(lines or [{**head, "action": action}])
