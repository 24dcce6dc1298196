"""Proxies travel in pickles: through processes, containers on the server, and files."""
import gc
import multiprocessing
import pickle
import threading
import time
import unittest
import unittest.mock

import holdfast
import support
from holdfast import pickles


def echo(connection):
    for name, obj in iter(connection.recv, None):
        connection.send((name, type(obj).__name__, obj))


def read(pipe, q):
    q.put(pipe.recv())
    pipe.send("answer")
    pipe.close()


class Letter:
    """Has its own pickle of what is in it, which may be opened at any time."""

    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return Letter, (pickle.dumps(self.content),)


class PicklesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manager = holdfast.Manager()

    @classmethod
    def tearDownClass(cls):
        cls.manager.shutdown()

    def make_all(self):
        manager = self.manager
        return {
            "dict": manager.dict(a=1), "list": manager.list([1]), "set": manager.set([1]),
            "queue": manager.Queue(), "joinable": manager.JoinableQueue(), "namespace": manager.Namespace(a=1),
            "value": manager.Value("i", 1), "any": manager.Value(str, "a"), "array": manager.Array("i", [1]),
            "lock": manager.Lock(), "rlock": manager.RLock(), "semaphore": manager.Semaphore(1),
            "bounded": manager.BoundedSemaphore(1), "event": manager.Event(), "condition": manager.Condition(),
            "barrier": manager.Barrier(2), "action": manager.Barrier(2, len, 3.0),
            "raw value": manager.RawValue("d", 1.0), "raw array": manager.RawArray("c", b"text"),
            "pipe": manager.Pipe()[1],
        }

    def test_every_kind_in_this_process(self):
        for name, proxy in self.make_all().items():
            with self.subTest(kind=name):
                other = pickle.loads(pickle.dumps(proxy))
                self.assertIs(type(other), type(proxy))
                self.assertEqual(other._id, proxy._id)
                self.assertIs(other.connection if name != "namespace" else self.manager.connection,
                              self.manager.connection)
        action = pickle.loads(pickle.dumps(self.manager.Barrier(2, len, 3.0)))
        self.assertEqual((action.action, action.timeout), (len, 3.0))

    def test_pickle_within_a_reduction(self):
        for name, proxy in self.make_all().items():
            with self.subTest(kind=name):
                letters = self.manager.list([[proxy, Letter(proxy)]])
                beside, letter = letters[0]
                inner = pickle.loads(letter.content)
                self.assertEqual((beside._id, inner._id), (proxy._id, proxy._id))
                self.assertIs(type(inner), type(proxy))

    def test_every_kind_in_other_processes(self):
        for method in support.START_METHODS:
            context = multiprocessing.get_context(method)
            ours, theirs = context.Pipe()
            child = context.Process(target=echo, args=(theirs,))
            child.start()
            for name, proxy in self.make_all().items():
                with self.subTest(method=method, kind=name):
                    ours.send((name, proxy))
                    answered, cls, other = ours.recv()
                    self.assertEqual((answered, cls, other._id), (name, type(proxy).__name__, proxy._id))
            ours.send(None)
            child.join()
            self.assertEqual(child.exitcode, 0)
            ours.close()
            theirs.close()

    def test_every_kind_through_a_container(self):
        q = self.manager.Queue()
        for name, proxy in self.make_all().items():
            with self.subTest(kind=name):
                id, cls = proxy._id, type(proxy)
                q.put([{name: proxy}])
                del proxy
                gc.collect()
                other = q.get()[0][name]
                self.assertEqual((other._id, type(other)), (id, cls))

    def test_kept_until_it_is_opened(self):
        data = pickle.dumps(self.manager.list([5]))
        gc.collect()
        self.assertEqual(pickle.loads(data)[:], [5])
        data = pickle.dumps(self.manager.list([5]))
        pickles.forget_kept()
        gc.collect()
        with self.assertRaises(holdfast.Error) as caught:
            pickle.loads(data)
        self.assertEqual(caught.exception.reason, "NO_SUCH_OBJECT")

    def test_kept_ones_are_bounded(self):
        with unittest.mock.patch.object(pickles, "KEPT_SECONDS", 0):
            pickle.dumps(self.manager.list())
            pickle.dumps(self.manager.list())
            self.assertEqual(len(self.manager._kept), 1)
        d = self.manager.dict()
        for _ in range(pickles.KEPT_MAX + 5):
            pickle.dumps(d)
        self.assertEqual(len(self.manager._kept), pickles.KEPT_MAX)
        pickles.forget_kept()
        self.assertEqual(len(self.manager._kept), 0)

    def test_kept_ones_of_threads(self):
        errors = []

        def pickle_many():
            try:
                for _ in range(200):
                    pickle.dumps(self.manager.list())
            except Exception as error:
                errors.append(error)

        with unittest.mock.patch.object(pickles, "KEPT_SECONDS", 0):
            threads = [threading.Thread(target=pickle_many) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(errors, [])

    def test_kept_ones_keep_no_private_server(self):
        manager = holdfast.Manager()
        server = manager._process
        pickle.dumps(manager.list())
        del manager
        gc.collect()
        support.until(lambda: not server.is_alive(), "the server's end")

    def test_opaque_values_of_other_languages(self):
        d = self.manager.dict()
        d["x"] = holdfast.Opaque("msgpack", b"\x81")
        self.assertEqual((d["x"].codec, d["x"].data), ("msgpack", b"\x81"))

    def settle(self):
        """The number of objects when those are freed that earlier tests have dropped."""
        count = -1
        while (last := self.manager._number_of_objects()) != count:
            count = last
            gc.collect()
            time.sleep(0.05)
        return count

    def test_references_in_a_pickle_are_counted(self):
        before = self.settle()
        q = self.manager.Queue()
        q.put({"inner": [self.manager.list()]})
        self.assertEqual(self.manager._number_of_objects(), before + 2)
        q.get()
        gc.collect()
        self.assertEqual(self.manager._number_of_objects(), before + 1)


class PipesTest(unittest.TestCase):
    def check(self, manager):
        for method in support.START_METHODS:
            with self.subTest(method=method):
                ours, theirs = manager.Pipe()
                q = manager.Queue()
                child = multiprocessing.get_context(method).Process(target=read, args=(theirs, q))
                child.start()
                theirs.close()
                ours.send(["question"])
                self.assertEqual(q.get(timeout=20), ["question"])
                self.assertEqual(ours.recv(), "answer")
                with self.assertRaises(EOFError):
                    ours.recv()
                child.join()
                self.assertEqual(child.exitcode, 0)

    def test_in_children(self):
        with holdfast.Manager() as manager:
            self.check(manager)

    def test_in_children_over_tcp(self):
        with support.server() as url, holdfast.Manager(url) as manager:
            self.check(manager)

    def test_dropped_without_close(self):
        with holdfast.Manager() as manager:
            q = manager.Queue()
            ours, theirs = manager.Pipe()
            q.put([theirs])
            del theirs
            gc.collect()
            ours.send("question")
            theirs = q.get()[0]
            self.assertEqual(theirs.recv(), "question")
            del theirs
            with self.assertRaises(EOFError):
                ours.recv()

    def test_dropped_when_a_child_has_it(self):
        for method in support.START_METHODS:
            with self.subTest(method=method), holdfast.Manager() as manager:
                ours, theirs = manager.Pipe()
                q = manager.Queue()
                child = multiprocessing.get_context(method).Process(target=read, args=(theirs, q))
                child.start()
                del theirs
                ours.send("question")
                self.assertEqual(ours.recv(), "answer")
                with self.assertRaises(EOFError):
                    ours.recv()
                child.join()

    def test_connections_methods(self):
        with holdfast.Manager() as manager:
            receiver, sender = manager.Pipe(duplex=False)
            self.assertEqual((receiver.readable, receiver.writable, sender.readable, sender.writable),
                             (True, False, False, True))
            sender.send_bytes(b"0123456789", 2, 3)
            self.assertTrue(receiver.poll())
            self.assertEqual(receiver.recv_bytes(), b"234")
            sender.send_bytes(bytearray(b"abc"))
            buffer = bytearray(5)
            self.assertEqual(receiver.recv_bytes_into(buffer, 1), 3)
            self.assertEqual(buffer, b"\0abc\0")
            sender.send_bytes(b"abc")
            with self.assertRaises(multiprocessing.BufferTooShort):
                receiver.recv_bytes_into(bytearray(2))
            for arguments in ((b"abc", -1), (b"abc", 4), (b"abc", 0, 4), (b"abc", 1, -1)):
                with self.assertRaises(ValueError):
                    sender.send_bytes(*arguments)
            self.assertFalse(receiver.poll(0.01))
            with self.assertRaises(OSError):
                receiver.send(1)
            with self.assertRaises(OSError):
                receiver.fileno()
            with sender:
                sender.send(5)
            self.assertTrue(sender.closed)
            self.assertEqual(receiver.recv(), 5)
            with self.assertRaises(EOFError):
                receiver.recv()
            with self.assertRaises(OSError):
                sender.send(5)
            sender.close()

    def test_end_that_is_pickled_often(self):
        """It does not remember every pickle, nor do the objects on the server grow in number."""
        manager = holdfast.Manager()
        self.addCleanup(manager.shutdown)
        near, far = manager.Pipe()
        objects = manager._number_of_objects()
        copies = [pickle.loads(pickle.dumps(near)) for _ in range(500)]
        self.assertEqual({each._id for each in copies}, {near._id})
        gc.collect()
        self.assertLessEqual(len(near._handovers), 16)
        support.until(lambda: manager._number_of_objects() <= objects + 20, "they are freed")
        with unittest.mock.patch("holdfast.pipes.KEPT_SECONDS", 0):
            for _ in range(100):
                pickle.dumps(far)
        self.assertLessEqual(len(far._handovers), 16)


if __name__ == "__main__":
    support.main()
