"""concurrent.futures on many hosts: an Executor whose workers run wherever they were started by
`python -m holdfast worker`.

    from holdfast import Executor

    with Executor("tcp://server:4653") as executor:
        print(list(executor.map(len, ["a", "bc"])))

The tasks are the items of one queue, which has a name. A worker reserves a task and acknowledges it
when its result is on the way, so that the task of a worker that is killed goes to another one. Results
come back by a queue of the executor's own.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import functools
import itertools
import os
import threading
import weakref
from concurrent.futures import BrokenExecutor
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from . import _core, managers, messages, proxies
from .connections import DEFAULT_URL

__all__ = ["BrokenExecutor", "Executor", "Future", "RemoteTraceback", "TaskLost"]

QUEUE = "holdfast.tasks"
TRIES_MAX = 3
# How many results are taken from the server at a time.
_RESULTS_MAX = 100

TaskLost = messages.TaskLost
RemoteTraceback = messages.RemoteTraceback


class Future(concurrent.futures.Future):
    """The result of a task, as `Executor.submit` returns it."""

    _inbox: Optional["_Inbox"] = None
    _task = 0

    def cancel(self) -> bool:
        """Cancel the task if no worker has begun it; False if one has.

        A task that is cancelled is never run, on any host.
        """
        if self.done():
            return self.cancelled()
        inbox = self._inbox
        if inbox is None or not inbox.withdraw(self._task):
            return False
        if not super().cancel():  # the result came meanwhile, and the task's claim has gone
            with contextlib.suppress(ConnectionError):
                inbox.drop_claims([self._task])
            return False
        if inbox.forget(self._task):
            self.set_running_or_notify_cancel()  # tells wait() and as_completed()
        return True

    def running(self) -> bool:
        """Whether a worker has begun the task and not ended it."""
        return not self.done() and self._inbox is not None and self._inbox.is_begun(self._task)


_inboxes: "weakref.WeakSet[_Inbox]" = weakref.WeakSet()  # a running thread keeps its own


class _Inbox:
    """The futures of an executor, and the thread that completes them."""

    def __init__(self, url: str) -> None:
        self.connection = _core.Connection(url)
        self.results = proxies.QueueProxy(self.connection)  # type: ignore[call-arg]
        # Task number: "begun" or "cancelled", whatever was first. Removed when the future is complete;
        # by a worker, of a cancelled task.
        self.claims = proxies.DictProxy(self.connection)  # type: ignore[call-arg]
        self.futures: Dict[int, Future] = {}
        self.is_ending = False  # the thread ends when no future is left
        self.failure: Optional[BaseException] = None
        self.lock = threading.RLock()  # an Executor's finalizer may run on a thread that has it
        self.pid = os.getpid()
        self.thread = threading.Thread(target=self._receive, name="holdfast.Executor", daemon=True)

    def start(self) -> None:
        """Receive results."""
        self.thread.start()
        _inboxes.add(self)

    def add(self, future: Future) -> None:
        """A future that is to be completed; raises if it never would."""
        with self.lock:
            if self.failure is not None:
                raise BrokenExecutor("the connection to the server is lost") from self.failure
            if self.is_ending:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self.futures[future._task] = future

    def withdraw(self, task: int) -> bool:
        """Whether no worker has begun the task, and none will."""
        try:
            return self.claims.setdefault(task, "cancelled") == "cancelled"
        except ConnectionError:
            return False

    def drop_claims(self, tasks: List[int]) -> None:
        """The futures of the tasks are complete."""
        with self.connection.pipeline():
            for task in tasks:
                self.claims.pop(task, None)

    def is_begun(self, task: int) -> bool:
        """Whether a worker has begun the task."""
        try:
            return self.claims.get(task) == "begun"
        except ConnectionError:
            return False

    def forget(self, task: int) -> bool:
        """The future is complete otherwise than by a result. False if that was said before."""
        with self.lock:
            is_known = self.futures.pop(task, None) is not None
            is_last = self.is_ending and not self.futures
        if is_last:
            self._wake()
        return is_known

    def end(self) -> None:
        """No more futures are added: the thread ends with the last of them. In a forked child nothing is
        done: the thread is its parent's, and so may be the lock."""
        if self.pid != os.getpid():
            return
        with self.lock:
            self.is_ending = True
        self._wake()

    def _wake(self) -> None:
        try:
            self.results.put(None)
        except (_core.Error, ConnectionError):  # the thread sees that too
            pass

    def _receive(self) -> None:
        try:
            while not self._is_over():
                arrived = [each for each in self.results.get_many(_RESULTS_MAX) if each is not None]
                for message in arrived:
                    self._complete(message)
                self.drop_claims([message[0] for message in arrived])
            self.results.delete()
            self.claims.delete()
        except BaseException as error:
            self._fail(error)
        finally:
            self.connection.close()

    def _is_over(self) -> bool:
        with self.lock:
            return self.is_ending and not self.futures

    def _complete(self, message: Tuple) -> None:
        task, result = message[0], message[1:]
        with self.lock:
            future = self.futures.pop(task, None)
        if future is None or future.done():  # a killed worker had sent it, and a second one too
            return
        try:
            has_worked, value = messages.decode_result(result)
        except BaseException as error:
            has_worked, value = False, error.with_traceback(None)  # else it refers to its future
        if has_worked:
            future.set_result(value)
        else:
            future.set_exception(value)

    def _fail(self, error: BaseException) -> None:
        """No results come any more."""
        with self.lock:
            self.failure = error
            futures = list(self.futures.values())
            self.futures.clear()
        for future in futures:
            if not future.done():
                broken = BrokenExecutor(f"no results come from the server any more: {error}")
                broken.__cause__ = error
                future.set_exception(broken)


class Executor(concurrent.futures.Executor):
    """An executor with workers on any host.

    url
        The server: a URL, a manager, or None: HOLDFAST_URL, else the one on this host.
    queue
        The name of the queue of tasks; workers of the same name take them.
    max_tries
        A task whose workers were killed that often raises TaskLost, a BrokenExecutor.

    Functions, arguments and results are pickled. A worker imports the module of a function; the
    functions of the main program are found by workers that were started with `--main PROGRAM`.
    Proxies of the server may be arguments and results. A task that keeps its interpreter's lock for
    longer than the worker's lease, in one call of a C function, counts as one whose worker was killed:
    such workers need a longer `--lease`. Cancelling, exceptions with the traceback of
    the worker, `as_completed` and `wait` are as in concurrent.futures.
    """

    def __init__(self, url: Any = None, *, queue: str = QUEUE, max_tries: int = TRIES_MAX) -> None:
        if max_tries < 1:
            raise ValueError("max_tries must be at least 1")
        self._manager: Any = None  # kept: its server may be a private one
        if isinstance(url, managers.SyncManager):
            self._manager, url = url, url.connection.url
        self._url = url or os.environ.get("HOLDFAST_URL") or DEFAULT_URL
        self._max_tries = max_tries
        self._numbers = itertools.count(1)
        self._shutdown_lock = threading.Lock()
        self._is_shut_down = False
        self._inbox = _Inbox(self._url)
        try:
            self._tasks = proxies.QueueProxy(self._inbox.connection, queue)
        except BaseException:
            self._inbox.connection.close()
            raise
        self._results_id = _core.Object.id.__get__(self._inbox.results)
        self._claims_id = _core.Object.id.__get__(self._inbox.claims)
        self._inbox.start()
        weakref.finalize(self, _Inbox.end, self._inbox).atexit = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Run `fn(*args, **kwargs)` on one of the workers; a Future of its result."""
        future = Future()
        future._inbox, future._task = self._inbox, next(self._numbers)
        self._check_process()  # a forked child's lock may have an owner for ever
        with self._shutdown_lock:
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._inbox.add(future)
        try:
            self._put(future, fn, args, kwargs)
        except BaseException:
            self._inbox.forget(future._task)
            raise
        return future

    def _check_process(self) -> None:
        if self._inbox.pid != os.getpid():
            raise RuntimeError("the executor belongs to the process that this one was forked from")

    def _put(self, future: Future, fn: Callable[..., Any], args: Tuple, kwargs: Any) -> None:
        try:
            call = messages.encode((fn, args, kwargs), self._inbox.connection)
        except Exception as error:  # can't be pickled: as with processes, the future says so
            self._inbox.forget(future._task)
            future.set_exception(error)
            return
        self._tasks.put((messages.VERSION, future._task, self._results_id, self._claims_id,
                         self._max_tries, *call))

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any],
            timeout: Optional[float] = None, chunksize: int = 1, **options: Any) -> Iterator[Any]:
        """The results of `fn(*arguments)` for the arguments that `zip(*iterables)` gives, in order.

        `chunksize` calls are one task: for functions that take less time than a call to the server.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **options)
        chunks = super().map(functools.partial(_run_chunk, fn), _chunks(iterables, chunksize),
                             timeout=timeout, **options)
        return itertools.chain.from_iterable(chunks)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more tasks. `wait`: until those that were submitted have ended; `cancel_futures`: those
        that no worker has begun are cancelled. The workers go on for others."""
        if self._inbox.pid != os.getpid():
            return
        with self._shutdown_lock:
            self._is_shut_down = True
        if cancel_futures:
            with self._inbox.lock:
                futures = list(self._inbox.futures.values())
            for future in futures:
                future.cancel()
        self._inbox.end()
        if wait:
            self._inbox.thread.join()

    def __repr__(self) -> str:
        return f"<holdfast.Executor {self._url}>"


def _chunks(iterables: Tuple[Iterable[Any], ...], size: int) -> Iterator[List[Tuple]]:
    arguments = zip(*iterables)
    while chunk := list(itertools.islice(arguments, size)):
        yield chunk


def _run_chunk(fn: Callable[..., Any], chunk: List[Tuple]) -> List[Any]:
    return [fn(*arguments) for arguments in chunk]


def _end_all() -> None:
    """At the end of the program: wait for the tasks that are left, as concurrent.futures does."""
    inboxes = [inbox for inbox in _inboxes if inbox.pid == os.getpid()]
    for inbox in inboxes:
        inbox.end()
    for inbox in inboxes:
        inbox.thread.join()


atexit.register(_end_all)
