"""The shared objects in coroutines, for asyncio.

    from holdfast import aio

    async with aio.connect() as hf:
        jobs = await hf.queue("jobs")
        item = await jobs.get(timeout=5)

The methods are those of the proxies of `holdfast.managers`, as coroutines. A call that waits needs no
thread and no descriptor of its own: the event loop watches one descriptor for all calls of a
connection. At most 1,000 calls that wait for others are with the server at a time; further ones wait
in this process until one of these has ended.

Cancelling a task withdraws its call, and loses nothing: either the call had no effect, and
CancelledError is raised, or the server had just performed it. Then its result is returned, e.g. the
item of a queue, and CancelledError is raised where the task waits next. `release` and `ack` are
performed in any case.

A thread owns an RLock, and all tasks of a loop are one thread, so that there is none here: tasks use
Lock. Objects that are stored in others come back as proxies of this module; inside tuples and other
containers, as proxies that block.
"""

from __future__ import annotations

import asyncio
import functools
import struct
import threading
import typing
import warnings
from typing import Any, AsyncIterator, Callable, Optional, Tuple

from . import _core, managers, proxies, sets, shared
from .submission import Calls

__all__ = [
    "Array", "Barrier", "Client", "Condition", "Dict", "Event", "List", "Lock", "Namespace", "Pipe",
    "Proxy", "Queue", "Reservation", "Semaphore", "Step", "Transaction", "Value", "connect",
]

# Ranges of an array beyond this are read and written in several calls.
_RANGE_BYTES = 1 << 20
_VALUES_MAX = 1 << 16


async def _in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """The result of a function that waits, run in a thread of its own: connecting, and the few calls
    that can't be submitted because they consist of several."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def finish(result: Any, error: Optional[BaseException]) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def run() -> None:
        result, raised = None, None
        try:
            result = function(*args)
        except BaseException as error:
            raised = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, result, raised)

    threading.Thread(target=run, name="holdfast.aio", daemon=True).start()
    return await future


def _call(core: Any, waits: bool = False, is_patient: bool = False) -> Any:
    """The coroutine of a method of `_core`. `waits`, `is_patient`: as Calls.perform."""

    async def call(self: Any, /, *args: Any, **kwds: Any) -> Any:
        return await self._client._perform(core, self._proxy, args, kwds, waits, is_patient)

    functools.update_wrapper(call, core, ("__name__", "__doc__"))
    call._core_method = core  # type: ignore[attr-defined]
    return call


class Proxy:
    """An object on the server. Base of all kinds."""

    _kinds: typing.Dict[str, type] = {}

    def __init__(self, client: "Client", proxy: Any) -> None:
        self._client = client
        self._proxy = proxy

    def __init_subclass__(cls, kinds: Tuple[str, ...] = ()) -> None:
        Proxy._kinds.update(dict.fromkeys(kinds, cls))

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
        return await _in_thread(_core.Object.info, self._proxy)

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
    compare_and_set = _call(_core.Dict.compare_and_set)
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
    contains = _call(_core.List.contains)
    length = _call(_core.List.length)
    append = _call(_core.List.append)
    extend = _call(_core.List.extend)
    insert = _call(_core.List.insert)
    pop = _call(_core.List.pop)
    remove = _call(_core.List.remove)
    index = _call(_core.List.index)
    count = _call(_core.List.count)
    reverse = _call(_core.List.reverse)
    sort = _call(_core.List.sort)
    clear = _call(_core.List.clear)
    copy = _call(_core.List.copy)
    add = _call(_core.List.add)
    compare_and_set = _call(_core.List.compare_and_set)

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


class Step:
    """A call of a transaction; `result()` after its end."""

    def __init__(self, core: Any, args: Tuple, kwds: typing.Dict[str, Any]) -> None:
        self._call = core, args, kwds
        self._pending: Optional[_core.Pending] = None

    def _submit(self, transaction: Any) -> None:
        core, args, kwds = self._call
        pending = core(*args, **kwds)
        self._pending = transaction.results[-1] if pending is None else pending  # del d[k]

    def result(self) -> Any:
        """What the call returned."""
        if self._pending is None:
            raise RuntimeError("the transaction was not performed")
        return self._pending.result()


class Transaction:
    """Calls that are all performed in one step, or none of them.

        async with hf.transaction() as t:
            t.require_length(jobs, 1)
            left = t.call(counters.add, "left", -1)
        print(left.result())

    The calls are sent at the end of the block, which waits up to `timeout` seconds until the
    conditions are true, and raises if the transaction was not performed. The conditions are those of
    `Connection.transaction`: require_equal, require_missing, require_length, require_room,
    require_set, require_owned, require_free, require_at_least.
    """

    def __init__(self, client: "Client", timeout: Optional[float]) -> None:
        self._client = client
        self._timeout = timeout
        self._conditions: typing.List[Tuple[str, Tuple]] = []
        self._steps: typing.List[Step] = []

    def call(self, method: Any, /, *args: Any, **kwds: Any) -> Step:
        """Add a call of a method of this module's proxies, e.g. `t.call(d.add, "k", 1)`."""
        core = getattr(method, "_core_method", None)
        if core is None:
            raise TypeError(f"{method!r} is not a method of a proxy that a transaction can call")
        step = Step(core, (_plain(method.__self__), *map(_plain, args)), kwds)
        self._steps.append(step)
        return step

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("require_"):
            raise AttributeError(name)
        return lambda *args: self._conditions.append((name, tuple(map(_plain, args))))

    def _submit(self) -> Any:
        with self._client.connection.transaction(self._timeout or 0) as transaction:
            for name, args in self._conditions:
                getattr(transaction, name)(*args)
            for step in self._steps:
                step._submit(transaction)
        return transaction.pending

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(self, exception_type: Any, *exception: Any) -> None:
        if exception_type is None:
            waits = bool(self._timeout)
            await self._client._calls.perform(self._submit, (), {}, waits)


def _plain(argument: Any) -> Any:
    """The proxy that blocks, for one of this module."""
    return argument._proxy if isinstance(argument, Proxy) else argument


class Client:
    """A connection of an event loop; made by `connect`. Its methods open objects: with a name the one
    of that name, which is created if there is none, else a new one."""

    def __init__(self, connection: _core.Connection) -> None:
        self.connection = connection
        self._calls = Calls(connection)
        self._manager: Any = None

    url = property(lambda self: self.connection.url, doc="the server's address")
    closed = property(lambda self: self.connection.closed, doc="whether it was closed")

    async def close(self) -> None:
        """Withdraw the calls that wait, and close the connection."""
        await self._calls.close()
        await _in_thread(self.connection.close)

    def __del__(self) -> None:
        calls = getattr(self, "_calls", None)
        if calls is not None and not self.connection.closed and not calls.is_foreign:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            calls.abandon()
            self.connection.close()

    def __repr__(self) -> str:
        return f"<holdfast.aio.Client {self.url}{' closed' if self.closed else ''}>"

    async def _perform(self, core: Any, proxy: Any, args: Tuple, kwds: typing.Dict[str, Any],
                       waits: bool = False, is_patient: bool = False) -> Any:
        args = (proxy, *map(_plain, args)) if args else (proxy,)
        result = await self._calls.perform(core, args, kwds, waits, is_patient)
        return await self._adopt(result) if isinstance(result, _core.Object) else result

    def _wrap(self, proxy: Any) -> Any:
        cls = Proxy._kinds.get(_core.Object.kind.__get__(proxy))
        return proxy if cls is None else cls(self, proxy)

    async def _adopt(self, proxy: Any) -> Any:
        """The proxy of this module for one that was opened by its id or name."""
        if isinstance(proxy, (_core.Cell, _core.Array)):
            await _in_thread(getattr, proxy, "typecode")  # asks the server
        return self._wrap(proxy)

    async def _open(self, cls: Any, *args: Any, **kwds: Any) -> Any:
        return self._wrap(await self._calls.perform(cls, (self.connection, *args), kwds))

    # -------------------------------------------------------------------------------- objects

    async def dict(self, name: Optional[str] = None) -> Dict:
        """A dict."""
        return await self._open(proxies.DictProxy, name)

    async def list(self, name: Optional[str] = None) -> List:
        """A list."""
        return await self._open(proxies.ListProxy, name)

    async def queue(self, name: Optional[str] = None, maxsize: int = 0) -> Queue:
        """A queue of at most `maxsize` items; 0: of any number."""
        return await self._open(proxies.QueueProxy, name, maxsize)

    async def namespace(self, name: Optional[str] = None) -> Namespace:
        """A namespace."""
        return await self._open(proxies.NamespaceProxy, name)

    async def value(self, typecode: str, value: Any = None, *, name: Optional[str] = None,
                    raw: bool = False) -> Value:
        """A number of a C type; raw: without a lock."""
        cls = shared.RawCell if raw else proxies.ValueProxy
        return await self._open(cls, typecode, value, name, raw)

    async def array(self, typecode: str, size_or_values: Any, *, name: Optional[str] = None,
                    raw: bool = False) -> Array:
        """Numbers of a C type; raw: without a lock."""
        cls = shared.RawNumbers if raw else proxies.ArrayProxy
        if isinstance(size_or_values, int) or name is not None:
            return await self._open(cls, typecode, size_or_values, name, raw)
        values = list(size_or_values)
        array = await self._open(cls, typecode, len(values), None, raw)
        for first in range(0, len(values), _VALUES_MAX):
            part = values[first:first + _VALUES_MAX]
            await array.set(slice(first, first + len(part)), part)
        return array

    async def lock(self, name: Optional[str] = None) -> Lock:
        """A lock."""
        return await self._open(proxies.LockProxy, name)

    async def semaphore(self, value: int = 1, *, name: Optional[str] = None,
                        bounded: bool = False) -> Semaphore:
        """A semaphore."""
        cls = proxies.BoundedSemaphoreProxy if bounded else proxies.SemaphoreProxy
        return await self._open(cls, value, name, bounded)

    async def event(self, name: Optional[str] = None) -> Event:
        """An event."""
        return await self._open(proxies.EventProxy, name)

    async def condition(self, lock: Optional[Lock] = None, *,
                        name: Optional[str] = None) -> Condition:
        """A condition on `lock`; without one, on a new lock. One with a name is given its lock."""
        if lock is None:
            if name is not None:
                raise TypeError("a condition with a name is on a given lock")
            lock = await self.lock()
        return await self._open(proxies.ConditionProxy, _plain(lock), name)

    async def barrier(self, parties: int, *, timeout: Optional[float] = None,
                      name: Optional[str] = None) -> Barrier:
        """A barrier."""
        if timeout is None:
            return await self._open(proxies.BarrierProxy, parties, name=name)
        return await self._open(proxies.BarrierWithDefaults, parties, None, timeout, name=name)

    async def pipe(self, duplex: bool = True) -> Tuple[Pipe, Pipe]:
        """Both ends of a pipe; not duplex: (receives, sends)."""
        first, second = await _in_thread(_core.pipe_new, self.connection, duplex)
        return Pipe(self, first), Pipe(self, second)

    async def open(self, proxy: Any) -> Any:
        """The object of a proxy that blocks, e.g. one of a manager of the same server."""
        kind, id = _core.Object.kind.__get__(proxy), _core.Object.id.__get__(proxy)
        opened = await _in_thread(self.connection.open, kind, id)
        if kind == "pipe":
            await _in_thread(opened.attach, proxy.end)
        return await self._adopt(opened)

    async def find(self, name: str, kind: Optional[str] = None) -> Any:
        """The object of that name; holdfast.Error with reason NO_SUCH_OBJECT if there is none."""
        return await self._adopt(await _in_thread(self.connection.find, name, kind))

    async def delete(self, name: str) -> None:
        """Delete the object of that name for all programs."""
        await _in_thread(self.connection.delete, name)

    async def list_objects(self, prefix: str = "", kind: Optional[str] = None) -> Any:
        """What is known of the objects whose names begin with `prefix`."""
        return await _in_thread(self.connection.list_objects, prefix, kind)

    async def list_locks(self) -> Any:
        """Owner and waiters of the locks that are owned or waited for."""
        return await _in_thread(self.connection.list_locks)

    async def server_info(self) -> Any:
        """What the server says about itself."""
        return await _in_thread(self.connection.server_info)

    # ---------------------------------------------------------------------- several at once

    def transaction(self, timeout: Optional[float] = None) -> Transaction:
        """A block whose calls are all performed in one step, or none of them."""
        return Transaction(self, timeout)

    async def wait(self, objects: Any, timeout: Optional[float] = None) -> Tuple[Any, Any]:
        """Wait for the first of several objects: an item of a queue, a message of a pipe, an event, a
        lock or semaphore acquired. The object and the item; (None, None) after the timeout."""
        objects = list(objects)
        found, value = await self._calls.perform(
            self.connection.wait, ([_plain(each) for each in objects], timeout), {}, waits=True)
        if found is not None:
            found = next(each for each in objects if _plain(each) is found)
        return found, await self._adopt(value) if isinstance(value, _core.Object) else value


class connect:
    """Connect to the holdfastd at that URL, at HOLDFAST_URL, or on this host; or to a manager's.

    `async with aio.connect() as hf` closes the connection at the end of the block; `hf = await
    aio.connect()` leaves that to `await hf.close()`. The options are those of `Connection`:
    call_timeout, grace, client.
    """

    def __init__(self, url: Any = None, **options: Any) -> None:
        self._manager = url if isinstance(url, managers.SyncManager) else None
        self._url = url if self._manager is None else self._manager.connection.url
        self._options = options
        self._client: Optional[Client] = None

    async def _connect(self) -> Client:
        connect = functools.partial(_core.Connection, self._url, **self._options)
        client = Client(await _in_thread(connect))
        client._manager = self._manager  # kept: its server may be a private one
        return client

    def __await__(self) -> Any:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(self, *exception: Any) -> None:
        if self._client is not None:
            await self._client.close()
