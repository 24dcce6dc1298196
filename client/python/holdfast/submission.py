"""Calls that are submitted on an event loop's thread and completed by the loop: what aio is made of.

One descriptor, the connection's, is in the loop. A call that was submitted is completed when the
descriptor has become readable; meanwhile its task waits for a future, and nothing else is used for it:
no thread, no further descriptor.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import threading
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from . import _core

__all__ = ["Calls", "in_thread"]

# The library has at most 1,024 requests of a connection under way. Some are its own, e.g. those that
# withdraw a call; and calls that may wait for others, e.g. get(), leave room for the calls that wake
# them, e.g. put().
IN_FLIGHT_MAX = 1016
WAITING_MAX = 1000
THREADS_MAX = 16

CALL_TIMEOUT = 10.0  # a connection's, unless another is given


class Room:
    """A number of calls that may be in flight. Tasks beyond it wait in the order they came."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiters: Deque[asyncio.Future[None]] = collections.deque()  # none while something is free

    @property
    def has_room(self) -> bool:
        """Whether there is room for one more."""
        return self._free > 0

    def try_take(self) -> bool:
        """Take room for one more if there is some."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Wait until there is room for one more, and take it."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Give one back, to the task that waits longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


class _Entry:
    """A call in flight."""

    __slots__ = ("rooms", "needs_lock", "waiter")

    def __init__(self, rooms: Tuple[Room, ...], needs_lock: bool) -> None:
        self.rooms = rooms
        self.needs_lock = needs_lock  # withdrawn, it ends when its lock is free: maybe never
        self.waiter: Optional[asyncio.Future[None]] = None  # None: no task waits at this moment


class Calls:
    """The calls of one connection in flight on one event loop."""

    def __init__(self, connection: _core.Connection, call_timeout: Optional[float] = None) -> None:
        self.connection = connection
        self._close_timeout = call_timeout or CALL_TIMEOUT
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        every = Room(IN_FLIGHT_MAX)
        self._rooms, self._waiting_rooms = (every,), (Room(WAITING_MAX), every)
        self._thread_rooms = (Room(THREADS_MAX), every)
        self._entries: Dict[_core.Pending, _Entry] = {}
        self._submitted: List[_core.Pending] = []  # since begin()
        self._is_submitting = False  # between begin() and end()
        self._is_closing = False
        self._completion: Optional[asyncio.Future[None]] = None  # of any call
        self._async: Optional[_core.Async] = connection.async_open()
        self._descriptor = self._async.descriptor()
        self._loop.add_reader(self._descriptor, self._collect)

    async def perform(self, function: Callable[..., Any], args: Tuple, kwds: Dict[str, Any],
                      waits: bool = False, is_patient: bool = False) -> Any:
        """Submit `function(*args, **kwds)`, a method of the connection or of its proxies, and wait for
        its result.

        waits
            The call may wait for others on the server.
        is_patient
            Cancelling the task doesn't withdraw the call.

        A cancelled task withdraws its call, and CancelledError is raised once the server has confirmed
        that. If the call had been performed just before, its result is returned, so that no item is
        lost, and CancelledError is raised where the task waits next.
        """
        self._check()
        rooms = self._waiting_rooms if waits else self._rooms
        cancelled: Optional[asyncio.CancelledError] = None
        if is_patient and not rooms[-1].has_room:
            pending, cancelled = await self._submit_patiently(rooms, function, args, kwds)
        else:
            pending = await self._submit(rooms, function, args, kwds)
        is_pending = type(pending) is _core.Pending  # else performed at once, in shared memory
        if is_pending:
            cancelled = await self._complete(pending, is_patient) or cancelled
        if cancelled is None:
            return pending.result() if is_pending else pending
        return self._deliver(pending.result if is_pending else lambda: pending, cancelled)

    async def perform_in_thread(self, function: Callable[..., Any], args: Tuple,
                                kwds: Dict[str, Any]) -> Any:
        """The result of a method that makes several calls, none of which waits for others, in a thread
        of its own. Cancelling the task doesn't withdraw them: their result is returned first."""
        self._check()
        taken = 0
        try:
            for room in self._thread_rooms:
                if not room.try_take():
                    await room.take()
                taken += 1
            self._check()
            self._send()  # what was submitted before comes first
            running = self._loop.create_task(
                in_thread(functools.partial(function, *args, **kwds)))
            cancelled = await _outlast(running)
        finally:
            for room in self._thread_rooms[:taken]:
                room.give()
        return running.result() if cancelled is None else self._deliver(running.result, cancelled)

    def _deliver(self, take: Callable[[], Any], cancelled: asyncio.CancelledError) -> Any:
        """The result of a call whose task was cancelled too late; without one, the cancellation."""
        try:
            result = take()
        except Exception:
            raise cancelled from None
        task: Any = asyncio.current_task()
        self._loop.call_soon(_cancel_again, task, _cancelling(task))
        return result

    @property
    def is_foreign(self) -> bool:
        """Whether they were inherited by a forked process, where they are not used."""
        return self._async is None or self._async.descriptor() < 0

    def _check(self) -> None:
        if self._is_closing:
            raise _core.Closed("the connection is closed")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("the connection belongs to another event loop, or to the process that "
                               "this one was forked from: connect again")

    async def _submit(self, rooms: Tuple[Room, ...], function: Callable[..., Any], args: Tuple,
                      kwds: Dict[str, Any]) -> Any:
        """Submit the call as soon as there is room. A Pending, or the result if there is no need for
        one."""
        while True:
            taken = 0
            try:
                for room in rooms:
                    if not room.try_take():
                        await room.take()
                    taken += 1
                pending = self._submit_now(function, args, kwds)
                if type(pending) is _core.Pending:
                    self._entries[pending] = _Entry(rooms, function is _core.Condition.wait)
                    self._submitted.append(pending)
                    taken = 0
                return pending
            except _core.Error as error:
                if error.reason != "IN_FLIGHT_FULL" or not self._entries:
                    raise
            finally:
                for room in rooms[:taken]:
                    room.give()
            await self._await_completion()

    async def _submit_patiently(
            self, rooms: Tuple[Room, ...], function: Callable[..., Any], args: Tuple,
            kwds: Dict[str, Any]) -> Tuple[Any, Optional[asyncio.CancelledError]]:
        """The same, also if the task is cancelled while it waits for room."""
        submission = self._loop.create_task(self._submit(rooms, function, args, kwds))
        cancelled = await _outlast(submission)
        return submission.result(), cancelled

    def _submit_now(self, function: Callable[..., Any], args: Tuple, kwds: Dict[str, Any]) -> Any:
        """What tasks submit in one step of the loop is sent at once."""
        self._check()  # it may have been closed while the task waited for room
        if not self._is_submitting:
            self._async.begin()  # type: ignore[union-attr]
            self._is_submitting = True
            self._loop.call_soon(self._send)
        before = self._async.last  # type: ignore[union-attr]
        result = function(*args, **kwds)
        last = self._async.last  # type: ignore[union-attr]
        return result if last is before else last  # d[k] = v, e.g., returns None

    async def _await_completion(self) -> None:
        """Wait until any call is complete."""
        if self._completion is None:
            self._completion = self._loop.create_future()
        await asyncio.shield(self._completion)

    def _send(self) -> None:
        if self._is_submitting:
            self._is_submitting = False
            submitted, self._submitted = self._submitted, []
            if self._async is not None:
                self._async.end()
            for pending in submitted:
                if pending.done():  # answered at once: values in shared memory
                    self._finish(pending)

    def send(self) -> None:
        """Before a result is made on the loop's thread: submissions are sent, so that calls which open
        the objects in it are answered at once."""
        if threading.get_ident() == self._thread:
            self._send()

    async def _complete(self, pending: _core.Pending,
                        is_patient: bool) -> Optional[asyncio.CancelledError]:
        """Wait until the call is complete. Returns the exception if the task was cancelled."""
        cancelled: Optional[asyncio.CancelledError] = None
        while not pending.done():
            entry = self._entries[pending]
            entry.waiter = self._loop.create_future()
            try:
                await entry.waiter
            except asyncio.CancelledError as error:
                cancelled = cancelled or error
                if not is_patient:
                    self._withdraw(pending)
            except BaseException:  # GeneratorExit: nobody wants the result
                self._withdraw(pending)
                raise
        return cancelled

    def _withdraw(self, pending: _core.Pending) -> None:
        if self._async is not None and not pending.done():
            self._send()
            self._async.cancel(pending)

    def _collect(self) -> None:
        """The descriptor is readable: complete the calls that have answers."""
        self._send()
        if self._async is not None:
            for pending in self._async.collect():
                self._finish(pending)

    def _finish(self, pending: _core.Pending) -> None:
        entry = self._entries.pop(pending, None)
        if entry is None:
            return
        pending.exception()  # makes the result now, outside of begin() and end(): that may take calls
        for room in entry.rooms:
            room.give()
        if entry.waiter is not None and not entry.waiter.done():
            entry.waiter.set_result(None)
        if self._completion is not None:
            self._completion.set_result(None)
            self._completion = None

    async def close(self) -> None:
        """Withdraw the calls in flight, whose tasks get holdfast.Cancelled or a result that had
        arrived, and take the descriptor out of the loop. The server has the call timeout to confirm
        the withdrawals. Waits of conditions, which would have to own their locks first, end at once.
        """
        if self._is_closing:
            return
        self._is_closing = True
        for pending in list(self._entries):
            self._withdraw(pending)
        try:
            self._collect()
            await asyncio.wait_for(self._await_withdrawals(), self._close_timeout)
        except asyncio.TimeoutError:
            pass
        finally:
            self.abandon()

    async def _await_withdrawals(self) -> None:
        while not all(entry.needs_lock for entry in self._entries.values()):
            await self._await_completion()

    def abandon(self) -> None:
        """Close without waiting for the calls in flight."""
        self._is_closing = True
        if self._async is not None:
            self._send()
            if not self._loop.is_closed():
                self._loop.remove_reader(self._descriptor)
            self._async.close()
            self._async = None
            for pending in list(self._entries):
                self._finish(pending)


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
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


async def _outlast(inner: "asyncio.Task[Any]") -> Optional[asyncio.CancelledError]:
    """Wait for the end of `inner`, also if this task is cancelled: then the exception."""
    cancelled: Optional[asyncio.CancelledError] = None
    while not inner.done():
        try:
            await asyncio.wait([inner])
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    return cancelled


def _cancelling(task: Any) -> int:
    """How many cancellations of the task were requested and not taken back; since Python 3.11."""
    return task.cancelling() if hasattr(task, "cancelling") else 0


def _cancel_again(task: Any, cancelling: int) -> None:
    """Cancel a task whose cancellation was put off, unless that was taken back meanwhile, as
    asyncio.timeout does."""
    if not hasattr(task, "cancelling"):
        task.cancel()
    elif task.cancelling() >= cancelling and task.cancel():
        task.uncancel()  # it is the same cancellation, not a further one
