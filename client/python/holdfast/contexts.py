"""multiprocessing's contexts, with the shared objects of this package."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any, Callable, Optional

from . import shared

__all__ = ["Context", "get_context"]


class Context:
    """A start method's Process, Pool and so on, which are multiprocessing's, and the shared objects.

    The classes of the standard library that take a context, e.g. ProcessPoolExecutor, get
    multiprocessing's own locks and queues from it: they wait for the queues' descriptors.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Manager(self) -> Any:
        """A started manager, whose processes are started by this context."""
        from .managers import Manager
        return Manager(ctx=self._context)

    def get_context(self, method: Optional[str] = None) -> "Context":
        """This context, or that of another start method."""
        return self if method is None else get_context(method)

    def __reduce__(self) -> Any:
        return get_context, (self._context.get_start_method(),)


def _is_standard(caller: Any) -> bool:
    """Whether an object of the standard library is being made, and not a task run by its workers."""
    module = caller.f_globals.get("__name__", "")
    is_made = caller.f_code.co_name in ("__init__", "_setup_queues")
    return is_made and module.startswith(("multiprocessing.", "concurrent.futures."))


def _method(name: str) -> Callable[..., Any]:
    def make(self: Context, *args: Any, **kwds: Any) -> Any:
        home = self._context if _is_standard(sys._getframe(1)) else shared
        return getattr(home, name)(*args, **kwds)

    make.__name__ = name
    make.__qualname__ = f"Context.{name}"
    make.__doc__ = getattr(shared, name).__doc__
    return make


for _name in shared.__all__:
    setattr(Context, _name, _method(_name))


def get_context(method: Optional[str] = None) -> Context:
    """The context of a start method; None: the default one."""
    return Context(multiprocessing.get_context(method))
