"""holdfast.aio: coroutines of every kind, many at once, cancelled, after a fork."""
import asyncio
import gc
import os
import queue
import random
import threading
import time
import unittest
import warnings

import support

import holdfast
from holdfast import aio

SEED = int(os.environ.get("SEED") or time.time_ns() % 2**32)
COROUTINES = 1000


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def run(coroutine):
    """asyncio.run without asyncio's debug mode, in which each task costs a traceback."""
    return asyncio.run(coroutine, debug=False)


async def soon(awaitable):
    """A call that has to end soon."""
    return await asyncio.wait_for(awaitable, support.WAIT_S)


def cancel_at_completion(hf, task):
    """Cancels the task when its call, the only one in flight, is complete, before it goes on."""
    calls = hf._calls
    [expected], finish = calls._entries, calls._finish

    def finish_and_cancel(pending):
        finish(pending)
        if pending is expected:
            del calls._finish
            task.cancel()
    calls._finish = finish_and_cancel


class AioTest(unittest.TestCase):
    SCHEME = "ipc"

    @classmethod
    def setUpClass(cls):
        cls.server = support.server(cls.SCHEME)
        cls.url = cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def run_with_client(self, test):
        async def main():
            async with aio.connect(self.url) as hf:
                await test(hf)
        run(main())

    # ------------------------------------------------------------------------------ each kind

    def test_containers(self):
        async def test(hf):
            d, elements, ns = await hf.dict(), await hf.list(), await hf.namespace()
            await d.set("a", 1)
            self.assertEqual(await d["a"], 1)
            self.assertEqual(await d.add("a", 2), 3)
            self.assertEqual(await d.get("none", "default"), "default")
            with self.assertRaises(KeyError) as caught:
                await d["none"]
            self.assertEqual(caught.exception.args, ("none",))
            await d.update({"b": [1, {}]}, c=None)
            self.assertEqual(await d.copy(), {"a": 3, "b": [1, {}], "c": None})
            self.assertEqual([key async for key in d], ["a", "b", "c"])
            await d.remove("b")
            self.assertEqual((await d.contains("b"), await d.length()), (False, 2))
            await elements.extend([3, 1, 2])
            await elements.sort()
            await elements.set(0, "first")
            self.assertEqual([each async for each in elements], ["first", 2, 3])
            with self.assertRaises(IndexError):
                await elements[3]
            await ns.set("x", 5)
            self.assertEqual((await ns.get("x"), await ns.list()), (5, ["x"]))
            with self.assertRaises(AttributeError):
                await ns.get("y")
        self.run_with_client(test)

    def test_nested(self):
        async def test(hf):
            outer, inner = await hf.dict(), await hf.dict()
            await inner.set("x", 1)
            await outer.set("inner", inner)
            again = await outer["inner"]
            self.assertIsInstance(again, aio.Dict)
            self.assertEqual((again.id, await again["x"]), (inner.id, 1))
        self.run_with_client(test)

    def test_queue(self):
        async def test(hf):
            q = await hf.queue(maxsize=2)
            await q.put("a")
            await q.put("b")
            with self.assertRaises(queue.Full):
                await q.put("c", timeout=0.05)
            with self.assertRaises(queue.Full):
                await q.put_nowait("c")
            putting = asyncio.create_task(q.put("c"))
            self.assertEqual([await q.get(), await q.get(), await soon(q.get())], ["a", "b", "c"])
            await putting
            began = time.monotonic()
            with self.assertRaises(queue.Empty):
                await q.get(timeout=0.1)
            self.assertGreaterEqual(time.monotonic() - began, 0.1)
            with self.assertRaises(queue.Empty):
                await q.get_nowait()
            await q.put(1)
            async with await q.reserve(timeout=1) as item:
                self.assertEqual(item.value, 1)
            await q.put(2)
            with self.assertRaises(ZeroDivisionError):
                async with await q.reserve() as item:
                    1 / 0
            async with await q.reserve() as item:
                self.assertEqual((item.value, item.tries), (2, 1))
            for _ in range(3):
                await q.task_done()
            await soon(q.join())
        self.run_with_client(test)

    def test_iteration_ends_at_shutdown(self):
        async def test(hf):
            q = await hf.queue()
            for item in range(5):
                await q.put(item)
            got = []

            async def consume():
                async for item in q:
                    got.append(item)
            consumers = [asyncio.create_task(consume()) for _ in range(3)]
            await asyncio.sleep(0.05)
            await q.shutdown()
            await soon(asyncio.gather(*consumers))
            self.assertEqual(sorted(got), list(range(5)))
        self.run_with_client(test)

    def test_pipe(self):
        async def test(hf):
            a, b = await hf.pipe()
            receiving = asyncio.create_task(b.recv())
            await a.send([1, "x"])
            self.assertEqual(await soon(receiving), [1, "x"])
            self.assertFalse(await a.poll(0))
            await b.send(2)
            self.assertTrue(await a.poll(1))
            a.close()
            self.assertEqual([message async for message in b], [])
        self.run_with_client(test)

    def test_locks(self):
        async def test(hf):
            lock, semaphore = await hf.lock(), await hf.semaphore(2)
            inside = [0, 0]

            async def enter(lockable, index, limit):
                async with lockable:
                    inside[index] += 1
                    self.assertLessEqual(inside[index], limit)
                    await asyncio.sleep(0.001)
                    inside[index] -= 1
            await soon(asyncio.gather(*(enter(lock, 0, 1) for _ in range(20)),
                                      *(enter(semaphore, 1, 2) for _ in range(20))))
            first = lock.token
            async with lock:
                self.assertGreater(lock.token, first)
                self.assertFalse(await lock.acquire(timeout=0.02))
            with self.assertRaises(RuntimeError):
                await lock.release()
        self.run_with_client(test)

    def test_event_condition_barrier(self):
        async def test(hf):
            event, condition, barrier = await hf.event(), await hf.condition(), await hf.barrier(3)
            waiting = [asyncio.create_task(event.wait()) for _ in range(5)]
            self.assertFalse(await event.wait(0.02))
            await event.set()
            self.assertEqual(await soon(asyncio.gather(*waiting)), [True] * 5)
            ready = []

            async def wait():
                async with condition:
                    return await condition.wait_for(lambda: ready)
            waiting = [asyncio.create_task(wait()) for _ in range(5)]
            await asyncio.sleep(0.05)
            async with condition:
                ready.append("now")
                await condition.notify_all()
            self.assertEqual(await soon(asyncio.gather(*waiting)), [["now"]] * 5)
            with self.assertRaises(RuntimeError):
                await condition.notify()
            indices = await soon(asyncio.gather(*(barrier.wait() for _ in range(3))))
            self.assertEqual(sorted(indices), [0, 1, 2])
            with self.assertRaises(threading.BrokenBarrierError):
                await barrier.wait(0.02)
        self.run_with_client(test)

    def test_numbers(self):
        async def test(hf):
            for raw in False, True:
                value, array = await hf.value("q", 5, raw=raw), await hf.array("d", 300_000, raw=raw)
                self.assertEqual((await value.get(), await value.add(2)), (5, 7))
                self.assertEqual(await value.exchange(9), 7)
                self.assertTrue(await value.compare_and_set(9, 10))
                waiting = asyncio.create_task(value.wait(10))
                await asyncio.sleep(0.02)
                await value.set(11)
                self.assertEqual(await soon(waiting), 11)
                data = os.urandom(8 * len(array))  # more than one call's
                await array.write(data)
                self.assertEqual(await array.read(), data)
                self.assertEqual(await array.read(1000, 2), data[8000:8016])
                await array.set(1, 0.5)
                self.assertEqual(await array[1], 0.5)
                for each in value, array:  # their lock is a thread's
                    self.assertFalse(hasattr(each, "acquire"))
        self.run_with_client(test)

    def test_release_waits_for_room_in_any_case(self):
        async def test(hf):
            lock, d = await hf.lock(), await hf.dict()
            await lock.acquire()
            many = [asyncio.create_task(d.set(i, i)) for i in range(3000)]
            await asyncio.sleep(0)
            releasing = asyncio.create_task(lock.release())
            await asyncio.sleep(0)
            releasing.cancel()
            await asyncio.gather(*many)
            await asyncio.gather(releasing, return_exceptions=True)
            self.assertTrue(await lock.acquire(timeout=5))
            await lock.release()
        self.run_with_client(test)

    def test_manager_is_kept(self):
        async def test():
            async with aio.connect(holdfast.Manager()) as hf:
                gc.collect()
                await (await hf.dict()).set(1, 2)
        asyncio.run(test())

    def test_names(self):
        async def test(hf):
            d = await hf.dict("aio.named")
            await d.set(1, 2)
            found = await hf.find("aio.named")
            self.assertEqual((found.id, found.kind, await found[1]), (d.id, "dict", 2))
            self.assertEqual([each["name"] for each in await hf.list_objects("aio.n")], ["aio.named"])
            await hf.delete("aio.named")
            with self.assertRaises(holdfast.Error) as caught:
                await hf.find("aio.named")
            self.assertEqual(caught.exception.reason, "NO_SUCH_OBJECT")
            with self.assertRaises(TypeError):
                await hf.condition(name="aio.condition")
        self.run_with_client(test)

    def test_manager(self):
        async def test():
            manager = holdfast.connect(self.url)
            q = manager.Queue()
            async with aio.connect(manager) as hf:
                same = await hf.open(q)
                q.put({"from": "manager"})
                self.assertEqual(await soon(same.get()), {"from": "manager"})
        run(test())

    # ------------------------------------------------------------------------- several at once

    def test_transaction(self):
        async def test(hf):
            d, q, lock = await hf.dict(), await hf.queue(), await hf.lock()
            await q.put("job")
            async with hf.transaction() as t:
                t.require_length(q, 1)
                t.require_free(lock)
                got, count = t.call(q.get), t.call(d.add, "count", 1)
                t.call(d.set, "a", 1)
                t.call(d.set, "b", 2)
                removed = t.call(d.remove, "a")
                has, length = t.call(d.contains, "a"), t.call(d.length)
            self.assertEqual((got.result(), count.result(), removed.result()), ("job", 1, None))
            self.assertEqual((has.result(), length.result()), (False, 2))
            with self.assertRaises(holdfast.ConditionNotMet):
                async with hf.transaction() as t:
                    t.require_length(q, 1)
                    missed = t.call(d.add, "count", 1)
            with self.assertRaises(holdfast.ConditionNotMet):
                missed.result()
            self.assertEqual(await d["count"], 1)

            async def move():
                async with hf.transaction(timeout=support.WAIT_S) as t:
                    t.require_length(q, 1)
                    got = t.call(q.get)
                    t.call(d.add, "count", 10)
                return got.result()
            moving = asyncio.create_task(move())
            await asyncio.sleep(0.05)
            self.assertFalse(moving.done())
            await q.put("later")
            self.assertEqual((await soon(moving), await d["count"]), ("later", 11))
        self.run_with_client(test)

    def test_transaction_with_bad_call(self):
        async def test(hf):
            d = await hf.dict()
            with self.assertRaises(TypeError):
                async with hf.transaction() as t:
                    t.call(d.add, "count", 1)
                    t.call(d.add, [], 1)  # not hashable
            self.assertEqual(await d.copy(), {})
            with self.assertRaises(TypeError):
                async with hf.transaction() as t:
                    t.call(print, 1)
            with self.assertRaises(ZeroDivisionError):
                async with hf.transaction() as t:
                    t.call(d.add, "count", 1)
                    1 / 0
            self.assertEqual(await d.copy(), {})
        self.run_with_client(test)

    def test_wait_any(self):
        async def test(hf):
            q, event, lock = await hf.queue(), await hf.event(), await hf.lock()
            await lock.acquire()
            self.assertEqual(await hf.wait([q, event, lock], 0.02), (None, None))
            waiting = asyncio.create_task(hf.wait([q, event, lock]))
            await asyncio.sleep(0.02)
            await q.put("item")
            self.assertEqual(await soon(waiting), (q, "item"))
            await event.set()
            found, _ = await soon(hf.wait([q, event, lock]))
            self.assertIs(found, event)
            await lock.release()
            found, _ = await soon(hf.wait([q, lock]))
            self.assertIs(found, lock)
        self.run_with_client(test)

    # ----------------------------------------------------------------------------------- many

    def test_1000_coroutines_wait_on_1000_queues(self):
        async def test(hf):
            queues = await asyncio.gather(*(hf.queue() for _ in range(COROUTINES)))
            threads, files = threading.active_count(), descriptors()
            waiting = [asyncio.create_task(q.get()) for q in queues]
            await asyncio.sleep(0.2)
            self.assertFalse(any(task.done() for task in waiting))
            self.assertEqual((threading.active_count(), descriptors()), (threads, files))
            order = list(range(COROUTINES))
            random.Random(SEED).shuffle(order)
            began = time.monotonic()
            # More than the calls that may wait at a time: those that can't yet begin as others end.
            await asyncio.gather(*(queues[i].put(i) for i in order))
            self.assertEqual(await soon(asyncio.gather(*waiting)), list(range(COROUTINES)))
            print(f"{COROUTINES} coroutines on {COROUTINES} queues in one thread: "
                  f"{1e6 * (time.monotonic() - began) / COROUTINES:.0f} us an item")
        self.run_with_client(test)

    def test_more_calls_than_fit(self):
        async def test(hf):
            d = await hf.dict()
            await asyncio.gather(*(d.add("n", 1) for _ in range(5000)))
            self.assertEqual(await d["n"], 5000)
            q = await hf.queue()
            waiting = [asyncio.create_task(q.get()) for _ in range(3000)]
            await asyncio.sleep(0.05)
            for task in waiting[500:2500:7]:  # some are with the server, some wait for room
                task.cancel()
            cancelled = len(waiting[500:2500:7])
            await asyncio.gather(*(q.put(i) for i in range(3000 - cancelled)))
            results = await soon(asyncio.gather(*waiting, return_exceptions=True))
            got = [each for each in results if not isinstance(each, asyncio.CancelledError)]
            self.assertEqual(sorted(got), list(range(3000 - cancelled)))
        self.run_with_client(test)

    # --------------------------------------------------------------------------- cancellation

    def test_cancelled_calls_lose_no_item(self):
        """Each item is either returned by a get or still in the queue, whenever it was cancelled."""
        rounds, items = 100, 20
        rng = random.Random(SEED)
        counts = {"returned": 0, "cancelled": 0, "left": 0}

        async def one_round(hf, producer):
            q, source = await hf.queue(), None
            source = await producer.open(q._proxy)
            got = []

            async def consume():
                got.append(await q.get())
                await asyncio.sleep(support.WAIT_S)  # a cancellation that was put off comes here
            consumers = [asyncio.create_task(consume()) for _ in range(items)]

            async def cancel():
                for task in consumers:
                    await asyncio.sleep(rng.choice([0, 0, 0, 0.0002, 0.001]))
                    task.cancel()

            async def produce():
                for i in range(items):
                    await source.put(i)
                    await asyncio.sleep(rng.choice([0, 0, 0.0005]))
            await asyncio.gather(cancel(), produce())
            ends = await soon(asyncio.gather(*consumers, return_exceptions=True))
            self.assertTrue(all(isinstance(end, asyncio.CancelledError) for end in ends), ends)
            left = [await q.get_nowait() for _ in range(await q.qsize())]
            self.assertEqual(sorted(got + left), list(range(items)))
            counts["returned"] += len(got)
            counts["cancelled"] += items - len(got)
            counts["left"] += len(left)

        async def test(hf):
            async with aio.connect(self.url) as producer:
                for _ in range(rounds):
                    await one_round(hf, producer)
        self.run_with_client(test)
        print(f"seed {SEED}: {rounds * items} gets cancelled at random moments: {counts}")
        self.assertGreater(min(counts["returned"], counts["left"]), 0)

    def test_timeout_of_asyncio(self):
        """asyncio's own timeouts: either TimeoutError and nothing was taken, or the item."""
        rng = random.Random(SEED)

        async def test(hf):
            q = await hf.queue()
            got = []
            for i in range(200):
                delay = rng.uniform(0, 0.002)
                putting = asyncio.get_running_loop().call_later(
                    delay, lambda i=i: tasks.append(asyncio.create_task(q.put(i))))
                tasks = []
                try:
                    got.append(await asyncio.wait_for(q.get(), delay + rng.uniform(-0.0005, 0.0005)))
                except asyncio.TimeoutError:
                    pass
                while not tasks:
                    await asyncio.sleep(0.0005)
                await tasks[0]
                del putting
            await asyncio.sleep(0.01)  # no cancellation is left over
            left = [await q.get_nowait() for _ in range(await q.qsize())]
            self.assertEqual(sorted(got + left), list(range(200)))
        self.run_with_client(test)

    @unittest.skipUnless(hasattr(asyncio.Task, "uncancel"), "since Python 3.11")
    def test_cancellation_that_is_taken_back(self):
        """As asyncio.timeout does if the block has ended with a result."""
        async def test(hf):
            q = await hf.queue()
            task = asyncio.current_task()

            async def expire():
                await asyncio.sleep(0.02)
                cancel_at_completion(hf, task)
                await q.put("item")
            expiring = asyncio.create_task(expire())
            self.assertEqual(await q.get(), "item")
            self.assertEqual(task.uncancel(), 0)
            await asyncio.sleep(0.02)
            await expiring
        self.run_with_client(test)

    def test_result_and_cancellation_at_once(self):
        """The item has arrived when the task is cancelled, before it goes on: both are delivered."""
        async def test(hf):
            q = await hf.queue()
            log = []

            async def consume():
                log.append(await q.get())
                await asyncio.sleep(support.WAIT_S)
            task = asyncio.create_task(consume())
            await asyncio.sleep(0.02)
            cancel_at_completion(hf, task)
            await q.put("item")
            with self.assertRaises(asyncio.CancelledError):
                await soon(task)
            self.assertEqual(log, ["item"])
            alone = asyncio.create_task(q.get())  # nothing follows: the task ends with its result
            await asyncio.sleep(0.02)
            cancel_at_completion(hf, alone)
            await q.put("second")
            self.assertEqual(await soon(alone), "second")
        self.run_with_client(test)

    def test_cancelled_in_lock(self):
        """A lock is free again after `async with` whenever its tasks are cancelled."""
        rng = random.Random(SEED)

        async def test(hf):
            lock = await hf.lock()

            async def enter():
                while True:
                    async with lock:
                        await asyncio.sleep(0)
            for _ in range(50):
                tasks = [asyncio.create_task(enter()) for _ in range(4)]
                for task in tasks:
                    await asyncio.sleep(rng.uniform(0, 0.002))
                    task.cancel()
                ends = await soon(asyncio.gather(*tasks, return_exceptions=True))
                self.assertTrue(all(isinstance(end, asyncio.CancelledError) for end in ends), ends)
                self.assertTrue(await lock.acquire(timeout=support.WAIT_S))
                await lock.release()
        self.run_with_client(test)

    def test_cancelled_condition_wait_owns_the_lock(self):
        async def test(hf):
            condition = await hf.condition()

            async def wait():
                async with condition:
                    await condition.wait()
            task = asyncio.create_task(wait())
            await asyncio.sleep(0.05)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await soon(task)
            async with condition:
                await condition.notify()
        self.run_with_client(test)

    # ------------------------------------------------------------------------ ends and errors

    def test_close_wakes_waiting_calls(self):
        async def test():
            client = await aio.connect(self.url)
            q = await client.queue()
            waiting = [asyncio.create_task(q.get()) for _ in range(1200)]  # also those without room
            await asyncio.sleep(0.05)
            await soon(client.close())
            for end in await soon(asyncio.gather(*waiting, return_exceptions=True)):
                self.assertIsInstance(end, (holdfast.Cancelled, holdfast.Closed))
            with self.assertRaises(holdfast.Closed):
                await q.get()
            await client.close()
        run(test())

    def test_end_of_loop(self):
        """asyncio.run cancels what waits; nothing is left."""
        async def main():
            client = await aio.connect(self.url)
            q = await client.queue()
            asyncio.create_task(q.get())
            await asyncio.sleep(0.02)
            return client
        files = descriptors()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client = run(main())
            del client
            gc.collect()
        self.assertEqual([each.category for each in caught], [ResourceWarning])
        self.assertEqual(descriptors(), files)

    def test_nothing_is_left(self):
        async def test(hf):
            q = await hf.queue()
            await q.put(1)
            await q.get()
        self.run_with_client(test)
        support.until(lambda: threading.active_count() == 1, "the thread that closed has ended")
        files = descriptors()
        for _ in range(20):
            self.run_with_client(test)
        gc.collect()
        support.until(lambda: threading.active_count() == 1, "the threads that closed have ended")
        self.assertEqual(descriptors(), files)

    def test_other_loop(self):
        async def connect():
            return await aio.connect(self.url)

        async def use(client):
            with self.assertRaises(RuntimeError):
                await client.dict()
        loop = asyncio.new_event_loop()
        client = loop.run_until_complete(connect())
        run(use(client))
        loop.run_until_complete(client.close())
        loop.close()

    def test_fork(self):
        """A child of fork connects anew; the parent's connection is not disturbed."""
        async def in_child(client, name):
            try:
                await client.dict()
            except RuntimeError:
                async with aio.connect(self.url) as hf:
                    await (await hf.queue(name)).put("from child")

        def child(client):
            status = 1
            try:
                run(in_child(client, "aio.fork"))
                status = 0
            finally:
                os._exit(status)

        async def test():
            async with aio.connect(self.url) as hf:
                q = await hf.queue("aio.fork")
                getting = asyncio.create_task(q.get())
                await asyncio.sleep(0.02)
                pid = os.fork()
                if pid == 0:
                    asyncio._set_running_loop(None)
                    child(hf)
                self.assertEqual(await soon(getting), "from child")
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
                await q.put("still here")
                self.assertEqual(await q.get(), "still here")
        run(test())

    def test_server_ends(self):
        async def test(url, stop):
            hf = await aio.connect(url, call_timeout=0.5)
            q = await hf.queue()
            waiting = [asyncio.create_task(q.get()) for _ in range(10)]
            await asyncio.sleep(0.05)
            stop()
            for end in await soon(asyncio.gather(*waiting, return_exceptions=True)):
                self.assertIsInstance(end, ConnectionError)
            with self.assertRaises(ConnectionError):
                await soon(q.get())
            await soon(hf.close())
        server = support.server(self.SCHEME)
        url = server.__enter__()
        ended = []

        def stop():
            ended.append(server.__exit__(None, None, None))
        try:
            run(test(url, stop))
        finally:
            if not ended:
                stop()

    def test_bad_arguments(self):
        async def test(hf):
            d = await hf.dict()
            with self.assertRaises(TypeError):
                await d.set([], 1)
            with self.assertRaises(TypeError):
                await d.add()
            with self.assertRaises(Exception):
                await d.set(1, lambda: None)  # can't be pickled
            await asyncio.gather(*(d.add("n", 1) for _ in range(2000)))  # no room was lost
            self.assertEqual(await d["n"], 2000)
        self.run_with_client(test)

    def test_no_server(self):
        async def test():
            with self.assertRaises(ConnectionError):
                await aio.connect("tcp://127.0.0.1:1", call_timeout=0.2)
        run(test())

    def test_methods_are_all_there(self):
        """Each method of the proxies that block has its coroutine here, or a reason why not."""
        special = {"connection", "id", "kind", "name", "closed", "close", "info", "delete", "get_obj",
                   "get_lock", "attach", "send_bytes", "recv_bytes", "recv_bytes_into", "fileno",
                   "readable", "writable", "duplex", "recursive", "data", "mapped", "raw", "itemsize",
                   "value", "read_into", "put_nowait", "bounded", "lock", "parties", "n_waiting",
                   "broken", "action", "timeout", "queue"}
        from holdfast import _core
        for core, cls in [(_core.Dict, aio.Dict), (_core.List, aio.List), (_core.Queue, aio.Queue),
                          (_core.Pipe, aio.Pipe), (_core.Lock, aio.Lock), (_core.Event, aio.Event),
                          (_core.Semaphore, aio.Semaphore), (_core.Condition, aio.Condition),
                          (_core.Barrier, aio.Barrier), (_core.Cell, aio.Value),
                          (_core.Array, aio.Array), (_core.Reservation, aio.Reservation)]:
            names = {name for name in vars(core) if not name.startswith("_")} - special
            if core in (_core.Cell, _core.Array):
                names -= {"acquire", "release", "owner_died"}
            self.assertEqual(names - set(dir(cls)), set(), core)


class TcpTest(AioTest):
    SCHEME = "tcp"

    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_LOCAL"] = "off"
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        del os.environ["HOLDFAST_LOCAL"]


if __name__ == "__main__":
    support.main()
