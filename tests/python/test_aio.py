"""holdfast.aio: many coroutines at once, cancelled, after a fork, at the end."""
import asyncio
import gc
import os
import random
import signal
import threading
import time
import unittest
import warnings

import aio_case
import support
from aio_case import cancel_at_completion, descriptors, run, soon

import holdfast
from holdfast import aio, private

SEED = int(os.environ.get("SEED") or time.time_ns() % 2**32)
COROUTINES = 1000


class ClientTest(aio_case.AioCase):
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

    def test_close_while_a_withdrawn_wait_needs_its_lock(self):
        """Another client keeps the lock; both a cancelled wait and one that close() withdraws."""
        async def test(other):
            client = await aio.connect(self.url)
            lock = await client.lock("aio.close")
            condition = await client.condition(lock)

            async def wait():
                async with condition:
                    await condition.wait()
            waiting = [asyncio.create_task(wait()) for _ in range(2)]
            await asyncio.sleep(0.05)
            kept = await other.lock("aio.close")
            self.assertTrue(await kept.acquire(timeout=support.WAIT_S))
            waiting[0].cancel()
            await asyncio.sleep(0.05)
            await asyncio.wait_for(client.close(), 5)  # less than the call timeout
            ends = await soon(asyncio.gather(*waiting, return_exceptions=True))
            self.assertEqual([type(end) for end in ends], [holdfast.Closed] * 2, ends)
            await kept.release()
            self.assertTrue(await kept.acquire(timeout=support.WAIT_S))
            await kept.release()
        self.run_with_client(test)

    def test_close_of_a_silent_server(self):
        """What the server doesn't answer is given up after the call timeout."""
        async def test(url, pid):
            client = await aio.connect(url, call_timeout=0.5)
            q = await client.queue()
            getting = asyncio.create_task(q.get())
            await asyncio.sleep(0.05)
            support.stop(pid)
            try:
                await soon(client.close())
            finally:
                os.kill(pid, signal.SIGCONT)
            with self.assertRaises(holdfast.Cancelled):
                await soon(getting)
        server = private.PrivateServer()
        self.addCleanup(server.stop)
        run(test(server.url, server.pid))

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


class TcpClientTest(aio_case.OverTcp, ClientTest):
    pass


if __name__ == "__main__":
    support.main()
