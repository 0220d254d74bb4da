"""A total deadline for one attempt.

The time-outs of an HTTP library hold per read, so a server that trickles keeps a call for ever. Here
the connection in use is known by thread, and one watchdog for all attempts shuts down the socket of those
whose time is up.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest

IDLE_SECONDS: Final = 10.0
"""Seconds without an attempt after which the watchdog ends; the next attempt starts another one."""

_in_use = threading.local()


def _current() -> Attempt | None:
    """Return the attempt that this thread makes."""
    attempt: Attempt | None = getattr(_in_use, "attempt", None)
    return attempt


class Attempt:
    """One attempt until the monotonic second `ends`; `expired` once the watchdog has cut it.

    `begun` once a request may have left: a connection stood. `sent` is called when its last byte has left, or
    could not.
    """

    def __init__(self, ends: float, sent: Callable[[], None]) -> None:
        self.ends = ends
        self.begun = False
        self.sent = sent
        self.expired = False
        self.connection: HTTPConnection | None = None
        self.handle: socket.socket | None = None
        """A second handle on a socket that is being connected."""

    def cut(self) -> None:
        """Shut the socket down, which wakes the thread that reads or writes it."""
        self.expired = True
        for sock in (self.handle, getattr(self.connection, "sock", None)):
            if sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the second handle: the connection has its socket now, or none."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None


class Deadlines:
    """Gives every attempt of a run at most `seconds` in all, and less once the run is in a hurry.

    An attempt ends under the same lock under which the watchdog cuts, so a connection is never shut for the
    attempt that uses it next.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._changed = threading.Condition()
        self._attempts: set[Attempt] = set()
        self._watched = False

    @contextmanager
    def attempt(self, sent: Callable[[], None] = lambda: None, within: float = math.inf) -> Iterator[Attempt]:
        """Run the block's HTTP call on this thread, at most for `within` seconds."""
        with self._changed:
            attempt = Attempt(time.monotonic() + min(self.seconds, within), sent)
            self._attempts.add(attempt)
            self._watch()
        _in_use.attempt = attempt
        try:
            yield attempt
        finally:
            _in_use.attempt = None
            with self._changed:
                self._attempts.discard(attempt)
            if attempt.expired and attempt.connection is not None:
                attempt.connection.close()

    def hurry(self, seconds: float) -> None:
        """From now on nothing takes longer than `seconds`, not even what is under way."""
        with self._changed:
            self.seconds = min(self.seconds, seconds)
            at_most = time.monotonic() + seconds
            for attempt in self._attempts:
                attempt.ends = min(attempt.ends, at_most)
            self._changed.notify()

    def _watch(self) -> None:
        """See that the watchdog runs and knows of the newest attempt; the lock is held."""
        if self._watched:
            self._changed.notify()
            return
        self._watched = True
        threading.Thread(target=self._cut_in_time, name="deadlines", daemon=True).start()

    def _cut_in_time(self) -> None:
        """Cut attempts as their time runs out; end after a while without any."""
        with self._changed:
            while self._attempts or self._changed.wait(IDLE_SECONDS):
                now = time.monotonic()
                for attempt in self._attempts:
                    if attempt.ends <= now and not attempt.expired:
                        attempt.cut()
                pending = [attempt.ends for attempt in self._attempts if not attempt.expired]
                self._changed.wait(min(pending, default=now + IDLE_SECONDS) - now)
            self._watched = False


class _WatchedHTTP(HTTPConnection):
    """A connection that its attempt knows from the moment its socket is made."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if (attempt := _current()) is not None:
            attempt.handle = sock.dup()  # TLS takes the descriptor out of the socket it is given
            if attempt.expired:
                sock.close()
                raise ConnectTimeoutError(self, "no connection in time")
        return sock

    def connect(self) -> None:
        attempt = _current()
        if attempt is None:
            super().connect()
            return
        attempt.connection = self
        try:
            super().connect()
        finally:
            attempt.release()
        if attempt.expired:
            self.close()
            raise ConnectTimeoutError(self, "no connection in time")

    def request(self, *args: Any, **kwargs: Any) -> None:
        attempt = _current()
        if attempt is None:
            super().request(*args, **kwargs)
            return
        attempt.connection = self
        try:
            if self.sock is None:
                self.connect()
            attempt.begun = True
            super().request(*args, **kwargs)
        finally:
            attempt.sent()


class _WatchedHTTPS(_WatchedHTTP, HTTPSConnection):
    """The same over TLS."""


class DeadlineAdapter(HTTPAdapter):
    """The adapter of `requests` with connections that a deadline can cut, behind proxies too."""

    def get_connection_with_tls_context(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Hand out the pool for a request, its connections watched."""
        pool = super().get_connection_with_tls_context(request, *args, **kwargs)
        if isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = _WatchedHTTPS if pool.scheme == "https" else _WatchedHTTP
        return pool
