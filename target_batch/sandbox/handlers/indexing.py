"""What project audiences and app audiences have in common."""

from typing import Any, TypeVar

import msgspec

from target_batch.sandbox.answers import Answer, json_answer
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.audiences import audience_name_violation, count_violation
from target_batch.sandbox.rules.limits import LIST_DEFAULT, LIST_LIMIT
from target_batch.sandbox.store.audiences import Action, Audience, MemberChange

Body = TypeVar("Body")


def admit(batch: LocalBatch, exchange: Exchange, owner: str) -> None:
    """Count a call against the default budget.

    Raises:
        Refused: With 429.
    """
    if not batch.rates.admit(owner, exchange.endpoint, 1, exchange.steady):
        raise Refused.too_many()


def decode(exchange: Exchange, form: type[Body]) -> Body:
    """Read a body of the form given.

    Raises:
        Refused: With 400, when it has another form.
    """
    exchange.check_body()
    try:
        return msgspec.json.decode(exchange.body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused.malformed(str(error)) from None


def check_name(name: str) -> str:
    """Check the name of an audience.

    Raises:
        Refused: With 400.
    """
    check(audience_name_violation(name))
    return name


def check(violation: str | None) -> None:
    """Refuse the call with 400 when there is a violation.

    Raises:
        Refused: With the violation as its message.
    """
    if violation:
        raise Refused.malformed(violation)


def check_count(exchange: Exchange, ids: list[Any]) -> None:
    """Note how many members a call names, and check the number.

    Raises:
        Refused: With 400, when there are none or too many.
    """
    exchange.entries = len(ids)
    check(count_violation(len(ids)))


def find(batch: LocalBatch, platform: str, name: str) -> Audience:
    """Find an audience and index what is due.

    Raises:
        Refused: With 404, when there is none of that name.
    """
    audience = batch.audiences.of(platform).get(check_name(name))
    if audience is None:
        raise Refused(404, "AUDIENCE_NOT_FOUND", "there is no audience of this name")
    audience.settle(batch.clock.steady())
    return audience


def make(batch: LocalBatch, exchange: Exchange, platform: str, audience: Audience) -> Answer:
    """Create an empty audience.

    Raises:
        Refused: With 400, when the name is taken.
    """
    named = batch.audiences.of(platform)
    if audience.name in named:
        raise Refused(400, "AUDIENCE_ALREADY_EXISTS", "an audience of this name exists")
    named[audience.name] = audience
    return write(batch, exchange, platform, audience, "create", [])


def write(
    batch: LocalBatch,
    exchange: Exchange,
    platform: str,
    audience: Audience,
    action: Action,
    members: list[MemberChange],
) -> Answer:
    """Accept a change of an audience, to be indexed later."""
    now = batch.clock.steady()
    audience.settle(now)
    token = audience.accept(action, members, now + batch.options.index_seconds)
    audience.settle(now)
    audience.updated = exchange.wall
    _note(batch, exchange, platform, audience.name, action, members)
    return json_answer(202, {"indexing_token": token})


def drop(batch: LocalBatch, exchange: Exchange, platform: str, name: str) -> Answer:
    """Delete an audience, at once."""
    find(batch, platform, name)
    del batch.audiences.of(platform)[name]
    _note(batch, exchange, platform, name, "delete", [])
    return json_answer(202, {"indexing_token": f"{exchange.number:032x}"})


def page(exchange: Exchange, audiences: list[dict[str, Any]]) -> Answer:
    """Answer with the part of a list that ``from`` and ``limit`` ask for."""
    parameters = exchange.parameters("from", "limit")
    start = _whole(parameters.get("from", "0"), 0, None)
    limit = _whole(parameters.get("limit", str(LIST_DEFAULT)), 1, LIST_LIMIT)
    end = start + limit
    found = audiences[start:end]
    more = end < len(audiences)
    content: dict[str, Any] = {"audiences": found, "count": len(found), "has_more": more}
    if more:
        content["next_from"] = end
    return json_answer(200, content)


def state(audience: Audience, token: str | None) -> str:
    """Tell the indexing state of a call or of the whole audience.

    Raises:
        Refused: With 400, when the token is unknown.
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
    """Write an accepted call into the journal: a line per member, or one for the audience."""
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


def _whole(text: str, least: int, most: int | None) -> int:
    """Read a whole number of a query."""
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least or (most is not None and number > most):
        raise Refused.malformed(f"from counts from 0, limit goes from 1 to {LIST_LIMIT}")
    return number
