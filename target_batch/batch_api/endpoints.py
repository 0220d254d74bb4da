"""Batch's routes: URL, authentication and cost of each call.

A project or app authenticates its own calls, so that neither a `.netrc` file nor a redirect can affect that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from requests.auth import AuthBase

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
    from requests import PreparedRequest

    from target_batch.common.redaction import Secret


@dataclass(frozen=True, slots=True)
class BulkEndpoint:
    """A profile endpoint: its route, the maximum entries per call, its rate in custom IDs."""

    route: str
    entries: int
    rate: Rate


UPDATE = BulkEndpoint("/profiles/update", UPDATE_ENTRIES, UPDATE_RATE)
MASS_UPDATE = BulkEndpoint("/profiles/mass-update", MASS_UPDATE_ENTRIES, MASS_UPDATE_RATE)
AUDIENCE_RATE = OTHER_RATE


class Project(AuthBase):
    """The omnichannel platform of one project, and the authentication of its calls."""

    def __init__(self, rest_api_key: Secret, project_key: str, api_version: str) -> None:
        self._rest_api_key = rest_api_key
        self._project_key = project_key
        self._base = f"/{api_version}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the company's REST key and the project's key to a request."""
        request.headers["Authorization"] = f"Bearer {self._rest_api_key.reveal()}"
        request.headers["X-Batch-Project"] = self._project_key
        return request

    def post(self, route: str, body: bytes, operations: int = 0) -> Call:
        """Make a POST to a route such as `/profiles/update`."""
        return Call("POST", self._base + route, self, body, operations=operations)

    def get(self, route: str, query: dict[str, str]) -> Call:
        """Make a GET from a route such as `/audiences/view`."""
        return Call("GET", self._base + route, self, query=query)


class App(AuthBase):
    """The platform of one app or website, and the authentication of its calls.

    `key`, its Live, Dev or SDK key, is part of the path.
    """

    def __init__(self, rest_api_key: Secret, key: Secret) -> None:
        self._rest_api_key = rest_api_key
        self._key = quote(key.reveal(), safe="")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the company's REST key to a request."""
        request.headers["X-Authorization"] = self._rest_api_key.reveal()
        return request

    def erasure(self, custom_id: str) -> Call:
        """Make the call that asks the app to remove a person."""
        body = {"request_type": "remove", "id": {"type": "custom_id", "value": custom_id}}
        path = f"/1.0/{self._key}/gdpr/request"
        return Call("POST", path, self, msgspec.json.encode(body), operations=1)

    def call(
        self,
        version: str,
        method: str,
        name: str | None = None,
        body: bytes | None = None,
        query: dict[str, str] | None = None,
        operations: int = 0,
    ) -> Call:
        """Make a call about one custom audience, or about all of them if `name` is None."""
        path = f"/{version}/{self._key}/custom-audience"
        if name is not None:
            path += f"/{quote(name, safe='')}"
        return Call(method, path, self, body, query, operations)
