"""Proxies of the objects on the server.

A proxy class has the methods of its type in `holdfast._core`, which are those of multiprocessing's
proxy and run without a Python frame. What is added here is the rest of multiprocessing's protocol:
str and repr, pickling, copies of the referent, calls by name.
"""

from __future__ import annotations

import array
import types
from traceback import format_exc
from typing import Any, Dict, Optional, Tuple

from . import _core, pickles
from .standard import std

__all__ = [
    "AcquirerProxy", "ArrayProxy", "BarrierProxy", "ConditionProxy", "DictProxy", "EventProxy",
    "ListProxy", "NamespaceProxy", "Proxy", "QueueProxy", "ValueProxy",
]

# A namespace's own attributes are on the server, so that its connection is asked for in this way.
_connection_of = _core.Object.connection.__get__
_id_of = _core.Object.id.__get__
_kind_of = _core.Object.kind.__get__


class Proxy(std.BaseProxy):
    """What the proxies of all kinds have in common."""

    _manager: Any = None  # kept: it is shut down when nobody refers to it
    _serializer = "pickle"
    _authkey = None
    _isauto = False
    _owned_by_manager = False
    _typeid = ""
    _exposed_: Tuple[str, ...] = ()
    _proxy_name: Optional[str] = None  # in repr, if not the name of the class
    _standard_: Any = std.BaseProxy  # the standard library's class for registered types
    _methods_: Any = None  # the class here whose methods `_callmethod` calls, also if a subclass
    # has methods of these names

    def __init_subclass__(cls, typeid: str = "", exposed: Tuple[str, ...] = (), **kwargs: Any):
        super().__init_subclass__(**kwargs)
        pickles.register_proxy_class(cls)
        if typeid:
            cls._methods_ = cls
            cls._typeid = typeid
            cls._exposed_ = exposed
            core: Any = next(base for base in cls.__mro__ if base.__module__ == _core.__name__)
            setattr(cls, "__init__", core.__init__)  # not that of std.BaseProxy

    @property
    def _token(self) -> std.Token:
        return std.Token(self._typeid, _connection_of(self).url, self._id)

    @property
    def _id(self) -> str:
        return "%x" % _id_of(self)

    def _callmethod(self, methodname: str, args: Tuple = (), kwds: Dict[str, Any] = {}) -> Any:
        """Call a method of the referent by its name, and return the result."""
        if methodname in self._exposed_:
            return getattr(self._methods_, methodname)(self, *args, **kwds)
        if methodname == "#GETVALUE":
            return self._getvalue()
        if methodname in ("__repr__", "__str__"):
            return self._describe()
        try:
            raise AttributeError("method %r of %r object is not in exposed=%r" %
                                 (methodname, self._typeid, set(self._exposed_)))
        except AttributeError:
            raise std.RemoteError(format_exc()) from None

    def _getvalue(self) -> Any:
        """A copy of the referent."""
        try:
            raise TypeError(f"cannot copy the {_kind_of(self)} object {self._describe()}")
        except TypeError:
            raise std.RemoteError("Unserializable message: %s\n" % format_exc()) from None

    def _describe(self) -> str:
        """The repr of the referent."""
        return repr(self._getvalue())

    def _get_extra(self) -> Dict[str, Any]:
        """What is pickled beside the reference."""
        return {}

    def _keep(self) -> None:
        """Keep the object until another process has unpickled the reference."""
        kept = pickles.kept if self._manager is None else self._manager._kept
        kept.add(self)

    def _set_extra(self, extra: Dict[str, Any]) -> None:
        for name, value in extra.items():
            setattr(self, name, value)

    def __reduce__(self) -> Any:
        return pickles.reduce_proxy(self, _connection_of(self), _kind_of(self), _id_of(self))

    def __deepcopy__(self, memo: Any) -> Any:
        return self._getvalue()

    def __repr__(self) -> str:
        name = self._proxy_name or type(self).__name__
        return "<%s object, typeid %r at %#x>" % (name, self._typeid, id(self))

    def __str__(self) -> str:
        """The referent's representation, or this proxy's if that fails."""
        try:
            return self._describe()
        except Exception:
            return repr(self)[:-1] + "; '__str__()' failed>"


def _info(proxy: Any) -> Dict[str, Any]:
    return _core.Object.info(proxy)


# ----------------------------------------------------------------------------------- containers

_DICT = ("__contains__", "__delitem__", "__getitem__", "__iter__", "__len__", "__setitem__",
         "clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
         "__class_getitem__", "__ior__", "__or__", "__reversed__", "__ror__", "fromkeys")


class DictProxy(Proxy, _core.Dict, typeid="dict", exposed=_DICT):
    """A dict on the server.

    Beyond multiprocessing: `add`, `compare_and_set`, `replace`, `wait`, `get_many`.
    """

    _standard_ = std.DictProxy
    __class_getitem__ = classmethod(types.GenericAlias)

    def _getvalue(self) -> Dict[Any, Any]:
        return _core.Dict.copy(self)

    @staticmethod
    def fromkeys(iterable: Any, value: Any = None) -> Dict[Any, Any]:
        """A new dict, not on the server."""
        return dict.fromkeys(iterable, value)

    def __or__(self, other: Any) -> Any:
        return self._getvalue() | _plain(other) if _is_dict(other) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return _plain(other) | self._getvalue() if _is_dict(other) else NotImplemented

    def __ior__(self, other: Any) -> Any:
        _core.Dict.update(self, _plain(other))
        return self

    def __reversed__(self) -> Any:
        return reversed(_core.Dict.keys(self))


def _is_dict(value: Any) -> bool:
    return isinstance(value, (dict, DictProxy))


def _plain(value: Any) -> Any:
    return value._getvalue() if isinstance(value, Proxy) else value


_LIST = ("__add__", "__contains__", "__delitem__", "__getitem__", "__len__", "__mul__",
         "__reversed__", "__rmul__", "__setitem__", "append", "count", "extend", "index", "insert",
         "pop", "remove", "reverse", "sort", "__imul__", "__iadd__", "clear", "copy", "__iter__")


class ListProxy(Proxy, _core.List, typeid="list", exposed=_LIST):
    """A list on the server. Beyond multiprocessing: `add`, `compare_and_set`."""

    _standard_ = std.ListProxy
    __class_getitem__ = classmethod(types.GenericAlias)

    def _getvalue(self) -> Any:
        return _core.List.__getitem__(self, slice(None))


_NAMESPACE = ("__getattribute__", "__setattr__", "__delattr__")


class NamespaceProxy(Proxy, _core.Namespace, typeid="Namespace", exposed=_NAMESPACE):
    """An object on the server with any attributes; those that begin with ``_`` stay local."""

    _standard_ = std.NamespaceProxy

    def _getvalue(self) -> std.Namespace:
        names = _core.Namespace.list(self)
        return std.Namespace(**{name: getattr(self, name) for name in names})


_QUEUE = ("empty", "full", "get", "get_nowait", "join", "put", "put_nowait", "qsize", "shutdown",
          "task_done")


_BaseQueueProxy: Any = std.MakeProxyType("BaseQueueProxy", _QUEUE)


class StandardQueueProxy(_BaseQueueProxy):
    """Of queues in a manager process."""


class QueueProxy(Proxy, _core.Queue, typeid="Queue", exposed=_QUEUE):
    """A queue on the server.

    Beyond multiprocessing: items with priority and delay, `put_many`, `get_many`, `reserve`.
    """

    _proxy_name = "AutoProxy[Queue]"
    _standard_ = StandardQueueProxy

    def _describe(self) -> str:
        return f"<queue.Queue object, id {self._id}>"

    __class_getitem__ = classmethod(types.GenericAlias)


class JoinableQueueProxy(QueueProxy, typeid="JoinableQueue", exposed=_QUEUE):
    """The same, as `JoinableQueue` names it."""

    _proxy_name = "AutoProxy[JoinableQueue]"


# --------------------------------------------------------------------------------- typed numbers

_VALUE = ("get", "set")


class ValueProxy(Proxy, _core.Cell, typeid="Value", exposed=_VALUE):
    """A number of a C type, in shared memory if the server runs on this machine.

    Beyond multiprocessing: `add`, `compare_and_set`, `exchange`, `wait`, and a lock of its own.
    """

    _standard_ = std.ValueProxy
    __class_getitem__ = classmethod(types.GenericAlias)

    def _getvalue(self) -> std.Value:
        return std.Value(self.typecode, self.get())


_Dict: Any = _core.Dict  # whose get and set are of a key


class AnyValueProxy(Proxy, _Dict, typeid="Value", exposed=_VALUE):
    """A Value of a type that is none of C's numbers: any object, kept in a dict of one entry."""

    _standard_ = std.ValueProxy
    _proxy_name = "ValueProxy"
    _typecode: Any = None

    def get(self) -> Any:
        """The object."""
        return _core.Dict.__getitem__(self, None)

    def set(self, value: Any) -> None:
        """Store another object."""
        _core.Dict.__setitem__(self, None, value)

    value = property(get, set)

    def _getvalue(self) -> std.Value:
        return std.Value(self._typecode, self.get())

    def _get_extra(self) -> Dict[str, Any]:
        return {"_typecode": self._typecode}


_ARRAY = ("__len__", "__getitem__", "__setitem__")


class ArrayProxy(Proxy, _core.Array, typeid="Array", exposed=_ARRAY):
    """Numbers of one C type, in shared memory if the server runs on this machine.

    Slices are `array.array`. Beyond multiprocessing: `add`, `read`, `write`, a lock of its own, and
    the buffer protocol where the array is in shared memory.
    """

    _standard_ = std.ArrayProxy

    def _slice_(self, elements: Any) -> Any:
        return _array_of(self.typecode, elements)

    def _getvalue(self) -> Any:
        return _core.Array.__getitem__(self, slice(None))


def _array_of(typecode: str, elements: Any) -> Any:
    return array.array("B" if typecode in "c?" else typecode, elements)


# -------------------------------------------------------------------------------- synchronization

_ACQUIRER = ("acquire", "release")


class AcquirerProxy(Proxy):
    """Locks and semaphores."""

    _standard_ = std.AcquirerProxy
    _proxy_name: Optional[str] = "AcquirerProxy"


class LockProxy(AcquirerProxy, _core.Lock, typeid="Lock", exposed=_ACQUIRER):
    """A lock, which anybody may release.

    Beyond multiprocessing: `acquire` takes `lease`, `robust` and `refuse_deadlock`; `token` is the
    fencing token, and `owner_died` says that the previous owner was killed.
    """

    def _describe(self) -> str:
        state = "locked" if _info(self)["locked"] else "unlocked"
        return f"<{state} lock object, id {self._id}>"


class RLockProxy(AcquirerProxy, _core.Lock, typeid="RLock", exposed=_ACQUIRER):
    """A recursive lock, owned by a thread of a process."""

    def _describe(self) -> str:
        info = _info(self)
        state = "locked" if info["locked"] else "unlocked"
        return f"<{state} RLock object owner={info['owner']!r}, id {self._id}>"


class SemaphoreProxy(AcquirerProxy, _core.Semaphore, typeid="Semaphore", exposed=_ACQUIRER):
    """A semaphore."""

    def _describe(self) -> str:
        return f"<{self._typeid} object, id {self._id}: value={_info(self)['value']}>"


class BoundedSemaphoreProxy(SemaphoreProxy, typeid="BoundedSemaphore", exposed=_ACQUIRER):
    """A semaphore that is never released more often than acquired."""


_CONDITION = ("acquire", "release", "wait", "notify", "notify_all")


class ConditionProxy(AcquirerProxy, _core.Condition, typeid="Condition", exposed=_CONDITION):
    """A condition variable, on a lock of its own or on another's."""

    _standard_ = std.ConditionProxy
    _proxy_name = None

    def _describe(self) -> str:
        return f"<Condition object, id {self._id}: {_info(self)['waiting']} waiting>"


_EVENT = ("is_set", "set", "clear", "wait")


class EventProxy(Proxy, _core.Event, typeid="Event", exposed=_EVENT):
    """An event."""

    _standard_ = std.EventProxy

    def _describe(self) -> str:
        return f"<Event object, id {self._id}: {'set' if self.is_set() else 'unset'}>"


_BARRIER = ("__getattribute__", "wait", "abort", "reset")


class BarrierProxy(Proxy, _core.Barrier, typeid="Barrier", exposed=_BARRIER):
    """A barrier. Its action is run by the process that arrives last."""

    _standard_ = std.BarrierProxy

    def _describe(self) -> str:
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<Barrier object, id {self._id}: {state}>"


class BarrierWithDefaults(BarrierProxy, typeid="Barrier", exposed=_BARRIER):
    """A barrier with an action or a timeout, which no reference has: they travel in a pickle."""

    _proxy_name = "BarrierProxy"

    def _get_extra(self) -> Dict[str, Any]:
        return {"action": self.action, "timeout": self.timeout}


# -------------------------------------------------------------------- subclasses, registered types


def standard_class(proxytype: Any) -> Any:
    """What proxies of registered types are made by if `proxytype` is registered with them: they are
    served by the standard library's manager server, not by holdfastd."""
    if not (isinstance(proxytype, type) and issubclass(proxytype, Proxy)):
        return proxytype
    if proxytype.__module__.startswith(__package__ + "."):
        return proxytype._standard_
    return StandardTwin(proxytype)


class StandardTwin:
    """Makes proxies with the methods that a class of the program adds to a class here, but on the
    standard library's counterpart of the latter."""

    _twins: Dict[type, type] = {}

    def __init__(self, proxytype: Any) -> None:
        self.proxytype = proxytype
        self._exposed_ = proxytype._exposed_
        standard = proxytype._standard_
        self._method_to_typeid_ = getattr(standard, "_method_to_typeid_", None)

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        twin = self._twins.get(self.proxytype)
        if twin is None:
            twin = self._twins[self.proxytype] = _make_twin(self.proxytype)
        return twin(*args, **kwds)

    def __reduce__(self) -> Any:
        return StandardTwin, (self.proxytype,)


def _make_twin(proxytype: Any) -> type:
    own = [cls for cls in proxytype.__mro__ if issubclass(cls, Proxy) and
           not cls.__module__.startswith(__package__ + ".")]
    cell = types.CellType()
    members: Dict[str, Any] = {}
    for cls in reversed(own):
        members.update((name, _rebind(value, cell)) for name, value in cls.__dict__.items()
                       if name not in ("__dict__", "__weakref__", "__init__"))
    twin = type(proxytype.__name__, (proxytype._standard_,), members)
    cell.cell_contents = twin

    def reduce(self: Any) -> Any:
        rebuild, (_, *others) = proxytype._standard_.__reduce__(self)
        return rebuild, (StandardTwin(proxytype), *others)

    twin.__reduce__ = reduce  # type: ignore
    return twin


def _rebind(value: Any, cell: Any) -> Any:
    """A function whose super() is that of the twin."""
    closure = getattr(value, "__closure__", None)
    if not isinstance(value, types.FunctionType) or not closure:
        return value
    cells = tuple(cell if name == "__class__" else each
                  for name, each in zip(value.__code__.co_freevars, closure))
    copy = types.FunctionType(value.__code__, value.__globals__, value.__name__,
                              value.__defaults__, cells)
    copy.__kwdefaults__ = value.__kwdefaults__
    return copy


_core.set_proxy_class("dict", DictProxy)
_core.set_proxy_class("list", ListProxy)
_core.set_proxy_class("queue", QueueProxy)
_core.set_proxy_class("namespace", NamespaceProxy)
_core.set_proxy_class("value", ValueProxy)
_core.set_proxy_class("array", ArrayProxy)
_core.set_proxy_class("lock", LockProxy)
_core.set_proxy_class("rlock", RLockProxy)
_core.set_proxy_class("semaphore", SemaphoreProxy)
_core.set_proxy_class("bounded_semaphore", BoundedSemaphoreProxy)
_core.set_proxy_class("event", EventProxy)
_core.set_proxy_class("condition", ConditionProxy)
_core.set_proxy_class("barrier", BarrierProxy)
