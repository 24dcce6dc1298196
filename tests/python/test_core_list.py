"""The extension's List: each method does what list's does."""
import bisect
import random
import threading
import unittest
from fractions import Fraction

from core_case import CoreCase, outcome
from holdfast import _core

ITEMS = [3, "x", None, 2.5, b"q", (1, "t"), [1, 2], True, 2**70, -2**63, 2**64 - 1, {"a": [1]}]
BOUNDS = (None, 0, 1, 2, 5, 100, -1, -3, -100, 2**63, -2**63, 2**80, -2**80)


class ListMethods(CoreCase):
    def pair(self, items=()):
        shared = _core.List(self.connection)
        shared.extend(items)
        return list(items), shared

    def test_indexes(self):
        builtin, shared = self.pair(ITEMS)
        for index in [*range(-14, 14), True, 2**63, -2**63, 2**80, "x", 1.0, None, (1,)]:
            self.assert_same(builtin, shared, "__getitem__", index)
            self.assert_same(builtin, shared, "__setitem__", index, index)
        for index in [*range(-14, 14), 2**63, "x", 0, -1]:
            self.assert_same(builtin, shared, "__delitem__", index)

    def test_slices_are_read(self):
        builtin, shared = self.pair(ITEMS)
        for start in BOUNDS:
            for stop in BOUNDS:
                for step in (None, 1, 2, -1, -3, 2**63, -2**63):
                    self.assertEqual(builtin[start:stop:step], shared[start:stop:step],
                                     (start, stop, step))
        self.assertEqual(outcome(lambda: builtin[::0]), outcome(lambda: shared[::0]))
        self.assertEqual(outcome(lambda: builtin["a":]), outcome(lambda: shared["a":]))

    def test_slices_are_set_and_deleted(self):
        numbers = random.Random(5)
        for _ in range(300):
            builtin, shared = self.pair(range(numbers.randrange(8)))
            where = slice(*(numbers.choice((None, -9, -2, -1, 0, 1, 3, 9)) for _ in range(2)),
                          numbers.choice((None, 1, 1, 2, -1, -2)))
            items = [[0]] * numbers.randrange(4)
            with self.subTest(where=where, items=items, of=builtin):
                self.assertEqual(outcome(builtin.__setitem__, where, iter(items))[0],
                                 outcome(shared.__setitem__, where, iter(items))[0])
                self.assertEqual(builtin, shared.copy())
                self.assert_same(builtin, shared, "__delitem__", where)
        self.assert_same(builtin, shared, "__setitem__", slice(None), 5)
        self.assert_same(builtin, shared, "__setitem__", slice(None, None, 2), 5)
        self.assert_same(builtin, shared, "__delitem__", slice(None, None, 0))

    def test_a_slice_is_set_from_the_list_itself(self):
        builtin, shared = self.pair([1, [2], 3])
        builtin[1:1] = builtin
        shared[1:1] = shared
        self.assertEqual(builtin, shared.copy())

    def test_append_extend_insert(self):
        builtin, shared = self.pair()
        for item in ITEMS:
            self.assert_same(builtin, shared, "append", item)
        for items in ((), [1], (x for x in "ab"), "text", {1: 2}, 5, None):
            self.assertEqual(outcome(builtin.extend, items if items.__class__.__name__ != "generator"
                                     else "ab"), outcome(shared.extend, items))
        for index in (0, 1, -1, 100, -100, 2**63 - 1, -2**63, 2**63, "x", None):
            self.assert_same(builtin, shared, "insert", index, ["i"])
        self.assert_same(builtin, shared, "insert", 1)

    def test_pop(self):
        builtin, shared = self.pair(ITEMS)
        for args in ((), (0,), (-2,), (3,), (100,), (-100,), (-2**63,), (2**63,), ("x",), (1, 2), (),
                     (), (), (), (), (), (), (), (), (0,)):
            self.assert_same(builtin, shared, "pop", *args)

    def test_searching(self):
        items = ITEMS + [1, 0.0, Fraction(1, 2), [1, 2], "x"]
        wanted = items + [1.0, False, 3.0, "y", [1], Fraction(3), (1, ["t"]), float("inf")]
        builtin, shared = self.pair(items)
        for value in wanted:
            self.assert_same(builtin, shared, "__contains__", value)
            self.assert_same(builtin, shared, "count", value)
            self.assert_same(builtin, shared, "index", value)
            for start in (0, 2, -3, 100, 2**70):
                self.assert_same(builtin, shared, "index", value, start)
                self.assert_same(builtin, shared, "index", value, start, -1)
                self.assert_same(builtin, shared, "index", value, start, 9)
        for args in ((), (1, "x"), (1, None), (1, 0, 5, 6)):
            self.assert_same(builtin, shared, "index", *args)

    def test_remove(self):
        items = ITEMS + [1, [1, 2], "x", Fraction(1, 2)]
        builtin, shared = self.pair(items)
        for value in [*items, "y", [7], 1.0, Fraction(1, 2), (None, []), (1, [2])]:
            self.assert_same(builtin, shared, "remove", value)

    def test_equal_values_with_other_pickles_are_found(self):
        same, other = ["ab"] * 2, ["".join(("a", "b")), "".join(("a", "b"))]
        builtin, shared = self.pair([0, same])
        for name in ("__contains__", "count", "index", "remove"):
            self.assert_same(builtin, shared, name, other)

    def test_len_reverse_clear_copy(self):
        builtin, shared = self.pair(ITEMS)
        for name in ("__len__", "reverse", "copy", "clear", "__len__", "reverse", "copy"):
            self.assert_same(builtin, shared, name)
        self.assert_same(builtin, shared, "reverse", 1)

    def test_operators(self):
        builtin, shared = self.pair([1, [2]])
        self.assertEqual(builtin + ["x"], shared + ["x"])
        self.assertEqual(builtin + builtin, shared + shared)
        self.assertEqual(outcome(lambda: builtin + (1,)), outcome(lambda: shared + (1,)))
        self.assertEqual(outcome(lambda: [1] + (1,)), outcome(lambda: [1] + shared))
        for times in (2, 1, 0, -1, True):
            self.assertEqual(builtin * times, shared * times)
            self.assertEqual(times * builtin, times * shared)
        self.assertEqual(outcome(lambda: builtin * "x"), outcome(lambda: shared * "x"))
        same = shared
        for times in (2, 1, 0):
            builtin *= times
            shared *= times
            builtin += ("a", [2])
            shared += ("a", [2])
            self.assertIs(same, shared)
            self.assertEqual(builtin, shared.copy())

    def test_iteration(self):
        for count in (0, 1, 31, 32, 33, 95, 96, 97, 20_000):
            builtin, shared = self.pair(range(count))
            self.assertEqual(builtin, list(shared))
            self.assertEqual(builtin[::-1], list(reversed(shared)))
        builtin, shared = self.pair(range(1001))
        for items in (builtin, shared):
            for item in items:
                if item < 1000:
                    items.append(item)
                if len(items) > 1010:
                    break
        self.assertEqual(builtin, shared.copy())
        iterator = iter(shared)
        list(iterator)
        self.assertRaises(StopIteration, next, iterator)

    def test_iteration_sees_changes(self):
        for change in (lambda items, item: items.remove(item), lambda items, item: items.__setitem__(-1, -item),
                       lambda items, item: items.insert(0, 5) if len(items) < 150 else None,
                       lambda items, item: items.reverse(), lambda items, item: items.pop(),
                       lambda items, item: items.__setitem__(slice(0, 2), [7]),
                       lambda items, item: items.sort(key=lambda item: -item) if item == 70 else None,
                       lambda items, item: items.clear() if item == 50 else None):
            builtin, shared = self.pair(range(100))
            for items in (builtin, shared):
                seen = []
                for item in items:
                    seen.append(item)
                    change(items, item)
                if items is builtin:
                    wanted = seen
            self.assertEqual(wanted, seen)
            self.assertEqual(builtin, shared.copy())
        shared = _core.List(self.connection)
        shared.extend([1, 2])
        iterator = iter(shared)
        shared[0] = 100
        self.assertEqual(100, next(iterator))

    def test_c_code_takes_it_for_a_sequence(self):
        builtin, shared = self.pair([1, 3, 5])
        self.assertEqual(bisect.bisect(builtin, 3), bisect.bisect(shared, 3))
        bisect.insort(shared, 4)
        self.assertEqual([1, 3, 4, 5], shared.copy())

    def test_big_list_is_sent_and_read_in_parts(self):
        items = ["x" * 1000 + str(i) for i in range(20_000)]  # 20 MB
        _, shared = self.pair()
        shared.extend(items)
        self.assertEqual(len(items), len(shared))
        self.assertEqual(items, shared.copy())
        self.assertEqual(items, list(shared))


class ListSort(CoreCase):
    def pair(self, items):
        shared = _core.List(self.connection)
        shared.extend(items)
        return list(items), shared

    def test_sort_is_as_of_list(self):
        numbers = random.Random(7)
        for items in ([], [1], [3, 1, 2], [1.5, True, 0, -2, 2**64 - 1], ["b", "a", "ä"], [b"b", b""],
                      [(2, "x"), (1, "y"), (1, "a")], [1, "a"], [None, 1], [[2], [1], [1, 0]],
                      [2**70, 1, 2**80], [{}, {}], [numbers.randrange(50) for _ in range(500)]):
            for options in ({}, {"reverse": True}, {"reverse": 0}, {"key": None}, {"key": str},
                            {"key": lambda item: -item}, {"key": str, "reverse": 1}):
                builtin, shared = self.pair(items)
                with self.subTest(items=items, **options):
                    before = list(builtin)
                    ours, theirs = outcome(shared.sort, **options), outcome(builtin.sort, **options)
                    self.assertEqual(theirs, ours)
                    # One that fails leaves a list in some order, and a shared one as it was.
                    self.assertEqual(builtin if theirs[0] == "returns" else before, shared.copy())
        self.assertRaises(TypeError, shared.sort, str)
        self.assertRaises(TypeError, shared.sort, cmp=str)

    def test_sort_is_stable(self):
        items = [[i % 3, i] for i in range(100)]
        for reverse in (False, True):
            builtin, shared = self.pair(items)
            for both in (builtin, shared):
                both.sort(key=lambda item: item[0], reverse=reverse)
            self.assertEqual(builtin, shared.copy())

    def test_sort_of_a_list_that_changes_meanwhile_is_refused(self):
        for change in (lambda shared: shared.append(9), lambda shared: shared.__setitem__(0, 9)):
            _, shared = self.pair([3, 1, 2])

            def key(item, shared=shared, change=change):
                if item == 3:
                    change(shared)
                return item

            with self.assertRaisesRegex(ValueError, "list modified during sort"):
                shared.sort(key=key)
            self.assertIn(9, shared)

    def test_exceptions_of_the_key_leave_the_list_as_it_was(self):
        _, shared = self.pair([3, 1, 0])
        self.assertRaises(ZeroDivisionError, shared.sort, key=lambda item: 1 / item)
        self.assertEqual([3, 1, 0], shared.copy())


class ListBeyond(CoreCase):
    def test_add(self):
        shared = _core.List(self.connection)
        shared.extend([1, 2.5, "x"])
        self.assertEqual(2, shared.add(0))
        self.assertEqual(12.5, shared.add(index=1, n=10))
        self.assertRaises(TypeError, shared.add, -1)
        self.assertRaises(IndexError, shared.add, 3)
        self.assertEqual([2, 12.5, "x"], shared.copy())

    def test_compare_and_set(self):
        shared = _core.List(self.connection)
        shared.extend([1, [2]])
        self.assertTrue(shared.compare_and_set(0, 1.0, "x"))
        self.assertFalse(shared.compare_and_set(0, 1, "y"))
        self.assertFalse(shared.compare_and_set(-1, [3], None))
        shared[1] = ["ab"] * 2
        self.assertTrue(shared.compare_and_set(-1, ["".join(("a", "b")), "".join(("a", "b"))], None))
        self.assertRaises(IndexError, shared.compare_and_set, 2, 1, 1)
        self.assertEqual(["x", None], shared.copy())

    def test_statements_as_methods(self):
        shared = _core.List(self.connection)
        shared.extend([1, [2]])
        self.assertIsNone(shared.set(0, "x"))
        self.assertIsNone(shared.set(slice(1, 1), [3]))
        self.assertEqual(["x", 3, [2]], shared.copy())
        self.assertEqual([True, True, False], [shared.contains(value) for value in ("x", [2], [3])])
        self.assertEqual(3, shared.length())
        with self.connection.pipeline():
            pending = [shared.set(0, 5), shared.contains(5), shared.contains([2]), shared.length(), shared.index(3),
                       shared.pop(), shared[0], shared.copy()]
            for call in (lambda: len(shared), lambda: 3 in shared, lambda: list(shared), lambda: shared + [],
                         lambda: shared.sort(key=str), lambda: reversed(shared)):
                self.assertRaises(RuntimeError, call)
        self.assertEqual([None, True, True, 3, 1, [2], 5, [5, 3]], [one.result() for one in pending])

    def test_removals_of_threads_remove_each_once(self):
        shared = _core.List(self.connection)
        shared.extend([[i % 2] for i in range(100)])

        def remove():
            for _ in range(25):
                shared.remove([1])

        threads = [threading.Thread(target=remove) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([[0]] * 50, shared.copy())


class ListMethodsOverTcp(ListMethods):
    scheme = "tcp"


if __name__ == "__main__":
    unittest.main()
