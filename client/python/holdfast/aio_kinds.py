"""The kinds of objects in coroutines: what `holdfast.aio` has beside its client."""

from __future__ import annotations

import asyncio
import functools
import struct
import typing
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Optional, Tuple

from . import _core, pickles
from .submission import in_thread

if TYPE_CHECKING:
    from .aio import Client

__all__ = [
    "Array", "Barrier", "Condition", "Dict", "Event", "List", "Lock", "Namespace", "Pipe", "Proxy",
    "Queue", "Reservation", "Semaphore", "Value",
]

# Ranges of an array beyond this are read and written in several calls.
_RANGE_BYTES = 1 << 20


def _call(core: Any, waits: bool = False, is_patient: bool = False) -> Any:
    """The coroutine of a method of `_core`. `waits`, `is_patient`: as Calls.perform."""

    async def call(self: Any, /, *args: Any, **kwds: Any) -> Any:
        return await self._client._perform(core, self._proxy, args, kwds, waits, is_patient)

    functools.update_wrapper(call, core, ("__name__", "__doc__"))
    call._core_method = core  # type: ignore[attr-defined]
    return call


def _search(core: Any) -> Any:
    """The coroutine of a method that looks for its first argument."""

    async def search(self: Any, /, *args: Any, **kwds: Any) -> Any:
        if args and self._client._is_pickled(args[0]):
            return await self._client._perform_here(core, self._proxy, args, kwds)
        return await self._client._perform(core, self._proxy, args, kwds)

    functools.update_wrapper(search, core, ("__name__", "__doc__"))
    search._core_method = core  # type: ignore[attr-defined]
    return search


def _compare_and_set(core: Any) -> Any:
    """The coroutine of a compare_and_set, whose second argument is the old value."""

    async def compare_and_set(self: Any, /, *args: Any, **kwds: Any) -> Any:
        swapped = await self._client._perform(core, self._proxy, args, kwds)
        if not swapped and self._client._is_pickled(args[1] if len(args) > 1 else kwds["old"]):
            return await self._client._perform_here(core, self._proxy, args, kwds)
        return swapped

    functools.update_wrapper(compare_and_set, core, ("__name__", "__doc__"))
    compare_and_set._core_method = core  # type: ignore[attr-defined]
    return compare_and_set


class Proxy:
    """An object on the server. Base of all kinds."""

    _kinds: typing.Dict[str, type] = {}

    def __init__(self, client: "Client", proxy: Any) -> None:
        self._client = client
        self._proxy = proxy

    def __init_subclass__(cls, kinds: Tuple[str, ...] = ()) -> None:
        Proxy._kinds.update(dict.fromkeys(kinds, cls))
        pickles.register_wrapper_class(cls, lambda proxy: proxy._proxy)

    id = property(lambda self: _core.Object.id.__get__(self._proxy), doc="its number on the server")
    kind = property(lambda self: _core.Object.kind.__get__(self._proxy), doc="'dict', 'queue', ...")
    name = property(lambda self: _core.Object.name.__get__(self._proxy), doc="its name; or None")
    closed = property(lambda self: _core.Object.closed.__get__(self._proxy),
                      doc="whether it was closed")

    def close(self) -> None:
        """Drop this connection's reference to the object."""
        _core.Object.close(self._proxy)

    async def info(self) -> typing.Dict[str, Any]:
        """What the server knows about the object."""
        return await in_thread(_core.Object.info, self._proxy)

    delete = _call(_core.Object.delete)

    def __reduce__(self) -> Any:
        """Pickled as the proxy that blocks."""
        return self._proxy.__reduce__()

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self.name or hex(self.id)}>"


class Dict(Proxy, kinds=("dict",)):
    """A dict. `await d["k"]` gets, `await d.set("k", v)` sets; `async for` goes over the keys that it
    has at the beginning."""

    __getitem__ = _call(_core.Dict.__getitem__)
    set = _call(_core.Dict.set)
    remove = _call(_core.Dict.__delitem__)
    contains = _call(_core.Dict.contains)
    length = _call(_core.Dict.length)
    get = _call(_core.Dict.get)
    pop = _call(_core.Dict.pop)
    popitem = _call(_core.Dict.popitem)
    setdefault = _call(_core.Dict.setdefault)
    update = _call(_core.Dict.update)
    clear = _call(_core.Dict.clear)
    copy = _call(_core.Dict.copy)
    keys = _call(_core.Dict.keys)
    values = _call(_core.Dict.values)
    items = _call(_core.Dict.items)
    get_many = _call(_core.Dict.get_many)
    add = _call(_core.Dict.add)
    compare_and_set = _compare_and_set(_core.Dict.compare_and_set)
    replace = _call(_core.Dict.replace)
    wait = _call(_core.Dict.wait, waits=True)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for key in await self.keys():
            yield key


class List(Proxy, kinds=("list",)):
    """A list. `await l[0]`, `await l.set(0, v)`; `async for` goes over a copy."""

    __getitem__ = _call(_core.List.__getitem__)
    set = _call(_core.List.set)
    remove_at = _call(_core.List.__delitem__)
    contains = _search(_core.List.contains)
    length = _call(_core.List.length)
    append = _call(_core.List.append)
    extend = _call(_core.List.extend)
    insert = _call(_core.List.insert)
    pop = _call(_core.List.pop)
    remove = _search(_core.List.remove)
    index = _search(_core.List.index)
    count = _search(_core.List.count)
    reverse = _call(_core.List.reverse)
    sort = _call(_core.List.sort)
    clear = _call(_core.List.clear)
    copy = _call(_core.List.copy)
    add = _call(_core.List.add)
    compare_and_set = _compare_and_set(_core.List.compare_and_set)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for element in await self.copy():
            yield element


class Reservation:
    """An item of a queue that is reserved until `ack`. As a context manager: `ack` at the end of the
    block, `return_` if it raises or is cancelled."""

    def __init__(self, queue: "Queue", reservation: Any) -> None:
        self.queue = queue
        self._client = queue._client
        self._proxy = reservation

    value = property(lambda self: self._proxy.value, doc="the item")
    id = property(lambda self: self._proxy.id, doc="only rises")
    tries = property(lambda self: self._proxy.tries,
                     doc="how often the item was reserved before and returned")
    priority = property(lambda self: self._proxy.priority, doc="the item's")

    ack = _call(_core.Reservation.ack, is_patient=True)
    return_ = _call(_core.Reservation.return_, is_patient=True)
    extend = _call(_core.Reservation.extend)
    bury = _call(_core.Reservation.bury, is_patient=True)

    async def __aenter__(self) -> "Reservation":
        return self

    async def __aexit__(self, exception_type: Any, *exception: Any) -> None:
        await (self.ack() if exception_type is None else self.return_())


class Queue(Proxy, kinds=("queue",)):
    """A queue. `async for item in queue` gets items until the queue is shut down."""

    maxsize = property(lambda self: self._proxy.maxsize, doc="the most items; 0 or less: no limit")

    get = _call(_core.Queue.get, waits=True)
    get_nowait = _call(_core.Queue.get_nowait)
    get_many = _call(_core.Queue.get_many, waits=True)
    put_nowait = _call(_core.Queue.put_nowait)
    kick = _call(_core.Queue.kick)
    qsize = _call(_core.Queue.qsize)
    empty = _call(_core.Queue.empty)
    full = _call(_core.Queue.full)
    task_done = _call(_core.Queue.task_done, is_patient=True)
    join = _call(_core.Queue.join, waits=True)
    shutdown = _call(_core.Queue.shutdown)
    _put = _call(_core.Queue.put)
    _put_waiting = _call(_core.Queue.put, waits=True)
    _put_many = _call(_core.Queue.put_many)
    _put_many_waiting = _call(_core.Queue.put_many, waits=True)

    async def put(self, item: Any, block: bool = True, timeout: Optional[float] = None, *,
                  priority: int = 0, delay: float = 0) -> None:
        """Put an item; waits while the queue is full, for `timeout` seconds at most."""
        put = self._put_waiting if self.maxsize > 0 else self._put
        await put(item, block, timeout, priority=priority, delay=delay)

    put._core_method = _core.Queue.put  # type: ignore[attr-defined]

    async def put_many(self, items: Any, timeout: Optional[float] = None, **options: Any) -> int:
        """Put all items in order; how many were put before the timeout."""
        put_many = self._put_many_waiting if self.maxsize > 0 else self._put_many
        return await put_many(items, timeout, **options)

    async def reserve(self, timeout: Optional[float] = None,
                      lease: Optional[float] = None) -> Reservation:
        """Get an item that returns to its position unless it is acknowledged."""
        reservation = await self._client._perform(
            _core.Queue.reserve, self._proxy, (timeout,), {"lease": lease}, waits=True)
        return Reservation(self, reservation)

    def __aiter__(self) -> "Queue":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.get()
        except _core.ShutDown:
            raise StopAsyncIteration from None


class Pipe(Proxy, kinds=("pipe",)):
    """One end of a pipe. `async for` receives messages until the other end is closed."""

    end = property(lambda self: self._proxy.end, doc="0 or 1")

    send = _call(_core.Pipe.send, waits=True)
    recv = _call(_core.Pipe.recv, waits=True)
    poll = _call(_core.Pipe.poll, waits=True)

    def __aiter__(self) -> "Pipe":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.recv()
        except EOFError:
            raise StopAsyncIteration from None


class Namespace(Proxy, kinds=("namespace",)):
    """Attributes, by methods: `await ns.get("x")`, `await ns.set("x", 1)`."""

    get = _call(_core.Namespace.get)
    set = _call(_core.Namespace.set)
    remove = _call(_core.Namespace.delete)
    list = _call(_core.Namespace.list)


class _Lockable(Proxy):
    """What has acquire and release; `async with` does both."""

    acquire: Any
    release: Any
    owner_died = property(lambda self: self._proxy.owner_died,
                          doc="whether the owner before the last acquire() was killed")

    async def __aenter__(self) -> "_Lockable":
        await self.acquire()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self.release()


class Lock(_Lockable, kinds=("lock",)):
    """A lock, which any task may release."""

    acquire = _call(_core.Lock.acquire, waits=True)
    release = _call(_core.Lock.release, is_patient=True)
    token = property(lambda self: self._proxy.token, doc="the fencing token of the last acquire()")


class Semaphore(_Lockable, kinds=("semaphore", "bounded_semaphore")):
    """A semaphore."""

    acquire = _call(_core.Semaphore.acquire, waits=True)
    release = _call(_core.Semaphore.release, is_patient=True)


class Event(Proxy, kinds=("event",)):
    """An event."""

    is_set = _call(_core.Event.is_set)
    set = _call(_core.Event.set)
    clear = _call(_core.Event.clear)
    wait = _call(_core.Event.wait, waits=True)


class Condition(_Lockable, kinds=("condition",)):
    """A condition variable on a Lock. A cancelled `wait` acquires the lock again first."""

    acquire = _call(_core.Condition.acquire, waits=True)
    release = _call(_core.Condition.release, is_patient=True)
    wait = _call(_core.Condition.wait, waits=True)
    token = property(lambda self: self._proxy.token, doc="the fencing token of the last acquire()")
    notify = _call(_core.Condition.notify)
    notify_all = _call(_core.Condition.notify_all)

    async def wait_for(self, predicate: Callable[[], Any], timeout: Optional[float] = None) -> Any:
        """Wait until predicate() is true; its last result."""
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout
        while not (result := predicate()):
            left = None if deadline is None else deadline - clock()
            if left is not None and left <= 0:
                break
            await self.wait(left)
        return result


class Barrier(Proxy, kinds=("barrier",)):
    """A barrier. There is no action: the party whose `wait` returns 0 can do what it would."""

    wait = _call(_core.Barrier.wait, waits=True)
    abort = _call(_core.Barrier.abort)
    reset = _call(_core.Barrier.reset)


class Value(Proxy, kinds=("value", "raw_value")):
    """A number of a C type, read and written by the server. Its lock is a thread's, and so not here."""

    typecode = property(lambda self: self._proxy.typecode, doc="its C type")
    get = _call(_core.Cell.get)
    set = _call(_core.Cell.set)
    add = _call(_core.Cell.add)
    compare_and_set = _call(_core.Cell.compare_and_set)
    wait = _call(_core.Cell.wait, waits=True)

    async def exchange(self, value: Any) -> Any:
        """Store a number; the one before."""
        while True:
            before = await self.get()
            if await self.compare_and_set(before, value):
                return before


class Array(Proxy, kinds=("array", "raw_array")):
    """Numbers of one C type, read and written by the server."""

    typecode = property(lambda self: self._proxy.typecode, doc="its C type")
    __getitem__ = _call(_core.Array.__getitem__)
    set = _call(_core.Array.__setitem__)
    add = _call(_core.Array.add)
    _read = _call(_core.Array.read)
    _write = _call(_core.Array.write)

    def __len__(self) -> int:
        return len(self._proxy)

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return struct.calcsize(self.typecode)

    def _ranges(self, start: int, count: int) -> typing.List[Tuple[int, int]]:
        step = _RANGE_BYTES // self.itemsize
        return [(first, min(step, start + count - first))
                for first in range(start, start + count, step)]

    async def read(self, start: int = 0, count: Optional[int] = None) -> bytes:
        """The bytes of `count` elements, of all by default. More than 1 MiB is read in several
        calls."""
        count = len(self) - start if count is None else count
        if count * self.itemsize <= _RANGE_BYTES:
            return await self._read(start, count)
        return b"".join(await asyncio.gather(
            *(self._read(first, size) for first, size in self._ranges(start, count))))

    async def write(self, buffer: Any, start: int = 0) -> None:
        """Write the elements of a buffer. More than 1 MiB is written in several calls."""
        data = memoryview(buffer).cast("B")
        size = self.itemsize
        if data.nbytes % size != 0:
            raise ValueError("the buffer's size is not a multiple of the element's")
        await asyncio.gather(
            *(self._write(data[(first - start) * size:(first - start + count) * size], first)
              for first, count in self._ranges(start, data.nbytes // size) or [(start, 0)]))


def plain(argument: Any) -> Any:
    """The proxy that blocks, for one of this module."""
    return argument._proxy if isinstance(argument, Proxy) else argument


for _name in __all__:
    globals()[_name].__module__ = "holdfast.aio"
