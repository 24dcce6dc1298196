"""multiprocessing's module-level objects: Value, Array, RawValue, RawArray, Lock, Queue, Pipe, ...

They are created by one manager of the process, which is started when the first of them is created, and
is inherited by forked children. Values and arrays are in shared memory where the server runs on this
machine; their lock is recursive, and that of an object is the object itself.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from . import _core, factories, proxies
from .connections import new_lock
from .proxies import Proxy

if TYPE_CHECKING:
    from .managers import SyncManager

__all__ = [
    "Array", "Barrier", "BoundedSemaphore", "Condition", "Event", "JoinableQueue", "Lock", "Pipe",
    "Queue", "RLock", "RawArray", "RawValue", "Semaphore", "SimpleQueue", "Value",
]

_manager: Optional[SyncManager] = None
_Array: Any = _core.Array  # whose `raw` says whether it has a lock, unlike that of a ctypes array
_lock = new_lock()


def default_manager() -> SyncManager:
    """The manager of this process's module-level objects."""
    global _manager
    with _lock:
        if _manager is None or _manager._state.value != _manager._state.STARTED:
            from .managers import Manager
            _manager = Manager()
        return _manager


def _connection() -> _core.Connection:
    return default_manager().connection


# ---------------------------------------------------------------------------- values and arrays

_VALUE = ("get_lock", "get_obj", "acquire", "release", "get", "set")


class _Shared(Proxy):
    """What multiprocessing's shared ctypes have in common."""

    def get_obj(self) -> Any:
        """The object itself: it has no other one inside."""
        return self


class Synchronized(_Shared, _core.Cell, typeid="Value", exposed=_VALUE):
    """What `Value` returns. ``with v.get_lock(): v.value += 1`` is one step for all processes, and so
    is ``v.add(1)``."""

    def _describe(self) -> str:
        return f"<Synchronized wrapper for {_ctype_name(self.typecode)}({self.value!r})>"

    def __repr__(self) -> str:
        return self._describe()


class RawCell(_Shared, _core.Cell, typeid="RawValue", exposed=("get", "set")):
    """What `RawValue` returns: no lock; each access is atomic by itself."""

    def _describe(self) -> str:
        return f"{_ctype_name(self.typecode)}({self.value!r})"

    def __repr__(self) -> str:
        return self._describe()


_ARRAY = ("get_lock", "get_obj", "acquire", "release", "__len__", "__getitem__", "__setitem__")


class SynchronizedArray(_Shared, _Array, typeid="Array", exposed=_ARRAY):
    """What `Array` returns. Slices are lists."""

    def _describe(self) -> str:
        return f"<{type(self).__name__} wrapper for {_ctype_name(self.typecode)}_Array_{len(self)}>"

    def __repr__(self) -> str:
        return self._describe()


class _Characters(Proxy):
    """An array of c: as a text that ends with its first NUL, and as all of its bytes."""

    @property
    def raw(self) -> bytes:
        """All bytes."""
        return self.read()  # type: ignore[attr-defined]

    @raw.setter
    def raw(self, data: bytes) -> None:
        self.write(data)  # type: ignore[attr-defined]

    @property
    def value(self) -> bytes:
        """The bytes up to the first NUL."""
        return self.raw.split(b"\0", 1)[0]

    @value.setter
    def value(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"bytes expected instead of {type(data).__name__} instance")
        if len(data) > len(self):  # type: ignore[arg-type]
            raise ValueError("byte string too long")
        self.write(data + b"\0" * (len(data) < len(self)))  # type: ignore[attr-defined, arg-type]


class SynchronizedString(_Characters, SynchronizedArray, typeid="Array", exposed=_ARRAY):
    """What `Array` returns for the typecode c: slices are bytes; `value` and `raw` as well."""


class RawNumbers(_Shared, _Array, typeid="RawArray", exposed=_ARRAY):
    """What `RawArray` returns: no lock. Slices are lists."""

    def _describe(self) -> str:
        return f"<{_ctype_name(self.typecode)}_Array_{len(self)} object, id {self._id}>"

    def __repr__(self) -> str:
        return self._describe()


class RawString(_Characters, RawNumbers, typeid="RawArray", exposed=_ARRAY):
    """What `RawArray` returns for the typecode c."""


class SynchronizedBy:
    """A Value or Array with a lock of the program's choice: multiprocessing's `lock` argument."""

    def __init__(self, obj: Any, lock: Any) -> None:
        if not hasattr(lock, "acquire"):
            raise AttributeError("%r has no method 'acquire'" % lock)
        self._obj = obj
        self._lock = lock
        self.acquire = lock.acquire
        self.release = lock.release

    def __reduce__(self) -> Any:
        return SynchronizedBy, (self._obj, self._lock)

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *exception: Any) -> Any:
        return self._lock.__exit__(*exception)

    def get_obj(self) -> Any:
        """The object without the lock."""
        return self._obj

    def get_lock(self) -> Any:
        """The lock."""
        return self._lock

    def __len__(self) -> int:
        return len(self._obj)

    def __getitem__(self, index: Any) -> Any:
        with self._lock:
            return self._obj[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        with self._lock:
            self._obj[index] = value

    def _get(self, name: str) -> Any:
        with self._lock:
            return getattr(self._obj, name)

    def _set(self, name: str, value: Any) -> None:
        with self._lock:
            setattr(self._obj, name, value)

    value = property(lambda self: self._get("value"), lambda self, new: self._set("value", new))
    raw = property(lambda self: self._get("raw"), lambda self, new: self._set("raw", new))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} wrapper for {self._obj}>"


_NUMBERS: Tuple[Any, ...] = (
    ctypes.c_char, ctypes.c_byte, ctypes.c_ubyte, ctypes.c_bool, ctypes.c_short, ctypes.c_ushort,
    ctypes.c_int, ctypes.c_uint, ctypes.c_long, ctypes.c_ulong, ctypes.c_float, ctypes.c_double)
_CTYPES = {cls._type_: cls for cls in _NUMBERS}


def _ctype_name(typecode: str) -> str:
    return _CTYPES[typecode].__name__ if typecode in _CTYPES else f"c_{typecode}"


def _initial(typecode: str, args: Tuple) -> Any:
    if len(args) > 1:
        raise TypeError(f"a value has one initial value, not {len(args)}")
    return args[0] if args else None


def make_raw_value(connection: _core.Connection, name: Optional[str], typecode_or_type: Any,
                   args: Tuple, volatile: bool) -> Any:
    """As `RawValue`. Of a ctypes structure: multiprocessing's, for this machine and its children."""
    code = factories.typecode_of(typecode_or_type)
    if code is None:
        return multiprocessing.RawValue(typecode_or_type, *args)
    return RawCell(connection, code, _initial(code, args), name=name, raw=True,
                   volatile=volatile)


def _make_array(cls: Any, string_cls: Any, connection: _core.Connection, name: Optional[str],
                code: str, size_or_initializer: Any, volatile: bool) -> Any:
    cls = string_cls if code == "c" else cls
    raw = cls is RawNumbers or cls is RawString
    return cls(connection, code, size_or_initializer, name=name, raw=raw, volatile=volatile)


def make_raw_array(connection: _core.Connection, name: Optional[str], typecode_or_type: Any,
                   size_or_initializer: Any, volatile: bool) -> Any:
    """As `RawArray`; of ctypes structures as make_raw_value."""
    code = factories.typecode_of(typecode_or_type)
    if code is None:
        return multiprocessing.RawArray(typecode_or_type, size_or_initializer)
    return _make_array(RawNumbers, RawString, connection, name, code, size_or_initializer, volatile)


def RawValue(typecode_or_type: Any, *args: Any, volatile: bool = False) -> Any:
    """A number of a C type in shared memory, without a lock. volatile: as of a manager's Value."""
    return make_raw_value(_connection(), None, typecode_or_type, args, volatile)


def RawArray(typecode_or_type: Any, size_or_initializer: Any, *, volatile: bool = False) -> Any:
    """Numbers of a C type in shared memory, without a lock. volatile: as of a manager's Value."""
    return make_raw_array(_connection(), None, typecode_or_type, size_or_initializer, volatile)


def Value(typecode_or_type: Any, *args: Any, lock: Any = True, volatile: bool = False) -> Any:
    """A number of a C type in shared memory, with a recursive lock, or the one that is given;
    lock=False: none. volatile: as of a manager's Value."""
    code = factories.typecode_of(typecode_or_type)
    if code is None:
        return multiprocessing.Value(typecode_or_type, *args, lock=lock)
    if lock in (True, None):
        return Synchronized(_connection(), code, _initial(code, args), volatile=volatile)
    raw = RawValue(code, *args, volatile=volatile)
    return raw if lock is False else SynchronizedBy(raw, lock)


def Array(typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True,
          volatile: bool = False) -> Any:
    """Numbers of a C type in shared memory, with a lock as `Value`."""
    code = factories.typecode_of(typecode_or_type)
    if code is None:
        return multiprocessing.Array(typecode_or_type, size_or_initializer, lock=lock)
    if lock in (True, None):
        return _make_array(SynchronizedArray, SynchronizedString, _connection(), None, code,
                           size_or_initializer, volatile)
    raw = RawArray(code, size_or_initializer, volatile=volatile)
    return raw if lock is False else SynchronizedBy(raw, lock)


# ----------------------------------------------------------------------------------- all others


def _not_negative(timeout: Optional[float]) -> Optional[float]:
    return timeout if timeout is None or timeout >= 0 else 0


class SharedQueue(proxies.QueueProxy):
    """A queue with the methods of multiprocessing.Queue that are about its feeder thread. There is
    none: an item is on the server when `put` returns."""

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Get an item; queue.Empty if none comes in time. A negative timeout is none."""
        return super().get(block, _not_negative(timeout))

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None,
            **options: Any) -> None:
        """Put an item; queue.Full if there is no room in time. A negative timeout is none."""
        super().put(item, block, _not_negative(timeout), **options)

    def join_thread(self) -> None:
        """Returns at once."""

    def cancel_join_thread(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """End this process's use."""
        super().close()
        self.__class__ = _ClosedQueue


def _refuse(queue: Any, *args: Any, **kwds: Any) -> Any:
    raise ValueError(f"Queue {queue!r} is closed")


class _ClosedQueue(SharedQueue):
    put = put_nowait = put_many = get = get_nowait = get_many = reserve = _refuse


class _Acquired:
    """What is acquired as multiprocessing's locks are: a negative timeout is none, and that of a call
    that does not block is ignored."""

    def acquire(self, block: bool = True, timeout: Optional[float] = None, **options: Any) -> Any:
        """Acquire; False if that takes longer than the timeout. The options are those of a manager's."""
        block = options.pop("blocking", block)
        if not block:
            timeout = None
        elif timeout is not None and timeout < 0:
            timeout = 0
        return super().acquire(block, timeout, **options)  # type: ignore[misc]


class SharedLock(_Acquired, proxies.LockProxy):
    """A lock that fails as multiprocessing's does."""

    _release_error_ = ValueError, "semaphore or lock released too many times"


class SharedRLock(_Acquired, proxies.RLockProxy):
    """A recursive lock that fails as multiprocessing's does."""

    _release_error_ = AssertionError, "attempt to release recursive lock not owned by thread"


class _Counted(_Acquired):
    def get_value(self) -> int:
        """How often it can be acquired now."""
        return _core.Object.info(self)["value"]  # type: ignore[arg-type]


class SharedSemaphore(_Counted, proxies.SemaphoreProxy):
    """A semaphore with multiprocessing's get_value."""


class SharedBoundedSemaphore(_Counted, proxies.BoundedSemaphoreProxy):
    """The same, never released more often than acquired."""


def Queue(maxsize: int = 0) -> SharedQueue:
    """A queue of at most `maxsize` items; 0: of any number."""
    return SharedQueue(_connection(), None, maxsize)


JoinableQueue: Callable[..., SharedQueue] = Queue
SimpleQueue: Callable[..., SharedQueue] = Queue


def Pipe(duplex: bool = True) -> Tuple[Any, Any]:
    """Both ends of a pipe; not duplex: (receives, sends)."""
    return default_manager().Pipe(duplex)


def Lock() -> Any:
    """A lock."""
    return SharedLock(_connection(), None)


def RLock() -> Any:
    """A recursive lock."""
    return SharedRLock(_connection(), None, True)


def Semaphore(value: int = 1) -> Any:
    """A semaphore."""
    return SharedSemaphore(_connection(), value, None)


def BoundedSemaphore(value: int = 1) -> Any:
    """A semaphore that is never released more often than acquired."""
    return SharedBoundedSemaphore(_connection(), value, None, True)


def Event() -> Any:
    """An event."""
    return default_manager().Event()


def Condition(lock: Any = None) -> Any:
    """A condition on a lock of this module, or on a recursive one of its own."""
    return default_manager().Condition(lock)


def Barrier(parties: int, action: Optional[Callable[[], Any]] = None,
            timeout: Optional[float] = None) -> Any:
    """A barrier. The process that arrives last runs the action."""
    return default_manager().Barrier(parties, action, timeout)


_core.set_proxy_class("raw_value", RawCell)
_core.set_proxy_class("raw_array", RawNumbers)
