"""The exact requests as `curl` commands, with shell variables instead of keys."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
import requests

from target_batch.batch_api.audiences import AppAudiences, ProjectAudiences
from target_batch.batch_api.endpoints import UPDATE, App, Project
from target_batch.commands.study import SHOWN_OPERATIONS
from target_batch.common.limits import BODY_BYTES
from target_batch.common.operations import AudienceChange, ProfileUpdate
from target_batch.common.redaction import Secret
from target_batch.delivery.audiences import Member
from target_batch.delivery.profile_buffer import ProfileBuffer, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.batch_api.audiences import Platform
    from target_batch.batch_api.transport import Call
    from target_batch.commands.study import Study
    from target_batch.config.settings import Settings

REST_API_KEY: Final = Secret("$REST_API_KEY")
PROJECT_KEY: Final = "$PROJECT_KEY"
APP_KEY: Final = Secret("$APP_KEY")

QUIET: Final = "--silent --show-error --write-out '\\n'"
"""Options of `curl`: no progress bar, and each response on its own line."""

PATIENT: Final = "--silent --show-error --retry 5 --write-out '\\n'"
"""The same with retries, for calls limited to one per second. Not for events: a retry may send them twice."""


def curls(study: Study, settings: Settings) -> Iterator[str]:
    """Yield a command for each request that the first records of a stream would cause."""
    api_url = quote(settings.api_url.rstrip("/"), safe=":/[]")
    for call, holds_events in _calls(study, settings):
        yield _command(call, api_url, QUIET if holds_events else PATIENT)


def _calls(study: Study, settings: Settings) -> Iterator[tuple[Call, bool]]:
    """Yield each call, and whether it contains events."""
    project = Project(REST_API_KEY, PROJECT_KEY, settings.api_version)
    buffer = ProfileBuffer()
    members: list[AudienceChange] = []
    for operation, ticket in study.operations:
        if isinstance(operation, ProfileUpdate):
            buffer.put(operation, ticket)
        else:
            members.append(operation)
    while entries := buffer.take(UPDATE.entries, BODY_BYTES).entries:
        seal(entries)
        call = project.post(UPDATE.route, b"[" + b",".join(entry.body for entry in entries) + b"]")
        yield call, any(entry.events for entry in entries)
        buffer.free(entries)
    if members:
        yield from ((call, False) for call in _audience_calls(study, members, project))
    for custom_id in islice(study.erasures, SHOWN_OPERATIONS):
        yield App(REST_API_KEY, APP_KEY).erasure(custom_id), False


def _audience_calls(study: Study, changes: list[AudienceChange], project: Project) -> Iterator[Call]:
    assert study.route is not None  # noqa: S101 - there are no operations without a route
    options = study.route.options
    platform: Platform = ProjectAudiences(project)
    if options.destination == "app":
        platform = AppAudiences(App(REST_API_KEY, APP_KEY), options.id_type)
    by_name: dict[str, dict[str, AudienceChange]] = {}
    for change in changes:
        by_name.setdefault(change.audience, {})[change.member] = change
    for name, wanted in by_name.items():
        label = next(iter(wanted.values())).display_name
        yield platform.create_call(name, label)
        added = [_body(change) for change in wanted.values() if change.add]
        if options.mode == "mirror" and added:
            yield platform.replace_call(name, added)
        else:
            yield platform.change_call(name, [Member(change, []).encoded() for change in wanted.values()])


def _body(change: AudienceChange) -> bytes:
    """Encode a member for a replace call, which takes no action."""
    member = msgspec.json.decode(Member(change, []).encoded())
    del member["action"]
    return msgspec.json.encode(member)


def _command(call: Call, api_url: str, flags: str) -> str:
    request = requests.Request(call.method, api_url + call.path, params=call.query, auth=call.auth).prepare()
    url = (request.url or "").replace("%24APP_KEY", "$APP_KEY")
    parts = [f"curl {flags}", f'  --request {call.method} "{url}"']
    kept = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    headers = {**kept, "Content-Type": "application/json"}
    parts += [f'  --header "{name}: {value}"' for name, value in headers.items()]
    parts.append("  --data-binary @- <<'JSON'")
    body = msgspec.json.format((call.body or b"").decode(), indent=2)
    return " \\\n".join(parts) + f"\n{body}\nJSON"
