"""The target without the second that its imports take: one process imports, each run is a fork of it.

Each run still is a process of its own with its own pipes, arguments and environment; it only did not
import anything itself. What is about processes (signals, crashes, limits) starts the target cold.
`TARGET_COLD=1` starts every run cold.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


@functools.cache
def _server() -> Path:
    """Start the process that imports, once; return its socket's path."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    path = Path(folder.name) / "socket"
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )

    def stop() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(stop)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the target cannot be imported"
    return path


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the target warm, with pipes on all three streams."""
    request = json.dumps({"arguments": arguments, "environment": environment})
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, "ask", str(_server()), request],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ask(path: str, request: str) -> None:
    """Hand this process's streams over to a fork, and end as the fork ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [request.encode() + b"\n"], [0, 1, 2])
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        status = int(connection.recv(64) or b"256")
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.waitstatus_to_exitcode(status))


def serve(path: str) -> None:
    """Import the target, then fork for each request until the tests are over."""
    from target_batch.cli import cli  # noqa: PLC0415 - only this process imports it

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getppid()
    os.write(1, b"ready\n")
    while os.getppid() == parent:
        if not select.select([listener], [], [], 1)[0]:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork(connection, cli)
            return
        connection.close()


def _fork(connection: socket.socket, cli: Any) -> None:
    """Run the target in a fork of this fork and report how it ended."""
    data, streams, _, _ = socket.recv_fds(connection, MIB, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(MIB)
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        request = json.loads(data)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["target-batch", *request["arguments"]]
        cli()
        return
    for stream in streams:
        os.close(stream)
    connection.sendall(str(os.waitpid(child, 0)[1]).encode())
    connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        ask(*sys.argv[2:])
