"""Locks, semaphores, events, conditions, barriers: as threading's, method by method."""
import threading
import time
import unittest

import core_case
from core_case import outcome
from holdfast import _core
from support import main, until

NEGATIVE = (("acquire", (True, -2)), ("acquire", (False, 1)), ("acquire", (False, -2)))


def in_thread(function, *args):
    """What a call does in another thread."""
    box = []
    thread = threading.Thread(target=lambda: box.append(outcome(function, *args)))
    thread.start()
    thread.join()
    return box[0]


class SyncCase(core_case.CoreCase):
    def assert_both(self, builtin, shared, *calls):
        """The calls (name, args) do the same with both, one after the other."""
        for name, args, *keywords in calls:
            keywords = keywords[0] if keywords else {}
            with self.subTest(method=name, args=args, **keywords):
                self.assertEqual(outcome(getattr(builtin, name), *args, **keywords),
                                 outcome(getattr(shared, name), *args, **keywords))


class LockTest(SyncCase):
    def test_lock_is_threadings(self):
        self.assert_both(
            threading.Lock(), _core.Lock(self.connection),
            ("release", ()), ("acquire", ()), ("acquire", (False,)), ("acquire", (True, 0.01)),
            ("acquire", (True, 0)), ("acquire", (), {"timeout": 0.01}),
            ("acquire", (), {"blocking": False}), ("acquire", (True, -2)), ("acquire", (False, 1)),
            ("acquire", (False, -2)), ("acquire", (False, -1)), ("release", ()),
            ("acquire", (True, -1)), ("__exit__", (None, None, None)), ("__enter__", ()),
            ("release", ()), ("release", ()), ("acquire", (1, -1.0)), ("release", ()))

    def test_rlock_is_threadings(self):
        self.assert_both(
            threading.RLock(), _core.Lock(self.connection, None, True),
            ("release", ()), ("acquire", ()), ("acquire", ()), ("acquire", (False,)),
            ("acquire", (True, -2)), ("release", ()), ("release", ()), ("release", ()),
            ("release", ()))

    def test_lock_wrong_types(self):
        lock = _core.Lock(self.connection)
        for args in ((True, "1"), (True, []), (1, 2, 3)):
            self.assertEqual(outcome(lock.acquire, *args)[0], TypeError)
        with self.assertRaises(TypeError):
            lock.acquire(block=True, blocking=True)
        with self.assertRaises(TypeError):
            lock.acquire(wait=True)

    def test_lock_both_names_of_block(self):
        lock = _core.Lock(self.connection)
        self.assertIs(lock.acquire(block=False), True)
        self.assertIs(lock.acquire(block=False), False)
        self.assertIs(lock.acquire(blocking=False), False)
        lock.release()

    def test_lock_any_thread_releases(self):
        lock = _core.Lock(self.connection)
        lock.acquire()
        self.assertEqual(in_thread(lock.release)[0], "returns")
        self.assertIs(lock.acquire(False), True)
        lock.release()

    def test_rlock_is_a_threads(self):
        lock = _core.Lock(self.connection, recursive=True)
        self.assertTrue(lock.recursive)
        with lock, lock:
            self.assertEqual(in_thread(lock.acquire, False)[:2], ("returns", False))
            self.assertEqual(in_thread(lock.release),
                             (RuntimeError, ("cannot release un-acquired lock",)))
        self.assertEqual(in_thread(lock.acquire, False)[:2], ("returns", True))

    def test_lock_token_rises_and_releases(self):
        lock = _core.Lock(self.connection)
        lock.acquire()
        first = lock.token
        lock.release(token=first)
        lock.acquire()
        self.assertGreater(lock.token, first)
        self.assertFalse(lock.owner_died)
        with self.assertRaises(_core.TokenStale):
            lock.release(token=first)
        lock.release()

    def test_lock_deadlock_is_refused(self):
        first, second = (_core.Lock(self.connection, recursive=True) for _ in range(2))
        with first:
            owner = threading.Thread(target=lambda: (second.acquire(), first.acquire(timeout=5),
                                                     second.release()))
            owner.start()
            until(lambda: second.info()["locked"] and first.info()["waiting"] == 1, "the cycle")
            with self.assertRaises(_core.Deadlock):
                second.acquire(refuse_deadlock=True)
        owner.join()

    def test_lock_lease(self):
        lock = _core.Lock(self.connection)
        for lease in (0, -1):
            with self.assertRaises(ValueError):
                lock.acquire(lease=lease)
        lock.acquire(lease=30, robust=True)
        self.assertEqual(lock.info()["lease"], 30)
        lock.release()


class SemaphoreTest(SyncCase):
    def test_semaphore_is_threadings(self):
        self.assert_both(
            threading.Semaphore(2), _core.Semaphore(self.connection, 2),
            ("acquire", ()), ("acquire", (True, 1)), ("acquire", (False,)),
            ("acquire", (True, 0.01)), ("acquire", (True, -1)), ("acquire", (False, 1)),
            ("release", (0,)), ("release", (2,)), ("acquire", (), {"blocking": False}),
            ("release", ()), ("release", ()), ("release", ()), ("__enter__", ()),
            ("__exit__", (None, None, None)))

    def test_bounded_semaphore_is_threadings(self):
        self.assert_both(
            threading.BoundedSemaphore(1), _core.Semaphore(self.connection, 1, bounded=True),
            ("release", ()), ("acquire", ()), ("release", ()), ("release", ()), ("acquire", ()),
            ("acquire", (True, 0)), ("release", (2,)), ("release", ()))

    def test_semaphore_initial_value(self):
        self.assertEqual(outcome(threading.Semaphore, -1),
                         outcome(_core.Semaphore, self.connection, -1))
        semaphore = _core.Semaphore(self.connection, 0)
        self.assertIs(semaphore.acquire(False), False)
        self.assertFalse(semaphore.bounded)

    def test_semaphore_released_by_another_thread(self):
        semaphore = _core.Semaphore(self.connection, 0)
        threading.Timer(0.05, semaphore.release).start()
        self.assertIs(semaphore.acquire(timeout=10), True)


class EventTest(SyncCase):
    def test_event_is_threadings(self):
        self.assert_both(
            threading.Event(), _core.Event(self.connection),
            ("is_set", ()), ("wait", (0.01,)), ("wait", (-1,)), ("wait", (0,)), ("set", ()),
            ("is_set", ()), ("wait", ()), ("wait", (0,)), ("set", ()), ("clear", ()),
            ("is_set", ()), ("clear", ()))

    def test_event_wakes_all(self):
        event, answers = _core.Event(self.connection), []
        threads = [threading.Thread(target=lambda: answers.append(event.wait(20))) for _ in range(5)]
        for thread in threads:
            thread.start()
        until(lambda: event.info()["waiting"] == 5, "all wait")
        event.set()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [True] * 5)


class ConditionTest(SyncCase):
    def conditions(self):
        yield threading.Condition(), _core.Condition(self.connection)
        yield (threading.Condition(threading.Lock()),
               _core.Condition(self.connection, _core.Lock(self.connection)))

    def test_condition_is_threadings(self):
        for builtin, shared in self.conditions():
            self.assert_both(
                builtin, shared, ("wait", (0,)), ("notify", ()), ("notify_all", ()),
                ("release", ()), ("acquire", ()), ("wait", (0.01,)), ("wait", (0,)),
                ("wait", (-1,)), ("notify", ()), ("notify", (2,)), ("notify", (0,)),
                ("notify_all", ()), ("release", ()), ("release", ()), ("acquire", (False,)),
                ("release", ()), ("acquire", (False, 1)))

    def test_condition_wait_for_returns_the_predicates_result(self):
        condition = _core.Condition(self.connection)
        with condition:
            self.assertEqual(condition.wait_for(lambda: "yes"), "yes")
            began = time.monotonic()
            self.assertEqual(condition.wait_for(lambda: 0, 0.05), 0)
            self.assertGreaterEqual(time.monotonic() - began, 0.05)
            self.assertEqual(condition.wait_for(lambda: [], timeout=-1), [])
            with self.assertRaises(ZeroDivisionError):
                condition.wait_for(lambda: 1 / 0)
        with self.assertRaises(RuntimeError):
            condition.wait_for(lambda: False, 1)

    def test_condition_wait_for_a_change(self):
        condition, state = _core.Condition(self.connection), []

        def change():
            with condition:
                state.append(1)
                condition.notify()
        with condition:
            thread = threading.Thread(target=change)
            thread.start()
            self.assertEqual(condition.wait_for(lambda: list(state), 20), [1])
        thread.join()

    def test_condition_notifies_in_order(self):
        condition, woken = _core.Condition(self.connection), []

        def wait(number):
            with condition:
                self.assertIs(condition.wait(20), True)
                woken.append(number)
        threads = []
        for number in range(3):
            threads.append(threading.Thread(target=wait, args=(number,)))
            threads[-1].start()
            until(lambda n=number: condition.info()["waiting"] == n + 1, "it waits")
        for number in range(3):
            with condition:
                condition.notify()
            until(lambda n=number: len(woken) == n + 1, "it is woken")
        for thread in threads:
            thread.join()
        self.assertEqual(woken, [0, 1, 2])

    def test_condition_on_a_lock(self):
        lock = _core.Lock(self.connection)
        condition = _core.Condition(self.connection, lock)
        self.assertIs(condition.lock, lock)
        self.assertIsNone(_core.Condition(self.connection).lock)
        with condition:
            self.assertIs(lock.acquire(False), False)
        with self.assertRaises(TypeError):
            _core.Condition(self.connection, threading.Lock())


class BarrierTest(SyncCase):
    def parties(self, barrier, count, *args):
        """What wait() does in so many threads."""
        results = []
        threads = [threading.Thread(target=lambda: results.append(outcome(barrier.wait, *args)[:2]))
                   for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(results, key=str)

    def test_barrier_numbers_the_parties(self):
        for round_number in range(3):
            with self.subTest(round=round_number):
                self.assertEqual(self.parties(_core.Barrier(self.connection, 3), 3),
                                 [("returns", i) for i in range(3)])

    def test_barrier_attributes(self):
        barrier = _core.Barrier(self.connection, 2)
        self.assertEqual((barrier.parties, barrier.n_waiting, barrier.broken), (2, 0, False))
        thread = threading.Thread(target=outcome, args=(barrier.wait,))
        thread.start()
        until(lambda: barrier.n_waiting == 1, "one waits")
        barrier.abort()
        thread.join()
        self.assertEqual((barrier.n_waiting, barrier.broken), (0, True))
        barrier.reset()
        self.assertFalse(barrier.broken)

    def test_barrier_timeout_breaks_it_as_threadings(self):
        for builtin, shared in (
                (threading.Barrier(2), _core.Barrier(self.connection, 2)),
                (threading.Barrier(2, timeout=0.01), _core.Barrier(self.connection, 2, timeout=0.01))):
            args = () if shared.timeout else (0.01,)
            self.assert_both(builtin, shared, ("wait", args), ("wait", ()), ("reset", ()))
            self.assertEqual(self.parties(shared, 2, 20), [("returns", 0), ("returns", 1)])
        self.assert_both(threading.Barrier(2), _core.Barrier(self.connection, 2),
                         ("wait", (-1,)), ("abort", ()), ("wait", ()))

    def test_barrier_action_runs_once(self):
        calls = []
        barrier = _core.Barrier(self.connection, 3, action=lambda: calls.append(barrier.parties))
        self.parties(barrier, 3)
        self.assertEqual(calls, [3])

    def test_barrier_action_that_raises_breaks_it(self):
        barrier = _core.Barrier(self.connection, 2, lambda: 1 / 0)
        self.assertEqual([kind for kind, _ in self.parties(barrier, 2)],
                         [ZeroDivisionError, threading.BrokenBarrierError])
        self.assertTrue(barrier.broken)
        barrier.action = None
        barrier.reset()
        self.assertEqual(self.parties(barrier, 2), [("returns", 0), ("returns", 1)])


if __name__ == "__main__":
    main()
