"""Calls about people as a whole: erasing them, and reading their profiles back.

An erasure goes to Batch's GDPR API, one person and one app per request. Profiles are read back by requesting
an export, waiting for it, and streaming its files from their links. A link leads to a storage service: it is
opened without a key, and its redirects are not followed. Marks such as [read] name the source of a fact: see
`common/limits.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
import requests
from urllib3.exceptions import HTTPError

from target_batch.batch_api.answers import (
    Accepted,
    Answer,
    Denied,
    Failure,
    classify_document,
    classify_write,
    header,
    undocumented,
)
from target_batch.batch_api.audiences import AppAudiences
from target_batch.common.errors import AccessRefusedError, DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_batch.batch_api.answers import Verdict
    from target_batch.batch_api.client import Client
    from target_batch.batch_api.endpoints import App, Project
    from target_batch.batch_api.rate_limiter import RateLimiter
    from target_batch.batch_api.transport import Call
    from target_batch.common.clock import Clock

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 30.0
"""Maximum seconds between two checks of an export: large bases may need half an hour [read]."""

LINK_TIMEOUT: Final = 60.0
"""Seconds without a byte after which the download of a file fails."""

READ_SIZE: Final = 256 * 1024
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
REDIRECTS: Final = frozenset({302, 303, 307, 308})
"""Statuses of a redirect to a file; 307 is the documented one."""


class ErasureSender:
    """Requests erasures from one app: one request per second [open], shared with the app's audience calls.

    `scope` names the app without its key; `where` is the setting that names the app, for messages.
    """

    def __init__(self, client: Client, app: App, limiter: RateLimiter, scope: str, where: str) -> None:
        self._client = client
        self._app = app
        self._limiter = limiter
        self.scope = scope
        self.where = where

    def send(self, custom_id: str) -> Verdict:
        """Request the removal of a person by their custom ID."""
        return self._client.send(self._app.erasure(custom_id), classify_write, self._limiter)

    def probe(self) -> Verdict:
        """Make a read-only call to the app to check its key and the address."""
        audiences = AppAudiences(self._app, "custom_ids")
        return self._client.send(audiences.list_call(limit=1), audiences.classify_list, self._limiter)


class _Identifiers(msgspec.Struct):
    custom_id: str | int | None = None


class _Profile(msgspec.Struct):
    """The parts of a line of an exported file that are read; others are not checked."""

    identifiers: _Identifiers
    attributes: dict[str, Any] | None = None


class Exports:
    """Exports of one project; none of its calls changes a profile.

    Raises:
        AccessRefusedError: Batch refuses the keys.
        DeliveryError: Batch cannot be reached, or its answer is not as documented.
    """

    def __init__(self, client: Client, project: Project, limiter: RateLimiter, clock: Clock) -> None:
        self._client = client
        self._project = project
        self._limiter = limiter
        self._clock = clock

    def request(self, attributes: Sequence[str]) -> str:
        """Request these attributes (named without their type) of all profiles; return the export's ID."""
        body = {"export_type": "ATTRIBUTES", "attributes": list(attributes), "identifiers": ["custom_id"]}
        call = self._project.post("/profiles/export", msgspec.json.encode(body))
        return str(self._sent(call, classify_request)["id"])

    def wait(self, export: str, seconds: float, tell: Callable[[str], None]) -> list[str]:
        """Wait at most `seconds` until an export has ended, and return the IDs of its files.

        `tell` is called with each new state.
        """
        until, pause, before = self._clock.monotonic() + seconds, FIRST_PAUSE, ""
        while True:
            shown = self._sent(self._project.get("/exports/view", {"id": export}), classify_view)
            status = str(shown["status"])
            if status == "SUCCESS":
                return [str(file["id"]) for file in shown["files"]]
            if status == "ERROR":
                raise DeliveryError("Batch ended the export with an error. Nothing was changed; try again.")
            if status != before:
                tell(status)
                before = status
            if self._clock.monotonic() + pause > until:
                raise DeliveryError(
                    f"The export has not ended within {seconds:.0f} seconds (its state is {before}). Large "
                    "bases may need half an hour: raise --wait-seconds."
                )
            self._clock.sleep(pause)
            pause = min(LONGEST_PAUSE, 1.5 * pause)

    def profiles(self, file: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Stream a file: yield custom ID and attributes of each profile that has a custom ID."""
        call = self._project.get("/exports/download", {"id": file})
        link = str(self._sent(call, classify_download)["location"])
        for number, line in enumerate(_lines(link), 1):
            try:
                found = msgspec.json.decode(line, type=_Profile)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise DeliveryError(
                    f"Line {number} of an exported file is not what Batch documents."
                ) from None
            if (custom_id := found.identifiers.custom_id) not in {None, ""}:
                yield str(custom_id), found.attributes or {}

    def _sent(self, call: Call, classify: Callable[[Answer], Verdict]) -> dict[str, Any]:
        verdict = self._client.send(call, classify, self._limiter)
        if isinstance(verdict, Accepted):
            return verdict.document
        if isinstance(verdict, Denied):
            raise AccessRefusedError(
                f"Batch refuses the access ({verdict.what}): see `rest_api_key` and `project_key`."
            )
        assert isinstance(verdict, Failure)  # noqa: S101 - the other half of a verdict
        raise DeliveryError(f"The export cannot be read ({verdict.what}). Nothing was changed; try again.")


def classify_request(answer: Answer) -> Verdict:
    """Read the answer to a request for an export."""
    return classify_document(answer, "id")


def classify_view(answer: Answer) -> Verdict:
    """Read the state of an export; one that has ended must list its files."""
    verdict = classify_document(answer, "status")
    if isinstance(verdict, Accepted) and verdict.document["status"] == "SUCCESS":
        files = verdict.document.get("files")
        if not isinstance(files, list) or not all(isinstance(f, dict) and f.get("id") for f in files):
            return undocumented(answer, "an export that has ended without `files`")
    return verdict


def classify_download(answer: Answer) -> Verdict:
    """Read the link to a file: a redirect to an https address, or to an http address on this machine."""
    if answer.status not in REDIRECTS:
        verdict = classify_document(answer)
        return undocumented(answer, "no link to the file") if isinstance(verdict, Accepted) else verdict
    location = header(answer, "Location")
    try:
        url = urlsplit(location)
        sound = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
    except ValueError:
        sound = False
    if not sound or not url.hostname:
        return undocumented(answer, "a link to the file that is not an https address")
    return Accepted(document={"location": location})


def _lines(link: str) -> Iterator[bytes]:
    """Stream the lines of a file, without sending a key, nor credentials from a `.netrc` file."""
    try:
        with requests.get(
            link,
            headers={"Accept-Encoding": "identity"},
            auth=lambda request: request,
            timeout=LINK_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if answer.status_code != 200:  # noqa: PLR2004 - the only success of a file
                raise DeliveryError(f"The link to an exported file answers {answer.status_code}; try again.")
            yield from (line for line in answer.iter_lines(READ_SIZE) if line.strip())
    except (requests.RequestException, HTTPError, OSError) as error:
        raise DeliveryError(
            f"An exported file cannot be read to its end ({type(error).__name__}); try again."
        ) from None
