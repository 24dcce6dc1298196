"""A holdfastd of one's own, which ends with the process that started it.

The server makes a directory that only this user may enter, listens on a socket in it, and says so by a
pipe. It watches the starting process (``--exit-with``), so that it ends also when that process is killed,
and then removes the directory. A process that is killed before leaves nothing either: it has made nothing.
"""

from __future__ import annotations

import math
import os
import select
import shutil
import signal
import tempfile
import time
from typing import List, Optional, Tuple

__all__ = ["PrivateServer", "program"]

START_TIMEOUT = 10.0
# The server puts other letters in the place of XXXXXX.
_SOCKET = "holdfast-XXXXXX/holdfast.sock"
# A socket's path has 107 bytes at most, and the server needs another one beside it.
_DIRECTORY_BYTES_MAX = 80


def program() -> str:
    """The path of holdfastd: ``$HOLDFASTD``, else the package's own, else the one on ``$PATH``."""
    named = os.environ.get("HOLDFASTD")
    if named:
        return named
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "holdfastd")
    if os.access(own, os.X_OK):
        return own
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    found = shutil.which("holdfastd", path=search)
    if found is None:
        raise FileNotFoundError(
            "there is no holdfastd: install it, name it by the environment variable HOLDFASTD, "
            "or name a running server by HOLDFAST_URL")
    return found


def _find_parent() -> str:
    """The directory in which the server makes its own."""
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]
    for parent in candidates:
        fits = os.path.isabs(parent) and len(os.fsencode(parent)) < _DIRECTORY_BYTES_MAX - 20
        if fits and os.access(parent, os.W_OK | os.X_OK):
            return parent
    raise FileNotFoundError(f"no directory for the server's socket: {candidates} can't be written "
                            "to, or are too long for the path of a socket")


def _file_actions(output: int) -> List[Tuple]:
    """Standard input is closed, standard output is `output`. What others made inheritable is closed: a
    pipe that the server kept open would have no end for its reader."""
    actions: List[Tuple] = [(os.POSIX_SPAWN_DUP2, output, 1),
                            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            if descriptor > 2 and os.get_inheritable(descriptor):
                actions.append((os.POSIX_SPAWN_CLOSE, descriptor))
        except OSError:  # the descriptor of the listing itself
            pass
    return actions


class PrivateServer:
    """A running holdfastd. Has what multiprocessing.Process has for a process that has started."""

    def __init__(self, *options: str, name: str = "holdfastd") -> None:
        self.name = name
        self.exitcode: Optional[int] = None
        self._owner = os.getpid()
        self.pid: Optional[int] = None
        self.url = ""
        self._watch = -1
        reading, writing = os.pipe()
        try:
            try:
                self._spawn(options, writing)
            finally:
                os.close(writing)
            self.url = self._read_url(reading)
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(reading)

    def _spawn(self, options: Tuple[str, ...], output: int) -> None:
        path = program()
        # What the machine's service is told is nothing to a private server.
        words = [path, "--config", "/dev/null", "--listen", f"ipc://{_find_parent()}/{_SOCKET}",
                 "--ports-file", "/dev/stdout", "--log-level", "error", "--exit-with", str(self._owner),
                 *options]
        # A process group of its own: Ctrl-C at the terminal is for the program, not for its server.
        self.pid = os.posix_spawn(
            path, words, os.environ, file_actions=_file_actions(output), setpgroup=0, setsigmask=[],
            setsigdef=[signal.SIGTERM, signal.SIGINT])
        try:
            self._watch = os.pidfd_open(self.pid)
        except OSError:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
            raise

    def _read_url(self, reading: int) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        poll = select.poll()
        for descriptor in (reading, self._watch):
            poll.register(descriptor, select.POLLIN)
        text = b""
        while not text.endswith(b"\n"):
            ready = poll.poll(max(0, math.ceil((deadline - time.monotonic()) * 1000)))
            if not ready:
                raise TimeoutError(f"holdfastd was not ready within {START_TIMEOUT:g} seconds")
            part = os.read(reading, 4096) if ready[0][0] == reading else b""
            if not part:
                self.join(START_TIMEOUT)
                raise OSError(f"holdfastd ended at its start with exit code {self.exitcode}; "
                              "standard error says why")
            text += part
        return os.fsdecode(text.splitlines()[0])

    def _has_ended(self, timeout: Optional[float]) -> bool:
        if self.exitcode is not None or self._watch < 0:
            return True
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        milliseconds = None if timeout is None else max(0, math.ceil(timeout * 1000))
        if poll.poll(milliseconds):
            self._take_exitcode()
        return self.exitcode is not None

    def _take_exitcode(self) -> None:
        """The process has ended."""
        self.exitcode = 0
        if self._owner == os.getpid():
            try:
                _, status = os.waitpid(self.pid or 0, 0)
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                self.exitcode = code
            except ChildProcessError:  # the program waits for all its children, or ignores SIGCHLD
                pass
        watch, self._watch = self._watch, -1
        os.close(watch)

    def _signal(self, number: int) -> None:
        if self.exitcode is None and self._watch >= 0:
            try:
                signal.pidfd_send_signal(self._watch, number)
            except ProcessLookupError:
                pass

    def is_alive(self) -> bool:
        """Whether the server runs."""
        return not self._has_ended(0)

    def join(self, timeout: Optional[float] = None) -> None:
        """Wait until the server has ended, or for the timeout in seconds."""
        self._has_ended(timeout)

    def terminate(self) -> None:
        """Ask the server to end, with SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the server with SIGKILL."""
        self._signal(signal.SIGKILL)

    def stop(self, timeout: float = 5.0) -> None:
        """End the server, by SIGKILL if it has not ended after the timeout."""
        if self._owner != os.getpid():
            return
        self.terminate()
        self.join(timeout)
        if self.is_alive():
            self.kill()
            self.join()
        if self.url:  # what a server leaves that was killed
            shutil.rmtree(os.path.dirname(self.url[len("ipc://"):]), ignore_errors=True)

    def __repr__(self) -> str:
        state = "started" if self.is_alive() else f"stopped exitcode={self.exitcode}"
        return f"<{type(self).__name__} name={self.name!r} pid={self.pid} {state}>"
