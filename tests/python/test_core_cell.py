"""Values and arrays: types, ranges, memory, locks; in shared memory and over tcp."""
import array
import contextlib
import ctypes
import gc
import os
import struct
import threading
import time
import unittest

import numpy

import core_case
import support
from core_case import outcome
from holdfast import _core
from support import main, until

INTEGERS = "bBhHiIlLqQ"
FLOATS = "fd"


def bounds(typecode):
    bits = 8 * struct.calcsize(typecode)
    return (0, 2 ** bits - 1) if typecode.isupper() else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)


class CellCase(core_case.CoreCase):
    """Mapped: the base of the tests below, which are run over tcp too."""

    mapped = True

    def cells(self, typecode, value=None):
        for raw in (False, True):
            cell = _core.Cell(self.connection, typecode, value, raw=raw)
            self.assertEqual((cell.typecode, cell.raw, cell.mapped), (typecode, raw, self.mapped))
            yield cell

    def arrays(self, typecode, content):
        for raw in (False, True):
            made = _core.Array(self.connection, typecode, content, raw=raw)
            self.assertEqual((made.typecode, made.raw, made.mapped), (typecode, raw, self.mapped))
            yield made

    def elsewhere(self, shared):
        """A handle of the same object that was opened by its id."""
        opened = self.connection.open(shared.kind, shared.id)
        self.addCleanup(opened.close)
        return opened

    def test_numbers_that_clear_the_list(self):
        class Clearing:
            def __index__(self):
                numbers.clear()
                return 1
        made = _core.Array(self.connection, "i", 100)
        for use in (lambda: _core.Array(self.connection, "i", numbers)[:100],
                    lambda: made.__setitem__(slice(0, 100), numbers) or made[:],
                    lambda: made.__setitem__(slice(None, None, -1), numbers) or made[:]):
            numbers = [Clearing() for _ in range(100)]
            self.assertEqual(use(), [1] * 100)

    # ---- values

    def test_value_of_each_type(self):
        for typecode in INTEGERS:
            low, high = bounds(typecode)
            for cell in self.cells(typecode):
                self.assertEqual((cell.value, type(cell.value)), (0, int))
                for number in (low, high, 1, True):
                    cell.value = number
                    self.assertEqual((cell.value, cell.get()), (number, number))
                    self.assertEqual(self.elsewhere(cell).value, number)
                for number, error in ((low - 1, OverflowError), (high + 1, OverflowError),
                                      (2 ** 70, OverflowError), (-2 ** 70, OverflowError),
                                      (1.5, TypeError), ("1", TypeError), (None, TypeError)):
                    with self.assertRaises(error):
                        cell.value = number
                    with self.assertRaises(error):
                        cell.set(number)
                self.assertEqual(cell.value, 1)

    def test_value_of_floats(self):
        for typecode in FLOATS:
            for cell in self.cells(typecode, 0.5):
                cell.value = 1 / 3
                self.assertEqual(cell.value, struct.unpack(typecode, struct.pack(typecode, 1 / 3))[0])
                cell.value = 3
                self.assertEqual((cell.value, type(cell.value)), (3.0, float))
                with self.assertRaises(TypeError):
                    cell.value = "1"

    def test_value_of_bytes_and_bools(self):
        for cell in self.cells("c", b"x"):
            self.assertEqual(cell.value, b"x")
            for given, found in ((b"y", b"y"), (bytearray(b"z"), b"z"), (65, b"A")):
                cell.value = given
                self.assertEqual(cell.value, found)
            for bad, error in ((b"", TypeError), (b"ab", TypeError), ("a", TypeError),
                               (256, OverflowError), (-1, OverflowError)):
                with self.assertRaises(error):
                    cell.value = bad
        for cell in self.cells("?"):
            for given in (True, False, 1, 0, "x", ""):
                cell.value = given
                self.assertIs(cell.value, bool(given))

    def test_value_bad_arguments(self):
        for args, error in ((("z",), ValueError), (("ii",), ValueError), (("",), ValueError),
                            ((1,), TypeError), (("i", "x"), TypeError), (("b", 1000), OverflowError)):
            with self.subTest(args=args), self.assertRaises(error):
                _core.Cell(self.connection, *args)
        cell = _core.Cell(self.connection, "i", 1)
        with self.assertRaises(AttributeError):
            del cell.value

    def test_value_atomic_operations(self):
        for cell in self.cells("i", 5):
            self.assertEqual((cell.add(), cell.add(-7), cell.add(n=2)), (6, -1, 1))
            self.assertIs(cell.compare_and_set(2, 9), False)
            self.assertIs(cell.compare_and_set(1, 9), True)
            self.assertEqual((cell.exchange(4), cell.value), (9, 4))
            cell.value = 2 ** 31 - 1
            with self.assertRaises(OverflowError):
                cell.add(1)
            self.assertEqual(cell.value, 2 ** 31 - 1)
            with self.assertRaises(TypeError):
                cell.add(0.5)
        for cell in self.cells("d", 0.5):
            self.assertEqual(cell.add(0.25), 0.75)

    def test_value_wait(self):
        for cell in self.cells("i", 5):
            self.assertEqual(cell.wait(4), 5)
            with self.assertRaises(TimeoutError):
                cell.wait(5, 0.01)
            with self.assertRaises(TimeoutError):
                cell.wait(5, -1)
            threading.Timer(0.05, cell.set, (6,)).start()
            self.assertEqual(cell.wait(5, timeout=20), 6)

    def test_value_lock_is_recursive_and_a_threads(self):
        cell = _core.Cell(self.connection, "i", 0)
        other = self.elsewhere(cell)
        answers = []

        def attempt():
            answers.append((other.acquire(False), other.acquire(timeout=0.01),
                            other.acquire(True, -1), outcome(cell.release)[0]))
        with cell.get_lock() as locked:
            self.assertIs(locked, True)
            self.assertTrue(cell.acquire())
            self.assertTrue(other.acquire(block=False))
            cell.value += 1
            cell.add(1)
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()
            other.release()
            cell.release()
        self.assertEqual(answers, [(False, False, False, AssertionError)])
        self.assertEqual(cell.value, 2)
        with self.assertRaises(AssertionError):
            cell.release()
        self.assertFalse(cell.owner_died)

    def test_value_lock_that_another_proxy_gave_back(self):
        """An access between takes the lock again, and waits for its owner."""
        cell, outcomes = _core.Cell(self.connection, "i", 1), []
        other, third = self.elsewhere(cell), self.elsewhere(cell)
        held, done = threading.Event(), threading.Event()

        def hold():
            with third:
                held.set()
                done.wait(20)
                third.value = 2
        cell.acquire()
        other.release()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(20)
        threading.Timer(0.1, done.set).start()
        outcomes.append(cell.value)
        thread.join()
        self.assertEqual(outcomes, [2])

    def test_methods_of_with(self):
        for shared in (_core.Cell(self.connection, "i", 5), _core.Array(self.connection, "i", [5])):
            cls, name = type(shared), shared.kind
            for cm in (contextlib.ExitStack(), contextlib.ExitStack()):
                with self.subTest(name), cm as stack, shared:
                    self.assertIs(stack.enter_context(shared), True)
            enter, leave = shared.__enter__, shared.__exit__
            self.assertEqual((enter.__name__, enter.__self__), ("__enter__", shared))
            self.assertIs(enter(), True)
            self.assertIs(cls.__enter__(shared), True)
            self.assertIsNone(leave(None, None, None))
            self.assertIsNone(cls.__exit__(shared, None, None, None))
            self.assertRaises(AssertionError, leave)
            for call in (lambda: enter(1), lambda: enter(x=1), lambda: leave(x=1), cls.__enter__,
                         lambda: cls.__enter__(5), lambda: cls.__enter__.__get__(5),
                         type(cls.__enter__), lambda: cls.__exit__("text", None, None, None)):
                self.assertRaises(TypeError, call)

    def test_value_increments_of_threads_add_up(self):
        cell = _core.Cell(self.connection, "i", 0)

        def increment():
            for _ in range(200):
                with cell.get_lock():
                    cell.value += 1
        threads = [threading.Thread(target=increment) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(cell.value, 800)

    def test_value_waits_for_its_lock_without_the_gil(self):
        cell = _core.Cell(self.connection, "i", 0)
        held, done = threading.Event(), threading.Event()

        def hold():
            with cell:
                held.set()
                done.wait(0.2)  # needs the GIL while the main thread waits for the lock
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        for touch in (lambda: cell.value, lambda: cell.set(1), cell.add, cell.acquire):
            touch()
        cell.release()
        thread.join()

    def test_value_lock_in_a_pipeline(self):
        cell = _core.Cell(self.connection, "i", 0)
        with cell:
            with self.connection.pipeline():
                result = cell.add(5)
            self.assertEqual(result.result(), 5)
            cell.value += 1
            self.assertEqual(cell.value, 6)
        self.assertEqual(cell.add(0), 6)
        with self.assertRaises(AssertionError):
            cell.release()

    def test_value_in_a_forked_child(self):
        cell = _core.Cell(self.connection, "i", 1)
        with cell:
            child = os.fork()
            if child == 0:
                is_refused = cell.acquire(False) is False
                os._exit(0 if is_refused and outcome(cell.release)[0] is AssertionError else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            cell.value = 2
        child = os.fork()
        if child == 0:
            with cell:
                cell.value += 40
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(cell.value, 42)

    # ---- arrays

    def test_array_is_a_list_of_numbers(self):
        for typecode in INTEGERS + FLOATS:
            numbers = [struct.unpack(typecode, struct.pack(typecode, n))[0] for n in range(10)]
            for made in self.arrays(typecode, numbers):
                self.assertEqual((len(made), list(made), made[:]), (10, numbers, numbers))
                for index in (0, 9, -1, -10, True):
                    self.assertEqual(made[index], numbers[index])
                for index in (10, -11, 2 ** 70):
                    with self.assertRaises(IndexError):
                        made[index]
                    with self.assertRaises(IndexError):
                        made[index] = 1
                for index in ("1", 1.0, None):
                    with self.assertRaises(TypeError):
                        made[index]
                made[3] = made[-1] = 7
                numbers_now = list(numbers)
                numbers_now[3] = numbers_now[-1] = 7
                self.assertEqual(list(self.elsewhere(made)), numbers_now)

    def test_array_slices_are_a_lists(self):
        expected = list(range(10))
        shared = next(self.arrays("i", 10))
        self.assertEqual(shared[:], [0] * 10)
        shared[:] = range(10)
        steps = (None, -12, -3, -1, 0, 1, 3, 12)
        for start in steps:
            for stop in steps:
                for step in (None, 1, 2, -1, -3, 20):
                    selected = slice(start, stop, step)
                    self.assertEqual(shared[selected], expected[selected], selected)
                    count = len(expected[selected])
                    shared[selected] = expected[selected] = list(range(100, 100 + count))
                    self.assertEqual(shared[:], expected, selected)
        for selected, values in ((slice(0, 2), [1]), (slice(None, None, 2), [1])):
            with self.assertRaises(ValueError):
                shared[selected] = values
        with self.assertRaises(TypeError):
            shared[0:2] = [1, "2"]
        with self.assertRaises(OverflowError):
            shared[::5] = [1, 2 ** 40]
        with self.assertRaises(ValueError):
            shared[::0]
        with self.assertRaises(TypeError):
            del shared[0]
        self.assertEqual(shared[:], expected)

    def test_array_of_bytes(self):
        made = _core.Array(self.connection, "c", 5)
        made[:] = b"hello"
        self.assertEqual((made[:], made[1:3], made[::-1], made[0], made[5:]),
                         (b"hello", b"el", b"olleh", b"h", b""))

    def test_array_sizes(self):
        self.assertEqual(len(_core.Array(self.connection, "i", 0)), 0)
        self.assertEqual(_core.Array(self.connection, "i", [])[:], [])
        with self.assertRaises(ValueError):
            _core.Array(self.connection, "i", -1)
        with self.assertRaises(TypeError):
            _core.Array(self.connection, "i", None)
        many = range(100000)
        self.assertEqual(_core.Array(self.connection, "i", many)[:], list(many))

    def test_array_slice_as_the_class_wants_it(self):
        class Packed(_core.Array):
            def _slice_(self, numbers):
                return array.array(self.typecode, numbers)
        made = Packed(self.connection, "i", [1, 2, 3])
        self.assertEqual(made[1:], array.array("i", [2, 3]))

    def test_array_add(self):
        for made in self.arrays("q", [5, 6]):
            self.assertEqual((made.add(0), made.add(-1, 10), made.add(i=1, n=-1)), (6, 16, 15))
            with self.assertRaises(IndexError):
                made.add(2)

    def test_array_bulk(self):
        numbers = array.array("d", [i / 7 for i in range(1000)])
        for made in self.arrays("d", 1000):
            made.write(numbers)
            self.assertEqual(made.read(), numbers.tobytes())
            self.assertEqual(made.read(998), numbers[998:].tobytes())
            self.assertEqual(made.read(count=2), numbers[:2].tobytes())
            into = array.array("d", [0] * 3)
            self.assertEqual(made.read_into(into, 5), 3)
            self.assertEqual(into, numbers[5:8])
            made.write(into, start=997)
            self.assertEqual(made.read(997), into.tobytes())
            for call in (lambda m=made: m.read(999, 2), lambda m=made: m.read(-1),
                         lambda m=made: m.write(numbers, 1), lambda m=made: m.read_into(into, 998)):
                with self.assertRaises(IndexError):
                    call()
            with self.assertRaises(ValueError):
                made.write(b"1234567")
            with self.assertRaises(TypeError):
                made.read_into(b"12345678")
            with self.assertRaises(BufferError):
                made.write(memoryview(bytes(32))[::2])

    def test_array_bulk_in_a_pipeline(self):
        made = _core.Array(self.connection, "i", 4)
        into = array.array("i", [0, 0])
        with self.connection.pipeline():
            made.write(array.array("i", [1, 2, 3, 4]))
            whole, count, part = made.read(), made.read_into(into, 2), made[1:3]
        self.assertEqual((whole.result(), count.result(), list(into), part.result()),
                         (struct.pack("iiii", 1, 2, 3, 4), 2, [3, 4], [2, 3]))

    # ---- memory

    def test_memory(self):
        made = _core.Array(self.connection, "i", range(5))
        if not self.mapped:
            for shared in (made, _core.Cell(self.connection, "i")):
                with self.assertRaisesRegex(BufferError, "read\\(\\) and write\\(\\)"):
                    memoryview(shared)
            return
        with memoryview(made) as view:
            self.assertEqual((view.format, view.shape, view.itemsize, view.readonly, view.tolist()),
                             ("i", (5,), 4, False, [0, 1, 2, 3, 4]))
            view[2] = 99
            self.assertEqual(self.elsewhere(made)[2], 99)
            self.assertEqual(bytes(view), made.read())
            number = ctypes.c_int.from_buffer(view, 4)
            number.value = -1
            self.assertEqual(made[1], -1)
            del number
        cell = _core.Cell(self.connection, "d", 0.5)
        self.assertEqual(memoryview(cell).tolist(), [0.5])

    def test_numpy(self):
        made = _core.Array(self.connection, "d", 1000)
        made.write(numpy.arange(1000.0))
        copied = numpy.empty(500)
        self.assertEqual(made.read_into(copied, 500), 500)
        self.assertTrue((copied == numpy.arange(500.0, 1000.0)).all())
        self.assertTrue((numpy.frombuffer(made.read()) == numpy.arange(1000.0)).all())
        if self.mapped:
            view = numpy.frombuffer(made)
            view[3] = -1  # no copy
            self.assertEqual(self.elsewhere(made)[3], -1)

    def test_memory_outlives_close(self):
        if not self.mapped:
            return
        made = _core.Array(self.connection, "i", range(1000), raw=True)
        number = made.id
        view = memoryview(made)
        made.close()
        self.assertTrue(made.closed)
        with self.assertRaises(_core.Closed):
            made[0]
        self.assertEqual(view[999], 999)
        view[0] = 7
        view.release()
        until(lambda: outcome(self.connection.open, "raw_array", number)[0] != "returns",
              "it is freed")

    def test_memory_outlives_the_connection(self):
        if not self.mapped:
            return
        connection = _core.Connection(self.url)
        made = _core.Array(connection, "i", range(1000))
        view = memoryview(made)
        connection.close()
        self.assertEqual(view[5], 5)
        view.release()
        del made, connection
        gc.collect()


class RemoteCellTest(CellCase):
    scheme = "tcp"
    mapped = False

    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_LOCAL"] = "off"
        super().setUpClass()
        del os.environ["HOLDFAST_LOCAL"]


if __name__ == "__main__":
    main()
