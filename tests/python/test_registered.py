"""Registered types live in a process of the standard library's manager server, behind the same manager."""
import multiprocessing
import multiprocessing.managers as std
import operator
import os
import queue
import unittest

import holdfast
import support
from holdfast.managers import BaseManager, BaseProxy, DictProxy, ListProxy, QueueProxy, SetProxy, SyncManager


class Counter:
    def __init__(self, start=0):
        self.count = start

    def add(self, n=1):
        self.count += n
        return self.count

    def _hidden(self):
        return "hidden"

    def pid(self):
        return os.getpid()

    def fail(self):
        raise LookupError("failed")

    def remember(self, d):
        d["remembered"] = self.count


class CounterProxy(BaseProxy):
    _exposed_ = ("add", "_hidden")

    def add_twice(self, n):
        self._callmethod("add", (n,))
        return self._callmethod("add", (n,))


class LoudDict(DictProxy):
    """With super(), and a method of its own that calls one."""

    def __setitem__(self, key, value):
        super().__setitem__(key, str(value).upper())

    def twice(self, key):
        return 2 * self._callmethod("get", (key,))


def numbers():
    yield from range(3)


shared_dict, shared_list, shared_queue = {"from": "server"}, [1], queue.Queue()


class Manager(SyncManager):
    pass


class Base(BaseManager):
    pass


for cls in (Manager, Base):
    cls.register("Counter", Counter)
    cls.register("HiddenCounter", Counter, CounterProxy)
    cls.register("get_dict", lambda: shared_dict, DictProxy)
    cls.register("get_list", lambda: shared_list, ListProxy)
    cls.register("get_loud", dict, LoudDict)
    cls.register("get_queue", lambda: shared_queue, QueueProxy)
    cls.register("get_set", set, SetProxy)
    cls.register("numbers", numbers, holdfast.managers.IteratorProxy)
    cls.register("get_ops", lambda: operator, exposed=("add", "mul"))


def use_in_child(proxy, q):
    q.put(proxy.add(5))


class RegisteredTest(unittest.TestCase):
    def common(self, manager):
        counter = manager.Counter(5)
        self.assertEqual(counter.add(), 6)
        self.assertEqual(counter.add(n=2), 8)
        self.assertNotEqual(counter.pid(), os.getpid())
        self.assertFalse(hasattr(counter, "_hidden"))
        with self.assertRaises(LookupError):
            counter.fail()
        with self.assertRaises(std.RemoteError):
            counter._callmethod("_hidden")
        hidden = manager.HiddenCounter()
        self.assertIs(type(hidden), CounterProxy)
        self.assertEqual((hidden.add_twice(3), hidden._callmethod("_hidden")), (6, "hidden"))
        self.assertEqual(manager.get_dict().copy(), {"from": "server"})
        manager.get_list().append(2)
        self.assertEqual(manager.get_list()[:], [1, 2])
        manager.get_queue().put("item")
        self.assertEqual(manager.get_queue().get(timeout=1), "item")
        self.assertEqual(manager.get_set([1, 2]).union({3}), {1, 2, 3})
        self.assertEqual(list(manager.numbers()), [0, 1, 2])
        self.assertEqual(manager.get_ops().mul(3, 4), 12)
        loud = manager.get_loud(a="x")
        loud["k"] = "v"
        self.assertEqual((loud["k"], loud.twice("a"), loud.copy()), ("V", "xx", {"a": "x", "k": "V"}))
        box = manager.get_list()
        box.append(loud)
        self.assertEqual(box[-1].twice("a"), "xx")
        with multiprocessing.get_context("fork").Pool(1) as pool:
            self.assertEqual(pool.apply(use_in_child_pool, (counter,)), 13)

    def test_sync_manager(self):
        with Manager() as manager:
            self.common(manager)
            d = manager.dict()
            manager.Counter(7).remember(d)
            self.assertEqual(d["remembered"], 7)
            python = manager._parts.python._process
            self.assertIn(python, multiprocessing.active_children())
        self.assertFalse(python.is_alive())

    def test_base_manager(self):
        with Base() as manager:
            self.common(manager)
            self.assertIn(manager._process, multiprocessing.active_children())

    def test_by_url(self):
        with support.server() as url, Manager(url) as manager:
            self.common(manager)

    def test_started_when_first_needed(self):
        with holdfast.Manager() as manager:
            manager.dict()
            self.assertIsNone(manager._parts.python)
            with manager.Pool(2) as pool:
                self.assertIsNotNone(manager._parts.python)
                self.assertEqual(pool.map(abs, [-1, 2]), [1, 2])
                self.assertEqual(list(pool.imap(abs, [-3])), [3])
                self.assertEqual(pool.apply_async(abs, (-4,)).get(), 4)
                results = manager.list()
                pool.map_async(int, ["1"], callback=results.append).wait()
                self.assertEqual(results[:], [[1]])

    def test_children_share_them(self):
        with Manager() as manager:
            q = manager.Queue()
            for method in support.START_METHODS:
                with self.subTest(method=method):
                    counter = manager.Counter()
                    child = multiprocessing.get_context(method).Process(target=use_in_child, args=(counter, q))
                    child.start()
                    self.assertEqual(q.get(timeout=20), 5)
                    child.join()
                    self.assertEqual(counter.add(0), 5)

    def test_overrides_a_type_of_its_own(self):
        class Other(SyncManager):
            pass
        Other.register("dict", Counter)
        with Other() as manager:
            self.assertEqual(manager.dict(1).add(), 2)
            self.assertEqual(manager.list([1])[:], [1])


def use_in_child_pool(counter):
    return counter.add(5)


if __name__ == "__main__":
    support.main()
