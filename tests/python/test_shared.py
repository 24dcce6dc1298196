"""multiprocessing's module-level objects, on the default manager."""
import array
import concurrent.futures
import ctypes
import multiprocessing
import os
import pickle
import queue
import threading
import unittest

import holdfast
import support
from holdfast import shared


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]


def increment(number, count):
    for _ in range(count):
        with number.get_lock():
            number.value += 1


def change(values):
    values["int"].value += 1
    values["double"].value *= 2
    values["array"][0] = 7
    values["text"].value = b"changed"
    values["raw"].value = 5
    values["raw array"][1:3] = [8, 9]
    values["own lock"].value += 1


def work(q, done, lock, event, barrier, condition, semaphore, rlock, pipe):
    with lock, rlock, semaphore:
        q.put("item")
    barrier.wait()
    with condition:
        condition.notify_all()
    event.set()
    pipe.send(done.get())


class ValuesTest(unittest.TestCase):
    def test_value(self):
        number = holdfast.Value("i", 5)
        self.assertEqual(number.value, 5)
        number.value -= 7
        self.assertEqual(number.value, -2)
        self.assertIs(number.get_obj().value, number.value)
        with number.get_lock():
            number.value = 9
            with number:
                number.acquire()
                number.release()
        self.assertEqual(repr(number), "<Synchronized wrapper for c_int(9)>")
        self.assertEqual(repr(number), repr(multiprocessing.Value("i", 9)))
        self.assertEqual(holdfast.Value("d").value, 0.0)
        self.assertEqual(holdfast.Value(ctypes.c_short, 3).value, 3)
        self.assertEqual(holdfast.Value("c", b"x").value, b"x")
        self.assertIs(holdfast.Value(ctypes.c_bool, True).value, True)
        with self.assertRaises(TypeError):
            holdfast.Value("i", 1, 2)
        with self.assertRaises(TypeError):
            holdfast.Value("i", 1.5)

    def test_locks(self):
        lock = holdfast.RLock()
        number = holdfast.Value("i", 0, lock=lock)
        self.assertIs(number.get_lock(), lock)
        with number:
            number.value += 1
        self.assertEqual((number.value, number.get_obj().value), (1, 1))
        numbers = holdfast.Array("i", [1, 2], lock=lock)
        numbers[0] = 5
        self.assertEqual((numbers[:], len(numbers)), ([5, 2], 2))
        self.assertEqual(holdfast.RawValue("i", 3).value, 3)
        with self.assertRaisesRegex(AttributeError, "has no method 'acquire'"):
            holdfast.Value("i", lock="navalue")

    def test_array(self):
        for make in (holdfast.Array, multiprocessing.Array):
            a = make("i", 3)
            self.assertEqual(a[:], [0, 0, 0])
            a[:] = [1, 2, 3]
            self.assertEqual((a[0], a[-1], a[1:], a[::2], len(a), list(a)), (1, 3, [2, 3], [1, 3], 3, [1, 2, 3]))
            with self.assertRaises(IndexError):
                a[3]
            with self.assertRaises((ValueError, TypeError)):
                a[:] = [1]
            with a.get_lock():
                a[0] += 1
            self.assertEqual(make("d", (1, 2.5))[:], [1.0, 2.5])
            self.assertEqual(make(ctypes.c_byte, [1])[:], [1])
            self.assertEqual(make("i", array.array("i", [4]))[0], 4)

    def test_text(self):
        for make in (holdfast.Array, holdfast.RawArray, multiprocessing.Array, multiprocessing.RawArray):
            text = make("c", 10)
            text.value = b"hello"
            self.assertEqual((text.value, text.raw, text[:3], text[0]), (b"hello", b"hello" + b"\0" * 5, b"hel", b"h"))
            text.raw = b"0123456789"
            self.assertEqual(text.value, b"0123456789")
            with self.assertRaises(ValueError):
                text.value = b"0123456789x"
            with self.assertRaises(TypeError):
                text.value = "text"
            self.assertEqual(make("c", b"abc").value, b"abc")

    def test_structures_are_multiprocessings(self):
        point = holdfast.Value(Point, 1, 2)
        self.assertEqual((point.x, point.y), (1.0, 2.0))
        self.assertEqual(holdfast.Array(Point, [(1, 2)])[0].y, 2.0)
        self.assertEqual(holdfast.RawValue(Point, 1, 2).x, 1.0)
        self.assertEqual(holdfast.Array("u", "text")[:], "text")

    def test_buffer(self):
        numbers = holdfast.RawArray("d", [1.0, 2.0])
        view = memoryview(numbers)
        view[0] = 5.0
        self.assertEqual((numbers[0], view.format, view.nbytes), (5.0, "d", 16))
        view.release()

    def test_children(self):
        for method in support.START_METHODS:
            with self.subTest(method=method):
                context = multiprocessing.get_context(method)
                number = holdfast.Value("i", 0)
                children = [context.Process(target=increment, args=(number, 500)) for _ in range(4)]
                values = {
                    "int": holdfast.Value("i", 1), "double": holdfast.Value("d", 1.5),
                    "array": holdfast.Array("h", 3), "text": holdfast.Array("c", 10),
                    "raw": holdfast.RawValue("q"), "raw array": holdfast.RawArray("d", 4),
                    "own lock": holdfast.Value("i", 1, lock=holdfast.Lock()),
                }
                children.append(context.Process(target=change, args=(values,)))
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                    self.assertEqual(child.exitcode, 0)
                self.assertEqual(number.value, 2000)
                self.assertEqual(
                    [values["int"].value, values["double"].value, values["array"][:], values["text"].value,
                     values["raw"].value, values["raw array"][:], values["own lock"].value],
                    [2, 3.0, [7, 0, 0], b"changed", 5, [0.0, 8.0, 9.0, 0.0], 2])


class OthersTest(unittest.TestCase):
    def test_timeouts(self):
        """Of locks and queues, beside multiprocessing's."""
        def acquired(lock, *args, **kwds):
            answers = []
            thread = threading.Thread(target=lambda: answers.append(lock.acquire(*args, **kwds)), daemon=True)
            thread.start()
            thread.join(20)
            return answers
        for module in (multiprocessing, holdfast):
            for make in (module.Lock, module.RLock, lambda: module.Semaphore(1), lambda: module.BoundedSemaphore(1)):
                lock = make()
                with self.subTest(lock=lock), lock:
                    for args in ((True, -1), (True, -0.5), (False, 1), (False,), (True, 0)):
                        self.assertEqual(acquired(lock, *args), [False], args)
                    self.assertEqual(acquired(lock, block=False, timeout=None), [False])
                self.assertEqual(acquired(lock), [True])
            semaphore = module.Semaphore(2)
            with semaphore:
                self.assertEqual(semaphore.get_value(), 1)
            full, empty = module.Queue(1), module.Queue()
            full.put(1)
            self.assertRaises(queue.Full, full.put, 2, True, -1)
            self.assertRaises(queue.Empty, empty.get, True, -1)
            self.assertEqual(full.get(timeout=20), 1)

    def test_children(self):
        for method in support.START_METHODS:
            with self.subTest(method=method):
                context = holdfast.get_context(method)
                ours, theirs = context.Pipe()
                q, done, condition, event = context.Queue(), context.SimpleQueue(), context.Condition(), context.Event()
                barrier = context.Barrier(2)
                child = context.Process(target=work, args=(
                    q, done, context.Lock(), event, barrier, condition, context.Semaphore(), context.RLock(), theirs))
                with condition:
                    child.start()
                    self.assertEqual(q.get(timeout=20), "item")
                    barrier.wait(20)
                    self.assertTrue(condition.wait(20))
                self.assertTrue(event.wait(20))
                done.put("end")
                self.assertEqual(ours.recv(), "end")
                child.join()
                self.assertEqual(child.exitcode, 0)

    def test_queue(self):
        q = holdfast.Queue(1)
        q.put(1)
        self.assertTrue(q.full())
        with self.assertRaises(queue.Full):
            q.put(2, timeout=0.01)
        self.assertEqual(q.get(), 1)
        with self.assertRaises(queue.Empty):
            q.get(False)
        q.cancel_join_thread()
        q.close()
        q.join_thread()

    def test_one_manager(self):
        self.assertIs(shared.default_manager(), shared.default_manager())
        self.assertIs(holdfast.Lock().connection, holdfast.Queue().connection)

    def test_fork_while_another_thread_creates_the_manager(self):
        manager = holdfast.Manager()
        for lock in (shared._lock, manager._parts.lock):
            owned, forked = threading.Event(), threading.Event()

            def own():
                with lock:
                    owned.set()
                    forked.wait()

            thread = threading.Thread(target=own)
            thread.start()
            owned.wait()
            pid = os.fork()
            if pid == 0:
                os._exit(0 if lock.acquire(timeout=5) else 1)
            forked.set()
            thread.join()
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        manager.shutdown()

    def assertRaisesTheSame(self, call):
        """With multiprocessing and here: the class and the text."""
        raised = []
        for module in (multiprocessing, holdfast):
            with self.assertRaises(Exception) as caught:
                call(module)
            raised.append((type(caught.exception), str(caught.exception)))
        self.assertEqual(*raised)

    def test_releases_of_locks_that_are_not_owned(self):
        self.assertRaisesTheSame(lambda module: module.Lock().release())
        self.assertRaisesTheSame(lambda module: module.RLock().release())
        self.assertRaisesTheSame(lambda module: module.get_context("spawn").Lock().release())

        def release_elsewhere(module):
            lock = module.RLock()
            with lock, concurrent.futures.ThreadPoolExecutor(1) as other:
                raise other.submit(lock.release).exception()
        self.assertRaisesTheSame(release_elsewhere)

        def leave_twice(module):
            with module.Lock():
                pass
            module.Lock().__exit__(None, None, None)
        self.assertRaisesTheSame(leave_twice)
        self.assertTrue(pickle.loads(pickle.dumps(holdfast.Lock())).acquire())

    def test_closed_queue(self):
        for name, arguments in (("put", (1,)), ("get", ())):
            for module in (multiprocessing, holdfast):
                queue = module.Queue()
                queue.close()
                with self.assertRaisesRegex(ValueError, "^Queue <.*> is closed$"):
                    getattr(queue, name)(*arguments)
                queue.close()
                queue.join_thread()
        with self.assertRaises(ConnectionError):
            queue.qsize()

    def test_integers_that_are_too_large(self):
        manager = shared.default_manager()
        queue, semaphore = manager.Queue(), manager.Semaphore()
        for name, call in (
                ("maxsize", lambda: holdfast.Queue(2**70)), ("maxsize", lambda: manager.Queue(-2**70)),
                ("value", lambda: holdfast.Semaphore(2**64)), ("parties", lambda: holdfast.Barrier(2**70)),
                ("n", lambda: semaphore.release(2**70)), ("max", lambda: queue.get_many(2**70)),
                ("priority", lambda: queue.put(1, priority=2**70)), ("count", lambda: queue.kick(2**70)),
                ("n", lambda: holdfast.Condition().notify(2**70)),
                ("in_flight", lambda: manager.pipeline(2**70))):
            with self.subTest(name=name), self.assertRaisesRegex(
                    OverflowError, f"^'{name}' must be an integer of 64 bits$"):
                call()
        with self.assertRaises(IndexError):
            manager.list([1])[2**70]

    def test_texts_that_are_cut(self):
        """Within a character, where its second byte would be the 512th."""
        for fill in ("", "a"):
            with self.assertRaisesRegex(holdfast.InvalidArgument, "üü"):
                holdfast._core.Connection("ipc:///tmp/" + fill + 400 * "ü")

    def test_everything_of_multiprocessing_is_here(self):
        self.assertEqual([name for name in multiprocessing.__all__
                          if name != "reducer" and not hasattr(holdfast, name)], [])
        self.assertIs(holdfast.Process, multiprocessing.Process)
        self.assertEqual(holdfast.get_context("spawn").get_start_method(), "spawn")
        with holdfast.get_context("spawn").Manager() as manager:
            self.assertEqual(manager.list([1])[:], [1])


if __name__ == "__main__":
    support.main()
