"""No references are left over by calls that succeed, fail, or are refused.

A count of memory blocks before and after each call was made many times; together 100,000 operations.
"""
import gc
import signal
import sys
import threading
import unittest

import core_case
from holdfast import _core
from support import main

ROUNDS = 700
SLACK = 150  # blocks that the interpreter takes for itself, e.g. its list of 100 free floats


class LeakTest(core_case.CoreCase):
    def check(self, **calls):
        """Each call, whatever it raises, leaves as many blocks as there were."""
        for name, call in calls.items():
            with self.subTest(call=name):
                def repeat(count, call=call):
                    for _ in range(count):
                        try:
                            call()
                        except Exception:  # pylint: disable=broad-except
                            pass
                repeat(50)
                gc.collect()
                before = sys.getallocatedblocks()
                repeat(ROUNDS)
                gc.collect()
                self.assertLess(sys.getallocatedblocks() - before, SLACK)

    def test_queue(self):
        shared, full = _core.Queue(self.connection), _core.Queue(self.connection, maxsize=1)
        full.put(1)
        item = ("text" * 10, 1.5, b"bytes", {"pickled": [1, 2]})

        def give_back():
            try:
                with shared.reserve():
                    shared.reserve(0)
            finally:
                shared.get()
        self.check(
            put_get=lambda: (shared.put(item), shared.get()), empty=lambda: shared.get(False),
            full=lambda: full.put(item, False), negative=lambda: shared.get(timeout=-1),
            unpicklable=lambda: shared.put(lambda: 0), no_argument=lambda: shared.put(),
            many=lambda: (shared.put_many([item] * 5, priority=1), shared.get_many(9)),
            unpicklable_many=lambda: shared.put_many([1, lambda: 0]),
            reserved=lambda: (shared.put(item), shared.reserve().ack()),
            returned=lambda: (shared.put(item), give_back()),
            made=lambda: _core.Queue(self.connection, maxsize=2),
            not_made=lambda: _core.Queue(self.connection, maxsize="x"), bad_name=lambda: _core.Queue(
                self.connection, "\0"), done=shared.task_done, info=shared.info)

    def test_pipe(self):
        near, far = _core.pipe_new(self.connection)
        closed = _core.pipe_new(self.connection)[0]
        closed.close()
        self.check(
            send=lambda: (near.send(["pickled"]), far.recv()), late=lambda: far.recv(timeout=0),
            closed=lambda: closed.send(1), bad_end=lambda: near.attach(5),
            made=lambda: _core.pipe_new(self.connection), not_made=lambda: _core.pipe_new(5))

    def test_sync(self):
        lock, condition = _core.Lock(self.connection), _core.Condition(self.connection)
        semaphore = _core.Semaphore(self.connection, 1, bounded=True)
        event, barrier = _core.Event(self.connection), _core.Barrier(self.connection, 1, lambda: 1 / 0)
        plain = _core.Barrier(self.connection, 1)

        def owned():
            with condition:
                condition.wait(0)
                condition.wait_for(lambda: "x" * 100)
                condition.wait_for(lambda: 1 / 0)
        self.check(
            lock=lambda: (lock.acquire(), lock.acquire(False), lock.release()), free=lock.release,
            bad_timeout=lambda: lock.acquire(True, -5), both=lambda: lock.acquire(True, blocking=True),
            options=lambda: (lock.acquire(lease=5, robust=True), lock.release(token=lock.token)),
            stale=lambda: lock.release(token=1), semaphore=lambda: (semaphore.acquire(),
                                                                   semaphore.release()),
            too_often=semaphore.release, event=lambda: event.wait(0), unowned=condition.wait,
            condition=owned, on_a_lock=lambda: _core.Condition(self.connection, lock),
            on_nothing=lambda: _core.Condition(self.connection, 5), barrier=plain.wait,
            action=lambda: (barrier.reset(), barrier.wait()), broken=barrier.wait,
            no_parties=lambda: _core.Barrier(self.connection, 0))

    def test_cell(self):
        cell, array = _core.Cell(self.connection, "i"), _core.Array(self.connection, "d", 100)

        class Packed(_core.Array):
            def _slice_(self, numbers):
                return 1 / 0
        packed, buffer = Packed(self.connection, "d", 5), bytearray(800)
        self.check(
            value=lambda: (cell.set(5000), cell.value, cell.add(1)), overflow=lambda: cell.set(2 ** 40),
            wrong=lambda: cell.set("x"), lock=lambda: (cell.acquire(), cell.release()),
            locked=lambda: [(cell.__enter__, cell.__exit__) for _ in range(3) if cell.__enter__() and
                            cell.__exit__() is None],
            unowned=cell.release, wait=lambda: cell.wait(cell.value, 0),
            swap=lambda: cell.compare_and_set(1, 2), made=lambda: _core.Cell(self.connection, "i", 5),
            not_made=lambda: _core.Cell(self.connection, "z"), element=lambda: (array[5], array[-1]),
            beyond=lambda: array[100], assigned=lambda: array.__setitem__(5, 5.5),
            slices=lambda: (array[:], array[::2]), set_slice=lambda: array.__setitem__(
                slice(0, 3), [1, 2, 3]), bad_slice=lambda: array.__setitem__(slice(0, 2), [1, "x"]),
            wrong_count=lambda: array.__setitem__(slice(0, 2), [1]), hook=lambda: packed[:],
            read=array.read, into=lambda: array.read_into(buffer), write=lambda: array.write(buffer),
            not_into=lambda: array.read_into(b"12345678"), not_a_buffer=lambda: array.write(5),
            memory=lambda: memoryview(array)[5], array_made=lambda: _core.Array(
                self.connection, "i", [1, 2, 3]), array_not_made=lambda: _core.Array(
                    self.connection, "i", [1, None]))

    def test_batches(self):
        shared, things = _core.Dict(self.connection), _core.Queue(self.connection)
        array = _core.Array(self.connection, "d", 10)
        event = _core.Event(self.connection)
        event.set()

        def pipeline(error):
            with self.connection.pipeline() as batch:
                shared.setdefault("k", ["pickled"])
                things.put("x" * 1000)
                things.get()
                array.read()
                if error:
                    shared["missing"]
            return [pending.result() for pending in batch.results]

        def transaction(error):
            with self.connection.transaction() as block:
                block.require_length(shared, 0)
                shared.add("n", 1)
                if error:
                    things.get()

        def raising(block):
            with block:
                shared.add("n", 1)
                raise ValueError

        def oneway():
            with self.connection.oneway():
                shared.add("n", 1)
            self.connection.flush()
        self.check(
            pipeline=lambda: pipeline(False), failing=lambda: pipeline(True),
            transaction=lambda: transaction(False), refused=lambda: transaction(True),
            raising=lambda: raising(self.connection.pipeline()),
            dropped=lambda: raising(self.connection.transaction()), oneway=oneway,
            unused=self.connection.pipeline, wait=lambda: self.connection.wait([things, event]),
            late=lambda: self.connection.wait([things], 0),
            bad_wait=lambda: self.connection.wait([things, 5]))

    def test_async(self):
        import select
        shared = _core.Queue(self.connection)
        asynchronous = self.connection.async_open()

        def complete(*calls):
            asynchronous.begin()
            pendings = [call() for call in calls]
            asynchronous.end()
            while not all(pending.done() for pending in pendings):
                select.select([asynchronous.descriptor()], [], [], 20)
                asynchronous.collect()
            return pendings

        def cancelled():
            asynchronous.begin()
            pending = shared.get()
            asynchronous.end()
            asynchronous.cancel(pending)
            complete(shared.qsize)
        self.check(calls=lambda: complete(lambda: shared.put(["x"]), shared.get),
                   failing=lambda: complete(shared.get_nowait)[0].result(), cancelled=cancelled,
                   wait=lambda: complete(lambda: self.connection.wait([shared], 0)))
        asynchronous.close()
        self.check(opened=lambda: self.connection.async_open().close(),
                   dropped=self.connection.async_open)

    def test_interrupts(self):
        shared = _core.Queue(self.connection)

        def handle(*_):
            raise ValueError
        signal.signal(signal.SIGALRM, handle)

        def interrupted():
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            shared.get()
        self.check(get=interrupted)

    def test_threads(self):
        shared = _core.Queue(self.connection)

        def both():
            thread = threading.Thread(target=shared.put, args=(1,))
            thread.start()
            shared.get()
            thread.join()
        self.check(get=both)


if __name__ == "__main__":
    main()
