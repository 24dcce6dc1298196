"""What needs a Python process to live in: registered types, Pool, and what they return.

These are served by the standard library's manager server, in a process of its own. It also tells the
managers that connect to it, after their authkey was accepted, where the holdfastd of the objects of
all other types is.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Optional, Tuple

from . import private
from .standard import std

__all__ = ["RegisteredManager", "Server"]

_url = ""  # of the holdfastd; "": a private one is started when it is first asked for
_private: Optional[private.PrivateServer] = None
_lock = threading.Lock()


def set_url(url: str) -> None:
    """The holdfastd of the servers of this process; "": a private one when it is asked for."""
    global _url
    _url = url


class Server(std.Server):
    """The standard library's server, which knows the holdfastd beside it."""

    public = [*std.Server.public, "holdfast_url"]

    def holdfast_url(self, connection: Any) -> str:
        """The address of the holdfastd."""
        global _url, _private
        with _lock:
            if not _url:
                _private = private.PrivateServer()
                _url = _private.url
            return _url

    def shutdown(self, c: Any) -> None:
        """End this server, and the private holdfastd if it started one."""
        if _private is not None:
            _private.stop()
        super().shutdown(c)


def _initialize(url: str, initializer: Optional[Callable[..., Any]], initargs: Tuple) -> None:
    set_url(url)
    if initializer is not None:
        initializer(*initargs)


class RegisteredManager(std.BaseManager):
    """Starts, or connects to, the server of the registered types of one manager."""

    _Server = Server

    def __init__(self, registry: Dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self._registry = registry

    def start_beside(self, url: str, initializer: Optional[Callable[..., Any]] = None,
                     initargs: Tuple = ()) -> None:
        """Start the server, which tells the managers that connect that the holdfastd is at `url`."""
        self.start(_initialize, (url, initializer, initargs))

    def find_url(self) -> Optional[str]:
        """What the server answers to that; None if it is one of the standard library's."""
        connection = self._Client(self._address, authkey=self._authkey)
        try:
            return std.dispatch(connection, None, "holdfast_url")
        except std.RemoteError:
            return None
        finally:
            connection.close()
