"""Pipes: two ends that talk to each other, in any process on any host."""

from __future__ import annotations

import threading
import time
import weakref
from multiprocessing import BufferTooShort
from typing import Any, Dict, List, Optional, Tuple

from . import _core
from .pickles import KEPT_SECONDS
from .proxies import EventProxy, Proxy

__all__ = ["PipeEnd", "new_pipe"]


class PipeReference(Proxy, _core.Pipe, typeid="Pipe"):
    """What a reference to a pipe is opened as, before it is known which end it is."""


_closing: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
_METHODS = ("send", "recv", "poll", "send_bytes", "recv_bytes", "recv_bytes_into")


class PipeEnd(PipeReference, typeid="Pipe", exposed=_METHODS):
    """One end of a pipe, with the methods of multiprocessing's Connection.

    An end can be pickled, also into a Process's arguments and into containers on the server. Each
    process that has it closes it for itself; the other end reads end of file when the last has.
    """

    # Of each pickle: when it was made, and the event that is set by the process that unpickles it.
    _handovers: Tuple[Tuple[float, EventProxy], ...] = ()
    _handovers_max = 16  # when they are looked through

    # This process's proxy before this one: its end would close this one's, since they are one session.
    _earlier: Any = None

    def _get_extra(self) -> Dict[str, Any]:
        attached = EventProxy(self.connection)
        if len(self._handovers) >= self._handovers_max:
            self._handovers = self._awaited()
            self._handovers_max = max(16, 2 * len(self._handovers))
        self._handovers = (*self._handovers, (time.monotonic(), attached))
        return {"end": self.end, "attached": attached}

    def _set_extra(self, extra: Dict[str, Any]) -> None:
        try:
            self.attach(extra["end"])
        except _core.ObjectDeleted:  # the calls will say so
            return
        self._earlier = _closing.get((self.connection.url, self.id, self.end))
        if self._earlier is not None:
            self._earlier._is_unpickled_here = True
        extra["attached"].set()

    def _awaited(self) -> Tuple[Tuple[float, EventProxy], ...]:
        """Those handovers that may still be taken."""
        oldest = time.monotonic() - KEPT_SECONDS
        return tuple(each for each in self._handovers if each[0] > oldest and not each[1].is_set())

    def _keep(self) -> None:
        """Nothing to be done: __del__ keeps it."""

    def __del__(self) -> None:
        if self._handovers and not self.closed:
            handovers, self._handovers = self._handovers, ()
            self._close_later([attached for _, attached in handovers])

    def _close_later(self, handovers: List[EventProxy]) -> None:
        _closing[self.connection.url, self.id, self.end] = self
        self.__class__ = _ClosingEnd
        try:
            threading.Thread(target=_close_after, args=(handovers, self), daemon=True).start()
        except RuntimeError:  # the interpreter ends
            _core.Pipe.close(self)

    def close(self) -> None:
        """Close this end for this process.

        If it was pickled and has not been unpickled yet, it stays attached until that is done, so
        that the other end does not read end of file in between.
        """
        if self.closed:
            return
        waiting = [attached for _, attached in self._awaited()]
        self._handovers = ()
        if not waiting:
            super().close()
            return
        self._close_later(waiting)

    def send_bytes(self, buffer: Any, offset: int = 0, size: Optional[int] = None) -> None:
        """Send the bytes of a buffer."""
        view = memoryview(buffer).cast("B")
        if offset < 0 or offset > len(view):
            raise ValueError("offset is negative" if offset < 0 else "buffer length < offset")
        if size is not None and size < 0:
            raise ValueError("size is negative")
        if size is not None and offset + size > len(view):
            raise ValueError("buffer length < offset + size")
        self.send(bytes(view[offset:None if size is None else offset + size]))

    def recv_bytes(self, maxlength: Optional[int] = None) -> bytes:
        """Receive what the other end has sent by `send_bytes`."""
        if maxlength is not None and maxlength < 0:
            raise ValueError("negative maxlength")
        data = self.recv()
        if not isinstance(data, bytes):
            raise OSError(f"the message is no bytes, but of type {type(data).__name__}")
        if maxlength is not None and len(data) > maxlength:
            self.close()
            raise OSError("bad message length")
        return data

    def recv_bytes_into(self, buffer: Any, offset: int = 0) -> int:
        """The same into a buffer; the number of bytes."""
        view = memoryview(buffer).cast("B")
        if offset < 0 or offset > len(view):
            raise ValueError("negative offset" if offset < 0 else "offset too large")
        data = self.recv_bytes()
        if len(data) > len(view) - offset:
            raise BufferTooShort(data)
        view[offset:offset + len(data)] = data
        return len(data)

    def fileno(self) -> int:
        """OSError: an end has no descriptor. Wait for several with `manager.wait`."""
        raise OSError("the end of a pipe on a server has no descriptor; use manager.wait([..])")

    def __enter__(self) -> "PipeEnd":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _refuse(*args: Any, **kwds: Any) -> Any:
    raise OSError("handle is closed")


class _ClosingEnd(PipeEnd):
    """One that was closed, and is attached until it was unpickled elsewhere."""

    _is_unpickled_here = False  # then its successor closes for both
    closed = property(lambda self: True)  # type: ignore[assignment]
    send = recv = poll = send_bytes = recv_bytes = recv_bytes_into = _refuse  # type: ignore
    fileno = __reduce__ = _refuse  # type: ignore[assignment]

    def close(self) -> None:
        """Does nothing: this is done."""


def _close_after(handovers: List[EventProxy], end: _ClosingEnd) -> None:
    deadline = time.monotonic() + KEPT_SECONDS
    try:
        for attached in handovers:
            attached.wait(max(0.0, deadline - time.monotonic()))
    except _core.Error:  # the connection was closed, or the server has ended
        pass
    if not end._is_unpickled_here:
        _core.Pipe.close(end)


def new_pipe(connection: _core.Connection, duplex: bool = True) -> Tuple[PipeEnd, PipeEnd]:
    """Both ends of a new pipe. Not duplex: the first receives only, the second sends only."""
    ends: Any = _core.pipe_new(connection, duplex)
    for end in ends:
        end.__class__ = PipeEnd
    return ends


_core.set_proxy_class("pipe", PipeReference)
