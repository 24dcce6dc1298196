"""Queues as queue.Queue, and what they have beyond; pipes as multiprocessing.Pipe."""
import multiprocessing
import queue
import sys
import threading
import time
import unittest

import core_case
from core_case import outcome
from holdfast import _core
from support import main, until


class QueueCase(core_case.CoreCase):
    def assert_both(self, builtin, shared, *calls):
        for name, *args in calls:
            keywords = args.pop() if args and isinstance(args[-1], dict) else {}
            with self.subTest(method=name, args=args, **keywords):
                self.assertEqual(outcome(getattr(builtin, name), *args, **keywords),
                                 outcome(getattr(shared, name), *args, **keywords))


class QueueTest(QueueCase):
    def test_queue_is_the_standard_librarys(self):
        for maxsize in (0, 2, -1):
            self.assert_both(
                queue.Queue(maxsize), _core.Queue(self.connection, maxsize=maxsize),
                ("empty",), ("full",), ("qsize",), ("get", False), ("get_nowait",),
                ("get", True, 0.01), ("get", True, 0), ("get", True, -1), ("get", {"timeout": -1}),
                ("get", False, -1), ("put", 1), ("put", (2, "x"), False), ("full",), ("qsize",),
                ("get",), ("put", None, True, 1), ("get",), ("get", {"block": False}),
                ("empty",), ("task_done",), ("task_done",), ("task_done",), ("task_done",),
                ("join",), ("put", 5, True, -1), ("qsize",))

    def test_full_queue_is_the_standard_librarys(self):
        self.assert_both(
            queue.Queue(1), _core.Queue(self.connection, maxsize=1),
            ("put", 1), ("put", 2, False), ("put_nowait", 2), ("put", 2, True, 0.01),
            ("put", 2, {"timeout": 0}), ("put", 2, {"timeout": -1}), ("put", 2, False, -1), ("full",),
            ("qsize",), ("get",), ("get_nowait",))

    def test_queue_wrong_types(self):
        shared = _core.Queue(self.connection)
        for call in (lambda: shared.put(), lambda: shared.put(1, 2, 3, 4), lambda: shared.get(1, "x"),
                     lambda: shared.put_nowait(1, 2), lambda: shared.put(1, priority="x")):
            self.assertEqual(outcome(call)[0], TypeError)
        self.assertEqual(shared.qsize(), 0)

    def test_queue_is_first_come_first_served(self):
        shared, got = _core.Queue(self.connection), []
        threads = []
        for number in range(4):
            threads.append(threading.Thread(target=lambda n=number: got.append((n, shared.get()))))
            threads[-1].start()
            until(lambda n=number: shared.info()["waiting"] == n + 1, "it waits")
        for item in "abcd":
            shared.put(item)
            until(lambda i=item: any(i in pair for pair in got), "it is got")
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(got), list(enumerate("abcd")))

    def test_queue_join_waits_for_task_done(self):
        shared = _core.Queue(self.connection)
        shared.put(1)
        with self.assertRaises(TimeoutError):
            shared.join(timeout=0.01)
        with self.assertRaises(ValueError):
            shared.join(timeout=-1)
        threading.Timer(0.05, lambda: (shared.get(), shared.task_done())).start()
        self.assertIsNone(shared.join())

    def test_queue_shutdown(self):
        shut_down = queue.ShutDown if sys.version_info >= (3, 13) else _core.ShutDown
        shared = _core.Queue(self.connection)
        shared.put(1)
        shared.shutdown()
        with self.assertRaises(shut_down):
            shared.put(2)
        self.assertEqual(shared.get(), 1)
        self.assertEqual(outcome(shared.get), (shut_down, ()))
        self.assertEqual(outcome(shared.get, False), (shut_down, ()))
        other = _core.Queue(self.connection)
        other.put(1)
        threading.Timer(0.05, other.shutdown, (True,)).start()
        other.join()
        with self.assertRaises(shut_down):
            other.get()

    def test_queue_priorities_and_delays(self):
        shared = _core.Queue(self.connection)
        shared.put("late", delay=0.1)
        shared.put("low", priority=5)
        shared.put("high", priority=-5)
        shared.put_nowait("plain")
        self.assertEqual([shared.get() for _ in range(3)], ["high", "plain", "low"])
        self.assertEqual(outcome(shared.get, False), (queue.Empty, ()))
        self.assertEqual(shared.get(timeout=20), "late")
        with self.assertRaises(ValueError):
            shared.put(1, delay=-1)

    def test_queue_many(self):
        shared = _core.Queue(self.connection, maxsize=3)
        self.assertEqual(shared.put_many(iter("abcd"), timeout=0.01), 3)
        self.assertEqual(outcome(shared.put_many, "e", 0), (queue.Full, ()))
        self.assertEqual(shared.get_many(2), ["a", "b"])
        self.assertEqual(shared.get_many(9, timeout=1), ["c"])
        self.assertEqual(outcome(shared.get_many, 9, 0.01), (queue.Empty, ()))
        for bad in (0, -1):
            with self.assertRaises(ValueError):
                shared.get_many(bad)

    def test_queue_maxsize(self):
        shared = _core.Queue(self.connection, maxsize=7)
        self.assertEqual(shared.maxsize, 7)
        again = self.connection.open("queue", shared.id)
        self.assertEqual(again.maxsize, 7)
        again.close()


class ReservationTest(QueueCase):
    def test_reservation_is_acknowledged_or_returned(self):
        shared = _core.Queue(self.connection)
        shared.put_many(["a", "b"])
        first, second = shared.reserve(), shared.reserve(timeout=1, lease=30)
        self.assertEqual((first.value, first.tries, first.priority, first.queue), ("a", 0, 0, shared))
        self.assertGreater(second.id, first.id)
        self.assertEqual(outcome(shared.reserve, 0), (queue.Empty, ()))
        second.extend(60)
        first.return_()
        again = shared.reserve()
        self.assertEqual((again.value, again.tries), ("a", 1))
        again.ack()
        second.ack()
        shared.join(1)
        with self.assertRaises(_core.Error):
            second.ack()
        with self.assertRaises(ValueError):
            shared.reserve(-1)

    def test_reservation_that_cannot_be_read(self):
        """It is reserved all the same, so that it can be set aside; in a block it is returned."""
        class Unreadable:
            def __reduce__(self):
                return int, ("x",)
        shared = _core.Queue(self.connection)
        shared.put(Unreadable())
        with self.assertRaises(ValueError):
            with shared.reserve(timeout=1) as task:
                task.value
        self.assertEqual(shared.info()["reserved"], 0)
        task = shared.reserve()
        self.assertEqual(task.tries, 1)
        self.assertRaises(ValueError, lambda: task.value)
        task.bury()
        self.assertEqual(shared.info()["buried"], 1)

    def test_reservation_as_a_context_manager(self):
        shared = _core.Queue(self.connection)
        shared.put("task")
        with self.assertRaises(ZeroDivisionError):
            with shared.reserve() as task:
                1 / 0
        with shared.reserve() as task:
            self.assertEqual((task.value, task.tries), ("task", 1))
        self.assertEqual(shared.qsize(), 0)
        shared.join(1)

    def test_reservation_is_buried_and_kicked(self):
        shared = _core.Queue(self.connection)
        shared.put("bad")
        shared.reserve().bury()
        self.assertEqual(outcome(shared.get, False), (queue.Empty, ()))
        self.assertEqual(shared.kick(), 1)
        self.assertEqual(shared.kick(1), 0)
        self.assertEqual(shared.get(), "bad")

    def test_reservation_lease_ends(self):
        shared = _core.Queue(self.connection)
        shared.put("slow")
        task = shared.reserve(lease=0.05)
        again = shared.reserve(timeout=20)
        self.assertEqual((again.value, again.tries), ("slow", 1))
        with self.assertRaises(_core.Error):
            task.ack()
        again.ack()


class PipeTest(QueueCase):
    def test_pipe_is_multiprocessings(self):
        for duplex in (True, False):
            ends = multiprocessing.Pipe(duplex)
            shared = _core.pipe_new(self.connection, duplex)
            for end in range(2):
                self.assertEqual((ends[end].readable, ends[end].writable, ends[end].closed),
                                 (shared[end].readable, shared[end].writable, shared[end].closed))
                if not duplex:
                    self.assert_both(ends[end], shared[end],
                                     ("recv",) if end else ("send", 1))
            self.assert_both(ends[1], shared[1], ("send", "x"), ("send", (1, None)))
            self.assert_both(ends[0], shared[0], ("poll",), ("recv",), ("poll", 0.01), ("recv",),
                             ("poll", 0), ("poll", -1))
            for pair in (ends, shared):
                pair[1].send("last")
                pair[1].close()
            self.assertTrue(shared[1].closed)
            self.assert_both(ends[0], shared[0], ("poll",), ("recv",), ("poll",), ("recv",))
            self.assert_both(ends[1], shared[1], ("recv",), ("send", 1), ("poll",), ("close",))
            if duplex:
                self.assertEqual(outcome(ends[0].send, 1)[0], outcome(shared[0].send, 1)[0])
            ends[0].close()
            shared[0].close()

    def test_pipe_timeouts(self):
        first, second = _core.pipe_new(self.connection)
        began = time.monotonic()
        with self.assertRaises(TimeoutError):
            first.recv(timeout=0.05)
        self.assertGreaterEqual(time.monotonic() - began, 0.05)
        threading.Timer(0.05, second.send, (5,)).start()
        self.assertTrue(first.poll(None))
        self.assertEqual(first.recv(timeout=20), 5)

    def test_pipe_attached_by_its_id(self):
        first, second = _core.pipe_new(self.connection, False)
        other = _core.Connection(self.url)
        self.addCleanup(other.close)
        end = other.open("pipe", first.id)
        end.attach(1, duplex=False)
        self.assertEqual((end.end, end.duplex, end.readable), (1, False, False))
        second.close()
        end.send("from another")
        self.assertEqual(first.recv(), "from another")
        end.close()
        self.assertEqual(outcome(first.recv)[0], EOFError)

    def test_pipe_with(self):
        first, second = _core.pipe_new(self.connection)
        with first, second as again:
            self.assertIs(again, second)
        self.assertTrue(first.closed and second.closed)


if __name__ == "__main__":
    main()
