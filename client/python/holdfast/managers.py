"""multiprocessing.managers, with the objects on a holdfastd.

    from holdfast.managers import SyncManager, BaseManager, BaseProxy

The names and what they mean are multiprocessing's. Objects of a SyncManager's own types live on a
holdfastd: the one that a URL or HOLDFAST_URL names, else a private one that ends with this process.
Types that a program registers, and Pool, live in a manager process of the standard library's.
"""

from __future__ import annotations

import functools
import os
from multiprocessing import ProcessError, util
from multiprocessing.managers import (
    BaseProxy, Namespace, RemoteError, SharedMemoryManager, Token)
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar, cast

from . import _core, factories, pickles, private, proxies, registered, shared
from .connections import DEFAULT_URL, connection_for, new_lock
from .pipes import PipeEnd, new_pipe
from .proxies import (  # noqa: F401
    AcquirerProxy, ArrayProxy, BarrierProxy, ConditionProxy, DictProxy, EventProxy, ListProxy,
    NamespaceProxy, QueueProxy, ValueProxy)
from .sets import SetProxy
from .standard import std

__all__ = ["BaseManager", "BaseProxy", "SharedMemoryManager", "SyncManager", "Token"]

AutoProxy = std.AutoProxy
IteratorProxy = std.IteratorProxy
MakeProxyType = std.MakeProxyType
PoolProxy = std.PoolProxy
RebuildProxy = std.RebuildProxy
State = std.State
dispatch = std.dispatch
Factory = TypeVar("Factory", bound=Callable[..., Any])
# The finalizers of managers run when the program's children have been joined, unlike multiprocessing's:
# a child that outlives the main program keeps its server.
_EXIT_PRIORITY = -10


def is_url(address: Any) -> bool:
    """Whether it is the address of a holdfastd, not one as multiprocessing has them."""
    return isinstance(address, str) and "://" in address


class _Parts:
    """What a manager has started or is connected to."""

    def __init__(self) -> None:
        self.connection: Optional[_core.Connection] = None
        self.holdfastd: Optional[private.PrivateServer] = None
        self.python: Optional[registered.RegisteredManager] = None
        self.lock = new_lock()

    def end(self, state: Any) -> None:
        """Stop what was started. Proxies that are left raise ConnectionError if it was private."""
        state.value = State.SHUTDOWN
        if self.python is not None and hasattr(self.python, "shutdown"):
            self.python.shutdown()
        if self.holdfastd is not None:
            if self.connection is not None:
                self.connection.close()
            self.holdfastd.stop()
        self.connection = None


def _factory(create: Factory) -> Factory:
    """A method that creates a proxy, which keeps the manager. A manager that is connected to one of
    multiprocessing's, which has no holdfastd, has the objects created there."""

    @functools.wraps(create)
    def method(self: Any, /, *args: Any, **kwds: Any) -> Any:
        if self._parts.connection is None and self._state.value == State.STARTED:
            return getattr(std.SyncManager, create.__name__)(self, *args, **kwds)
        proxy = create(self, *args, **kwds)
        proxy._manager = self
        return proxy

    return cast(Factory, method)


class BaseManager(std.BaseManager):
    """The base of managers, whose registered types live in a manager process."""

    @classmethod
    def register(cls, typeid: str, callable: Optional[Callable[..., Any]] = None,
                 proxytype: Any = None, exposed: Any = None, method_to_typeid: Any = None,
                 create_method: bool = True) -> None:
        """Register a type, as multiprocessing's manager does."""
        exposed = exposed or getattr(proxytype, "_exposed_", None)
        super().register(typeid, callable, proxies.standard_class(proxytype), exposed,
                         method_to_typeid, create_method)

    def _check_initial(self) -> None:
        if self._state.value == State.STARTED:
            raise ProcessError("Already started server")
        if self._state.value == State.SHUTDOWN:
            raise ProcessError("Manager has shut down")


class SyncManager(BaseManager):
    """A manager of shared objects.

    address
        A URL, tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH: that of a running holdfastd. Otherwise HOLDFAST_URL, or
        a private holdfastd of this manager. An address as multiprocessing has them, e.g.
        ("", 50000), is that of the manager process for registered types, to which the managers of
        other programs `connect` with the same `authkey`.
    """

    _registry = std.SyncManager._registry.copy()
    _own_types: frozenset = frozenset()  # registered by subclasses
    _Server = registered.Server

    def __init__(self, address: Any = None, authkey: Optional[bytes] = None,
                 serializer: str = "pickle", ctx: Any = None, **options: Any) -> None:
        self._url = os.environ.get("HOLDFAST_URL") or ""
        if is_url(address):
            self._url, address = address, None
        super().__init__(address, authkey, serializer, ctx, **options)
        self._options = {"serializer": serializer, "ctx": ctx, **options}
        self._parts = _Parts()
        self._kept = pickles.Kept()

    # ------------------------------------------------------------------------- start and end

    def start(self, initializer: Optional[Callable[..., Any]] = None, initargs: Tuple = ()) -> None:
        """Connect to the holdfastd that the URL names, or start a private one.

        The initializer is run in the process of the registered types, which is started with it.
        """
        self._check_initial()
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        try:
            url = self._url or self._start_holdfastd()
            self._parts.connection = connection_for(url, is_checked=True)
            if initializer is not None or self._address is not None or self._own_types:
                self._start_python(initializer, initargs)
        except BaseException:
            self._parts.end(State())
            raise
        self._has_started()

    def connect(self) -> None:
        """Connect to a running holdfastd, or, by an address as multiprocessing has them, to a
        manager that another program has started."""
        self._check_initial()
        if self._address is None:
            self._parts.connection = connection_for(self._url or DEFAULT_URL, is_checked=True)
        else:
            self._connect_python()
        self._has_started()

    def get_server(self) -> registered.Server:
        """The server of the registered types, to be run in this process by its serve_forever(). It
        tells those that connect where the holdfastd is."""
        self._check_initial()
        registered.set_url(self._url)
        return registered.Server(self._registry, self._address, self._authkey, self._serializer)

    def join(self, timeout: Optional[float] = None) -> None:
        """Wait until the servers that this manager has started have ended."""
        for process in (self._parts.holdfastd, getattr(self._parts.python, "_process", None)):
            if process is not None:
                process.join(timeout)

    def _start_holdfastd(self) -> str:
        self._parts.holdfastd = private.PrivateServer(name=type(self).__name__)
        return self._parts.holdfastd.url

    def _has_started(self) -> None:
        self._state.value = State.STARTED
        self.shutdown = util.Finalize(self, self._parts.end, args=(self._state,),
                                      exitpriority=_EXIT_PRIORITY)

    @property
    def _process(self) -> Any:
        return self._parts.holdfastd or getattr(self._parts.python, "_process", None)

    @property
    def address(self) -> Any:
        """Of the manager process for registered types if it was given one, else the holdfastd's URL;
        None before the start."""
        if self._address is not None:
            return self._parts.python.address if self._parts.python else self._address
        return self._parts.connection.url if self._parts.connection else self._url or None

    @property
    def connection(self) -> _core.Connection:
        """This process's connection to the holdfastd."""
        assert self._state.value == State.STARTED, "server not yet started"
        if self._parts.connection is None:
            raise ProcessError(f"the manager at {self._address!r} is one of multiprocessing's, and has "
                               "no holdfastd")
        return self._parts.connection

    def __reduce__(self) -> Any:
        return _reconnect, (type(self), self.connection.url)

    # ----------------------------------------------------------------------- registered types

    @classmethod
    def register(cls, typeid: str, *args: Any, **kwds: Any) -> None:
        """Register a type, whose objects live in a manager process."""
        super().register(typeid, *args, **kwds)
        cls._own_types = cls._own_types | {typeid}

    def _make_python(self) -> registered.RegisteredManager:
        return registered.RegisteredManager(self._registry, address=self._address,
                                            authkey=self._authkey, **self._options)

    def _start_python(self, initializer: Optional[Callable[..., Any]] = None,
                      initargs: Tuple = ()) -> None:
        python = self._make_python()
        assert self._parts.connection is not None
        python.start_beside(self._parts.connection.url, initializer, initargs)
        self._parts.python = python

    def _connect_python(self) -> None:
        self._parts.python = self._make_python()
        self._parts.python.connect()
        url = self._parts.python.find_url()
        if url is not None:
            try:
                self._parts.connection = connection_for(url, is_checked=True)
            except _core.Unavailable:  # private, on another host: the manager process has all types
                util.info("no connection to %s of the manager at %r", url, self._address)

    def _create(self, typeid: str, /, *args: Any, **kwds: Any) -> Any:
        assert self._state.value == State.STARTED, "server not yet started"
        with self._parts.lock:
            if self._parts.python is None:
                self._start_python()
        python: Any = self._parts.python
        return python._create(typeid, *args, **kwds)

    def _debug_info(self) -> str:
        parts = self._parts
        lines = [] if parts.python is None else [parts.python._debug_info()]
        if parts.connection is not None:
            pickles.forget_kept()
            lines.append(f"  {parts.connection.url}: {parts.connection.server_info()}")
        return "\n".join(lines)

    def _number_of_objects(self) -> int:
        """On both servers; those on the holdfastd include other programs'."""
        parts = self._parts
        count = 0 if parts.python is None else parts.python._number_of_objects()
        if parts.connection is not None:
            pickles.forget_kept()
            count += parts.connection.server_info()["objects"]
        return count

    Pool = std.SyncManager.Pool

    # -------------------------------------------------------------------------------- objects
    # Each takes `name`: the object of that name, which is created if there is none.

    @_factory
    def dict(self, /, *args: Any, **kwds: Any) -> DictProxy:
        """A dict, with the entries of `dict(*args, **kwds)`. With `name` as the only argument: the dict
        of that name."""
        name = None
        if not args and list(kwds) == ["name"] and isinstance(kwds["name"], str):
            name, kwds = kwds["name"], {}
        return factories.make_dict(self.connection, name, args, kwds)

    @_factory
    def list(self, sequence: Any = (), /, *, name: Optional[str] = None) -> ListProxy:
        """A list, with the elements of a sequence."""
        return factories.make_list(self.connection, name, sequence)

    @_factory
    def set(self, iterable: Any = (), /, *, name: Optional[str] = None) -> SetProxy:
        """A set, with the members of an iterable."""
        return factories.make_set(self.connection, name, iterable)

    @_factory
    def Namespace(self, /, *, name: Any = None, **kwds: Any) -> NamespaceProxy:
        """An object with attributes. With `name` as the only argument, a str: the namespace of that
        name."""
        if name is not None and (kwds or not isinstance(name, str)):
            name, kwds = None, {"name": name, **kwds}
        proxy = NamespaceProxy(self.connection, name)
        for attribute, value in kwds.items():
            setattr(proxy, attribute, value)
        return proxy

    @_factory
    def Queue(self, maxsize: int = 0, *, name: Optional[str] = None) -> QueueProxy:
        """A queue of at most `maxsize` items; 0: of any number."""
        return QueueProxy(self.connection, name, maxsize)

    @_factory
    def JoinableQueue(self, maxsize: int = 0, *, name: Optional[str] = None) -> QueueProxy:
        """The same: every queue has task_done and join."""
        return proxies.JoinableQueueProxy(self.connection, name, maxsize)

    @_factory
    def Value(self, typecode: Any, value: Any, lock: bool = True, *,
              name: Optional[str] = None, volatile: bool = False) -> Any:
        """A number of a C type. Of any other type: an object. volatile: on a server with --data it is in
        shared memory, and lost when the server starts again; else it is durable there."""
        return factories.make_value(self.connection, name, typecode, value, volatile)

    @_factory
    def Array(self, typecode: str, sequence: Any, lock: bool = True, *,
              name: Optional[str] = None, volatile: bool = False) -> Any:
        """Numbers of a C type; their number never changes. volatile: as of a Value."""
        return factories.make_array(
            self.connection, name, typecode, sequence, volatile,
            lambda: std.SyncManager.Array(self, typecode, sequence))

    @_factory
    def Lock(self, *, name: Optional[str] = None) -> proxies.LockProxy:
        """A lock."""
        return proxies.LockProxy(self.connection, name)

    @_factory
    def RLock(self, *, name: Optional[str] = None) -> proxies.RLockProxy:
        """A recursive lock."""
        return proxies.RLockProxy(self.connection, name, True)

    @_factory
    def Semaphore(self, value: int = 1, *, name: Optional[str] = None) -> proxies.SemaphoreProxy:
        """A semaphore."""
        return proxies.SemaphoreProxy(self.connection, value, name)

    @_factory
    def BoundedSemaphore(self, value: int = 1, *,
                         name: Optional[str] = None) -> proxies.BoundedSemaphoreProxy:
        """A semaphore that is never released more often than acquired."""
        return proxies.BoundedSemaphoreProxy(self.connection, value, name, True)

    @_factory
    def Event(self, *, name: Optional[str] = None) -> EventProxy:
        """An event."""
        return EventProxy(self.connection, name)

    @_factory
    def Condition(self, lock: Any = None, *, name: Optional[str] = None) -> ConditionProxy:
        """A condition on `lock`, a Lock or RLock of this manager, or on an RLock of its own."""
        return ConditionProxy(self.connection, lock, name)

    @_factory
    def Barrier(self, parties: int, action: Optional[Callable[[], Any]] = None,
                timeout: Optional[float] = None, *, name: Optional[str] = None) -> BarrierProxy:
        """A barrier. The process that arrives last runs the action."""
        return factories.make_barrier(self.connection, name, parties, action, timeout)

    # ---------------------------------------------------------------- beyond multiprocessing

    def Pipe(self, duplex: bool = True) -> Tuple[PipeEnd, PipeEnd]:
        """Both ends of a pipe; not duplex: (receives, sends)."""
        ends = new_pipe(self.connection, duplex)
        for end in ends:
            end._manager = self
        return ends

    @_factory
    def RawValue(self, typecode_or_type: Any, *args: Any, name: Optional[str] = None,
                 volatile: bool = False) -> Any:
        """A number of a C type without a lock: each access is atomic by itself. volatile: as of a
        Value."""
        return shared.make_raw_value(self.connection, name, typecode_or_type, args, volatile)

    @_factory
    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any, *,
                 name: Optional[str] = None, volatile: bool = False) -> Any:
        """Numbers of a C type without a lock. volatile: as of a Value."""
        return shared.make_raw_array(self.connection, name, typecode_or_type, size_or_initializer,
                                     volatile)

    def find(self, name: str, kind: Optional[str] = None) -> Any:
        """The object of that name; holdfast.Error with reason NO_SUCH_OBJECT if there is none."""
        return self.connection.find(name, kind)

    def delete(self, name: str) -> None:
        """Delete the object of that name for all programs."""
        self.connection.delete(name)

    def list_objects(self, prefix: str = "", kind: Optional[str] = None) -> List[Dict[str, Any]]:
        """What is known of the objects whose names begin with `prefix`."""
        return self.connection.list_objects(prefix, kind)

    def list_locks(self) -> List[Dict[str, Any]]:
        """Owner and waiters of the locks that are owned or waited for."""
        return self.connection.list_locks()

    def pipeline(self, in_flight: int = 0) -> Any:
        """A context in which this thread's calls are sent without waiting for their results, each of
        which is at its end in the call's `result()`. If the block raises, calls that still wait after
        25 ms are withdrawn."""
        return self.connection.pipeline(in_flight)

    def transaction(self, timeout: float = 0) -> Any:
        """A context whose calls are all performed in one step, or none of them."""
        return self.connection.transaction(timeout)

    def oneway(self) -> Any:
        """A context whose calls are sent without replies; `flush` waits for them."""
        return self.connection.oneway()

    def flush(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """Wait until all one-way calls were performed."""
        return self.connection.flush(timeout)

    def wait(self, objects: Any, timeout: Optional[float] = None) -> Tuple[Any, Any]:
        """Wait for the first of several objects: an item of a queue, a message of a pipe, an event, a
        lock or semaphore acquired. The object and the item; (None, None) after the timeout."""
        return self.connection.wait(objects, timeout)


def _reconnect(cls: Any, url: str) -> SyncManager:
    manager = cls(url)
    manager.connect()
    return manager


def Manager(address: Any = None, **options: Any) -> SyncManager:
    """A started manager: of the holdfastd at that URL, or at HOLDFAST_URL, else of a private one."""
    manager = SyncManager(address, **options)
    manager.start()
    return manager
