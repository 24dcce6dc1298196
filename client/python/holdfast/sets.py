"""Sets on the server, as Python 3.14's SyncManager has them: the keys of a dict."""

from __future__ import annotations

import types
from typing import Any, Callable, Set

from . import _core
from .proxies import Proxy
from .standard import std

__all__ = ["SetProxy"]

_SET = ("__and__", "__class_getitem__", "__contains__", "__iand__", "__ior__", "__isub__",
        "__iter__", "__ixor__", "__len__", "__or__", "__rand__", "__ror__", "__rsub__", "__rxor__",
        "__sub__", "__xor__", "__ge__", "__gt__", "__le__", "__lt__", "add", "clear", "copy",
        "difference", "difference_update", "discard", "intersection", "intersection_update",
        "isdisjoint", "issubset", "issuperset", "pop", "remove", "symmetric_difference",
        "symmetric_difference_update", "union", "update")

_ABSENT = True  # the values are None
_Dict: Any = _core.Dict  # a dict's methods have other arguments than a set's


def _members(value: Any) -> Any:
    return value._getvalue() if isinstance(value, SetProxy) else value


def _of_copy(name: str) -> Callable[..., Any]:
    """A method that is that of a copy of the set."""

    def method(self: Any, *others: Any) -> Any:
        return getattr(self._getvalue(), name)(*map(_members, others))

    method.__name__ = name
    method.__qualname__ = f"SetProxy.{name}"
    method.__doc__ = getattr(set, name).__doc__
    return method


_BaseSetProxy: Any = std.MakeProxyType("BaseSetProxy", _SET)


class StandardSetProxy(_BaseSetProxy):
    """Of sets in a manager process."""


class SetProxy(Proxy, _Dict, typeid="set", exposed=_SET):
    """A set on the server.

    `add`, `discard`, `remove`, `pop` and `update` are atomic. The updates that remove several members
    are atomic for each member.
    """

    _standard_ = StandardSetProxy
    __class_getitem__ = classmethod(types.GenericAlias)

    def _getvalue(self) -> Set[Any]:
        return set(_Dict.keys(self))

    def add(self, member: Any) -> None:
        """Add a member; no effect if it is present."""
        _Dict.setdefault(self, member, None)

    def discard(self, member: Any) -> None:
        """Remove a member if it is present."""
        _Dict.pop(self, member, None)

    def remove(self, member: Any) -> None:
        """Remove a member; KeyError if it is not present."""
        _Dict.pop(self, member)

    def pop(self) -> Any:
        """Remove and return a member; KeyError if the set is empty."""
        try:
            return _Dict.popitem(self)[0]
        except KeyError:
            raise KeyError("pop from an empty set") from None

    def copy(self) -> Set[Any]:
        """A set with these members, not on the server."""
        return self._getvalue()

    def update(self, *others: Any) -> None:
        """Add the members of all others."""
        for other in others:
            _Dict.update(self, dict.fromkeys(_members(other)))

    def difference_update(self, *others: Any) -> None:
        """Remove the members of all others."""
        for other in others:
            for member in _members(other):
                self.discard(member)

    def intersection_update(self, *others: Any) -> None:
        """Keep only what is a member of all others."""
        mine = self._getvalue()
        for member in mine - mine.intersection(*map(_members, others)):
            self.discard(member)

    def symmetric_difference_update(self, other: Any) -> None:
        """Keep what is a member of one of both."""
        for member in set(_members(other)):
            if _Dict.pop(self, member, _ABSENT) is _ABSENT:
                self.add(member)

    difference = _of_copy("difference")
    intersection = _of_copy("intersection")
    isdisjoint = _of_copy("isdisjoint")
    issubset = _of_copy("issubset")
    issuperset = _of_copy("issuperset")
    symmetric_difference = _of_copy("symmetric_difference")
    union = _of_copy("union")
    __and__ = _of_copy("__and__")
    __ge__ = _of_copy("__ge__")
    __gt__ = _of_copy("__gt__")
    __le__ = _of_copy("__le__")
    __lt__ = _of_copy("__lt__")
    __or__ = _of_copy("__or__")
    __rand__ = _of_copy("__rand__")
    __ror__ = _of_copy("__ror__")
    __rsub__ = _of_copy("__rsub__")
    __rxor__ = _of_copy("__rxor__")
    __sub__ = _of_copy("__sub__")
    __xor__ = _of_copy("__xor__")

    def __ior__(self, other: Any) -> Any:
        return self._update_by(self.update, other)

    def __isub__(self, other: Any) -> Any:
        return self._update_by(self.difference_update, other)

    def __iand__(self, other: Any) -> Any:
        return self._update_by(self.intersection_update, other)

    def __ixor__(self, other: Any) -> Any:
        return self._update_by(self.symmetric_difference_update, other)

    def _update_by(self, update: Callable[[Any], None], other: Any) -> Any:
        if not isinstance(other, (set, frozenset, SetProxy)):
            return NotImplemented
        update(other)
        return self
