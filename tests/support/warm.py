"""The target without the second that its imports take: one process imports it, and each run is a fork.

Each run is still a separate process with its own pipes, arguments, folder and environment. Tests of
processes (signals, crashes, limits) start the target cold. `TARGET_COLD=1` starts every run cold.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import gc
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

ASK = [sys.executable, "-I", "-S", str(Path(__file__).with_name("warm_ask.py"))]
"""The command that requests a run; the server's socket, a clock and the run's arguments follow it."""
MIB = 1024 * 1024


@functools.cache
def server() -> Path:
    """Start the importing process once, and return the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    path = Path(folder.name) / "socket"
    process = subprocess.Popen(
        [sys.executable, __file__, str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )

    def stop() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(stop)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the target cannot be imported"
    return path


def start(
    arguments: list[str], environment: dict[str, str], *, quick: bool = False, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the target warm with pipes on all three streams; `quick` uses the clock of `quick_target`."""
    command = [*ASK, str(server()), "quick" if quick else "real", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=cwd)


def program(folder: Path) -> None:
    """Write a program `target-batch` into a folder for a shell's `PATH`; it is warm and on the fast clock."""
    path = folder / "target-batch"
    path.write_text(f'#!/bin/sh\nexec {shlex.join([*ASK, str(server()), "quick"])} "$@"\n')
    path.chmod(0o755)


def serve(path: str) -> None:
    """Import the target, then fork for each request until the tests end."""
    sys.path.insert(0, str(Path(__file__).parent))
    import quick_target  # noqa: PLC0415 - only this process imports it, and the target with it

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    gc.freeze()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    parent = os.getppid()
    runs: dict[int, socket.socket] = {}
    os.write(1, b"ready\n")
    while os.getppid() == parent:
        ready = select.select([listener.fileno(), woken], [], [], 1)[0]
        if woken in ready:
            os.read(woken, MIB)
        if listener.fileno() in ready:
            connection, _ = listener.accept()
            child = os.fork()
            if not child:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                quick = _become(connection) == "quick"
                _end_with(functools.partial(quick_target.run, quick=quick))
            runs[child] = connection
        _report(runs)


def _report(runs: dict[int, socket.socket]) -> None:
    """Send the wait status of each run that has ended to the process that requested it."""
    while runs:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        with runs.pop(child) as connection, contextlib.suppress(OSError):
            connection.sendall(str(status).encode())


def _become(connection: socket.socket) -> str:
    """Take over the streams, folder, environment and arguments of a request; return its clock."""
    data, streams, _, _ = socket.recv_fds(connection, MIB, 3)
    while more := connection.recv(MIB):
        data += more
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    clock, arguments, variables, folder = ast.literal_eval(data.decode())
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["target-batch", *arguments]
    return str(clock)


def _end_with(run: Callable[[], None]) -> NoReturn:
    """Run, and end like Python but without unloading modules, which would take as long as a run."""
    code = 0
    try:
        run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - Python prints every exception
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - called by Python itself
    atexit._run_exitfuncs()  # noqa: SLF001 - same
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
