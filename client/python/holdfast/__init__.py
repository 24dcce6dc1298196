"""Shared objects for processes on many hosts, with multiprocessing's API.

    from holdfast import Manager, Process

    with Manager() as manager:
        squares = manager.dict()

Everything that multiprocessing exports is here too: what is shared is this package's, the rest, e.g.
Process and Pool, is multiprocessing's. Objects live on the holdfastd that HOLDFAST_URL names, else on a
private one.
"""

import importlib as _importlib
import multiprocessing as _multiprocessing
from typing import Any as _Any
from typing import Optional as _Optional

from . import _core
from ._core import (
    MISSING, Cancelled, Closed, ConditionNotMet, DeadlineExceeded, Deadlock, Error, InvalidArgument,
    MemoryFull, ObjectDeleted, Opaque, Pending, PermissionDenied, Reservation, SessionEnded, ShutDown,
    TokenStale, Unauthenticated, Unavailable)
from .contexts import get_context
from .managers import Manager, SyncManager
from .shared import (
    Array, Barrier, BoundedSemaphore, Condition, Event, JoinableQueue, Lock, Pipe, Queue, RawArray,
    RawValue, RLock, Semaphore, SimpleQueue, Value)

_own = ["Array", "Barrier", "BoundedSemaphore", "Condition", "Event", "JoinableQueue", "Lock",
        "Manager", "Pipe", "Queue", "RLock", "RawArray", "RawValue", "Semaphore", "SimpleQueue",
        "SyncManager", "Value", "get_context",
        "MISSING", "Cancelled", "Closed", "ConditionNotMet", "DeadlineExceeded", "Deadlock", "Error",
        "InvalidArgument", "MemoryFull", "ObjectDeleted", "Opaque", "Pending",
        "PermissionDenied", "Reservation", "SessionEnded", "ShutDown", "TokenStale", "Unauthenticated",
        "Unavailable"]
_others = [name for name in _multiprocessing.__all__ if name not in _own and name != "reducer"]
globals().update((name, getattr(_multiprocessing, name)) for name in _others)

__version__ = _core.__version__
__all__ = [*_own, *_others, "Executor", "connect"]


def connect(url: _Optional[str] = None, **options: _Any) -> SyncManager:
    """A manager that is connected to the holdfastd at that URL, at HOLDFAST_URL, or on this host."""
    manager = SyncManager(**options)
    if url is not None:
        manager._url = url  # as it is: without a scheme it is refused, and no path of multiprocessing's
    manager.connect()
    return manager


def __getattr__(name: str) -> _Any:
    if name == "Executor":  # imported when it is first used: concurrent.futures takes its time
        from .executor import Executor
        return Executor
    if name == "aio":
        return _importlib.import_module(".aio", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
