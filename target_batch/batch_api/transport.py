"""One HTTP attempt: bytes out, an `Answer` in, with a deadline and a size limit; or a dry run of it.

Proxies and CA bundles from the environment are checked before the first attempt.
"""

from __future__ import annotations

import logging
import math
import os
import ssl
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests
from requests.utils import should_bypass_proxies
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from target_batch.batch_api.answers import Answer
from target_batch.batch_api.deadline import Attempt, DeadlineAdapter, Deadlines
from target_batch.common.errors import ConfigurationError
from target_batch.common.limits import ANSWER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

    from target_batch.common.clock import Clock

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which `requests` reads them."""

PROXY_SCHEMES: Final = frozenset({"http", "https"})


def check_environment(api_url: str) -> None:
    """Check the environment variables that `requests` will use for calls to an address.

    Raises:
        ConfigurationError: a variable is invalid; the message contains its name, never its value.
    """
    scheme = urlsplit(api_url).scheme
    if scheme == "https" and (name := _first_set(*CA_VARIABLES)):
        _check_bundle(name, os.environ[name])
    if should_bypass_proxies(api_url, no_proxy=None):
        return
    if name := _first_set(f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        _check_proxy(name, os.environ[name])


def _first_set(*names: str) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)


def _check_bundle(name: str, path: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if os.path.isdir(path):  # noqa: PTH112 - the same check as in `requests`
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        what = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read as certificates"
        raise ConfigurationError(
            f"The variable {name} names a CA bundle that {what}. Correct it or remove it."
        ) from None


def _check_proxy(name: str, proxy: str) -> None:
    try:
        url = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        host, scheme = url.host, url.scheme or ""
    except (LocationParseError, ValueError):
        host, scheme = None, ""
    if scheme.startswith("socks"):
        if find_spec("socks") is None:
            raise ConfigurationError(
                f"The variable {name} names a SOCKS proxy, for which a package is missing: "
                "pip install pysocks beside target-batch."
            )
    elif not host or scheme not in PROXY_SCHEMES:
        raise ConfigurationError(
            f"The variable {name} is not the address of a proxy: http://HOST:PORT is expected."
        )


# urllib3 logs the content of broken answers. Failures are reported by their kind, where they are handled.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

READ_SIZE: Final = 64 * 1024


class TransportError(Exception):
    """There was no answer; `ambiguous` if the request may have reached Batch nevertheless."""

    def __init__(self, what: str, *, ambiguous: bool) -> None:
        super().__init__(what)
        self.what = what
        self.ambiguous = ambiguous


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call: `path` begins with a slash, follows the API's URL, and may contain an app's key.

    `operations` is the number of operations (attributes, events, members) that would be applied twice if the
    call arrived twice. `sent` is called when its last byte has been sent, or sending has failed. The attempt
    ends at the monotonic time `until`, even if its timeout has not expired.
    """

    method: str
    path: str = field(repr=False)
    auth: AuthBase
    body: bytes | None = None
    query: dict[str, str] | None = None
    operations: int = 0
    sent: Callable[[], None] = lambda: None
    until: float = math.inf


class Transport:
    """Sends calls to one address: one session per thread, no redirects, TLS always verified.

    Raises:
        ConfigurationError: an environment variable for proxies or certificates is invalid.
    """

    def __init__(self, api_url: str, timeout_seconds: float, user_agent: str, clock: Clock) -> None:
        check_environment(api_url)
        self._api_url = api_url.rstrip("/")
        self._deadlines = Deadlines(timeout_seconds)
        self._clock = clock
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._local = threading.local()

    def send(self, call: Call) -> Answer:
        """Send one call; the configured timeout applies to the call as a whole.

        Raises:
            TransportError: there was no complete answer in time.
        """
        within = call.until - self._clock.monotonic()
        with self._deadlines.attempt(call.sent, within) as attempt:
            try:
                return self._attempt(call, self._deadlines.seconds)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                raise TransportError(_failure(error, attempt), ambiguous=attempt.begun) from error

    def hurry(self, seconds: float) -> None:
        """Limit all attempts to `seconds` from now on, because the run has to end."""
        self._deadlines.hurry(seconds)

    def _attempt(self, call: Call, seconds: float) -> Answer:
        headers = dict(self._headers)
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        response = self._session().request(
            call.method,
            self._api_url + call.path,
            params=call.query,
            data=call.body,
            headers=headers,
            auth=call.auth,
            timeout=seconds,
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = bytearray()
            while chunk := response.raw.read(READ_SIZE, decode_content=False):
                body += chunk
                if len(body) > ANSWER_BYTES:
                    raise TransportError("an answer without end", ambiguous=True)
            return Answer(response.status_code, response.headers, bytes(body), self._clock.time())

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            found = session.merge_environment_settings(self._api_url, {}, None, None, None)
            session.proxies, session.verify = found["proxies"], found["verify"]
            session.trust_env = False  # read once above; `requests` would read it again for every call
            adapter = DeadlineAdapter(pool_maxsize=1, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
        return session


def _failure(error: Exception, attempt: Attempt) -> str:
    """Name the failure without the error's message, which may hold the address, a header or a body."""
    late = attempt.expired or isinstance(error, requests.exceptions.Timeout)
    if attempt.begun:  # behind a proxy, a lost answer may look like a refusal or a TLS error
        return "no answer in time" if late else "the connection broke"
    if late:  # from here on there was no connection, so nothing can have arrived
        return "no connection in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS could not be verified"
    return "no connection"
