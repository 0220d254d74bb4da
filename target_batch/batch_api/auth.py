"""Keys in headers, by auth objects, so that neither a `.netrc` nor a redirect can touch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest

    from target_batch.common.secret import Secret


class ProjectAuth(AuthBase):
    """Opens the project platform: the company's REST key and the project the call is for."""

    def __init__(self, rest_api_key: Secret, project_key: str) -> None:
        self._rest_api_key = rest_api_key
        self._project_key = project_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the headers to a request."""
        request.headers["Authorization"] = f"Bearer {self._rest_api_key.reveal()}"
        request.headers["X-Batch-Project"] = self._project_key
        return request


class AppAuth(AuthBase):
    """Opens the app platform: the company's REST key; the app's key stands in the path."""

    def __init__(self, rest_api_key: Secret) -> None:
        self._rest_api_key = rest_api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header to a request."""
        request.headers["X-Authorization"] = self._rest_api_key.reveal()
        return request
