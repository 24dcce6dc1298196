"""What an Executor and its workers send each other: tasks and results, as tuples.

    task    (VERSION, number, id of the queue of results, id of the dict of claims, max_tries, *call)
    result  (number, has_worked, *outcome)

`call` and `outcome` are a pickle and the proxies in it, which are references on the server as long as
the tuple is.
"""

from __future__ import annotations

import traceback
from concurrent.futures import BrokenExecutor
from typing import Any, Tuple

from . import _core, pickles

__all__ = ["RemoteTraceback", "TaskLost", "VERSION", "decode", "decode_result", "encode",
           "encode_failure", "encode_success"]

VERSION = 1


class TaskLost(BrokenExecutor):
    """The workers that ran the task were killed, as often as the executor's `max_tries` says."""


class RemoteTraceback(Exception):
    """The cause of an exception that a worker raised: the traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def encode(value: Any, connection: _core.Connection) -> Tuple:
    """The last members of a message that has the value."""
    pickle = pickles.dumps(value, connection)
    return (pickle,) if isinstance(pickle, bytes) else (pickle[0], *pickle[1])


def decode(members: Tuple) -> Any:
    """The value."""
    return pickles.loads(members[0], list(members[1:]))


def encode_success(value: Any, connection: _core.Connection) -> Tuple:
    """What a function returned; if that can't be pickled, its failure."""
    try:
        return (True, *encode(value, connection))
    except Exception as error:
        return encode_failure(error, connection)


def encode_failure(error: BaseException, connection: _core.Connection) -> Tuple:
    """What a function raised, with its traceback as text."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        encoded = encode((error, text), connection)
        decode(encoded)  # some exceptions can be pickled but not unpickled
    except Exception:
        last_line = traceback.format_exception_only(type(error), error)[-1].strip()
        stand_in = RuntimeError(f"{last_line} (which can't be pickled)")
        encoded = encode((stand_in, text), connection)
    return (False, *encoded)


def decode_result(outcome: Tuple) -> Tuple[bool, Any]:
    """True and what the function returned; False and what it raised."""
    if outcome[0]:
        return True, decode(outcome[1:])
    error, text = decode(outcome[1:])
    error.__cause__ = RemoteTraceback(text)
    return False, error
