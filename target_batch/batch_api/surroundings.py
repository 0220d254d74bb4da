"""What the environment says about calls: proxies and CA bundles that cannot work are found at the start."""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from requests.utils import should_bypass_proxies
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from target_batch.common.errors import ConfigurationError

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which `requests` looks at them."""

PROXY_SCHEMES: Final = frozenset({"http", "https"})


def check_environment(api_url: str) -> None:
    """Check what `requests` will take from the environment for calls to an address.

    Raises:
        ConfigurationError: naming the variable, never its value.
    """
    scheme = urlsplit(api_url).scheme
    if scheme == "https":
        _check_bundle(next((name for name in CA_VARIABLES if os.environ.get(name)), None))
    if not should_bypass_proxies(api_url, no_proxy=None):
        for kind in (scheme, "all"):
            names = (f"{kind}_proxy", f"{kind}_proxy".upper())
            name = next((name for name in names if os.environ.get(name)), None)
            if name is not None:
                _check_proxy(name, os.environ[name])
                return


def _check_bundle(name: str | None) -> None:
    if name is None:
        return
    path = os.environ[name]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if os.path.isdir(path):  # noqa: PTH112 - as `requests` itself asks
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
