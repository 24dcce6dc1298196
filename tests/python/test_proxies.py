"""Proxies: what is not in the extension, beside what the differential tests compare."""
import array
import copy
import ctypes
import multiprocessing
import multiprocessing.managers as std
import sys
import unittest

import holdfast
import support
from holdfast import managers

TYPES = (
    ("dict", ({"a": 1},)), ("list", ([1, "a"],)), ("Queue", ()), ("JoinableQueue", (2,)),
    ("Value", ("i", 5)), ("Array", ("d", [1.0, 2.5])), ("Namespace", ()), ("Lock", ()), ("RLock", ()),
    ("Semaphore", (2,)), ("BoundedSemaphore", (2,)), ("Event", ()), ("Condition", ()), ("Barrier", (2,)),
)


class Both(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manager = holdfast.Manager()
        cls.theirs = std.SyncManager()
        cls.theirs.start()

    @classmethod
    def tearDownClass(cls):
        cls.manager.shutdown()
        cls.theirs.shutdown()


class ProtocolTest(Both):
    def test_all_are_proxies(self):
        for typeid, arguments in TYPES:
            with self.subTest(typeid=typeid):
                proxy = getattr(self.manager, typeid)(*arguments)
                wanted = getattr(self.theirs, typeid)(*arguments)
                self.assertIsInstance(proxy, managers.BaseProxy)
                cut = lambda text: text.partition(" at 0x")[0]
                self.assertEqual(cut(repr(proxy)), cut(repr(wanted)))
                self.assertRegex(repr(proxy), r"^<\S+ object, typeid '\w+' at 0x[0-9a-f]+>$")
                self.assertEqual(proxy._token.typeid, wanted._token.typeid)
                self.assertEqual(proxy._token.address, self.manager.address)
                self.assertEqual(proxy._id, proxy._token.id)
                exposed = {name for name in wanted._exposed_ if hasattr(wanted, name)}
                self.assertLessEqual(exposed, set(proxy._exposed_) | {"__getattribute__"})
                for name in exposed:
                    self.assertTrue(hasattr(proxy, name), name)
                self.assertEqual(proxy, proxy)
                self.assertNotEqual(proxy, getattr(self.manager, typeid)(*arguments))
                hash(proxy)

    def test_str_is_the_referents(self):
        for typeid, arguments in TYPES[:2] + TYPES[4:7]:
            with self.subTest(typeid=typeid):
                self.assertEqual(str(getattr(self.manager, typeid)(*arguments)),
                                 str(getattr(self.theirs, typeid)(*arguments)))
        for typeid, arguments in TYPES[2:4] + TYPES[7:]:
            with self.subTest(typeid=typeid):
                self.assertRegex(str(getattr(self.manager, typeid)(*arguments)), r"^<.*\bid [0-9a-f]+\b.*>$")
        self.assertIn("<locked", self.str_after("Lock", lambda lock: lock.acquire()))
        self.assertIn("value=1", self.str_after("Semaphore", lambda s: None))
        self.assertIn(": set>", self.str_after("Event", lambda e: e.set()))

    def str_after(self, typeid, change):
        proxy = getattr(self.manager, typeid)()
        change(proxy)
        return str(proxy)

    def test_copies(self):
        for typeid, arguments in TYPES[:2] + TYPES[5:6]:
            with self.subTest(typeid=typeid):
                proxy = getattr(self.manager, typeid)(*arguments)
                wanted = getattr(self.theirs, typeid)(*arguments)
                for value in (copy.deepcopy(proxy), proxy._getvalue(), proxy._callmethod("#GETVALUE")):
                    self.assertEqual(value, wanted._getvalue())
                    self.assertIs(type(value), type(wanted._getvalue()))
                self.assertIs(type(copy.copy(proxy)), type(proxy))  # another proxy of the same object
                self.assertEqual(copy.copy(proxy)._id, proxy._id)
        value = self.manager.Value("i", 5)._getvalue()
        self.assertEqual(repr(value), "Value('i', 5)")
        namespace = self.manager.Namespace(x=1)._getvalue()
        self.assertEqual(vars(namespace), {"x": 1})
        for typeid, arguments in TYPES[2:4] + TYPES[7:]:
            with self.subTest(typeid=typeid), self.assertRaises(std.RemoteError):
                getattr(self.manager, typeid)(*arguments)._getvalue()

    def test_calls_by_name(self):
        d = self.manager.dict(a=1)
        self.assertEqual(d._callmethod("get", ("b", 2)), 2)
        self.assertEqual(d._callmethod("update", (), {"c": 3}), None)
        self.assertEqual(d._callmethod("__repr__"), "{'a': 1, 'c': 3}")
        self.assertEqual(d._callmethod("__str__"), "{'a': 1, 'c': 3}")
        self.assertEqual(list(d._callmethod("__iter__")), ["a", "c"])
        with self.assertRaises(KeyError):
            d._callmethod("__getitem__", ("x",))
        with self.assertRaisesRegex(std.RemoteError, "AttributeError: method '__eq__' of .* is not in exposed"):
            d._callmethod("__eq__", (1,))
        barrier = self.manager.Barrier(3)
        self.assertEqual(barrier._callmethod("__getattribute__", ("parties",)), 3)
        namespace = self.manager.Namespace()
        namespace._callmethod("__setattr__", ("x", 5))
        self.assertEqual(namespace._callmethod("__getattribute__", ("x",)), 5)
        namespace._callmethod("__delattr__", ("x",))
        self.assertFalse(hasattr(namespace, "x"))

    def test_subclass_with_overriding_methods(self):
        class Counting(managers.DictProxy):
            calls = 0

            def __setitem__(self, key, value):
                Counting.calls += 1
                self._callmethod("__setitem__", (key, value))

        d = Counting(self.manager.connection)
        d["a"] = 1
        self.assertEqual((Counting.calls, d["a"]), (1, 1))
        self.assertRegex(repr(d), "^<Counting object, typeid 'dict' at")

    def test_generic_aliases(self):
        for cls in (managers.DictProxy, managers.ListProxy, managers.ValueProxy, managers.QueueProxy):
            self.assertEqual(cls[int].__args__, (int,))

    def test_creation_errors_are_of_both_kinds(self):
        for create in (lambda: self.manager.list(5), lambda: self.manager.dict(5), lambda: self.manager.set(5),
                       lambda: self.manager.Array("i", ["a"])):
            with self.assertRaises(std.RemoteError):
                create()
            with self.assertRaises(TypeError):
                create()
        with self.assertRaises(ValueError):
            self.manager.Array("?", [1])
        with self.assertRaises(TypeError):
            self.manager.Value("i", "text")
        with self.assertRaises(OverflowError):
            self.manager.Value("b", 200)


class ContainersTest(Both):
    def test_nested(self):
        inner = self.manager.list([1])
        outer = self.manager.dict(inner=inner, both=[inner, (inner, 2)])
        del inner
        outer["inner"].append(2)
        both = outer["both"]
        self.assertEqual([both[0][:], both[1][0][:]], [[1, 2]] * 2)
        self.assertIs(type(both[0]), managers.ListProxy)
        for kind, arguments in (("Queue", ()), ("Lock", ()), ("Value", ("i", 1)), ("Namespace", ()),
                                ("Array", ("i", [1])), ("set", ([1],)), ("Barrier", (2, print, 1.5)),
                                ("Value", (str, "text")), ("JoinableQueue", ()), ("RLock", ())):
            with self.subTest(kind=kind):
                proxy = getattr(self.manager, kind)(*arguments)
                outer["proxy"] = proxy
                self.assertIs(type(outer["proxy"]), type(proxy))
                self.assertEqual(outer["proxy"]._id, proxy._id)
        outer["barrier"] = self.manager.Barrier(1, print, 1.5)
        self.assertEqual((outer["barrier"].action, outer["barrier"].timeout), (print, 1.5))

    def test_freed_with_their_container(self):
        before = self.manager._number_of_objects()
        outer = self.manager.list()
        outer.append([self.manager.dict(a=self.manager.list())])
        self.assertEqual(self.manager._number_of_objects(), before + 3)
        outer.pop()
        self.assertEqual(self.manager._number_of_objects(), before + 1)
        del outer
        self.assertEqual(self.manager._number_of_objects(), before)

    def test_contains_itself(self):
        outer = self.manager.list()
        outer.append(outer)
        self.assertEqual(outer[0][0][0]._id, outer._id)
        self.assertRegex(str(outer), r"^\[<ListProxy object, typeid 'list' at 0x[0-9a-f]+>\]$")

    def test_dict_operators(self):
        d = self.manager.dict(a=1, b=2)
        self.assertEqual(d | {"c": 3}, {"a": 1, "b": 2, "c": 3})
        self.assertEqual({"a": 0, "c": 3} | d, {"a": 1, "c": 3, "b": 2})
        self.assertEqual(d | self.manager.dict(b=5), {"a": 1, "b": 5})
        same = d
        d |= {"c": 3}
        d |= [("d", 4)]
        self.assertIs(d, same)
        self.assertEqual(list(reversed(d)), ["d", "c", "b", "a"])
        self.assertEqual(d.fromkeys("ab", 1), {"a": 1, "b": 1})
        with self.assertRaises(TypeError):
            d | 5

    def test_list_in_place(self):
        same = a = self.manager.list([1])
        a += [2]
        a *= 2
        self.assertIs(a, same)
        self.assertEqual(a.copy(), [1, 2, 1, 2])
        a.clear()
        self.assertEqual(len(a), 0)

    def test_set_operators(self):
        same = s = self.manager.set("abc")
        s |= {"d"}
        s &= {"a", "b", "d"}
        s -= {"a"}
        s ^= {"b", "x"}
        self.assertIs(s, same)
        self.assertEqual(s.copy(), {"d", "x"})
        self.assertEqual(set(s), {"d", "x"})
        self.assertEqual({"y"} | s, {"d", "x", "y"})
        self.assertEqual(s & self.manager.set("dz"), {"d"})
        self.assertTrue(s >= {"d"})
        self.assertEqual(str(self.manager.set(["a"])), "{'a'}")
        self.assertIn(s.pop(), ("d", "x"))
        with self.assertRaises(KeyError):
            s.remove("y")
        with self.assertRaises(TypeError):
            s |= 5
        with self.assertRaises(TypeError):
            s.add([])

    def test_namespace(self):
        namespace = self.manager.Namespace()
        for name in ("list", "get", "set", "delete", "close", "id", "kind", "name", "connection", "info", "value"):
            self.assertFalse(hasattr(namespace, name), name)
            setattr(namespace, name, name)
            self.assertEqual(getattr(namespace, name), name)
        namespace._local = 5
        self.assertEqual(namespace._local, 5)
        self.assertNotIn("_local", str(namespace))
        with self.assertRaises(AttributeError):
            namespace.missing
        with self.assertRaises(AttributeError):
            del namespace.missing

    def test_values(self):
        value = self.manager.Value("d", 1)
        value.value += 1.5
        self.assertEqual(value.get(), 2.5)
        text = self.manager.Value(str, "text")
        text.value += "s"
        self.assertEqual((text.value, text.get()), ("texts", "texts"))
        self.assertEqual(str(self.manager.Value(None, (1,))), "Value(None, (1,))")
        self.assertEqual(self.manager.Value(ctypes.c_int, 3).typecode, "i")

    def test_arrays(self):
        a = self.manager.Array("i", range(5))
        self.assertEqual(a[1:3], array.array("i", [1, 2]))
        a[1:3] = array.array("i", [7, 8])
        self.assertEqual(list(a), [0, 7, 8, 3, 4])
        characters = "w" if sys.version_info >= (3, 13) else "u"
        self.assertEqual(self.manager.Array(characters, "text")[:2], array.array(characters, "te"))
        self.assertEqual(len(self.manager.Array("d", [])), 0)
        big = self.manager.Array("d", array.array("d", range(100000)))
        self.assertEqual(big[99999], 99999.0)


class ValuesTest(Both):
    def test_come_back_as_they_were(self):
        d = self.manager.dict()
        for value in (None, True, 0, -2**63, 2**64 - 1, 2**64, -2**70, 1.5, float("inf"), "", "text\0\U0001f600",
                      "\ud800", b"", b"\xff", (), (1, ("a", None)), [1], {"a": {1}}, {1, 2}, frozenset("a"), 1j,
                      bytearray(b"x"), range(3), multiprocessing.managers.Namespace, Exception("x").args, Number(5)):
            with self.subTest(value=value):
                d["k"] = value
                self.assertEqual(d["k"], value)
                self.assertIs(type(d["k"]), type(value))
        d["views"] = {"a": 1}.items()
        self.assertEqual(d["views"], [("a", 1)])  # as with multiprocessing
        d["large"] = list(range(100000))
        self.assertEqual(d["large"][-1], 99999)

    def test_keys(self):
        d = self.manager.dict()
        for key in (frozenset("abcdef"), 2**70, Number(5), ("a", frozenset([1, 2, 3])), complex(1, 2), range(3)):
            d[key] = 1
            self.assertIn(copy.deepcopy(key), d)
        d[frozenset("fedcba")] = 2
        self.assertEqual(len(d), 6)
        name = "".join(["long ", "name"])
        d[Number((name, name))] = 1
        self.assertIn(Number(("long name", "".join(["long ", "name"]))), d)
        with self.assertRaises(TypeError):
            d[[]] = 1

    def test_what_cannot_be_pickled_is_not_sent(self):
        d, q = self.manager.dict(a=1), self.manager.Queue()
        for store in (lambda v: d.update(a=2, b=v), q.put, lambda v: d.__setitem__("a", v)):
            with self.assertRaises(Exception) as caught:
                store(lambda: None)
            self.assertIn(type(caught.exception).__name__, ("PicklingError", "AttributeError", "TypeError"))
        self.assertEqual(d.copy(), {"a": 1})
        self.assertTrue(q.empty())


class Number(int):
    def __new__(cls, value=0):
        self = super().__new__(cls, 5)
        self.value = value
        return self

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)


if __name__ == "__main__":
    support.main()
