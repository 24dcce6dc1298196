"""The workers of Executors: processes that run the tasks of one queue.

Each process reserves one task at a time. The reservation has a lease, which a thread renews while the
task runs: the task of a process that is killed, stopped or unreachable goes to another one.
"""

from __future__ import annotations

import collections
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from . import _core, messages, proxies

__all__ = ["Worker", "supervise"]

LEASE_SECONDS = 60.0
RETRY_SECONDS = 1.0
# Queues and dicts of executors that are kept open, and how long without a task: those of an executor
# that was killed are on the server as long.
_EXECUTORS_MAX = 100
_EXECUTORS_SECONDS = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Of errors: the executor has deleted its objects, or was killed.
_GONE = ("NO_SUCH_OBJECT", "OBJECT_DELETED")
# For now.
_NO_ROOM = ("MEMORY_FULL", "JOURNAL_FULL", "QUOTA_MEMORY")


class _Stop(BaseException):
    """Raised by the signal handler where no task is running."""


class _Executors:
    """The queues of results and dicts of claims of the executors whose tasks are run here."""

    def __init__(self, connection: _core.Connection) -> None:
        self._connection = connection
        self._opened: "collections.OrderedDict[int, Tuple[float, Any]]" = collections.OrderedDict()

    def open(self, results: int, claims: int) -> Optional[Tuple[Any, Any]]:
        """Both objects; None: the executor has gone."""
        _, pair = self._opened.pop(results, (0, None))
        if pair is None:
            try:
                pair = (self._connection.open("queue", results),
                        self._connection.open("dict", claims))
            except _core.Error as error:
                if error.reason not in _GONE:
                    raise
                return None
        self._opened[results] = time.monotonic(), pair
        self.forget()
        return pair

    def forget(self) -> Optional[float]:
        """Close those that had no task for long. When to do so again, in seconds; None: none is open."""
        oldest = time.monotonic() - _EXECUTORS_SECONDS
        while self._opened:
            opened = next(iter(self._opened.values()))[0]
            if opened > oldest and len(self._opened) <= _EXECUTORS_MAX:
                return opened - oldest
            self._opened.popitem(last=False)
        return None

    def close(self, results: int) -> None:
        """The executor has gone."""
        self._opened.pop(results, None)


class _Lease:
    """Renews the lease of the task that is running."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._reservation: Any = None
        threading.Thread(target=self._renew, name="holdfast.lease", daemon=True).start()

    def hold(self, reservation: Any) -> None:
        """From now on this one; None: none."""
        with self._changed:
            self._reservation = reservation

    def _renew(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._seconds / 4)
                reservation = self._reservation
            if reservation is not None:
                try:
                    reservation.extend(self._seconds)
                except (_core.Error, ConnectionError):  # the result will find that out
                    pass


def _decode(call: List[Any]) -> Tuple:
    """The function and its arguments. A function of the program itself is in __main__, which here is the
    worker's unless it was started with that program."""
    try:
        return messages.decode(tuple(call))
    except AttributeError as error:
        if "__main__" not in str(error):
            raise
        raise AttributeError(f"{error}; start the worker with --main PROGRAM, or move the function "
                             "to a module") from None


class _Forks:
    """A process that a task forks ends by signals, as others do. Those that come at once are blocked
    until it does: Python forgets what its handlers were told before."""

    def __init__(self) -> None:
        self._thread = threading.local()
        os.register_at_fork(before=self._block, after_in_parent=self._restore,
                            after_in_child=self._begin)

    def _block(self) -> None:
        self._thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def _restore(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._thread.mask)

    def _begin(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._restore()


class Worker:
    """Runs tasks in this process, in the thread that calls `run`."""

    def __init__(self, url: str, queue: str, lease: float = LEASE_SECONDS) -> None:
        self._url = url
        self._queue = queue
        self._lease_seconds = lease
        self._lease = _Lease(lease)
        self._is_idle = False  # a signal may end the process at once
        self._is_stopping = False

    def stop(self, *_: Any) -> None:
        """Handler of SIGTERM and SIGINT: end when the task has ended."""
        self._is_stopping = True
        if self._is_idle:
            self._is_idle = False
            raise _Stop

    def run(self) -> None:
        """Run tasks until `stop`. When the server has gone, wait for it to come back."""
        for number in _SIGNALS:
            signal.signal(number, self.stop)
        _Forks()
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            while not self._is_stopping:
                try:
                    self._serve()
                except Exception as error:
                    print(f"holdfast worker {os.getpid()}: {error}", file=sys.stderr, flush=True)
                    self._rest()
        except _Stop:
            pass

    def _rest(self) -> None:
        self._is_idle = True
        if not self._is_stopping:
            time.sleep(RETRY_SECONDS)
        self._is_idle = False

    def _serve(self) -> None:
        with _core.Connection(self._url, client=f"holdfast worker {os.getpid()}") as connection:
            tasks = proxies.QueueProxy(connection, self._queue)
            executors = _Executors(connection)
            while not self._is_stopping:
                reservation = self._reserve(tasks, executors.forget())
                if reservation is not None:
                    self._run_task(connection, executors, reservation)

    def _reserve(self, tasks: Any, seconds: Optional[float]) -> Any:
        """The next task; None: none came in that time, or it is time to stop. A signal while it waits
        raises _Stop."""
        reservation = None
        self._is_idle = True
        try:
            if not self._is_stopping:
                reservation = tasks.reserve(seconds, lease=self._lease_seconds)
        except queue.Empty:
            pass
        finally:
            self._is_idle = False
        return reservation

    def _run_task(self, connection: _core.Connection, executors: _Executors,
                  reservation: Any) -> None:
        try:
            version, number, results_id, claims_id, max_tries, *call = reservation.value
        except Exception:  # it can't even be read
            version = None
        if version != messages.VERSION:  # set aside: other workers may know what it is
            reservation.bury()
            return
        try:
            pair = executors.open(results_id, claims_id)
            if pair is None or not self._claim(connection, reservation, pair[1], number):
                reservation.ack()  # nobody wants the result: the executor has gone; or cancelled
                if pair is not None:
                    pair[1].pop(number, None)
                return
            if reservation.tries >= max_tries:
                lost = messages.TaskLost(f"{max_tries} workers were killed while they ran the task")
                outcome = messages.encode_failure(lost, connection)
            else:
                outcome = self._call(connection, reservation, call)
            self._answer(connection, reservation, pair[0], number, outcome)
        except _core.Error as error:
            if error.reason == "NOT_RESERVED":  # the lease ran out before the task was begun
                return
            if error.reason not in _GONE:
                raise
            executors.close(results_id)
            self._ack(reservation)

    def _claim(self, connection: _core.Connection, reservation: Any, claims: Any, number: int) -> bool:
        """Whether the task may run. holdfast.Error NOT_RESERVED: it is another worker's, and so is its
        claim, since this process was stopped for longer than the lease."""
        with connection.pipeline():
            claim = claims.setdefault(number, "begun")
            reservation.extend(self._lease_seconds)
        return claim.result() == "begun"

    def _call(self, connection: _core.Connection, reservation: Any, call: List[Any]) -> Tuple:
        self._lease.hold(reservation)
        try:
            fn, args, kwargs = _decode(call)
            result = fn(*args, **kwargs)
            return messages.encode_success(result, connection)
        except BaseException as error:
            return messages.encode_failure(error, connection)
        finally:
            self._lease.hold(None)

    def _answer(self, connection: _core.Connection, reservation: Any, results: Any, number: int,
                outcome: Tuple) -> None:
        """The result goes first, and alone: if this process is killed in between, the task is run
        again, and the executor takes the first result."""
        self._lease.hold(reservation)
        try:
            has_answered = True
            while has_answered and not self._put(connection, results, number, outcome):
                has_answered = not self._is_stopping
                self._rest()
        finally:
            self._lease.hold(None)
        if has_answered:
            self._ack(reservation)
        else:
            reservation.return_()

    def _put(self, connection: _core.Connection, results: Any, number: int, outcome: Tuple) -> bool:
        """The result, or what the server says against it: its size, want of memory, or that it refers to
        an object that was deleted. False: the server has no room for that either."""
        try:
            results.put((number, *outcome))
            return True
        except (ConnectionError, _core.Cancelled):
            raise
        except _core.Error as error:
            outcome = messages.encode_failure(error, connection)
        try:
            results.put((number, *outcome))
        except _core.Error as error:
            if error.reason not in _NO_ROOM:  # the executor has its last result, among others
                raise
            return False
        return True

    def _ack(self, reservation: Any) -> None:
        """Also if it was acknowledged, or another process has the task since the lease ran out."""
        try:
            reservation.ack()
        except _core.Error as error:
            if error.reason != "NOT_RESERVED":
                raise


# ------------------------------------------------------------------------------- many processes


def _run_worker(options: Dict[str, Any]) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    Worker(**options).run()


def _end_with(parent: Any) -> None:
    """A worker whose supervisor was killed ends too; its task goes to another one."""
    parent.join()
    os._exit(1)


class _Supervisor:
    """Keeps a number of workers running."""

    def __init__(self, processes: int, options: Dict[str, Any]) -> None:
        self._options = options
        self._context = multiprocessing.get_context("fork")
        self._stops = 0
        self._processes: List[Any] = []
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        for _ in range(processes):
            self._start()

    def _start(self) -> None:
        process = self._context.Process(target=_run_worker, args=(self._options,))
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the worker has its own handlers
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._processes.append(process)
        if self._stops > 0:
            process.terminate()

    def _stop(self, *_: Any) -> None:
        """The first signal: they end after their tasks. The second: at once."""
        self._stops += 1
        for process in self._processes:
            process.terminate() if self._stops == 1 else process.kill()

    def run(self) -> None:
        """Until a signal; workers that are killed are replaced."""
        while self._processes:
            multiprocessing.connection.wait([each.sentinel for each in self._processes])
            for process in [each for each in self._processes if not each.is_alive()]:
                self._processes.remove(process)
                if self._stops == 0 and (process.exitcode or 0) > 0:
                    time.sleep(RETRY_SECONDS)  # the next one may fail at once, too
                if self._stops == 0:
                    self._start()


def supervise(url: str, queue: str, processes: int, lease: float) -> None:
    """Run workers in that many processes until SIGTERM or SIGINT."""
    _Supervisor(processes, {"url": url, "queue": queue, "lease": lease}).run()
