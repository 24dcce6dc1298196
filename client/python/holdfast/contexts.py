"""multiprocessing's contexts, with the shared objects of this package."""

from __future__ import annotations

import multiprocessing
from typing import Any, Optional

from . import shared

__all__ = ["Context", "get_context"]


class Context:
    """A start method's Process, Pool and so on, which are multiprocessing's, and the shared objects."""

    def __init__(self, context: Any) -> None:
        self._context = context
        for name in shared.__all__:
            setattr(self, name, getattr(shared, name))

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


def get_context(method: Optional[str] = None) -> Context:
    """The context of a start method; None: the default one."""
    return Context(multiprocessing.get_context(method))
