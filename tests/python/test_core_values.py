"""How the extension stores Python objects, and gets them back."""
import enum
import gc
import os
import pickle
import struct
import threading
import tracemalloc
import unittest
from collections import namedtuple
from fractions import Fraction

from core_case import CoreCase
from holdfast import _core

DEPTH_MAX = 12  # of typed tuples
Point = namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


class Unpicklable:
    def __reduce__(self):
        raise ZeroDivisionError("no pickle")


class BreaksLater:
    """Its pickle can't be read."""

    def __reduce__(self):
        return (int, ("not a number",))


def nested(depth):
    value = ()
    for _ in range(depth - 1):
        value = (value,)
    return value


class Values(CoreCase):
    TYPED = [None, True, False, 0, 1, -1, 255, 2**31, -2**31 - 1, 2**63 - 1, -2**63, 2**63, 2**64 - 1, 0.0,
             -0.0, 1.5, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), "", "a", "äöü", "\0",
             "a\0b", "\U0001f600", "\uffff", "x" * 70_000, b"", b"\0", bytes(range(256)), b"x" * 70_000, (),
             (1,), (None, True, 1, 2.5, "t", b"b", (), ((),)), nested(DEPTH_MAX), (1,) * 1000]
    PICKLED = [2**64, -2**63 - 1, 2**1000, "\ud800", "a\udcffb", nested(DEPTH_MAX + 1), nested(100), [], [1],
               {"a": [1, (2,)]}, {1, 2}, frozenset([1]), bytearray(b"x" * 100), 1j, range(3), Fraction(1, 3),
               Colour.RED, Text("t"), Point(1, "y"), (1, [2]), ((1, (2, {3})), 4), int, len, Ellipsis,
               ("\ud800",), (2**64,), [b"x" * 200_000], bytearray(200_000)]

    def setUp(self):
        self.shared = _core.Dict(self.connection)

    def returned(self, value):
        self.shared["k"] = value
        return self.shared["k"]

    def test_all_types_come_back_equal_and_of_their_type(self):
        for value in self.TYPED + self.PICKLED:
            with self.subTest(value=repr(value)[:60]):
                back = self.returned(value)
                self.assertIs(type(value), type(back))
                self.assertEqual(value, back)
                if isinstance(value, float):
                    self.assertEqual(struct.pack("d", value), struct.pack("d", back))
                if isinstance(value, tuple):
                    self.assertEqual([type(item) for item in value], [type(item) for item in back])

    def test_nan(self):
        back = self.returned(float("nan"))
        self.assertNotEqual(back, back)

    def test_only_the_typed_are_sent_typed(self):
        calls = []

        def dumps(value, connection):
            self.assertIs(self.connection, connection)
            calls.append(value)
            return pickle.dumps(value, 5)

        before = _core_codec()
        _core.set_codec(dumps, pickle.loads)
        try:
            for value in self.TYPED:
                self.returned(value)
            self.assertEqual([], calls)
            for value in self.PICKLED:
                self.returned(value)
            self.assertEqual(len(self.PICKLED), len(calls))
            for wanted, called in zip(self.PICKLED, calls):
                self.assertIs(wanted, called)
        finally:
            _core.set_codec(*before)

    def test_what_can_not_be_pickled_fails_before_anything_is_sent(self):
        before = self.connection.server_info()["requests"]
        calls = [lambda value: self.shared.__setitem__("k", value), lambda value: self.shared.update(k=value),
                 lambda value: self.shared.setdefault("k", value), lambda value: self.shared.add("k", value)]
        values = [(ZeroDivisionError, Unpicklable()), (TypeError, threading.Lock()),
                  ((pickle.PicklingError, AttributeError), lambda: None), (ZeroDivisionError, [1, Unpicklable()]),
                  (ZeroDivisionError, (1, (2, Unpicklable())))]
        for call in calls:
            for error, value in values:
                self.assertRaises(error, call, value)
        self.assertLess(self.connection.server_info()["requests"] - before, len(calls) * len(values) // 2)
        self.assertEqual({}, self.shared.copy())

    def test_a_pickle_that_can_not_be_read(self):
        self.shared["k"] = BreaksLater()
        self.assertRaises(ValueError, self.shared.get, "k")
        self.assertRaises(ValueError, self.shared.items)
        self.assertRaises(ValueError, self.shared.copy)
        self.shared["k"] = 1
        self.assertEqual([("k", 1)], self.shared.items())

    def test_equality_of_keys_is_pythons(self):
        for key, same in [(1, 1.0), (1, True), (0, -0.0), (2**53, float(2**53)), ((1, "x"), (1.0, "x")),
                          (2**63, float(2**63))]:
            self.shared.clear()
            self.shared[key] = 1
            self.assertIn(same, self.shared)
            self.shared[same] = 2
            self.assertEqual(1, len(self.shared))
            self.assertIs(type(key), type(list(self.shared)[0]))
        for key, other in [("1", 1), (b"a", "a"), ((1,), 1), (None, False), ("a", "b"), (2**53 + 1, float(2**53))]:
            self.shared.clear()
            self.shared[key] = 1
            self.assertNotIn(other, self.shared)

    def test_equal_pickled_keys_are_equal(self):
        word = "".join(["w", "1"])
        for key, same in [(frozenset([1]), frozenset([1])), (Point(word, word), Point("w1", "".join("w1"))),
                          (2**100, 2**100), (Fraction(1, 3), Fraction(2, 6))]:
            self.shared[key] = "found"
            self.assertEqual("found", self.shared[same])

    def test_opaque_values_of_other_clients(self):
        opaque = _core.Opaque("other", b"\0data")
        self.assertEqual(("other", b"\0data"), (opaque.codec, opaque.data))
        back = self.returned(opaque)
        self.assertIsNot(opaque, back)
        self.assertEqual(opaque, back)
        self.assertEqual(hash(opaque), hash(back))
        self.assertNotEqual(_core.Opaque("another", b"\0data"), back)
        self.assertNotEqual(_core.Opaque("other", b""), back)
        self.assertNotEqual(back, "x")
        self.assertEqual("Opaque('other', b'\\x00data')", repr(back))
        self.assertEqual(opaque, pickle.loads(pickle.dumps(opaque)))
        self.shared[opaque] = 1
        self.assertEqual(1, self.shared[back])
        self.assertEqual((opaque, 1), self.returned((opaque, 1)))
        for args in [(), ("a",), ("a", "b"), (1, b""), ("a\0", b""), ("\ud800", b"")]:
            self.assertRaises((TypeError, ValueError), _core.Opaque, *args)
        self.assertRaises(TypeError, lambda: opaque < back)

    def test_codec_must_be_sensible(self):
        before = _core_codec()
        try:
            for wrong in (None, "text", b"bytes"[0], (b"x",), (b"x", ()), ("x", []), (b"x", [1])):
                _core.set_codec(lambda value, connection, wrong=wrong: wrong, pickle.loads)
                self.assertRaises(TypeError, self.returned, [])
        finally:
            _core.set_codec(*before)
        self.assertRaises(TypeError, _core.set_codec, pickle.dumps)

    def test_the_buffer_of_a_big_pickle_can_be_kept(self):
        kept = []
        before = _core_codec()
        self.shared["k"] = [b"x" * 200_000]
        self.shared["t"] = ([b"x" * 200_000],)
        try:
            _core.set_codec(before[0], lambda data: kept.append(memoryview(memoryview(data))))
            self.assertIsNone(self.shared["k"])
            self.assertIsNone(self.shared.pop("k"))
            self.assertIsNone(self.shared.pop("t"))
        finally:
            _core.set_codec(*before)
        self.assertEqual([[b"x" * 200_000]] * 2, [pickle.loads(view) for view in kept[:2]])
        self.assertTrue(all(view.readonly for view in kept))


def _core_codec():
    from holdfast import pickles
    return (pickles.dumps, pickles.loads) + ((pickles.dumps_key,) if hasattr(pickles, "dumps_key") else ())


class References(CoreCase):
    """With the extension's own classes; those of the package have tests of their own."""

    KINDS = {"dict": "Dict", "list": "List", "namespace": "Namespace"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from holdfast import proxies
        cls.classes = {"dict": proxies.DictProxy, "list": proxies.ListProxy, "namespace": proxies.NamespaceProxy}
        for kind, name in cls.KINDS.items():
            _core.set_proxy_class(kind, getattr(_core, name))
            cls.addClassCleanup(_core.set_proxy_class, kind, cls.classes[kind])

    def setUp(self):
        self.shared = _core.Dict(self.connection)

    def test_proxies_are_stored_as_references(self):
        for kind, name in self.KINDS.items():
            made = getattr(_core, name)(self.connection)
            self.shared["k"] = made
            back = self.shared["k"]
            self.assertIs(type(made), type(back))
            self.assertIsNot(made, back)
            read = _core.Object.id.__get__
            self.assertEqual(read(made), read(back))
        inner = _core.List(self.connection)
        inner.append(1)
        self.shared["t"] = ("tuple", (inner, None))
        back = self.shared["t"]
        back[1][0].append(2)
        self.assertEqual([1, 2], inner.copy())
        self.assertEqual([[1, 2]], [item[1][0].copy() for item in self.shared.values() if isinstance(item, tuple)])

    def test_containers_keep_what_they_refer_to(self):
        before = self.connection.server_info()["objects"]
        inner = _core.List(self.connection)
        inner.append("kept")
        self.shared["k"] = inner
        del inner
        self.assertEqual(["kept"], self.shared["k"].copy())
        del self.shared["k"]
        self.connection.ping()
        self.assertEqual(before, self.connection.server_info()["objects"])

    def test_a_proxy_can_not_be_a_key(self):
        self.assertRaises(TypeError, self.shared.__setitem__, self.shared, 1)
        self.assertRaises(TypeError, self.shared.__setitem__, (1, self.shared), 1)

    def test_proxies_of_other_connections(self):
        with _core.Connection(self.url) as other:
            foreign = _core.List(other)
            foreign.append(1)
            self.shared["k"] = foreign
            mine = self.shared["k"]
            self.assertIs(self.connection, mine.connection)
            self.assertEqual([1], mine.copy())

    def test_set_proxy_class(self):
        class Mine(_core.Dict):
            made = 0

            def __init__(self, *args):
                Mine.made += 1
                super().__init__(*args)

        _core.set_proxy_class("dict", Mine)
        try:
            mine = Mine(self.connection)
            self.shared["k"] = mine
            self.assertIs(Mine, type(self.shared["k"]))
            self.assertEqual(1, Mine.made)
            for other in (_core.Dict(self.connection), type("Sub", (Mine,), {})(self.connection)):
                self.assertRaises(TypeError, self.shared.__setitem__, "k", other)  # is pickled, which it can't be
        finally:
            _core.set_proxy_class("dict", _core.Dict)
        for args in [("dict", _core.List), ("dict", int), ("dict", 1), ("nothing", _core.Dict), (1, _core.Dict), ()]:
            self.assertRaises((TypeError, ValueError), _core.set_proxy_class, *args)

    def test_closed_proxies_are_refused(self):
        closed = _core.List(self.connection)
        closed.close()
        self.assertRaises(Exception, self.shared.__setitem__, "k", closed)
        self.assertEqual({}, self.shared.copy())


class Memory(CoreCase):
    """100,000 operations, and nothing is left."""

    COUNT = 100_000
    ROUNDS = 20  # in which the operations of a round are made COUNT / ROUNDS times

    def rounds(self, function):
        """What tracemalloc and the garbage collector see more of after many rounds than after few."""
        function(self.COUNT // self.ROUNDS)
        tracemalloc.start()
        try:
            function(self.COUNT // self.ROUNDS)
            gc.collect()
            blocks, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
            for _ in range(self.ROUNDS - 2):
                function(self.COUNT // self.ROUNDS)
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - blocks, len(gc.get_objects()) - objects
        finally:
            tracemalloc.stop()

    def assert_no_leak(self, function):
        growth, objects = self.rounds(function)
        self.assertLess(growth, self.COUNT // 2)  # each operation was made thousands of times
        self.assertLess(objects, 100)

    def test_gets_and_sets(self):
        shared = _core.Dict(self.connection)
        key, value = "".join(["a", " key"]), ("t", 1, 2.5, None, b"b", ("u",))

        def operations(count):
            for i in range(count // 5):
                shared[key] = value
                shared[i % 10] = i
                shared.get("missing")
                self.assertIsNotNone(shared[key])
                shared.pop("missing", key)

        self.assert_no_leak(operations)

    def test_pickles_and_references(self):
        from holdfast import proxies
        _core.set_proxy_class("list", _core.List)
        self.addCleanup(_core.set_proxy_class, "list", proxies.ListProxy)
        shared = _core.Dict(self.connection)
        inner = _core.List(self.connection)

        def operations(count):
            for _ in range(count // 10):
                shared["p"] = [1, {"a": "b"}]
                shared["p"]
                shared["r"] = inner
                shared["r"].append(1)
                shared["t"] = (1, inner)
                shared["t"][1].pop()

        self.assert_no_leak(operations)

    def test_failures(self):
        shared, items = _core.Dict(self.connection), _core.List(self.connection)

        def fails(function, *args, **kwargs):
            try:
                function(*args, **kwargs)
            except Exception:  # pylint: disable=broad-except
                return
            self.fail("no exception")

        def operations(count):
            for _ in range(count // 10):
                fails(shared.__getitem__, ("missing", 1))
                fails(shared.__setitem__, [1], 1)
                fails(shared.__setitem__, 1, (1, [2, threading.Lock()]))
                fails(shared.update, [(1, 2), (3, threading.Lock())])
                fails(shared.get, 1, 2, 3)
                fails(shared.add, 1, n="x")
                fails(shared.add, 1, m=1)
                fails(items.__getitem__, 5)
                fails(items.index, [1, 2])
                fails(items.sort, key=1, reverse="x", cmp=None)

        self.assert_no_leak(operations)

    def test_iterators_copies_and_searches(self):
        shared, items = _core.Dict(self.connection), _core.List(self.connection)
        shared.update({str(i): [i] for i in range(10)})
        items.extend([[i] for i in range(10)])

        def operations(count):
            for _ in range(count // 100):
                iterator = iter(shared)
                next(iterator)
                list(shared)
                shared.items()
                shared.copy()
                shared.get_many(["1", "x"])
                next(iter(items))
                items.copy()
                items.index([5])
                items.sort(key=lambda item: -item[0], reverse=True)
                items.remove([5])
                items.append([5])
                items[2:4] = [[2], [3]]
                list(reversed(items))

        self.assert_no_leak(operations)

    def test_objects_and_connections(self):
        def operations(count):
            for _ in range(count // 100):
                shared = _core.Dict(self.connection)
                shared.info()
                self.connection.open("dict", shared.id)
                namespace = _core.Namespace(self.connection)
                namespace.x = [1]
                namespace.x
                try:
                    namespace.y
                except AttributeError:
                    pass
            for _ in range(count // 1000):
                with _core.Connection(self.url) as other:
                    _core.List(other).append(1)
                _core.List(_core.Connection(self.url)).append(1)

        before = self.connection.server_info()["objects"]
        self.assert_no_leak(operations)
        self.connection.ping()
        self.assertEqual(before, self.connection.server_info()["objects"])

    @unittest.skipIf("asan" in os.environ.get("LD_PRELOAD", ""), "a sanitizer keeps freed memory")
    def test_resident_memory(self):
        """Memory that Python does not trace: that of the library."""
        shared = _core.Dict(self.connection)
        shared.update({str(i): [i, "text" * 10] for i in range(100)})

        def operations(count):
            for i in range(count // 4):
                shared["k"] = ["x" * 500]
                shared["k"]
                if i % 100 == 0:
                    shared.copy()
                    list(shared)

        operations(self.COUNT // 10)
        before = resident_kib()
        operations(self.COUNT)
        self.assertLess(resident_kib() - before, 2048)


def resident_kib():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


if __name__ == "__main__":
    unittest.main()
