"""A total deadline for each attempt.

The timeouts of an HTTP library apply to each read, so a server that sends slowly can keep a call open
forever. Here, each thread's attempt knows its connection, and one watchdog thread shuts down the sockets of
all attempts whose time is up.
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
"""Seconds without an attempt after which the watchdog ends; the next attempt starts a new one."""


class Attempt:
    """One attempt, which may last until the monotonic time `ends`; `expired` once the watchdog has cut it.

    `begun` is set once there is a connection, so the request may have been sent. `sent` is called when the
    last byte has been sent, or sending has failed.
    """

    def __init__(self, ends: float, sent: Callable[[], None]) -> None:
        self.ends = ends
        self.begun = False
        self.sent = sent
        self.expired = False
        self.connection: HTTPConnection | None = None
        self.handle: socket.socket | None = None
        """A duplicate of a socket that is being connected."""

    @property
    def is_over(self) -> bool:
        """Whether its time has run out; the watchdog may be about to notice."""
        return self.expired or time.monotonic() >= self.ends

    def cut(self) -> None:
        """Shut the socket down, which wakes the thread that is reading from or writing to it."""
        self.expired = True
        for sock in (self.handle, getattr(self.connection, "sock", None)):
            if sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the duplicate: by now the connection has its socket, or connecting has failed."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None


class _ThisThread(threading.local):
    attempt: Attempt | None = None


_this_thread = _ThisThread()


class Deadlines:
    """Limits every attempt of a run to `seconds` in total, and to fewer once the run has to end.

    Attempts end under the same lock that the watchdog holds while cutting, so it never shuts down a
    connection that the next attempt is already using.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._changed = threading.Condition()
        self._attempts: set[Attempt] = set()
        self._watched = False

    @contextmanager
    def attempt(self, sent: Callable[[], None] = lambda: None, within: float = math.inf) -> Iterator[Attempt]:
        """Limit the block's HTTP call, made on this thread, to `within` seconds or the general limit."""
        with self._changed:
            attempt = Attempt(time.monotonic() + min(self.seconds, within), sent)
            self._attempts.add(attempt)
            if self._watched:
                self._changed.notify()
            else:
                self._watched = True
                threading.Thread(target=self._cut_in_time, name="deadlines", daemon=True).start()
        _this_thread.attempt = attempt
        try:
            yield attempt
        finally:
            _this_thread.attempt = None
            with self._changed:
                self._attempts.discard(attempt)
            if attempt.expired and attempt.connection is not None:
                attempt.connection.close()

    def hurry(self, seconds: float) -> None:
        """Limit all attempts to `seconds` from now on, including those in progress."""
        with self._changed:
            self.seconds = min(self.seconds, seconds)
            at_most = time.monotonic() + seconds
            for attempt in self._attempts:
                attempt.ends = min(attempt.ends, at_most)
            self._changed.notify()

    def _cut_in_time(self) -> None:
        """Watch: cut attempts as their time runs out; end after `IDLE_SECONDS` without any."""
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
    """A connection that registers with its thread's attempt as soon as its socket exists."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if (attempt := _this_thread.attempt) is not None:
            attempt.handle = sock.dup()  # TLS detaches the descriptor from the socket it wraps
            if attempt.is_over:
                sock.close()
                raise ConnectTimeoutError(self, "no connection in time")
        return sock

    def connect(self) -> None:
        if (attempt := _this_thread.attempt) is None:
            super().connect()
            return
        attempt.connection = self
        try:
            super().connect()
        finally:
            attempt.release()
        if attempt.is_over:
            self.close()
            raise ConnectTimeoutError(self, "no connection in time")

    def request(self, *args: Any, **kwargs: Any) -> None:
        if (attempt := _this_thread.attempt) is None:
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
    """An adapter for `requests` whose connections a deadline can cut, also behind proxies."""

    def get_connection_with_tls_context(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the connection pool for a request, with connections that can be cut."""
        pool = super().get_connection_with_tls_context(request, *args, **kwargs)
        if isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = _WatchedHTTPS if pool.scheme == "https" else _WatchedHTTP
        return pool
