"""The extension's connections, objects of any kind, and namespaces."""
import gc
import os
import pickle
import signal
import sys
import threading
import time
import unittest
import weakref

import support
from core_case import CoreCase
from holdfast import _core


class Connections(CoreCase):
    def test_attributes(self):
        connection = self.connection
        self.assertEqual(self.url, connection.url)
        self.assertFalse(connection.closed)
        self.assertIn(connection.path, ("shared memory", "ipc"))
        self.assertEqual(connection.path == "shared memory", connection.path_reason == "")
        self.assertGreater(connection.ping(), 0)
        info = connection.server_info()
        self.assertEqual({}, info["users"])
        self.assertEqual(0, info["users_left_out"])
        self.assertEqual({"version", "uptime", "sessions", "objects", "waiting", "requests", "duplicates",
                          "connections", "deadlocks", "memory_bytes", "memory_bytes_max", "memory", "users",
                          "users_left_out", "journal"}, set(info))
        self.assertGreaterEqual(info["connections"], 1)
        self.assertIn(self.url, repr(connection))

    def test_bad_arguments(self):
        for args, kwargs, error in [
                (("nonsense",), {}, ValueError), ((5,), {}, TypeError), (("tcp://127.0.0.1:1",), {"call_timeout": 0.2},
                ConnectionError), ((self.url,), {"call_timeout": 0}, ValueError), ((self.url,), {"grace": -1},
                ValueError), ((self.url,), {"client": 5}, TypeError), ((self.url,), {"colour": 5}, TypeError),
                ((self.url, 5), {}, TypeError), (("tcp://a\0b",), {}, ValueError),
                ((self.url,), {"call_timeout": "x"}, TypeError), ((self.url,), {"grace": float("nan")}, ValueError)]:
            with self.subTest(args=args, **kwargs), self.assertRaises(error):
                _core.Connection(*args, **kwargs)

    def test_the_default_is_the_environments(self):
        os.environ["HOLDFAST_URL"] = self.url
        try:
            with _core.Connection() as connection:
                self.assertEqual(self.url, connection.url)
            with _core.Connection(None, client="me", grace=1, call_timeout=5.5) as connection:
                lock = _core.Lock(connection)
                lock.acquire()
                self.assertEqual("me", connection.list_locks()[0]["owner"]["client"])
                self.assertTrue(lock.info()["locked"])
                lock.release()
                self.assertRaises(TypeError, connection.__init__, self.url)
        finally:
            del os.environ["HOLDFAST_URL"]

    def test_close(self):
        connection = _core.Connection(self.url)
        shared = _core.Dict(connection)
        connection.close()
        connection.close()
        self.assertTrue(connection.closed)
        self.assertTrue(shared.closed)
        for call in (connection.ping, connection.server_info, shared.copy, lambda: shared["k"], lambda: shared.id,
                     lambda: _core.Dict(connection), connection.cancel, lambda: connection.path,
                     lambda: connection.open("dict", 1), lambda: connection.find("x")):
            with self.assertRaises(_core.Closed):
                call()
        shared.close()

    def test_unused_connections_close_themselves(self):
        before = self.connection.server_info()["sessions"]
        connection = _core.Connection(self.url)
        seen = weakref.ref(connection)
        shared = _core.Dict(connection)
        del connection
        self.assertIsNotNone(seen())
        self.assertEqual(before + 1, self.connection.server_info()["sessions"])
        del shared
        self.assertIsNone(seen())
        support.until(lambda: self.connection.server_info()["sessions"] == before, "the session ends")

    def test_close_while_a_call_waits(self):
        connection = _core.Connection(self.url)
        shared = _core.Dict(connection)
        raised = []

        def wait():
            try:
                shared.wait("never")
            except _core.Error as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        support.until(lambda: self.connection.server_info()["waiting"] == 1, "the call waits")
        connection.close()
        self.assertTrue(connection.closed)
        self.assertRaises(_core.Closed, connection.ping)
        thread.join(support.WAIT_S)
        self.assertFalse(thread.is_alive())
        self.assertIsInstance(raised[0], _core.Cancelled)

    def test_cancel(self):
        shared = _core.Dict(self.connection)
        threading.Timer(0.1, self.connection.cancel).start()
        with self.assertRaises(_core.Cancelled) as caught:
            shared.wait("never")
        self.assertEqual(("CANCELLED", "CANCELLED"), (caught.exception.status, caught.exception.reason))
        self.assertIsNone(shared.get("k"))

    def test_calls_of_threads_run_at_once(self):
        shared = _core.Dict(self.connection)
        got = []
        waiting = [threading.Thread(target=lambda i=i: got.append(shared.wait(i))) for i in range(10)]
        for thread in waiting:
            thread.start()
        support.until(lambda: self.connection.server_info()["waiting"] == 10, "all wait")
        shared.update({i: -i for i in range(10)})
        for thread in waiting:
            thread.join(support.WAIT_S)
        self.assertEqual([-i for i in range(9, -1, -1)], sorted(got))

    def test_a_signal_handler_ends_a_wait(self):
        shared = _core.Dict(self.connection)

        def handler(_number, _frame):
            raise ZeroDivisionError

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            self.assertRaises(ZeroDivisionError, shared.wait, "never", timeout=support.WAIT_S)
            timer.join()
        finally:
            signal.signal(signal.SIGUSR1, before)
        shared["k"] = 1
        self.assertEqual(1, shared["k"])

    def test_a_forked_child_goes_on(self):
        shared = _core.Dict(self.connection)
        shared["parent"] = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                shared["child"] = shared["parent"]
                self.connection.close()
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(0, os.waitpid(child, 0)[1])
        self.assertEqual(os.getpid(), shared["child"])

    def test_a_fork_while_others_wait(self):
        """The waiting threads are not in the child, which can close all the same."""
        shared = _core.Dict(self.connection)
        thread = threading.Thread(target=shared.wait, args=("end",))
        thread.start()
        support.until(lambda: self.connection.server_info()["waiting"] == 1, "the call waits")
        for use in (lambda: None, lambda: shared.set("end", 1)):
            child = os.fork()
            if child == 0:
                try:
                    use()
                    self.connection.close()  # at once: the repr of one that is in use does not say so yet
                    os._exit(0 if shared.closed and "closed" in repr(self.connection) else 2)
                finally:
                    os._exit(1)
            self.assertEqual(0, os.waitpid(child, 0)[1])
        thread.join(support.WAIT_S)
        self.assertEqual(1, shared["end"])


class Closing(CoreCase):
    """What is in use, and by whom, when something is closed."""

    def test_what_was_opened_while_the_connection_closed_is_closed(self):
        for n in range(30):
            connection, made = _core.Connection(self.url), []

            def make(connection=connection, made=made):
                try:
                    while True:
                        made.append(_core.Dict(connection))
                except ConnectionError:
                    pass

            threads = [threading.Thread(target=make) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.002 * (n % 5))
            connection.close()
            for thread in threads:
                thread.join()
            self.assertTrue(all(proxy.closed for proxy in made))

    def test_a_view_outlives_closing_also_in_a_child(self):
        connection = _core.Connection(self.url)
        array = _core.Array(connection, "i", [5, 6])
        if not array.mapped:
            self.skipTest("no shared memory")
        view = memoryview(array)
        child = os.fork()
        if child == 0:
            try:
                connection.close()
                ok = view[1] == 6 and array.closed
                view.release()
                os._exit(0 if ok and " closed" in repr(connection) else 2)
            finally:
                os._exit(1)
        self.assertEqual(0, os.waitpid(child, 0)[1])
        array.close()
        connection.close()
        self.assertEqual([5, 6], view.tolist())
        self.assertNotIn(" closed", repr(connection))
        view.release()
        self.assertIn(" closed", repr(connection))

    def test_an_iterator_of_two_threads_keeps_its_list(self):
        for _ in range(50):
            shared = _core.List(self.connection)
            shared.extend(range(40))
            iterator, seen = iter(shared), []
            del shared
            threads = [threading.Thread(target=lambda: seen.extend(iterator)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertLessEqual(set(seen), set(range(40)))

    def test_a_proxy_is_opened_once(self):
        calls = self.connection.async_open()
        try:
            proxy = _core.Dict.__new__(_core.Dict)
            calls.begin()
            proxy.__init__(self.connection)
            proxy.__init__(self.connection)
            calls.end()
            done = []
            support.until(lambda: done.extend(calls.collect()) or len(done) == 2, "both complete")
            self.assertIs(proxy, done[0].result())
            self.assertRaises(TypeError, done[1].result)
        finally:
            calls.close()
        self.assertEqual({}, proxy.copy())

    def test_a_handler_does_not_change_the_failure(self):
        queue, shared = _core.Queue(self.connection), _core.Dict(self.connection)

        def handler(_number, _frame):
            try:
                shared["missing"]
            except KeyError:
                pass

        import queue as standard
        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        try:
            for _ in range(1000):
                self.assertRaises(standard.Empty, queue.get, False)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_only_calls_make_some_types(self):
        for name in ("Async", "Batch", "Data", "Iterator", "Pending", "Reservation"):
            kind = getattr(_core, name)
            self.assertRaises(TypeError, kind)
            self.assertRaises(TypeError, object.__new__, kind)
        bare = _core.List.__new__(_core.List)
        for call in (lambda: bare + [1], lambda: bare * 2, lambda: iter(bare), bare.sort, lambda: bare.remove([]),
                     lambda: bare.append(1), lambda: [] in bare, lambda: 1 in bare):
            self.assertRaises(ValueError, call)

    def test_other_interpreters_are_refused(self):
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            self.skipTest("no interpreters")
        other = interpreters.create()
        try:
            with self.assertRaisesRegex(Exception, "ImportError"):
                interpreters.run_string(other, "import holdfast._core")
        finally:
            interpreters.destroy(other)


class Objects(CoreCase):
    def test_attributes(self):
        for kind, make in [("dict", _core.Dict), ("list", _core.List), ("lock", _core.Lock), ("queue", _core.Queue),
                           ("event", _core.Event)]:
            anonymous, named = make(self.connection), make(self.connection, name="named " + kind)
            self.assertIs(self.connection, anonymous.connection)
            self.assertEqual(kind, anonymous.kind)
            self.assertNotEqual(anonymous.id, named.id)
            self.assertEqual((None, "named " + kind), (anonymous.name, named.name))
            info = named.info()
            self.assertEqual((named.id, kind, "named " + kind), (info["id"], info["kind"], info["name"]))
            self.assertNotEqual(anonymous, make(self.connection, name="named " + kind))
            self.assertEqual(anonymous, anonymous)
            hash(anonymous)
            self.assertRaises(TypeError, pickle.dumps, anonymous)
            named.delete()

    def test_close(self):
        before = self.connection.server_info()["objects"]
        shared = _core.Dict(self.connection)
        self.assertFalse(shared.closed)
        shared.close()
        shared.close()
        self.assertTrue(shared.closed)
        self.connection.ping()
        self.assertEqual(before, self.connection.server_info()["objects"])
        for call in (shared.copy, shared.info, shared.delete, lambda: shared.id, lambda: shared.kind):
            self.assertRaises(_core.Closed, call)

    def test_close_while_a_call_waits(self):
        shared = _core.Dict(self.connection)
        other = self.connection.open("dict", shared.id)
        got = []
        thread = threading.Thread(target=lambda: got.append(shared.wait("k")))
        thread.start()
        support.until(lambda: self.connection.server_info()["waiting"] == 1, "the call waits")
        shared.close()
        self.assertTrue(shared.closed)
        self.assertRaises(_core.Closed, shared.copy)
        other["k"] = 5
        thread.join(support.WAIT_S)
        self.assertEqual([5], got)

    def test_not_initialised(self):
        empty = _core.Dict.__new__(_core.Dict)
        for call in (empty.copy, empty.info, lambda: empty.id, lambda: empty["k"], lambda: len(empty)):
            self.assertRaises(ValueError, call)
        self.assertIsNone(empty.connection)
        self.assertTrue(empty.closed)
        bare = _core.Connection.__new__(_core.Connection)
        self.assertRaises(_core.Closed, bare.ping)
        self.assertRaises(_core.Closed, _core.Dict, bare)
        bare.close()
        repr(bare)
        self.assertRaises(TypeError, _core.Object.id.__get__, 5)

    def test_open_find_delete_list(self):
        shared = _core.Dict(self.connection)
        shared["k"] = 1
        opened = self.connection.open("dict", shared.id)
        self.assertEqual({"k": 1}, opened.copy())
        self.assertIsNone(opened.name)
        missing = shared.id
        shared.close()
        opened.close()
        self.assertRaises(_core.ObjectDeleted, self.connection.open, "dict", missing)
        for args in [("nothing", 1), ("dict",), ("dict", -1), ("dict", 2**64), ("dict", "x"), (1, 1)]:
            self.assertRaises((ValueError, TypeError, OverflowError), self.connection.open, *args)
        named = _core.List(self.connection, "prefix/a")
        also = _core.Dict(self.connection, "prefix/b")
        found = self.connection.find("prefix/a")
        self.assertEqual((named.id, "prefix/a", "list"), (found.id, found.name, found.kind))
        self.assertEqual(also.id, self.connection.find(name="prefix/b", kind="dict").id)
        self.assertRaises(ValueError, self.connection.find, "prefix/b", "list")
        self.assertRaises(_core.ObjectDeleted, self.connection.find, "nothing")
        names = [item["name"] for item in self.connection.list_objects("prefix/")]
        self.assertEqual(["prefix/a", "prefix/b"], names)
        self.assertEqual(["prefix/b"], [item["name"] for item in self.connection.list_objects(prefix="prefix/",
                                                                                              kind="dict")])
        self.assertEqual(2, len(self.connection.list_objects()))
        self.assertIsNone(self.connection.delete("prefix/a"))
        self.assertRaises(_core.ObjectDeleted, self.connection.delete, "prefix/a")
        self.assertRaises(_core.ObjectDeleted, named.append, 1)
        also.delete()

    def test_deletion_ends_waits(self):
        shared = _core.Dict(self.connection)
        threading.Timer(0.05, shared.delete).start()
        with self.assertRaises(_core.ObjectDeleted) as caught:
            shared.wait("k")
        self.assertEqual(("ABORTED", "OBJECT_DELETED"), (caught.exception.status, caught.exception.reason))

    def test_cycles_are_collected(self):
        class Sub(_core.Dict):
            pass

        proxy = Sub(self.connection)
        proxy.itself = proxy
        seen = weakref.ref(proxy)
        del proxy
        gc.collect()
        self.assertIsNone(seen())

    def test_exceptions(self):
        for name, base in [("Unavailable", ConnectionError), ("SessionEnded", ConnectionError),
                           ("Closed", ConnectionError), ("DeadlineExceeded", TimeoutError),
                           ("MemoryFull", MemoryError), ("InvalidArgument", ValueError), ("Cancelled", Exception),
                           ("ObjectDeleted", Exception), ("TokenStale", Exception), ("Deadlock", Exception),
                           ("ConditionNotMet", Exception)]:
            kind = getattr(_core, name)
            self.assertTrue(issubclass(kind, _core.Error) and issubclass(kind, base), name)
            self.assertEqual(("", ""), (kind.status, kind.reason))
        try:
            self.connection.find("nothing")
        except _core.Error as error:
            back = pickle.loads(pickle.dumps(error))
            self.assertIs(type(error), type(back))
            self.assertEqual((error.args, error.status, error.reason), (back.args, back.status, back.reason))
            self.assertEqual("NO_SUCH_OBJECT", back.reason)


class Namespaces(CoreCase):
    def test_names_that_are_no_text(self):
        space = _core.Namespace(self.connection)
        for call in (lambda: space.__setattr__(5, 1), lambda: space.__delattr__(b"x"),
                     lambda: type(space).__getattribute__(space, 5)):
            with self.assertRaisesRegex(TypeError, "attribute name must be string"):
                call()

    def test_attributes(self):
        space = _core.Namespace(self.connection)
        space.x = 1
        space.y = [2]
        space.name = space.id = space.list = space.close = "users' names are free"
        space.ä = None
        self.assertEqual((1, [2], None, "users' names are free"), (space.x, space.y, space.ä, space.list))
        self.assertEqual(["x", "y", "name", "id", "list", "close", "ä"], _core.Namespace.list(space))
        del space.x
        for call in (lambda: space.x, lambda: delattr(space, "x"), lambda: _core.Namespace.get(space, "x")):
            with self.assertRaisesRegex(AttributeError, "'Namespace' object has no attribute 'x'"):
                call()
        self.assertFalse(hasattr(space, "x"))
        self.assertEqual(5, getattr(space, "x", 5))
        self.assertEqual([2], _core.Namespace.get(space, "y"))
        _core.Namespace.set(space, "x", 7)
        self.assertEqual(7, space.x)
        _core.Namespace.delete(space, "x")
        self.assertEqual("namespace", _core.Object.kind.__get__(space))
        with self.assertRaises(AttributeError):
            space._local = 1  # no __dict__

    def test_local_names_of_subclasses(self):
        class Sub(_core.Namespace):
            pass

        space = Sub(self.connection, name="space")
        space._local = 1
        self.assertEqual(1, space._local)
        self.assertEqual([], _core.Namespace.list(space))
        self.assertRaises(AttributeError, getattr, space, "_missing")
        _core.Object.delete(space)

    def test_strange_names(self):
        space = _core.Namespace(self.connection)
        for name in ("a\0b", "", "\ud800"):
            with self.assertRaises((ValueError, AttributeError)):
                setattr(space, name, 1)
        self.assertEqual([], _core.Namespace.list(space))


if __name__ == "__main__":
    unittest.main()
