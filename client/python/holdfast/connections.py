"""One connection to each server, shared by all managers and proxies of a process.

Managers and proxies keep their connection alive; when the last of them has gone, it is closed. At the
end of the process the connections that are left say goodbye, so that the server knows a clean end
from a killed process: locks that are owned stay owned, as with multiprocessing.
"""

from __future__ import annotations

import os
import threading
import weakref
from multiprocessing import util
from typing import Any, Optional

from . import _core

__all__ = ["connection_for", "new_lock", "DEFAULT_URL"]

DEFAULT_URL = "tcp://127.0.0.1:4653"
# After the finalizers of managers (-10), which come after multiprocessing has joined its children.
_EXIT_PRIORITY = -100
_ENDING_PRIORITY = -1

_connections: weakref.WeakValueDictionary[str, _core.Connection] = weakref.WeakValueDictionary()
_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> Any:
    """A recursive lock that is free in every forked child, also one of os.fork()."""
    lock: Any = threading.RLock()
    _locks.add(lock)
    return lock


_lock = new_lock()


def _known(url: str) -> Optional[_core.Connection]:
    with _lock:
        connection = _connections.get(url)
    return None if connection is None or connection.closed else connection


def connection_for(url: str, is_checked: bool = False) -> _core.Connection:
    """This process's connection to the server at `url`.

    With `is_checked` one that is open already is used only if the server still answers on it: a
    server that was started anew does not know the sessions of its predecessor.
    """
    connection = _known(url)
    if connection is not None and is_checked:
        try:
            connection.ping()
        except _core.SessionEnded:
            connection = None
    if connection is not None:
        return connection
    fresh = _core.Connection(url)
    with _lock:
        other = _connections.get(url)
        if other is None or other.closed or other is connection:
            _connections[url] = fresh
            return fresh
        if is_checked:
            _connections[url] = fresh
            return fresh
    fresh.close()  # another thread was faster
    return other


def _close_all() -> None:
    for connection in list(_connections.values()):
        connection.close()


def _arrange_end() -> None:
    util.Finalize(None, _core.set_ending, exitpriority=_ENDING_PRIORITY)
    util.Finalize(None, _close_all, exitpriority=_EXIT_PRIORITY)


def _after_fork(_: object = None) -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()
    _arrange_end()


# A child made by multiprocessing forgets its parent's finalizers after os.fork() has returned, and then
# runs those of register_after_fork; any other child gets only the first of these two.
os.register_at_fork(after_in_child=_after_fork)
util.register_after_fork(_close_all, _after_fork)
_arrange_end()
