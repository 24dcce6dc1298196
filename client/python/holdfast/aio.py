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

import functools
import typing
import warnings
from typing import Any, Callable, Optional, Tuple

from . import _core, managers, proxies, shared
from .aio_kinds import (
    Array, Barrier, Condition, Dict, Event, List, Lock, Namespace, Pipe, Proxy, Queue, Reservation,
    Semaphore, Value, plain)
from .submission import Calls, in_thread

__all__ = [
    "Array", "Barrier", "Client", "Condition", "Dict", "Event", "List", "Lock", "Namespace", "Pipe",
    "Proxy", "Queue", "Reservation", "Semaphore", "Step", "Transaction", "Value", "connect",
]

# The values of a new array beyond this number are set in several calls.
_VALUES_MAX = 1 << 16


class Step:
    """A call of a transaction; `result()` after its end."""

    def __init__(self, calls: Calls, core: Any, args: Tuple, kwds: typing.Dict[str, Any]) -> None:
        self._calls = calls
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
        self._calls.send()
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
        step = Step(self._client._calls, core, (plain(method.__self__), *map(plain, args)),
                    {name: plain(value) for name, value in kwds.items()})
        self._steps.append(step)
        return step

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("require_"):
            raise AttributeError(name)
        return lambda *args: self._conditions.append((name, tuple(map(plain, args))))

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


class Client:
    """A connection of an event loop; made by `connect`. Its methods open objects: with a name the one
    of that name, which is created if there is none, else a new one."""

    def __init__(self, connection: _core.Connection, call_timeout: Optional[float] = None) -> None:
        self.connection = connection
        self._calls = Calls(connection, call_timeout)
        self._manager: Any = None

    url = property(lambda self: self.connection.url, doc="the server's address")
    closed = property(lambda self: self.connection.closed, doc="whether it was closed")

    async def close(self) -> None:
        """Withdraw the calls that wait, and close the connection. Waits at most the call timeout for
        the server, and not for the lock of a condition whose `wait` was cancelled."""
        await self._calls.close()
        await in_thread(self.connection.close)

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
        args = (proxy, *map(plain, args)) if args else (proxy,)
        kwds = {name: plain(value) for name, value in kwds.items()} if kwds else kwds
        result = await self._calls.perform(core, args, kwds, waits, is_patient)
        return await self._adopt(result) if isinstance(result, _core.Object) else result

    def _is_pickled(self, value: Any) -> bool:
        """Whether the server knows only its pickle, and can't tell which values are equal to it."""
        return self.connection._is_pickled(plain(value))

    async def _perform_here(self, core: Any, proxy: Any, args: Tuple,
                            kwds: typing.Dict[str, Any]) -> Any:
        """A method that compares values in this process."""
        args = (proxy, *map(plain, args))
        kwds = {name: plain(value) for name, value in kwds.items()}
        return await self._calls.perform_in_thread(core, args, kwds)

    def _wrap(self, proxy: Any) -> Any:
        cls = Proxy._kinds.get(_core.Object.kind.__get__(proxy))
        return proxy if cls is None else cls(self, proxy)

    async def _adopt(self, proxy: Any) -> Any:
        """The proxy of this module for one that was opened by its id or name."""
        if isinstance(proxy, (_core.Cell, _core.Array)):
            await in_thread(getattr, proxy, "typecode")  # asks the server
        elif isinstance(proxy, _core.Queue):
            await in_thread(getattr, proxy, "maxsize")  # likewise, for put
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
                    raw: bool = False, volatile: bool = False) -> Value:
        """A number of a C type; raw: without a lock; volatile: as of a manager's Value."""
        cls = shared.RawCell if raw else proxies.ValueProxy
        return await self._open(cls, typecode, value, name, raw, volatile)

    async def array(self, typecode: str, size_or_values: Any, *, name: Optional[str] = None,
                    raw: bool = False, volatile: bool = False) -> Array:
        """Numbers of a C type; raw: without a lock; volatile: as of a manager's Value."""
        cls = shared.RawNumbers if raw else proxies.ArrayProxy
        if isinstance(size_or_values, int) or name is not None:
            return await self._open(cls, typecode, size_or_values, name, raw, volatile)
        values = list(size_or_values)
        array = await self._open(cls, typecode, len(values), None, raw, volatile)
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
        return await self._open(proxies.ConditionProxy, plain(lock), name)

    async def barrier(self, parties: int, *, timeout: Optional[float] = None,
                      name: Optional[str] = None) -> Barrier:
        """A barrier."""
        if timeout is None:
            return await self._open(proxies.BarrierProxy, parties, name=name)
        return await self._open(proxies.BarrierWithDefaults, parties, None, timeout, name=name)

    async def pipe(self, duplex: bool = True) -> Tuple[Pipe, Pipe]:
        """Both ends of a pipe; not duplex: (receives, sends)."""
        first, second = await in_thread(_core.pipe_new, self.connection, duplex)
        return Pipe(self, first), Pipe(self, second)

    async def open(self, proxy: Any) -> Any:
        """The object of a proxy that blocks, e.g. one of a manager of the same server."""
        kind, id = _core.Object.kind.__get__(proxy), _core.Object.id.__get__(proxy)
        opened = await in_thread(self.connection.open, kind, id)
        if kind == "pipe":
            await in_thread(opened.attach, proxy.end)
        return await self._adopt(opened)

    async def find(self, name: str, kind: Optional[str] = None) -> Any:
        """The object of that name; holdfast.Error with reason NO_SUCH_OBJECT if there is none."""
        return await self._adopt(await in_thread(self.connection.find, name, kind))

    async def delete(self, name: str) -> None:
        """Delete the object of that name for all programs."""
        await in_thread(self.connection.delete, name)

    async def list_objects(self, prefix: str = "", kind: Optional[str] = None) -> Any:
        """What is known of the objects whose names begin with `prefix`."""
        return await in_thread(self.connection.list_objects, prefix, kind)

    async def list_locks(self) -> Any:
        """Owner and waiters of the locks that are owned or waited for."""
        return await in_thread(self.connection.list_locks)

    async def server_info(self) -> Any:
        """What the server says about itself."""
        return await in_thread(self.connection.server_info)

    # ---------------------------------------------------------------------- several at once

    def transaction(self, timeout: Optional[float] = None) -> Transaction:
        """A block whose calls are all performed in one step, or none of them."""
        return Transaction(self, timeout)

    async def wait(self, objects: Any, timeout: Optional[float] = None) -> Tuple[Any, Any]:
        """Wait for the first of several objects: an item of a queue, a message of a pipe, an event, a
        lock or semaphore acquired. The object and the item; (None, None) after the timeout."""
        objects = list(objects)
        found, value = await self._calls.perform(
            self.connection.wait, ([plain(each) for each in objects], timeout), {}, waits=True)
        if found is not None:
            found = next(each for each in objects if plain(each) is found)
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
        client = Client(await in_thread(connect), self._options.get("call_timeout"))
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
