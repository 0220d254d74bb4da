"""Request a run of the target from a warm server, pass on this process's streams and end like the run.

It starts nearly every run of the tests, so it imports as little as possible.
"""

import os
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOL_SOCKET, socket

STREAMS = (0, 1, 2)


def ask(path: str, clock: str, *arguments: str) -> int:
    """Return the wait status of the run, as `os.waitpid` does."""
    request = repr((clock, arguments, dict(os.environ), os.getcwd())).encode()  # noqa: PTH109
    connection = socket(AF_UNIX)
    connection.connect(path)
    numbers = b"".join(stream.to_bytes(4, sys.byteorder) for stream in STREAMS)
    sent = connection.sendmsg([request], [(SOL_SOCKET, SCM_RIGHTS, numbers)])
    connection.sendall(request[sent:])
    connection.shutdown(SHUT_WR)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in STREAMS:
        os.dup2(nothing, stream)
    return int(connection.recv(64) or b"256")


if __name__ == "__main__":
    status = ask(*sys.argv[1:])
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))
