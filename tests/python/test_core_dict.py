"""The extension's Dict: each method does what dict's does."""
import threading
import time
import unittest
from fractions import Fraction

import support
from core_case import CoreCase, outcome
from holdfast import _core

KEYS = (None, True, 0, 1, -1, 1.0, 2.5, 2**64 - 1, -2**63, 2**70, "", "k", "ä\0z", b"", b"k", (), ("k", 1),
        ((1, (2,)), None), frozenset([1]))
VALUES = (1, "v", [1, {"a": 2}], None)


class Incomparable:
    def __eq__(self, other):
        raise ZeroDivisionError


class DictMethods(CoreCase):
    def pair(self, *args, **kwargs):
        shared = _core.Dict(self.connection)
        shared.update(*args, **kwargs)
        return dict(*args, **kwargs), shared

    def test_items_are_set_got_and_deleted(self):
        builtin, shared = self.pair()
        for value in VALUES:
            for key in KEYS:
                self.assert_same(builtin, shared, "__setitem__", key, value)
                self.assert_same(builtin, shared, "__getitem__", key)
                self.assert_same(builtin, shared, "__contains__", key)
        self.assertEqual(list(builtin), list(shared))
        for key in KEYS:
            self.assert_same(builtin, shared, "__delitem__", key)
            self.assert_same(builtin, shared, "__delitem__", key)
            self.assert_same(builtin, shared, "__getitem__", key)
            self.assert_same(builtin, shared, "__contains__", key)

    def test_get_pop_setdefault(self):
        for name in ("get", "pop", "setdefault"):
            builtin, shared = self.pair({key: [key] for key in KEYS})
            for args in [([1],)] + [(key,) for key in KEYS] + [(key, "else") for key in KEYS] + [
                    ("missing",), ("missing", None), (("missing", 1), [2]), (), (1, 2, 3)]:
                self.assert_same(builtin, shared, name, *args)

    def test_get_returns_the_default_itself(self):
        _, shared = self.pair()
        default = object()  # which can't be pickled
        self.assertIs(shared.get("missing", default), default)
        self.assertIs(shared.pop("missing", default), default)

    def test_popitem_is_last_in_first_out(self):
        builtin, shared = self.pair({3: 1, 1: 2, "x": 3})
        for _ in range(4):
            self.assert_same(builtin, shared, "popitem")

    def test_len_clear_copy(self):
        builtin, shared = self.pair({1: 2, "x": [3]})
        self.assert_same(builtin, shared, "__len__")
        copy = shared.copy()
        copy["y"] = 1
        self.assertNotIn("y", shared)
        self.assert_same(builtin, shared, "clear")
        self.assert_same(builtin, shared, "__len__")
        self.assert_same(builtin, shared, "clear", 1)

    def test_keys_values_and_items_are_lists(self):
        builtin, shared = self.pair({1: 2, "x": [3], (1, None): b"q"})
        for name in ("keys", "values", "items"):
            self.assertEqual(list(getattr(builtin, name)()), getattr(shared, name)())
        self.assertEqual(list(reversed(builtin)), list(reversed(shared)))

    def test_update_takes_what_dict_takes(self):
        class Mapping:
            def keys(self):
                return ["m", "n"]

            def __getitem__(self, key):
                return key * 2

        for args, kwargs in [((), {}), (({1: 2},), {}), (([(1, 2), ("x", [3])],), {}),
                             ((), {"a": 1, "b": None}), (({"a": 0},), {"a": 1}), ((Mapping(),), {}),
                             (({1: 2}.items(),), {}), ((7,), {}), (([1],), {}), (([(1, 2, 3)],), {}),
                             (([([], 1)],), {}), (({}, {}), {}), ((None,), {})]:
            builtin, shared = self.pair({1: 0})
            self.assert_same(builtin, shared, "update", *args, **kwargs)
        other = _core.Dict(self.connection)
        other["shared"] = 1
        builtin, shared = self.pair()
        shared.update(other)
        self.assertEqual({"shared": 1}, shared.copy())

    def test_update_that_fails_changes_nothing(self):
        _, shared = self.pair({1: 1})
        with self.assertRaises(Exception):
            shared.update({2: 2, 3: threading.Lock()})
        self.assertEqual({1: 1}, shared.copy())

    def test_unhashable_keys(self):
        builtin, shared = self.pair({1: 1})
        for key in ([1], {}, (1, [2])):
            for name, args in [("__getitem__", ()), ("__setitem__", (1,)), ("__delitem__", ()),
                               ("__contains__", ()), ("get", ()), ("pop", (1,)), ("setdefault", ())]:
                self.assert_same(builtin, shared, name, key, *args)

    def test_big_dict_is_read_in_pages(self):
        text = "x" * 1000
        _, shared = self.pair()
        builtin = {i: text + str(i) for i in range(20_000)}  # 20 MB
        shared.update(builtin)
        self.assertEqual(len(builtin), len(shared))
        self.assertEqual(builtin, shared.copy())
        self.assertEqual(list(builtin.values()), shared.values())
        self.assertEqual(list(builtin.items()), shared.items())
        self.assertEqual(list(builtin), list(shared))
        with self.assertRaises(_core.Error) as caught:
            shared["big"] = b"x" * (17 << 20)
        self.assertEqual("REQUEST_TOO_BIG", caught.exception.reason)


class DictIteration(CoreCase):
    def setUp(self):
        self.shared = _core.Dict(self.connection)
        self.shared.update({i: -i for i in range(200)})

    def requests(self):
        return self.connection.server_info()["requests"]

    def test_iteration_is_in_insertion_order_and_one_request(self):
        before = self.requests()
        keys = list(self.shared)
        self.assertEqual(list(range(200)), keys)
        self.assertLess(self.requests() - before, 10)  # with those for information, and dropped references

    def test_size_change_is_an_error_at_the_next_key(self):
        for change in (lambda key: self.shared.__setitem__(("new", key), 1),
                       lambda key: self.shared.pop(key), lambda key: self.shared.popitem(),
                       lambda key: self.shared.clear(), lambda key: self.shared.update(new=1),
                       lambda key: self.shared.setdefault("newer")):
            self.shared.update({i: -i for i in range(200)})
            seen = []
            with self.assertRaisesRegex(RuntimeError, "dictionary changed size during iteration"):
                for key in self.shared:
                    seen.append(key)
                    change(key)
            self.assertEqual(1, len(seen))

    def test_setting_existing_keys_is_none(self):
        for key in self.shared:
            self.shared[key] = 0
        self.assertEqual([0] * 200, self.shared.values())

    def test_iterator_keeps_the_proxy_and_ends_once(self):
        iterator = iter(self.shared)
        self.assertEqual(200, iterator.__length_hint__())
        self.shared = None
        self.assertEqual(199, list(iterator)[-1])
        self.assertRaises(StopIteration, next, iterator)
        self.assertEqual(0, iterator.__length_hint__())
        self.assertIs(iterator, iter(iterator))

    def test_reversed(self):
        self.assertEqual(list(range(199, -1, -1)), list(reversed(self.shared)))


class DictBeyond(CoreCase):
    def setUp(self):
        self.shared = _core.Dict(self.connection)

    def test_add(self):
        shared = self.shared
        self.assertEqual(1, shared.add("n"))
        self.assertEqual(6, shared.add("n", 5))
        self.assertEqual(3.5, shared.add("n", n=-2.5))
        shared["t"] = "text"
        shared["max"] = 2**63 - 1
        self.assertEqual(2**63, shared.add("max"))
        shared["max"] = 2**64 - 1
        self.assertRaises(OverflowError, shared.add, "max")
        self.assertRaises(TypeError, shared.add, "t")
        self.assertRaises(TypeError, shared.add, "n", "1")
        self.assertRaises(TypeError, shared.add)
        self.assertRaises(TypeError, shared.add, "n", 1, 1)
        self.assertRaises(TypeError, shared.add, "n", m=1)
        self.assertRaises(TypeError, shared.add, "n", key="n")
        self.assertEqual({"n": 3.5, "t": "text", "max": 2**64 - 1}, shared.copy())

    def test_additions_of_threads_are_all_there(self):
        def add():
            for _ in range(500):
                self.shared.add("sum")

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(2000, self.shared["sum"])

    def test_compare_and_set(self):
        shared = self.shared
        missing = _core.MISSING
        self.assertTrue(shared.compare_and_set("k", missing, 1))
        self.assertFalse(shared.compare_and_set("k", missing, 2))
        self.assertTrue(shared.compare_and_set("k", 1.0, [2]))
        self.assertTrue(shared.compare_and_set("k", [2], "x"))
        self.assertFalse(shared.compare_and_set("k", "y", 3))
        self.assertTrue(shared.compare_and_set("k", "x", missing))
        self.assertTrue(shared.compare_and_set("k", missing, missing))
        self.assertEqual({}, shared.copy())
        self.assertRaises(TypeError, shared.compare_and_set, "k", 1)
        same, other = ["ab"] * 2, ["".join(("a", "b")), "".join(("a", "b"))]  # two pickles
        shared["k"] = same
        self.assertFalse(shared.compare_and_set("k", ["ab"], 1))
        self.assertTrue(shared.compare_and_set("k", other, 1))
        self.assertTrue(shared.compare_and_set("k", Fraction(1), 2))
        self.assertFalse(shared.compare_and_set("k", Fraction(1), 2))
        self.assertFalse(shared.compare_and_set("missing", other, 2))
        self.assertRaises(ZeroDivisionError, shared.compare_and_set, "k", Incomparable(), 2)
        self.assertEqual({"k": 2}, shared.copy())

    def test_replace(self):
        self.assertEqual((KeyError, ("k",)), outcome(self.shared.replace, "k", 1))
        self.shared["k"] = 0
        self.assertIsNone(self.shared.replace(key="k", value=1))
        self.assertEqual(1, self.shared["k"])

    def test_get_many(self):
        self.shared.update({1: "a", "x": [2], (1,): None})
        self.assertEqual({1: "a", (1,): None}, self.shared.get_many([1, 2, (1,), "y"]))
        self.assertEqual({}, self.shared.get_many([]))
        self.assertRaises(TypeError, self.shared.get_many, 1)
        self.assertRaises(TypeError, self.shared.get_many, [[]])

    def test_wait(self):
        shared = self.shared
        threading.Timer(0.05, shared.__setitem__, ("k", 1)).start()
        self.assertEqual(1, shared.wait("k"))
        threading.Timer(0.05, shared.__setitem__, ("k", 2)).start()
        self.assertEqual(2, shared.wait("k", 1, timeout=support.WAIT_S))
        with self.assertRaises(TimeoutError) as caught:
            shared.wait("k", 2, 0.01)
        self.assertEqual("NOT_CHANGED", caught.exception.reason)
        self.assertRaises(ValueError, shared.wait, "k", 2, -1)
        threading.Timer(0.05, shared.pop, ("k",)).start()
        self.assertEqual((KeyError, ("k",)), outcome(shared.wait, "k", 2))

    def test_wait_for_another_value_than_an_equal_one(self):
        """Values are equal as Python finds, also those whose pickles differ."""
        shared, stored, known = self.shared, {"a": 1, "b": 2}, {"b": 2, "a": 1}
        shared["k"] = stored
        with self.assertRaises(TimeoutError) as caught:
            shared.wait("k", known, 0.05)
        self.assertEqual("NOT_CHANGED", caught.exception.reason)
        with self.assertRaises(TimeoutError):
            shared.wait("k", known, 0)

        def change():
            for value in (known, stored, known, {"a": 1}):
                time.sleep(0.03)
                shared["k"] = value
        began = time.monotonic()
        changing = threading.Thread(target=change)
        changing.start()
        self.assertEqual({"a": 1}, shared.wait("k", known, support.WAIT_S))
        self.assertGreaterEqual(time.monotonic() - began, 0.1)
        changing.join()

        threading.Timer(0.05, shared.pop, ("k",)).start()
        self.assertEqual((KeyError, ("k",)), outcome(shared.wait, "k", {"a": 1}))

        # the time is that of all waits together
        shared["k"] = stored
        stop = threading.Event()

        def reorder():
            while not stop.wait(0.01):
                shared["k"] = known
                shared["k"] = stored
        reordering = threading.Thread(target=reorder)
        reordering.start()
        began = time.monotonic()
        self.assertRaises(TimeoutError, shared.wait, "k", stored, 0.2)
        self.assertLess(time.monotonic() - began, support.WAIT_S / 2)
        stop.set()
        reordering.join()

        # what can't be compared differs if its pickle does
        shared["k"] = [1]
        self.assertEqual([1], shared.wait("k", [Incomparable()], support.WAIT_S))

    def test_statements_as_methods(self):
        self.assertIsNone(self.shared.set("k", [1]))
        self.assertEqual([1], self.shared["k"])
        self.assertIs(True, self.shared.contains("k"))
        self.assertIs(False, self.shared.contains("l"))
        self.assertEqual(1, self.shared.length())
        self.assertRaises(TypeError, self.shared.set, "k")
        with self.connection.pipeline():
            pending = [self.shared.set("l", 2), self.shared.contains("l"), self.shared.length(), self.shared.get("k")]
            self.assertRaises(RuntimeError, len, self.shared)
            self.assertRaises(RuntimeError, lambda: "k" in self.shared)
            self.assertRaises(RuntimeError, iter, self.shared)
            self.shared["m"] = 3
        self.assertEqual([None, True, 2, [1]], [one.result() for one in pending])
        self.assertEqual(3, self.shared["m"])

    def test_named_dicts_are_found_again(self):
        named = _core.Dict(self.connection, "a name")
        named["k"] = 1
        self.assertEqual({"k": 1}, _core.Dict(self.connection, name="a name").copy())
        self.assertEqual("a name", named.name)
        self.assertRaises(ValueError, _core.Dict, self.connection, "")
        self.assertRaises(ValueError, _core.Dict, self.connection, "a\0b")
        self.assertRaises(TypeError, _core.Dict, self.connection, 5)
        self.assertRaises(TypeError, _core.Dict)
        self.assertRaises(TypeError, _core.Dict, None)
        self.assertRaises(TypeError, named.__init__, self.connection)
        named.delete()
        self.assertRaises(_core.ObjectDeleted, named.copy)


class DictMethodsOverTcp(DictMethods):
    scheme = "tcp"


if __name__ == "__main__":
    unittest.main()
