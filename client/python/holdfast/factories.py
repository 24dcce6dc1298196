"""What a manager creates: the proxies of each type, with the arguments that multiprocessing's have."""

from __future__ import annotations

import array
from traceback import format_exc
from typing import Any, Callable, Dict, Optional

from . import _core, proxies
from .sets import SetProxy
from .standard import std

__all__ = ["typecode_of", "remote_error"]

TYPECODES = frozenset("cbB?hHiIlLqQfd")
_remote: Dict[type, type] = {}


def remote_error(error: Exception) -> Exception:
    """What multiprocessing raises for an error in the server's process, here also of the error's own
    class: RemoteError and, say, TypeError."""
    return _make_remote(type(error), format_exc())


def _make_remote(cls: type, text: str) -> Exception:
    """Without its __init__, which may want other arguments."""
    if cls not in _remote:
        def reduce(self: Any) -> Any:
            return _make_remote, (cls, self.args[0])
        try:
            _remote[cls] = type("RemoteError", (std.RemoteError, cls), {"__reduce__": reduce})
        except TypeError:  # another layout than Exception's
            _remote[cls] = std.RemoteError
    try:
        remote: Any = _remote[cls].__new__(_remote[cls], text)
    except Exception:
        return std.RemoteError(text)
    remote.args = (text,)
    return remote


def typecode_of(typecode_or_type: Any) -> Optional[str]:
    """The typecode that stands for a ctypes type; None if it is no number of a C type."""
    code = getattr(typecode_or_type, "_type_", typecode_or_type)
    return code if isinstance(code, str) and code in TYPECODES else None


def _check_anonymous(name: Optional[str], initial: Any) -> None:
    if name is not None and initial:
        raise TypeError(f"{name!r} may exist already: named objects are created empty")


def make_dict(connection: _core.Connection, name: Optional[str], args: Any, kwds: Any) -> Any:
    """As `dict(*args, **kwds)`."""
    initial: Dict[Any, Any] = {}
    if args or kwds:
        try:
            if len(args) == 1 and isinstance(args[0], proxies.DictProxy):
                args = (args[0].copy(),)
            initial = dict(*args, **kwds)
        except Exception as error:
            raise remote_error(error) from None
    proxy = proxies.DictProxy(connection, name)
    if initial:
        proxy.update(initial)
    return proxy


def make_list(connection: _core.Connection, name: Optional[str], sequence: Any) -> Any:
    """As `list(sequence)`."""
    try:
        initial = list(sequence)
    except Exception as error:
        raise remote_error(error) from None
    _check_anonymous(name, initial)
    proxy = proxies.ListProxy(connection, name)
    if initial:
        proxy.extend(initial)
    return proxy


def make_set(connection: _core.Connection, name: Optional[str], iterable: Any) -> Any:
    """As `set(iterable)`."""
    try:
        initial = set(iterable)
    except Exception as error:
        raise remote_error(error) from None
    _check_anonymous(name, initial)
    proxy = SetProxy(connection, name)
    if initial:
        proxy.update(initial)
    return proxy


def make_value(connection: _core.Connection, name: Optional[str], typecode: Any, value: Any,
               volatile: bool) -> Any:
    """A number of a C type, or else any object, which is never volatile."""
    code = typecode_of(typecode)
    if code is not None:
        return proxies.ValueProxy(connection, code, value, name=name, volatile=volatile)
    proxy = proxies.AnyValueProxy(connection, name)
    proxy._typecode = typecode
    proxy.setdefault(None, value)
    return proxy


def make_array(connection: _core.Connection, name: Optional[str], typecode: str, sequence: Any,
               volatile: bool, otherwise: Callable[[], Any]) -> Any:
    """As `array.array(typecode, sequence)`; `otherwise` makes those of a type that the server lacks,
    which are characters."""
    if typecode in ("u", "w"):
        return otherwise()
    try:
        initial = array.array(typecode, sequence)
    except Exception as error:
        raise remote_error(error) from None
    if name is not None:  # which keeps its elements if it exists
        return proxies.ArrayProxy(connection, typecode, initial, name=name, volatile=volatile)
    proxy = proxies.ArrayProxy(connection, typecode, len(initial), volatile=volatile)
    if initial:
        proxy.write(initial)
    return proxy


def make_barrier(connection: _core.Connection, name: Optional[str], parties: int, action: Any,
                 timeout: Optional[float]) -> Any:
    """A barrier, which carries its action and timeout along if it has any."""
    if action is None and timeout is None:
        return proxies.BarrierProxy(connection, parties, name=name)
    return proxies.BarrierWithDefaults(connection, parties, action, timeout, name=name)
