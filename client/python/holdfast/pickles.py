"""Pickles: values of types that travel as such to no other language, and proxies.

The extension calls `dumps` for every value that is not none, a bool, int, float, str, bytes, a tuple
of these, or a proxy. Proxies inside become references, which the server counts: an object lives as
long as a container on the server has its pickle.
"""

from __future__ import annotations

import collections
import copyreg
import io
import pickle
import threading
import time
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple, Union

from . import _core
from .connections import connection_for, new_lock

__all__ = ["dumps", "loads", "reduce_proxy", "Kept", "forget_kept"]

PROTOCOL = 5
KEPT_SECONDS = 60.0
KEPT_MAX = 1000


class _Context(threading.local):
    """What this thread is pickling or unpickling."""

    connection: Optional[_core.Connection] = None  # None: not for a server
    references: List[Any] = []
    reduced: Any = None  # the proxy that the pickler for the server asks, no other pickler in it


_context = _Context()
_reducers: Dict[type, Any] = {}
_reducers_of: Tuple[int, int, int] = (0, 0, 0)
_proxy_reducers: Dict[type, Any] = {}


def _dispatch_table() -> Dict[type, Any]:
    """Those of multiprocessing, e.g. for sockets and views of dicts, and of copyreg, as one dict: the
    pickler looks up a plain dict much faster than a ChainMap."""
    global _reducers, _reducers_of
    extra = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    sizes = (len(extra), len(copyreg.dispatch_table), len(_proxy_reducers))
    if sizes != _reducers_of:
        _reducers = {**_proxy_reducers, **copyreg.dispatch_table, **extra}
        _reducers_of = sizes
    return _reducers


def dumps(obj: Any, connection: _core.Connection) -> Union[bytes, Tuple[bytes, List[Any]]]:
    """The pickle of an object that is sent over `connection`, and the proxies in it, if any."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, PROTOCOL)
    pickler.dispatch_table = _dispatch_table()
    return _dump(pickler, buffer, obj, connection)


def _dump(pickler: pickle.Pickler, buffer: io.BytesIO, obj: Any,
          connection: _core.Connection) -> Union[bytes, Tuple[bytes, List[Any]]]:
    before = _context.connection, _context.references
    _context.connection, _context.references = connection, []
    try:
        pickler.dump(obj)
        proxies = _context.references
    finally:
        _context.connection, _context.references = before
    return (buffer.getvalue(), proxies) if proxies else buffer.getvalue()


def dumps_key(key: Any, connection: _core.Connection) -> Union[bytes, Tuple[bytes, List[Any]]]:
    """The pickle of a key, which equal keys of one type have in common: it does not depend on which
    parts are the same object, nor on the order of a frozenset's members."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, PROTOCOL)
    pickler.dispatch_table = _dispatch_table()
    pickler.fast = True
    return _dump(pickler, buffer, _canonical(key), connection)


class _Frozen:
    """Stands for a frozenset in a pickle."""

    def __init__(self, members: List[Any]) -> None:
        self.members = sorted(members, key=lambda member: pickle.dumps(member, PROTOCOL))

    def __reduce__(self) -> Tuple:
        return frozenset, (self.members,)


def _canonical(key: Any) -> Any:
    if type(key) is frozenset:
        return _Frozen([_canonical(member) for member in key])
    if type(key) is tuple:
        return tuple(map(_canonical, key))
    return key


def loads(data: Any, proxies: Optional[List[Any]] = None) -> Any:
    """The object of a pickle, which is bytes or a view of them."""
    if not proxies:
        return pickle.loads(data)
    before = _context.references
    _context.references = proxies
    try:
        return pickle.loads(data)
    finally:
        _context.references = before


def _adopt(proxy: Any, cls: type, extra: Dict[str, Any]) -> Any:
    """A proxy that was opened as of the usual class of its kind becomes the `cls` that was pickled."""
    if type(proxy) is not cls:
        proxy.__class__ = cls
    proxy._set_extra(extra)
    return proxy


def _take(index: int, cls: type, extra: Dict[str, Any]) -> Any:
    return _adopt(_context.references[index], cls, extra)


def _rebuild(url: str, kind: str, id: int, cls: type, extra: Dict[str, Any]) -> Any:
    connection = connection_for(url)
    try:
        proxy = connection.open(kind, id)
    except _core.SessionEnded:
        proxy = connection_for(url, is_checked=True).open(kind, id)
    return _adopt(proxy, cls, extra)


def _reduce_for_server(proxy: Any) -> Any:
    before, _context.reduced = _context.reduced, proxy
    try:
        return proxy.__reduce__()
    finally:
        _context.reduced = before


def register_wrapper_class(cls: type, unwrap: Callable[[Any], Any]) -> None:
    """Objects of exactly this class are pickled as the proxies that they stand for."""
    _proxy_reducers[cls] = lambda wrapper: _reduce_for_server(unwrap(wrapper))


def register_proxy_class(cls: type) -> None:
    """Proxies of exactly this class become references in the pickles that are sent to their server."""
    _proxy_reducers[cls] = _reduce_for_server


def reduce_proxy(proxy: Any, connection: _core.Connection, kind: str, id: int) -> Tuple:
    """What `__reduce__` of a proxy returns."""
    extra = proxy._get_extra()
    destination = _context.connection if _context.reduced is proxy else None
    if destination is not None and (destination is connection or destination.url == connection.url):
        _context.references.append(proxy)
        return _take, (len(_context.references) - 1, type(proxy), extra)
    proxy._keep()
    return _rebuild, (connection.url, kind, id, type(proxy), extra)


class Kept:
    """Proxies that were pickled a short time ago.

    The process that unpickles one opens the object some time later. Until then the pickling process
    keeps it, also when its own last proxy has gone, as happens to the arguments of a Process. Those
    that keep a manager are kept by the manager itself: it ends when only they refer to it.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._proxies: Deque[Tuple[float, Any]] = collections.deque()
        _all_kept.add(self)

    def __len__(self) -> int:
        return len(self._proxies)

    def add(self, proxy: Any) -> None:
        """Keep one for KEPT_SECONDS, or as long as it is among the latest KEPT_MAX."""
        self.forget(KEPT_SECONDS)
        with self._lock:
            gone = self._proxies.popleft() if len(self._proxies) >= KEPT_MAX else None
            self._proxies.append((time.monotonic(), proxy))
        del gone  # without the lock: the server is told

    def forget(self, seconds: float) -> None:
        """Drop those that were pickled longer ago than that."""
        oldest = time.monotonic() - seconds
        gone = []
        with self._lock:
            while self._proxies and self._proxies[0][0] <= oldest:
                gone.append(self._proxies.popleft())


_all_kept: weakref.WeakSet[Kept] = weakref.WeakSet()
kept = Kept()  # those without a manager


def forget_kept(seconds: float = 0.0) -> None:
    """Drop the proxies that were pickled longer ago than that."""
    for each in list(_all_kept):
        each.forget(seconds)


_core.set_codec(dumps, loads, dumps_key)
