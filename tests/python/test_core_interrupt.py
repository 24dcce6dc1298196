"""Ctrl-C, and signal handlers that raise, in calls that wait: nothing is lost, nothing left behind.

  test_core_interrupt.py [--seed N] [--count N]
"""
import collections
import functools
import itertools
import multiprocessing
import operator
import os
import random
import signal
import socket
import sys
import threading
import time
import unittest

import core_case
import support
from holdfast import _core
from support import main, until

SEED = int(time.time())
COUNT = 1000


class Interrupted(Exception):
    pass


class Killer(threading.Thread):
    """Sends SIGINT to this process a random time after each begin(), until it has raised."""

    def __init__(self, longest_s):
        super().__init__(daemon=True)
        self.random, self.longest_s = random.Random(SEED), longest_s
        self.begun = threading.Semaphore(0)
        self.sent_at = 0
        self.latencies = []
        self.is_armed = self.is_over = False
        signal.signal(signal.SIGINT, self.handle)
        self.start()

    def handle(self, *_):
        if self.is_armed:
            self.is_armed = False
            self.latencies.append(time.monotonic() - self.sent_at)
            raise Interrupted

    def run(self):
        while True:
            self.begun.acquire()
            if self.is_over:
                return
            time.sleep(self.random.random() * self.longest_s)
            self.sent_at = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)

    def interrupt(self, call):
        """Calls it again and again, in C alone, until a handler raises; its results."""
        results = []
        try:
            self.is_armed = True
            self.begun.release()
            collections.deque(map(results.append, iter(call, self)), 0)
        except Interrupted:
            return results
        raise AssertionError("not interrupted")

    def end(self):
        self.is_over = True
        self.begun.release()
        self.join()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def produce(url, queue_id, stop_id, number):
    """Puts (number, 0), (number, 1), ... until the event is set; how many, at last."""
    connection = _core.Connection(url)
    shared, stop = connection.open("queue", queue_id), connection.open("event", stop_id)
    pause = random.Random(SEED + number)
    for i in itertools.count():
        if i % 16 == 0 and stop.is_set():
            break
        shared.put((number, i))
        if pause.random() < 0.05:
            time.sleep(0.003)
    shared.put((number, None))
    connection.close()


class InterruptCase(core_case.CoreCase):
    def setUp(self):
        self.killer = Killer(0.004)
        self.addCleanup(self.killer.end)
        self.checked = _core.Dict(self.connection)
        self.checks = itertools.count()

    def check_next_call(self):
        """No answer is one behind."""
        number = next(self.checks)
        self.checked[number % 7] = number
        self.assertEqual(self.checked[number % 7], number)

    def report(self, what):
        taken = sorted(self.killer.latencies)
        print(f"{what}: {len(taken)} interrupts (seed {SEED}); the handler ran after "
              f"{taken[len(taken) // 2] * 1000:.1f} ms, at most {taken[-1] * 1000:.1f} ms")

    # ---- under load

    def test_interrupted_gets_lose_nothing(self):
        shared, stop = _core.Queue(self.connection, maxsize=100), _core.Event(self.connection)
        producers = [multiprocessing.get_context("spawn").Process(
            target=produce, args=(self.url, shared.id, stop.id, number)) for number in range(2)]
        for producer in producers:
            producer.start()
        got = []
        for _ in range(COUNT):
            got += self.killer.interrupt(shared.get)
            self.check_next_call()
        stop.set()
        while [item[1] for item in got].count(None) < 2:
            got.append(shared.get(timeout=20))
        for producer in producers:
            producer.join()
        for number in range(2):
            items = [i for producer, i in got if producer == number]
            self.assertEqual(items, list(range(len(items) - 1)) + [None])
        self.assertEqual(shared.qsize(), 0)
        self.report(f"{len(got)} items got")

    def test_interrupted_puts_double_nothing(self):
        shared = _core.Queue(self.connection, maxsize=3)
        numbers, got = itertools.count(), []
        over = threading.Event()
        self.addCleanup(over.set)  # a thread would go on after a failure

        def consume():
            other = _core.Connection(self.url)
            queue = other.open("queue", shared.id)
            while not (over.is_set() and queue.empty()):
                got.extend(queue.get_many(10, 0.2) if not queue.empty() else [])
            other.close()
        thread = threading.Thread(target=consume)
        thread.start()
        put = []
        for _ in range(COUNT // 5):
            # Whether an interrupted put was performed can't be known; all others were, in order.
            put.append(len(self.killer.interrupt(lambda: shared.put(next(numbers)))))
        over.set()
        thread.join()
        self.assertEqual(got, sorted(set(got)))
        self.assertGreaterEqual(len(got), sum(put))
        self.assertLessEqual(len(got), sum(put) + len(put))

    # ---- each call that waits

    def interrupt_often(self, what, call, count=COUNT // 10):
        for _ in range(count):
            with self.subTest(call=what):
                self.assertEqual(self.killer.interrupt(call), [])
                self.check_next_call()
        self.assertLess(sorted(self.killer.latencies[-count:])[count // 2], 0.5)  # idle: 0.025

    def test_interrupted_calls_take_nothing(self):
        connection = self.connection
        shared, full = _core.Queue(connection), _core.Queue(connection, maxsize=1)
        full.put("first")
        near, far = _core.pipe_new(connection)
        lock, held = _core.Lock(connection), _core.Lock(connection, recursive=True)
        lock.acquire()
        semaphore, event = _core.Semaphore(connection, 0), _core.Event(connection)
        cell, taken = _core.Cell(connection, "i", 5), _core.Cell(connection, "i", 5)
        over, began = threading.Event(), threading.Event()
        self.addCleanup(over.set)

        def hold():
            with taken, held:
                began.set()
                over.wait()
        holder = threading.Thread(target=hold)
        holder.start()
        began.wait()
        for what, call in (
                ("Queue.get", shared.get), ("Queue.get_many", lambda: shared.get_many(5)),
                ("Queue.reserve", shared.reserve), ("Queue.put", lambda: full.put("second")),
                ("Queue.join", full.join), ("Pipe.recv", near.recv),
                ("Pipe.poll", lambda: near.poll(None)), ("Lock.acquire", lock.acquire),
                ("RLock.acquire", held.acquire), ("Semaphore.acquire", semaphore.acquire),
                ("Event.wait", event.wait), ("Cell.wait", lambda: cell.wait(5)),
                ("Value.get", lambda: taken.value), ("Value.acquire", taken.acquire),
                ("Dict.wait", lambda: self.checked.wait("missing")),
                ("wait", lambda: connection.wait([shared, near, event, lock]))):
            self.interrupt_often(what, call, COUNT // 20)
        over.set()
        holder.join()
        for item in ("a", "b"):
            shared.put(item)
        self.assertEqual((shared.get(), shared.get(), full.get(), full.qsize()), ("a", "b", "first", 0))
        far.send("sent")
        self.assertEqual(near.recv(), "sent")
        lock.release()
        semaphore.release()
        self.assertTrue(lock.acquire(False) and semaphore.acquire(False) and held.acquire(False))
        self.assertFalse(semaphore.acquire(False))
        self.assertEqual(taken.value, 5)
        self.report("all that wait")

    def test_interrupted_condition_owns_its_lock(self):
        condition = _core.Condition(self.connection)
        for _ in range(COUNT // 20):
            with condition:
                self.assertEqual(self.killer.interrupt(condition.wait), [])
                condition.notify()
            self.check_next_call()
        with self.assertRaises(RuntimeError):
            condition.release()

    def test_interrupted_barrier_breaks(self):
        barrier = _core.Barrier(self.connection, 2)
        for _ in range(COUNT // 20):
            try:
                self.killer.interrupt(barrier.wait)
            except threading.BrokenBarrierError:
                self.killer.is_armed = False
            barrier.reset()
            self.check_next_call()

    def test_interrupted_pipeline_completes_its_calls(self):
        shared = _core.Queue(self.connection)
        for _ in range(COUNT // 20):
            batches = []

            def get_two():
                with self.connection.pipeline() as batch:
                    batches.append(batch)
                    shared.get()
                    shared.qsize()
            self.assertEqual(self.killer.interrupt(get_two), [])
            if not batches or len(batches[-1].results) < 2:
                continue  # it came before the calls were made
            first, second = batches[-1].results
            self.assertRaises(_core.Cancelled, first.result)
            self.assertEqual(second.result(), 0)
            self.check_next_call()

    def test_interrupt_is_this_threads_alone(self):
        shared, event = _core.Queue(self.connection), _core.Event(self.connection)
        got = []
        thread = threading.Thread(target=lambda: got.append(shared.get()), daemon=True)
        thread.start()
        self.interrupt_often("Event.wait", event.wait, COUNT // 20)
        shared.put("still there")
        thread.join()
        self.assertEqual(got, ["still there"])

    # ---- results that arrive together with a signal

    def test_result_is_stored_before_the_exception(self):
        """The handler puts the item for which the interrupted get waits, and then raises."""
        shared, other = _core.Queue(self.connection), _core.Connection(self.url)
        self.addCleanup(other.close)
        same = other.open("queue", shared.id)

        def put_and_raise(*_):
            same.put("item")
            time.sleep(0.01)  # it is on its way before the get is withdrawn
            raise Interrupted
        stored = 0
        signal.signal(signal.SIGALRM, put_and_raise)
        for _ in range(20):
            item = None
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                item = shared.get()
                for _ in range(1000):
                    pass
                self.fail("the exception is lost")
            except Interrupted:
                stored += item == "item"
            if item is None:
                self.assertEqual(shared.get(timeout=20), "item")
        self.assertEqual(stored, 20)

    def test_exception_that_was_kept_is_raised_by_the_next_call(self):
        shared, other = _core.Queue(self.connection), _core.Connection(self.url)
        self.addCleanup(other.close)
        same = other.open("queue", shared.id)

        def put_and_raise(*_):
            same.put("item")
            time.sleep(0.01)
            raise Interrupted
        signal.signal(signal.SIGALRM, put_and_raise)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        results = []
        with self.assertRaises(Interrupted):
            collections.deque(map(results.append, iter(shared.get, None)), 0)
        self.assertEqual(results, ["item"])
        self.check_next_call()

    def get_then(self, call):
        """A get that succeeds while a handler raises, and then the call, with no bytecode between."""
        others = [_core.Connection(self.url) for _ in range(2)]
        shared = _core.Queue(others[0])
        same = others[1].open("queue", shared.id)

        def put_and_raise(*_):
            same.put("item")
            time.sleep(0.01)
            raise Interrupted
        signal.signal(signal.SIGALRM, put_and_raise)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with self.assertRaises(Interrupted):
            collections.deque(map(operator.methodcaller("__call__"), (shared.get, call)), 0)
            for _ in range(1000):
                pass
        for other in others:
            other.close()

    def test_what_is_given_back_is_given_back_before_the_exception(self):
        connection = self.connection
        lock, condition = _core.Lock(connection), _core.Condition(connection)
        semaphore, cell = _core.Semaphore(connection, 1), _core.Cell(connection, "i", 1)
        shared, event = _core.Queue(connection), _core.Event(connection)
        shared.put("task")
        for thing in (lock, semaphore, cell, condition):
            thing.acquire()
            self.get_then(thing.release)
        self.get_then(shared.reserve().ack)
        self.get_then(event.set)
        free = []
        thread = threading.Thread(target=lambda: free.extend(
            thing.acquire(False) for thing in (lock, semaphore, cell, condition)))
        thread.start()
        thread.join()
        self.assertEqual((free, shared.info()["reserved"], event.is_set()), ([True] * 4, 0, True))

    def test_transaction_that_is_not_committed_is_dropped(self):
        transaction = self.connection.transaction()
        transaction.__enter__()
        lost = self.checked.setdefault("lost", 1)
        self.get_then(functools.partial(transaction.__exit__, None, None, None))
        self.assertRaises(_core.Cancelled, lost.result)
        self.assertNotIn("lost", self.checked)
        self.check_next_call()

    def test_handler_that_does_not_raise_changes_nothing(self):
        shared = _core.Queue(self.connection)
        calls = []

        def handle(*_):
            calls.append(self.checked.setdefault("in the handler", 5))
            if len(calls) == 5:
                signal.setitimer(signal.ITIMER_REAL, 0)
                shared.put("at last")
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        self.assertEqual(shared.get(), "at last")
        self.assertGreaterEqual(len(calls), 5)  # one may have been on its way when the timer ended
        self.assertEqual(set(calls), {5})

    # ---- without an answer

    def test_interrupt_while_the_server_is_stopped(self):
        with support.server() as url:
            connection = _core.Connection(url, call_timeout=60)
            shared = _core.Queue(connection)
            process = int(connection.server_info().get("pid", 0)) or self.find_server(url)
            support.stop(process)
            try:
                began = time.monotonic()
                self.assertEqual(self.killer.interrupt(shared.get), [])
                self.assertLess(time.monotonic() - began, 10)
                with self.assertRaises(KeyboardInterrupt):
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
                    shared.qsize()
            finally:
                os.kill(process, signal.SIGCONT)
            shared.put(1)
            self.assertEqual(shared.get(timeout=20), 1)
            connection.close()

    def find_server(self, url):
        import subprocess
        port = url.rsplit(":", 1)[1]
        found = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True,
                               check=True).stdout
        return int(found.split("pid=")[1].split(",")[0])

    def test_interrupt_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            began = time.monotonic()
            self.assertEqual(self.killer.interrupt(lambda: _core.Connection(url)), [])
            self.assertLess(time.monotonic() - began, 10)

    def test_interrupt_in_a_child_forked_by_a_thread(self):
        shared = _core.Queue(self.connection)
        answers = []

        def fork():
            child = os.fork()
            if child == 0:
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
                signal.signal(signal.SIGINT, signal.default_int_handler)
                try:
                    shared.get(timeout=20)
                except KeyboardInterrupt:
                    os._exit(0)
                os._exit(1)
            answers.append(os.waitpid(child, 0)[1])
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        self.assertEqual(answers, [0])


class RemoteInterruptTest(InterruptCase):
    scheme = "tcp"

    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_LOCAL"] = "off"
        super().setUpClass()
        del os.environ["HOLDFAST_LOCAL"]


if __name__ == "__main__":
    for option in ("--seed", "--count"):
        if option in sys.argv:
            at = sys.argv.index(option)
            globals()[option[2:].upper()] = int(sys.argv[at + 1])
            del sys.argv[at:at + 2]
    main()
