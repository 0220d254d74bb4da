"""A total deadline for one attempt.

The time-outs of an HTTP library hold per read, so a server that trickles keeps a call for ever. Here
the connection in use is known by thread, and a timer shuts its socket down when the time is up.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest

_in_use = threading.local()


class Attempt:
    """One attempt under a deadline; `expired` once the timer has cut it.

    `leaving` is called when its bytes begin to leave, on a connection that is ready: once, or again later.
    """

    def __init__(self, leaving: Callable[[], None] | None = None) -> None:
        self.leaving = leaving
        self.expired = self.ended = False
        self.connection: HTTPConnection | None = None

    def cut(self) -> None:
        """Shut the socket down, which wakes whoever reads or writes it."""
        if self.ended:
            return
        self.expired = True
        sock = getattr(self.connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Deadlines:
    """Gives every attempt of a run at most `seconds` in all, and less once the run is in a hurry."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it
        self._attempts: set[Attempt] = set()

    @contextmanager
    def attempt(self, leaving: Callable[[], None] | None = None) -> Iterator[Attempt]:
        """Run the block's HTTP call on this thread under the deadline."""
        attempt = Attempt(leaving)
        with self._lock:
            self._attempts.add(attempt)
            timer = _started(self.seconds, attempt)
        _in_use.attempt = attempt
        try:
            yield attempt
        finally:
            attempt.ended = True
            timer.cancel()
            _in_use.attempt = None
            with self._lock:
                self._attempts.discard(attempt)

    def hurry(self, seconds: float) -> None:
        """From now on nothing takes longer than `seconds`, not even what is under way."""
        with self._lock:
            self.seconds = min(self.seconds, seconds)
            for attempt in self._attempts:
                _started(seconds, attempt)


def _started(seconds: float, attempt: Attempt) -> threading.Timer:
    timer = threading.Timer(seconds, attempt.cut)
    timer.daemon = True
    timer.start()
    return timer


def _register(connection: HTTPConnection) -> None:
    attempt = getattr(_in_use, "attempt", None)
    if attempt is not None:
        attempt.connection = connection


def _leave() -> None:
    attempt = getattr(_in_use, "attempt", None)
    if attempt is not None and attempt.leaving is not None:
        attempt.leaving()


def _check_in_time(connection: HTTPConnection) -> None:
    """End an attempt whose time ran out while it connected: the timer found no socket to shut down."""
    attempt = getattr(_in_use, "attempt", None)
    if attempt is not None and attempt.expired:
        connection.close()
        raise ConnectTimeoutError(connection, "no connection in time")


class _WatchedHTTP(HTTPConnection):
    def connect(self) -> None:
        _register(self)
        super().connect()
        _check_in_time(self)
        _leave()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _register(self)
        _leave()
        super().request(*args, **kwargs)


class _WatchedHTTPS(HTTPSConnection):
    def connect(self) -> None:
        _register(self)
        super().connect()
        _check_in_time(self)
        _leave()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _register(self)
        _leave()
        super().request(*args, **kwargs)


class DeadlineAdapter(HTTPAdapter):
    """The adapter of `requests` with connections that a deadline can cut, behind proxies too."""

    def get_connection_with_tls_context(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Hand out the pool for a request, its connections watched."""
        pool = super().get_connection_with_tls_context(request, *args, **kwargs)
        if isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = _WatchedHTTPS if pool.scheme == "https" else _WatchedHTTP
        return pool
