"""Managers: starting, connecting, ending, named objects; one manager in many processes and threads."""
import gc
import json
import multiprocessing
import multiprocessing.managers as std
import os
import pickle
import subprocess
import sys
import threading
import unittest
import unittest.mock

import holdfast
import support
from holdfast.managers import BaseManager, SyncManager


def fill(d, first, count):
    for i in range(first, first + count):
        d[i] = i * i


def put_after(event, q):
    event.wait()
    q.put(os.getpid())


def set_attribute(namespace, value):
    namespace.seen = value


def acquire_and_end(lock):
    lock.acquire()


class StartTest(unittest.TestCase):
    def setUp(self):
        patch = unittest.mock.patch.dict(os.environ)
        patch.start()
        self.addCleanup(patch.stop)
        os.environ.pop("HOLDFAST_URL", None)

    def test_states(self):
        manager = SyncManager()
        self.assertFalse(hasattr(manager, "shutdown"))
        with self.assertRaisesRegex(AssertionError, "server not yet started"):
            manager.dict()
        manager.start()
        with self.assertRaisesRegex(multiprocessing.ProcessError, "Already started server"):
            manager.start()
        with self.assertRaisesRegex(multiprocessing.ProcessError, "Already started server"):
            manager.get_server()
        manager.shutdown()
        manager.join()
        for method in (manager.start, manager.get_server, manager.connect, manager.__enter__):
            with self.assertRaisesRegex(multiprocessing.ProcessError, "Manager has shut down"):
                method()
        with self.assertRaisesRegex(AssertionError, "server not yet started"):
            manager.dict()
        manager.shutdown()

    def test_context(self):
        with SyncManager() as manager:
            self.assertTrue(manager._process.is_alive())
            process = manager._process
        self.assertEqual(process.exitcode, 0)
        with holdfast.Manager() as manager:  # started before
            manager.list()

    def test_calls_after_the_end(self):
        manager = holdfast.Manager()
        d = manager.dict(a=1)
        manager.shutdown()
        with self.assertRaises(ConnectionError):
            d["a"]
        self.assertIn("__str__()' failed", str(d))
        with self.assertRaises(ConnectionError):
            d.update(b=1)

    def test_private_server_ends_with_the_last_that_needs_it(self):
        d = holdfast.Manager().dict(a=1)  # keeps its manager, as with multiprocessing
        process = d._manager._process
        self.assertEqual(d["a"], 1)
        del d
        gc.collect()
        self.assertFalse(process.is_alive())

    def test_two_managers_are_apart(self):
        with holdfast.Manager() as one, holdfast.Manager() as other:
            self.assertNotEqual(one.address, other.address)
            one.dict(name="same")["k"] = 1
            self.assertNotIn("k", other.dict(name="same"))
            outer = one.list([other.list([1])])  # a proxy of another server: by its address
            self.assertEqual(outer[0][0], 1)

    def test_initializer(self):
        with holdfast.Manager() as outer:
            namespace = outer.Namespace()
            manager = SyncManager()
            with self.assertRaisesRegex(TypeError, "initializer must be a callable"):
                manager.start(1)
            manager.start(set_attribute, (namespace, 5))
            self.assertEqual(namespace.seen, 5)
            manager.shutdown()

    def test_by_url(self):
        with support.server() as url:
            one = SyncManager(url)
            one.connect()
            one.dict(name="jobs")["a"] = 1
            self.assertEqual(one.address, url)
            self.assertIsNone(one._process)
            two = holdfast.Manager(url)
            self.assertEqual(two.dict(name="jobs").copy(), {"a": 1})
            os.environ["HOLDFAST_URL"] = url
            three = holdfast.Manager()
            self.assertEqual(three.address, url)
            self.assertEqual(three.find("jobs", "dict")["a"], 1)
            self.assertEqual([o["name"] for o in three.list_objects("jo")], ["jobs"])
            three.shutdown()
            self.assertEqual(two.find("jobs")["a"], 1)  # the others go on
            two.delete("jobs")
            with self.assertRaises(holdfast.Error) as caught:
                two.find("jobs")
            self.assertEqual(caught.exception.reason, "NO_SUCH_OBJECT")
            four = pickle.loads(pickle.dumps(two))
            self.assertEqual(four.address, url)
            for manager in (one, two, four):
                manager.shutdown()

    def test_server_that_was_started_anew(self):
        with support.tempfile.TemporaryDirectory() as directory:
            url = f"ipc://{directory}/sock"
            for round in range(2):
                process = subprocess.Popen([holdfast.private.program(), "--listen", url,
                                            "--ports-file", f"{directory}/ports{round}", "--log-level", "error"])
                support.until(lambda: os.path.exists(f"{directory}/ports{round}"), "the server")
                manager = holdfast.Manager(url)
                kept = manager.dict(name="d")  # of the first, it keeps the connection
                self.assertEqual(len(kept), 0)
                kept["round"] = round
                process.terminate()
                process.wait()

    def test_no_server(self):
        with self.assertRaises(ConnectionError):
            holdfast.connect("ipc:///nowhere/at/all.sock")

    def test_connect_to_what_is_no_url(self):
        with self.assertRaisesRegex(holdfast.InvalidArgument, '"127.0.0.1:4653" is no address: tls'):
            holdfast.connect("127.0.0.1:4653")

    def test_number_of_objects(self):
        with holdfast.Manager() as manager:
            self.assertEqual(manager._number_of_objects(), 0)
            d = manager.dict()
            d["inner"] = manager.list()
            self.assertEqual(manager._number_of_objects(), 2)
            pickle.dumps(d)
            del d
            self.assertEqual(manager._number_of_objects(), 0)
            self.assertIn("objects", manager._debug_info())


    def test_leaves_nothing(self):
        def use():
            with holdfast.Manager() as manager:
                objects = [manager.dict(a=1), manager.Value("d", 1), manager.Lock(), manager.Pipe(), manager.Queue()]
                self.assertEqual(objects[1].value, 1.0)
                objects[4].put(objects[:2])
                child = multiprocessing.get_context("fork").Process(target=fill, args=(objects[0], 0, 3))
                child.start()
                child.join()
                child.close()

        use()
        self.enterContext(support.own_runtime_directory())
        before = support.leftovers()
        for _ in range(5):
            use()
        self.assertEqual(support.leftovers(), before)


class EndTest(unittest.TestCase):
    PROGRAM = """
import threading, time
import holdfast
queue, lock, value, event = holdfast.Queue(), holdfast.Lock(), holdfast.Value("i"), holdfast.Event()
manager = holdfast.Manager()
lock.acquire()
other = manager.Queue()

def poll():
    while True:
        try:
            queue.get(timeout=0.001)
        except Exception:
            pass

for wait in (queue.get, lock.acquire, event.wait, lambda: value.wait(0), other.get, poll):
    threading.Thread(target=wait, daemon=True).start()
time.sleep(0.2)
print("end")
"""

    def test_daemon_threads_that_wait(self):
        """The program ends without a word about them."""
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", self.PROGRAM], capture_output=True, text=True,
                                  timeout=support.WAIT_S)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "end\n", ""))

    def test_aio_is_an_attribute(self):
        program = "import sys, holdfast; assert 'asyncio' not in sys.modules; print(holdfast.aio.connect.__module__)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertIn("holdfast.aio", done.stdout, done.stderr)


class ConnectedTest(unittest.TestCase):
    """An address as multiprocessing has them: of the manager process for registered types."""

    def test_sync_manager_with_authkey(self):
        with SyncManager(("127.0.0.1", 0), b"secret") as manager:
            manager.dict(name="d")["k"] = "v"
            other = SyncManager(manager.address, b"secret")
            other.connect()
            self.assertEqual(other.dict(name="d")["k"], "v")
            self.assertEqual(other.connection.url, manager.connection.url)
            with self.assertRaises(multiprocessing.AuthenticationError):
                SyncManager(manager.address, b"wrong").connect()

    def test_managers_of_multiprocessing(self):
        with std.SyncManager(("127.0.0.1", 0), b"secret") as manager:
            ours = SyncManager(manager.address, b"secret")
            ours.connect()
            d = ours.dict(a=1)
            self.assertIs(type(d), std.DictProxy)
            self.assertEqual(d.copy(), {"a": 1})
            with self.assertRaisesRegex(multiprocessing.ProcessError, "has no holdfastd"):
                ours.Pipe()
            del d
        with SyncManager(("127.0.0.1", 0), b"secret") as manager:
            theirs = std.SyncManager(manager.address, b"secret")
            theirs.connect()
            self.assertEqual(theirs.list([1])[:], [1])

    def test_get_server(self):
        program = "\n".join([
            "from holdfast.managers import SyncManager",
            "class Manager(SyncManager): pass",
            "numbers = [1, 2]",
            "from holdfast.managers import ListProxy",
            "Manager.register('numbers', lambda: numbers, ListProxy)",
            "server = Manager(('127.0.0.1', 0), b'k').get_server()",
            "print(server.address[1], flush=True)",
            "server.serve_forever()"])
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (child.kill(), child.wait(), child.stdout.close()))

        class Manager(SyncManager):
            pass
        Manager.register("numbers", proxytype=holdfast.managers.ListProxy)
        manager = Manager(("127.0.0.1", int(child.stdout.readline())), b"k")
        manager.connect()
        numbers = manager.numbers()
        numbers.append(3)
        self.assertEqual(manager.numbers()[:], [1, 2, 3])
        self.assertEqual(manager.list([4])[:], [4])


class ProcessesTest(unittest.TestCase):
    def check(self, manager, method):
        context = multiprocessing.get_context(method)
        d, event, q = manager.dict(), manager.Event(), manager.Queue()
        processes = [context.Process(target=fill, args=(d, 10 * i, 10)) for i in range(3)]
        waiting = context.Process(target=put_after, args=(event, q))
        for process in [*processes, waiting]:
            process.start()
        fill(d, 100, 10)  # at once in the parent
        for process in processes:
            process.join()
        self.assertEqual(d.copy(), {i: i * i for i in (*range(30), *range(100, 110))})
        event.set()
        self.assertEqual(q.get(timeout=20), waiting.pid)
        waiting.join()
        self.assertEqual([p.exitcode for p in [*processes, waiting]], [0] * 4)

    def test_all_start_methods(self):
        with holdfast.Manager() as manager:
            for method in support.START_METHODS:
                with self.subTest(method=method):
                    self.check(manager, method)

    def test_all_start_methods_over_tcp(self):
        with support.server() as url, holdfast.Manager(url) as manager:
            for method in support.START_METHODS:
                with self.subTest(method=method):
                    self.check(manager, method)

    def test_lock_of_a_process_that_ended_cleanly_stays_owned(self):
        with holdfast.Manager() as manager:
            for method in support.START_METHODS:
                with self.subTest(method=method):
                    lock = manager.Lock()
                    process = multiprocessing.get_context(method).Process(target=acquire_and_end, args=(lock,))
                    process.start()
                    process.join()
                    self.assertFalse(lock.acquire(timeout=0.1))
                    lock.release()

    def test_parent_drops_its_proxy_before_the_child_uses_it(self):
        with holdfast.Manager() as manager:
            for method in support.START_METHODS:
                with self.subTest(method=method):
                    context = multiprocessing.get_context(method)
                    kept, event = manager.Queue(), manager.Event()
                    box = manager.list([manager.Queue()])
                    process = context.Process(target=put_after, args=(event, box))
                    del process
                    inner = manager.Queue()
                    process = context.Process(target=put_after, args=(event, inner))
                    kept.put(inner)
                    process.start()
                    del inner
                    gc.collect()
                    event.set()
                    process.join()
                    self.assertEqual(process.exitcode, 0)
                    self.assertEqual(kept.get().get(timeout=20), process.pid)

    def test_threads(self):
        with holdfast.Manager() as manager:
            d = manager.dict()
            threads = [threading.Thread(target=fill, args=(d, 100 * i, 100)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(d), 800)


class NamesTest(unittest.TestCase):
    def test_every_kind(self):
        with holdfast.Manager() as manager:
            for make, change, look in (
                    (lambda: manager.dict(name="d"), lambda o: o.update(a=1), lambda o: o["a"] == 1),
                    (lambda: manager.list(name="l"), lambda o: o.append(1), lambda o: o[:] == [1]),
                    (lambda: manager.set(name="s"), lambda o: o.add(1), lambda o: 1 in o),
                    (lambda: manager.Queue(5, name="q"), lambda o: o.put(1), lambda o: o.qsize() == 1),
                    (lambda: manager.JoinableQueue(name="j"), lambda o: o.put(1), lambda o: o.get() == 1),
                    (lambda: manager.Namespace(name="n"), lambda o: setattr(o, "a", 1), lambda o: o.a == 1),
                    (lambda: manager.Value("i", 0, name="v"), lambda o: o.set(7), lambda o: o.value == 7),
                    (lambda: manager.Array("i", [0], name="a"), lambda o: o.__setitem__(0, 7), lambda o: o[0] == 7),
                    (lambda: manager.RawValue("i", 0, name="rv"), lambda o: o.set(7), lambda o: o.value == 7),
                    (lambda: manager.RawArray("i", 1, name="ra"), lambda o: o.__setitem__(0, 7), lambda o: o[0] == 7),
                    (lambda: manager.Lock(name="k"), lambda o: o.acquire(), lambda o: not o.acquire(False)),
                    (lambda: manager.RLock(name="r"), lambda o: o.acquire(), lambda o: o.release() is None),
                    (lambda: manager.Semaphore(1, name="m"), lambda o: o.acquire(), lambda o: not o.acquire(False)),
                    (lambda: manager.BoundedSemaphore(1, name="b"), lambda o: o.acquire(), lambda o: o.release() is None),
                    (lambda: manager.Event(name="e"), lambda o: o.set(), lambda o: o.is_set()),
                    (lambda: manager.Condition(name="c"), lambda o: o.acquire(), lambda o: o.notify() is None),
                    (lambda: manager.Barrier(2, name="x"), lambda o: o.abort(), lambda o: o.broken)):
                first = make()
                change(first)
                del first
                with self.subTest(object=str(make())):
                    self.assertTrue(look(make()))

    def test_errors_of_every_class(self):
        class Unforeseen(Exception):
            def __init__(self, one, two):
                super().__init__(one)

        def fail(error):
            raise error
            yield

        manager = holdfast.Manager()
        self.addCleanup(manager.shutdown)
        errors = (TypeError("x"), UnicodeDecodeError("ascii", b"a", 0, 1, "x"), Unforeseen(1, 2),
                  OSError(2, "x"), subprocess.CalledProcessError(1, "x"), json.JSONDecodeError("x", "y", 0))
        for error in errors:
            for create in (manager.list, manager.dict, manager.set):
                with self.subTest(error=error, create=create):
                    with self.assertRaises(type(error)) as caught:
                        create(fail(error))
                    self.assertIsInstance(caught.exception, std.RemoteError)
                    self.assertIn("Traceback", str(caught.exception))
                    if type(error) is not Unforeseen:  # which is local to this function
                        copy = pickle.loads(pickle.dumps(caught.exception))
                        self.assertIs(type(copy), type(caught.exception))
                        self.assertEqual(str(copy), str(caught.exception))

    def test_entries_called_name(self):
        with holdfast.Manager() as manager:
            self.assertEqual(manager.dict(name="Bob", age=5).copy(), {"name": "Bob", "age": 5})
            self.assertEqual(manager.dict({"a": 1}, name="Bob").copy(), {"a": 1, "name": "Bob"})
            self.assertEqual(manager.dict(name=5).copy(), {"name": 5})
            self.assertEqual(str(manager.Namespace(name="Bob", age=5)), "Namespace(age=5, name='Bob')")
            self.assertEqual(manager.list_objects(), [])


class BeyondTest(unittest.TestCase):
    """What multiprocessing's managers lack; in depth: the tests of the extension."""

    @classmethod
    def setUpClass(cls):
        cls.manager = holdfast.Manager()

    @classmethod
    def tearDownClass(cls):
        cls.manager.shutdown()

    def test_pipeline(self):
        d = self.manager.dict(a=1)
        with self.manager.pipeline() as pipeline:
            d["b"] = 2
            found = d.get("a")
            d.add("a", 10)
        self.assertEqual((found.result(), [call.result() for call in pipeline.results]), (1, [None, 1, 11]))
        self.assertEqual(d.copy(), {"a": 11, "b": 2})

    def test_transaction(self):
        accounts, q = self.manager.dict(a=5, b=0), self.manager.Queue()
        with self.manager.transaction() as transaction:
            transaction.require_equal(accounts, "a", 5)
            accounts.add("a", -5)
            accounts.add("b", 5)
            q.put("done")
        self.assertEqual((accounts.copy(), q.qsize()), ({"a": 0, "b": 5}, 1))
        with self.assertRaises(holdfast.ConditionNotMet):
            with self.manager.transaction() as transaction:
                transaction.require_equal(accounts, "a", 5)
                q.put("not done")
        self.assertEqual(q.qsize(), 1)

    def test_oneway(self):
        items = self.manager.list()
        with self.manager.oneway():
            for i in range(100):
                items.append(i)
        self.assertEqual(self.manager.flush(10)["failed"], 0)
        self.assertEqual(items[:], list(range(100)))

    def test_wait(self):
        q, event, lock = self.manager.Queue(), self.manager.Event(), self.manager.Lock()
        lock.acquire()
        self.assertEqual(self.manager.wait([q, event, lock], 0.01), (None, None))
        q.put("item")
        found, item = self.manager.wait([event, q], 5)
        self.assertIs(found, q)
        self.assertEqual(item, "item")
        self.assertEqual([owned["id"] for owned in self.manager.list_locks()], [lock.id])
        lock.release()


class BaseManagerTest(unittest.TestCase):
    def test_is_multiprocessings(self):
        self.assertTrue(issubclass(BaseManager, std.BaseManager))
        self.assertTrue(issubclass(SyncManager, BaseManager))
        self.assertEqual(set(std.__all__) - set(holdfast.managers.__all__), set())


if __name__ == "__main__":
    support.main()
