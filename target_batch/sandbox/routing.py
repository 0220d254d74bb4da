"""Routes of Batch's API."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from target_batch.sandbox.refusals import Refused
from target_batch.sandbox.rules.limits import APP_VERSIONS, PROJECT_VERSIONS

Platform = Literal["project", "app"]

_PROJECT: Final = re.compile(r"/([0-9.]+)/((?:profiles|audiences|exports)/[a-z-]+)")
_APP: Final = re.compile(r"/([0-9.]+)/([^/]+)/custom-audience(?:/([^/]+))?")
_GDPR: Final = re.compile(r"/1\.0/([^/]+)/gdpr/request(?:/([^/]+))?")
_PROJECT_METHODS: Final = {
    "profiles/update": "POST",
    "profiles/mass-update": "POST",
    "profiles/export": "POST",
    "exports/view": "GET",
    "exports/download": "GET",
    "audiences/create": "POST",
    "audiences/update": "POST",
    "audiences/replace": "POST",
    "audiences/remove": "POST",
    "audiences/list": "GET",
    "audiences/view": "GET",
}
_NAMED_APP_METHODS: Final = {
    "POST": "app/create",
    "PATCH": "app/update",
    "PUT": "app/replace",
    "DELETE": "app/remove",
    "GET": "app/view",
}


@dataclass(frozen=True)
class Route:
    """The route of a call.

    Attributes:
        platform: One of the two platforms.
        version: Version in the path.
        endpoint: Endpoint called: ``profiles/update``, ``audiences/create``, ``app/view``, …
        app_key: App key in the path; empty on the project platform.
        name: Audience name or erasure request ID in the path; empty if there is none.
    """

    platform: Platform
    version: str
    endpoint: str
    app_key: str = ""
    name: str = ""


def resolve(method: str, path: str) -> Route:
    """Find the route of a call.

    Raises:
        Refused: With 404 for an unknown path or version, or 405 for a wrong method.
    """
    if match := _PROJECT.fullmatch(path):
        version, endpoint = match.groups()
        if version in PROJECT_VERSIONS and endpoint in _PROJECT_METHODS:
            _check_method(method, _PROJECT_METHODS[endpoint])
            return Route("project", version, endpoint)
    elif match := _GDPR.fullmatch(path):
        app_key, name = match.groups()
        _check_method(method, "POST" if name is None else "GET")
        return Route("app", "1.0", "app/erase" if name is None else "app/erasure", app_key, name or "")
    elif (match := _APP.fullmatch(path)) and match[1] in APP_VERSIONS:
        version, app_key, name = match.groups()
        if name is None:
            _check_method(method, "GET")
            return Route("app", version, "app/list", app_key)
        _check_method(method, *_NAMED_APP_METHODS)
        return Route("app", version, _NAMED_APP_METHODS[method], app_key, name)
    raise Refused.no_route()


def _check_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Refused(405, "METHOD_NOT_ALLOWED", f"use {' or '.join(allowed)}")
