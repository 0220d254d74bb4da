"""``/profiles/export``, ``/exports/view`` and ``/exports/download``: exports of profiles as files."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from target_batch.sandbox.answers import JSON, Answer, json_answer, time_text
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.exchange import Exchange
from target_batch.sandbox.handlers.audience_calls import admit, decode
from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.routing import Route
from target_batch.sandbox.rules.names import split_key
from target_batch.sandbox.rules.natives import NATIVES
from target_batch.sandbox.store.exports import Export

STATES: Final = ("CREATED", "PENDING", "RUNNING")
"""States of an export before it is complete; each lasts a third of its duration."""
DOWNLOAD: Final = "https://api.batch.com/{}/exports/download?id="
"""Start of a file's URL, with a placeholder for the version."""


class ExportBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of an export request."""

    export_type: Literal["ATTRIBUTES"]
    attributes: list[str]
    identifiers: list[Literal["custom_id"]]


def request(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Start an export, which contains the profiles as they are now."""
    admit(batch, exchange, owner)
    body = decode(exchange, ExportBody)
    _check_names(body.attributes)
    if body.identifiers != ["custom_id"]:
        raise Refused.malformed("identifiers is a list of custom_id")
    absent = batch.options.readings["export_absent"]
    now = batch.clock.steady()
    export = batch.exports.begin(
        batch.profiles.lines(
            body.attributes, nulls=absent == "null", texts=batch.options.readings["export_values"] == "text"
        ),
        requested=exchange.wall,
        ready=now + batch.options.export_seconds,
        begun=now,
    )
    exchange.applied = True
    return json_answer(202, {"id": export.id})


def _check_names(names: Sequence[str]) -> None:
    if not names or len(set(names)) < len(names):
        raise Refused.malformed("attributes must name at least one attribute, each of them once")
    for name in names:
        if name.startswith("$"):
            if name not in NATIVES:
                raise Refused.malformed("an attribute that is not a native one")
            continue
        _, kind, reason = split_key(name)
        if kind != "plain" or reason:
            raise Refused.malformed(reason or "attributes are named without their type")


def view(batch: LocalBatch, route: Route, exchange: Exchange, owner: str) -> Answer:
    """Show the state of an export, and its files once it is complete."""
    admit(batch, exchange, owner)
    export = batch.exports.find(_id(exchange))
    return json_answer(200, _shown(export, batch.clock.steady(), route.version))


def download(batch: LocalBatch, _route: Route, exchange: Exchange, owner: str) -> Answer:
    """Redirect to a link to a file that is valid for 20 minutes and accepts no keys."""
    admit(batch, exchange, owner)
    token = batch.exports.link(_id(exchange), batch.clock.steady())
    host = exchange.header("host") or "127.0.0.1"
    location = f"http://{host}/storage/{token}".encode("latin-1")
    return Answer(307, b"{}", (*JSON, (b"location", location)))


def _id(exchange: Exchange) -> str:
    parameters = exchange.parameters("id")
    if "id" not in parameters:
        raise Refused.malformed("the query takes id")
    return parameters["id"]


def _shown(export: Export, now: float, version: str) -> dict[str, Any]:
    ended = now >= export.ready
    share = 0.0 if ended else (now - export.begun) / (export.ready - export.begun)
    shown: dict[str, Any] = {
        "id": export.id,
        "request_date": time_text(export.requested),
        "start_date": time_text(export.requested) if ended or share >= 1 / 3 else None,
        "completion_date": time_text(export.requested + export.ready - export.begun) if ended else None,
        "scope": "profiles",
        "status": "SUCCESS" if ended else STATES[int(share * len(STATES))],
        "files": [],
    }
    if ended:
        shown["files"] = [
            {
                "id": file.id,
                "part": part,
                "url": f"{DOWNLOAD.format(version)}{file.id}",
                "size": len(file.content),
            }
            for part, file in enumerate(export.files, 1)
        ]
    return shown
