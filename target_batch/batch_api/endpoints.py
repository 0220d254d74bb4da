"""Batch's routes: where a call goes, how it is signed, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from target_batch.batch_api.auth import AppAuth, ProjectAuth
from target_batch.batch_api.transport import Call
from target_batch.common.limits import (
    MASS_UPDATE_ENTRIES,
    MASS_UPDATE_RATE,
    OTHER_RATE,
    UPDATE_ENTRIES,
    UPDATE_RATE,
    Rate,
)

if TYPE_CHECKING:
    from requests.auth import AuthBase

    from target_batch.common.secret import Secret


@dataclass(frozen=True, slots=True)
class BulkEndpoint:
    """A profile endpoint: its route, the most entries in a call, its rate in custom IDs."""

    route: str
    entries: int
    rate: Rate


UPDATE = BulkEndpoint("/profiles/update", UPDATE_ENTRIES, UPDATE_RATE)
MASS_UPDATE = BulkEndpoint("/profiles/mass-update", MASS_UPDATE_ENTRIES, MASS_UPDATE_RATE)
AUDIENCE_RATE = OTHER_RATE


class Project:
    """The omnichannel platform of one project."""

    def __init__(self, rest_api_key: Secret, project_key: str, api_version: str) -> None:
        self._auth: AuthBase = ProjectAuth(rest_api_key, project_key)
        self._base = f"/{api_version}"

    def post(self, route: str, body: bytes) -> Call:
        """Make a POST to a route such as `/profiles/update`."""
        return Call("POST", self._base + route, self._auth, body)

    def get(self, route: str, query: dict[str, str]) -> Call:
        """Make a GET of a route such as `/audiences/view`."""
        return Call("GET", self._base + route, self._auth, query=query)


class App:
    """The platform of one app or site; `key` is its Live, Dev or SDK key."""

    def __init__(self, rest_api_key: Secret, key: Secret) -> None:
        self._auth: AuthBase = AppAuth(rest_api_key)
        self._key = quote(key.reveal(), safe="")

    def gdpr(self, body: bytes) -> Call:
        """Make a request of the GDPR API."""
        return Call("POST", f"/1.0/{self._key}/gdpr/request", self._auth, body)

    def call(
        self,
        version: str,
        method: str,
        name: str | None = None,
        body: bytes | None = None,
        query: dict[str, str] | None = None,
    ) -> Call:
        """Make a call about one custom audience, or about all of them when `name` is None."""
        path = f"/{version}/{self._key}/custom-audience"
        if name is not None:
            path += f"/{quote(name, safe='')}"
        return Call(method, path, self._auth, body, query)
