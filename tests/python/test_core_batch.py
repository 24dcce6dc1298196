"""Pipelines, transactions, calls without replies, wait, asynchronous calls."""
import contextlib
import os
import queue
import select
import threading
import time
import unittest
import unittest.mock

import core_case
from core_case import outcome
from holdfast import _core, pickles
from support import main, until


class PipelineTest(core_case.CoreCase):
    def setUp(self):
        self.dict = _core.Dict(self.connection)
        self.queue = _core.Queue(self.connection)

    def test_pipeline_gives_each_result(self):
        with self.connection.pipeline() as batch:
            self.dict["a"] = 1
            added = self.dict.add("a", 5)
            self.assertRaises(RuntimeError, added.result)
            self.assertFalse(added.done())
            self.queue.put("x")
            got = self.queue.get()
            missing = self.dict.get("zz", "fallback")
        self.assertEqual((added.result(), got.result(), missing.result()), (6, "x", "fallback"))
        self.assertTrue(added.done())
        self.assertEqual([pending.result() for pending in batch.results],
                         [None, 6, None, "x", "fallback"])
        self.assertEqual(self.dict["a"], 6)

    def test_pipeline_raises_the_first_failure(self):
        with self.assertRaises(KeyError) as caught:
            with self.connection.pipeline():
                first = self.dict["zz"]
                empty = self.queue.get(False)
                late = self.dict.setdefault("a", 2)
        self.assertEqual(caught.exception.args, ("zz",))
        self.assertIsInstance(first.exception(), KeyError)
        self.assertIsInstance(empty.exception(), queue.Empty)
        self.assertRaises(queue.Empty, empty.result)
        self.assertEqual(late.result(), 2)
        self.assertIsNone(late.exception())

    def test_pipeline_raises_the_failure_after_a_default(self):
        shared = _core.List(self.connection)
        with self.assertRaises(IndexError):
            with self.connection.pipeline():
                self.dict.get("missing")
                shared[100] = 1

    def test_pipeline_a_late_acquire_is_no_failure(self):
        lock = _core.Lock(self.connection)
        with self.connection.pipeline():
            first, second = lock.acquire(), lock.acquire(False)
        self.assertEqual((first.result(), second.result()), (True, False))

    def test_pipeline_of_many_failures(self):
        self.dict[1700] = "there"
        with self.assertRaises(KeyError):
            with self.connection.pipeline() as batch:
                for i in range(3000):
                    self.dict[i]
        for i, pending in enumerate(batch.results):
            if i == 1700:
                self.assertEqual(pending.result(), "there")
            else:
                self.assertEqual(pending.exception().args, (i,))

    def test_pipeline_collects_in_between(self):
        with self.connection.pipeline(in_flight=2) as batch:
            for i in range(5):
                self.dict[i] = i
            batch.collect()
            self.assertTrue(all(pending.done() for pending in batch.results))
            last = self.dict[4]
        self.assertEqual(last.result(), 4)
        self.assertRaises(RuntimeError, batch.collect)

    def test_pipeline_block_that_raises(self):
        with self.assertRaises(ZeroDivisionError):
            with self.connection.pipeline():
                missing = self.dict["zz"]
                stored = self.dict.setdefault("k", 1)
                1 / 0
        self.assertIsInstance(missing.exception(), KeyError)
        self.assertEqual(stored.result(), 1)
        self.dict["a"] = 1  # calls are plain again
        self.assertEqual(self.dict["a"], 1)

    def test_pipeline_block_that_raises_waits_for_nothing(self):
        calls = []

        def use():
            with contextlib.suppress(ZeroDivisionError):
                with self.connection.pipeline():
                    calls.extend((self.queue.get(), self.dict.setdefault("k", 1)))
                    1 / 0
        for run in (use, self.run_in_thread(use)):
            calls.clear()
            began = time.monotonic()
            run()
            self.assertLess(time.monotonic() - began, 10)
            self.assertRaises(_core.Cancelled, calls[0].result)
            self.assertEqual(calls[1].result(), 1)
        self.queue.put(1)
        self.assertEqual(self.queue.get(), 1)

    def run_in_thread(self, use):
        def run():
            thread = threading.Thread(target=use, daemon=True)
            thread.start()
            thread.join(20)
        return run

    def test_pipeline_is_a_threads(self):
        with self.connection.pipeline():
            self.queue.put(1)
            box = []
            thread = threading.Thread(target=lambda: box.append(self.queue.get()))
            thread.start()
            self.queue.put(2)
        thread.join()
        self.assertEqual(box, [1])

    def test_pipeline_refusals(self):
        batch = self.connection.pipeline()
        with batch:
            self.assertRaises(RuntimeError, self.connection.pipeline().__enter__)
            self.assertRaises(RuntimeError, self.connection.transaction().__enter__)
        self.assertRaises(RuntimeError, batch.__enter__)
        self.assertRaises(RuntimeError, batch.__exit__, None, None, None)
        self.assertRaises(ValueError, self.connection.pipeline, -1)
        self.assertRaises(TypeError, self.connection.pipeline, "x")

    def test_pipeline_is_collected_by_its_thread(self):
        self.dict["k"] = 1
        with self.connection.pipeline() as batch:
            pending = self.dict.get("k")
            outcomes = []
            thread = threading.Thread(target=lambda: outcomes.append(outcome(batch.collect)[0]))
            thread.start()
            thread.join()
            self.assertFalse(pending.done())
        self.assertEqual((outcomes, pending.result()), ([RuntimeError], 1))

    def test_pipeline_keeps_its_connection_open(self):
        for block in ("pipeline", "oneway"):
            connection = _core.Connection(self.url)
            shared = _core.Dict(connection)
            same = self.connection.open("dict", shared.id)
            with getattr(connection, block)():
                shared[1] = 1
                connection.close()
                self.assertTrue(connection.closed)
                self.assertRaises(_core.Closed, shared.__setitem__, 2, 2)
            until(lambda: same.copy() == {1: 1}, f"the call of a {block} is performed")
            same.close()

    def test_transaction_whose_connection_was_closed_is_dropped(self):
        connection = _core.Connection(self.url)
        shared = _core.Dict(connection)
        with self.assertRaises(_core.Closed):
            with connection.transaction():
                lost = shared.setdefault(1, 1)
                connection.close()
        self.assertRaises(_core.Cancelled, lost.result)

    def test_pipeline_dropped_results_are_freed(self):
        made = _core.Dict(self.connection)
        number = made.id
        nested = self.connection.open("dict", number)
        self.dict["nested"] = nested
        with self.connection.pipeline():
            self.dict["nested"]
        nested.close()
        made.close()
        del self.dict["nested"]
        until(lambda: outcome(self.connection.open, "dict", number)[0] != "returns", "it is freed")

    def test_pipeline_of_a_thread_that_ended(self):
        """Is not that of another thread which has its identifier."""
        kept, idents = [], []

        def open_one():
            kept.append(self.connection.pipeline().__enter__())

        def call():
            self.assertEqual(self.dict.setdefault("k", 1), 1)

        def run(target):
            def note():
                idents.append(threading.get_ident())
                target()
            with unittest.mock.patch("threading.excepthook", lambda failure: kept.append(failure.exc_value)):
                thread = threading.Thread(target=note)
                thread.start()
                thread.join()
        run(open_one)
        while idents[0] not in idents[1:]:
            self.assertLess(len(idents), 1000)
            run(call)
        self.assertEqual(len(kept), 1, kept)

    def test_pipeline_in_a_forked_child(self):
        with self.connection.pipeline():
            first = self.dict.setdefault("parent", 1)
            child = os.fork()
            if child == 0:
                second = self.dict.setdefault("child", 2)
                os._exit(0 if not second.done() else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(first.result(), 1)


class TransactionTest(core_case.CoreCase):
    def setUp(self):
        self.dict = _core.Dict(self.connection)
        self.queue = _core.Queue(self.connection, maxsize=2)

    def test_transaction_performs_all_or_nothing(self):
        self.dict.update(a=10, b=0)
        with self.connection.transaction() as transaction:
            transaction.require_equal(self.dict, "a", 10)
            transaction.require_missing(self.dict, "c")
            transaction.require_length(self.dict, 2)
            transaction.require_room(self.queue, 2)
            first, second = self.dict.add("a", -10), self.dict.add("b", 10)
            self.queue.put("done")
        self.assertEqual((first.result(), second.result(), self.queue.get()), (0, 10, "done"))
        self.assertEqual(len(transaction.results), 3)
        self.assertIsNone(transaction.pending)
        with self.assertRaises(_core.ConditionNotMet):
            with self.connection.transaction() as transaction:
                transaction.require_equal(self.dict, "a", 10)
                lost = self.dict.add("a", 1)
        self.assertRaises(_core.ConditionNotMet, lost.result)
        self.assertEqual(self.dict.copy(), {"a": 0, "b": 10})

    def test_transaction_raises_what_the_failed_call_raises(self):
        self.dict["a"] = 1
        for call, error in ((lambda: self.dict["zz"], KeyError), (lambda: self.queue.get(), queue.Empty),
                            (lambda: self.dict.pop("zz"), KeyError)):
            with self.assertRaises(error):
                with self.connection.transaction():
                    kept = self.dict.add("a", 1)
                    call()
            self.assertEqual(self.dict["a"], 1)
            self.assertRaises(_core.Error if error is None else Exception, kept.result)

    def test_transaction_block_that_raises_does_nothing(self):
        with self.assertRaises(ZeroDivisionError):
            with self.connection.transaction():
                lost = self.dict.setdefault("a", 1)
                1 / 0
        self.assertRaises(_core.Cancelled, lost.result)
        self.assertEqual(len(self.dict), 0)
        with self.connection.transaction():
            pass

    def test_transaction_waits_for_its_conditions(self):
        event = _core.Event(self.connection)
        threading.Timer(0.05, event.set).start()
        with self.connection.transaction(timeout=20) as transaction:
            transaction.require_set(event)
            self.dict["a"] = 1
        self.assertEqual(self.dict["a"], 1)
        with self.assertRaises(_core.ConditionNotMet):
            with self.connection.transaction(timeout=0.01) as transaction:
                transaction.require_missing(self.dict, "a")
                self.dict["b"] = 1

    def test_transaction_of_a_lock(self):
        lock, cell = _core.Lock(self.connection), _core.Cell(self.connection, "i", 5)
        lock.acquire()
        with self.connection.transaction() as transaction:
            transaction.require_owned(lock, lock.token)
            transaction.require_at_least(cell, 5)
            lock.release()
            added = cell.add(1)
        self.assertEqual(added.result(), 6)
        with self.assertRaises(_core.TokenStale):
            with self.connection.transaction() as transaction:
                transaction.require_owned(lock, 1)
                cell.add(1)
        with self.connection.transaction() as transaction:
            transaction.require_free(lock)
            self.dict["free"] = lock.acquire(False) is not None
        self.assertIs(lock.acquire(False), False)

    def test_transaction_conditions_see_what_their_arguments_close(self):
        class Closing:
            def __init__(self, shared):
                self.shared = shared

            def __index__(self):
                self.shared.close()
                return 1
        shared = _core.Queue(self.connection)
        with self.connection.transaction() as transaction:
            self.assertRaises(_core.Closed, transaction.require_length, shared, Closing(shared))
            self.assertRaises(_core.Closed, transaction.require_room, self.queue, Closing(self.queue))

    def test_transaction_refusals(self):
        transaction = self.connection.transaction()
        self.assertRaises(RuntimeError, transaction.require_set, _core.Event(self.connection))
        other = _core.Connection(self.url)
        self.addCleanup(other.close)
        foreign = _core.Dict(other)
        with self.connection.transaction() as transaction:
            self.assertRaises(TypeError, transaction.require_set, self.dict)
            self.assertRaises(TypeError, transaction.require_equal, 5, 1, 1)
            self.assertRaises(ValueError, transaction.require_missing, foreign, 1)
            self.assertRaises(ValueError, transaction.require_length, self.dict, -1)
        self.assertRaises(ValueError, self.connection.transaction, -1)


class OnewayTest(core_case.CoreCase):
    def test_oneway(self):
        shared = _core.Dict(self.connection)
        with self.connection.oneway() as block:
            for i in range(100):
                self.assertIsNone(shared.__setitem__(i, i))
            self.assertIsNone(shared.add(5, 1))
            self.assertRaises(Exception, shared.__getitem__, 5)
        self.assertEqual(block.results, [])
        self.assertEqual(self.connection.flush(), {"sent": 101, "failed": 0, "first_status": "OK",
                                                   "first_reason": ""})
        self.assertEqual((len(shared), shared[5]), (100, 6))
        with self.connection.oneway():
            shared.add(5, "x")
        result = self.connection.flush(timeout=20)
        self.assertEqual((result["failed"], result["first_reason"]), (1, "WRONG_TYPE"))


class WaitTest(core_case.CoreCase):
    def test_wait_takes_what_comes_first(self):
        things = [_core.Queue(self.connection), _core.pipe_new(self.connection)[0],
                  _core.Event(self.connection), _core.Lock(self.connection),
                  _core.Semaphore(self.connection, 0)]
        far = _core.pipe_new(self.connection)
        things[1] = far[0]
        things[3].acquire()
        self.assertEqual(self.connection.wait(things, 0.01), (None, None))
        self.assertEqual(self.connection.wait(things, -1), (None, None))
        for index, (make_ready, result) in enumerate((
                (lambda: things[0].put("item"), "item"), (lambda: far[1].send("sent"), "sent"),
                (things[2].set, True), (things[3].release, True), (things[4].release, True))):
            threading.Timer(0.02, make_ready).start()
            found, value = self.connection.wait(things, timeout=20)
            self.assertIs(found, things[index])
            self.assertEqual(value, result)
            things[2].clear()
        self.assertIs(things[3].acquire(False), False)
        self.assertIs(things[4].acquire(False), False)

    def test_wait_errors_are_the_objects(self):
        near, far = _core.pipe_new(self.connection)
        far.close()
        self.assertRaises(EOFError, self.connection.wait, [_core.Event(self.connection), near])

    def test_wait_keeps_its_objects_open(self):
        shared, event = _core.Queue(self.connection), _core.Event(self.connection)
        number, answers = shared.id, []
        thread = threading.Thread(
            target=lambda: answers.append(outcome(self.connection.wait, [shared, event], 20)[1]))
        thread.start()
        until(lambda: event.info()["waiting"] == 1, "it waits")
        shared.close()
        self.assertTrue(shared.closed)
        self.assertRaises(_core.Closed, self.connection.wait, [shared])
        self.connection.open("queue", number).close()
        event.set()
        thread.join()
        self.assertEqual(answers, [(event, True)])
        until(lambda: outcome(self.connection.open, "queue", number)[0] != "returns", "it is freed")

    def test_wait_refusals(self):
        event = _core.Event(self.connection)
        for objects, error in (([], ValueError), ([event] * 65, ValueError), ([1], TypeError),
                               (5, TypeError), ([_core.Dict(self.connection)], TypeError)):
            with self.assertRaises(error):
                self.connection.wait(objects)


class AsyncTest(core_case.CoreCase):
    def setUp(self):
        self.asynchronous = self.connection.async_open()
        self.addCleanup(self.asynchronous.close)
        self.queue = _core.Queue(self.connection)

    def collect(self, *pendings):
        """All that completes until these have."""
        done = []
        while not all(pending.done() for pending in pendings):
            ready = select.select([self.asynchronous.descriptor()], [], [], 20)[0]
            self.assertTrue(ready, "nothing completes")
            done += self.asynchronous.collect()
        return done

    def submit(self, *calls):
        self.asynchronous.begin()
        pendings = [call() for call in calls]
        self.asynchronous.end()
        return pendings

    def test_async_calls_complete_later(self):
        got, size = self.submit(self.queue.get, self.queue.qsize)
        self.assertEqual(self.asynchronous.in_flight, 2)
        self.assertEqual(self.collect(size), [size])
        self.assertFalse(got.done())
        self.assertRaises(RuntimeError, got.result)
        self.queue.put("item")
        self.assertEqual(self.collect(got), [got])
        self.assertEqual((size.result(), got.result(), self.asynchronous.in_flight), (0, "item", 0))
        self.assertEqual(self.asynchronous.collect(), [])

    def test_async_errors(self):
        empty, = self.submit(self.queue.get_nowait)
        self.collect(empty)
        self.assertEqual(outcome(empty.result), (queue.Empty, ()))

    def test_async_collects_before_the_end(self):
        self.asynchronous.begin()
        sizes = [self.queue.qsize() for _ in range(1000)]
        until(lambda: self.asynchronous.collect() and False or sizes[0].done(), "the first completes")
        self.assertLessEqual(self.asynchronous.in_flight, 999)
        self.asynchronous.end()
        self.collect(*sizes)
        self.assertEqual(self.asynchronous.in_flight, 0)

    def test_async_is_a_threads_until_the_end(self):
        asynchronous, outcomes = self.asynchronous, []
        asynchronous.begin()
        pending = self.queue.qsize()

        def use():
            for call in (asynchronous.begin, asynchronous.collect, asynchronous.end,
                         lambda: asynchronous.cancel(pending), asynchronous.close):
                outcomes.append(outcome(call)[0])
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        self.assertEqual(outcomes, [RuntimeError] * 5)
        asynchronous.end()
        self.collect(pending)
        self.assertEqual(pending.result(), 0)

    def test_async_close_keeps_results(self):
        for _ in range(100):
            size, got = self.submit(self.queue.qsize, self.queue.get)
            self.assertTrue(select.select([self.asynchronous.descriptor()], [], [], 20)[0])
            self.asynchronous.close()
            self.assertRaises(_core.Cancelled, got.result)
            try:
                self.assertEqual(size.result(), 0)
                return
            except _core.Cancelled:  # the descriptor was ready for something else, as it may be
                self.asynchronous = self.connection.async_open()
                self.addCleanup(self.asynchronous.close)
        self.fail("no result was kept")

    def test_async_refuses_more_than_are_allowed(self):
        self.asynchronous.begin()
        submitted = []
        with self.assertRaises(_core.Error) as refused:
            for _ in range(2000):
                submitted.append(self.queue.get())
        self.asynchronous.end()
        self.assertEqual(refused.exception.reason, "IN_FLIGHT_FULL")
        self.assertGreater(len(submitted), 1000)
        self.assertIn("collect", str(refused.exception))
        self.assertTrue(all(not pending.done() for pending in submitted))

    def test_async_cancel(self):
        got, kept = self.submit(self.queue.get, self.queue.get)
        self.asynchronous.cancel(got)
        self.collect(got)
        self.assertRaises(_core.Cancelled, got.result)
        self.asynchronous.cancel(got)
        self.queue.put(1)
        self.collect(kept)
        self.assertEqual(kept.result(), 1)
        self.assertRaises(TypeError, self.asynchronous.cancel, 1)

    def test_async_transaction_is_one_call(self):
        shared = _core.Dict(self.connection)
        self.asynchronous.begin()
        with self.connection.transaction() as transaction:
            added = shared.add("a", 1)
        with self.connection.transaction() as failing:
            failing.require_missing(shared, "a")
            lost = shared.add("a", 1)
        self.assertEqual(self.asynchronous.last, failing.pending)
        self.asynchronous.end()
        self.collect(transaction.pending, failing.pending)
        self.assertEqual((added.result(), transaction.pending.result()), (1, None))
        self.assertRaises(_core.ConditionNotMet, failing.pending.result)
        self.assertRaises(_core.ConditionNotMet, lost.result)

    def test_async_transaction_opens_nothing(self):
        shared = _core.Dict(self.connection)
        self.asynchronous.begin()
        with self.connection.transaction() as transaction:
            added = shared.add("a", 1)
            for kind in _core.Dict, _core.List, _core.Pipe:
                self.assertRaises(RuntimeError, kind, self.connection)
        self.asynchronous.end()
        self.collect(transaction.pending)
        self.assertEqual(added.result(), 1)
        self.assertEqual(_core.Dict(self.connection).copy(), {})

    def test_result_that_opens_objects(self):
        """The objects in a list are opened by calls, which can't be made in each mode: the result can be
        taken later."""
        _core.set_codec(lambda value, connection: (b"", value), lambda data, proxies: proxies)
        self.addCleanup(_core.set_codec, pickles.dumps, pickles.loads, pickles.dumps_key)
        shared, later = _core.Dict(self.connection), []
        shared["a"] = shared["b"] = [shared]

        def ids(value):
            if isinstance(value, dict):
                return {key: ids(each) for key, each in value.items()}
            if isinstance(value, (list, tuple)):
                return type(value)(map(ids, value))
            return value.id if isinstance(value, _core.Object) else value

        def take_later(pending):
            for take in pending.result, pending.exception:
                self.assertRaisesRegex(RuntimeError, "after the end", take)
            self.assertTrue(pending.done())
            later.append(pending)
        pendings = self.submit(lambda: shared["a"], shared.copy, shared.values, shared.items,
                               lambda: shared.pop("a"), shared.popitem)
        expected = [[shared.id], {"a": [shared.id], "b": [shared.id]}, [[shared.id]] * 2,
                    [("a", [shared.id]), ("b", [shared.id])], [shared.id], ("b", [shared.id])]
        self.collect(*pendings)
        self.asynchronous.begin()
        take_later(pendings[0])
        with self.connection.transaction() as transaction:
            shared.add("n", 1)
            take_later(pendings[1])
        take_later(pendings[2])
        self.asynchronous.end()
        self.collect(transaction.pending)
        with self.connection.oneway():
            for pending in pendings[3:]:
                take_later(pending)
        with self.connection.pipeline():  # where they are opened
            self.assertEqual([ids(pending.result()) for pending in later[:3]], expected[:3])
        self.assertEqual([ids(pending.result()) for pending in later], expected)

    def test_async_wait(self):
        event = _core.Event(self.connection)
        self.asynchronous.begin()
        found, late = self.connection.wait([self.queue, event]), self.connection.wait([event], 0.01)
        self.asynchronous.end()
        self.collect(late)
        self.assertEqual(late.result(), (None, None))
        self.queue.put(5)
        self.collect(found)
        self.assertEqual(found.result(), (self.queue, 5))

    def test_async_close_cancels(self):
        got, = self.submit(self.queue.get)
        self.asynchronous.close()
        self.assertRaises(_core.Cancelled, got.result)
        self.assertRaises(_core.Closed, self.asynchronous.begin)
        self.assertRaises(_core.Closed, self.asynchronous.collect)
        self.queue.put(1)
        self.assertEqual(self.queue.get(), 1)

    def test_async_refusals(self):
        self.assertRaises(RuntimeError, self.connection.async_open)
        self.assertRaises(RuntimeError, self.asynchronous.end)
        self.asynchronous.begin()
        self.assertRaises(RuntimeError, self.asynchronous.begin)
        self.assertRaises(RuntimeError, self.connection.pipeline().__enter__)
        self.asynchronous.end()

    def test_async_dropped_while_calls_are_in_flight(self):
        connection = _core.Connection(self.url)
        shared = _core.Queue(connection)
        asynchronous = connection.async_open()
        asynchronous.begin()
        pending = shared.get()
        asynchronous.end()
        del asynchronous
        self.assertRaises(_core.Cancelled, pending.result)
        connection.close()

    def test_async_thousand_gets(self):
        queues = [_core.Queue(self.connection) for _ in range(1000)]
        pendings = self.submit(*(shared.get for shared in queues))
        for number, shared in enumerate(queues):
            shared.put(number)
        done = self.collect(*pendings)
        self.assertEqual(len(done), 1000)
        self.assertEqual([pending.result() for pending in pendings], list(range(1000)))


if __name__ == "__main__":
    main()
