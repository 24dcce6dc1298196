"""holdfast.aio: coroutines of every kind, several in one step."""
import asyncio
import gc
import os
import queue
import threading
import time

import aio_case
import support
from aio_case import run, soon

import holdfast
from holdfast import aio


class KindsTest(aio_case.AioCase):
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

    def test_nested_is_counted(self):
        """Wherever a proxy is, its object lives as long as what has it."""
        async def test(hf):
            d, elements, items = await hf.dict(), await hf.list(), await hf.queue()
            stores = (lambda inner: d.set("k", [inner]), lambda inner: d.set("k", (inner, 1)),
                      lambda inner: d.update({"k": inner}), lambda inner: d.update(k=inner),
                      lambda inner: d.set("k", {"a": {"b": inner}}), lambda inner: elements.extend([inner]),
                      lambda inner: items.put_many([inner]), lambda inner: items.put(item=inner))
            for i, store in enumerate(stores):
                with self.subTest(i):
                    inner = await hf.list()
                    await inner.append(i)
                    await store(inner)
                    self.assertEqual((await inner.info())["references"], 2)
                    async with hf.transaction() as t:
                        t.call(elements.append, [inner])
                    self.assertEqual((await inner.info())["references"], 3)
        self.run_with_client(test)

    def test_put_into_a_queue_that_was_found(self):
        """In one step with other calls: nothing has to be asked before."""
        async def test(hf):
            await hf.queue("bounded", 1)
            outer = await hf.dict()
            await outer.set("queue", await hf.queue())
            for found in (await hf.find("bounded"), await outer["queue"]):
                await asyncio.gather((await hf.dict()).set("a", 1), found.put(1), found.put_many([]))
                self.assertEqual(await found.get(), 1)
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

    def test_transaction_result_with_objects(self):
        """It is taken while another task's call waits to be sent."""
        async def test(hf):
            d, inner = await hf.dict(), await hf.list()
            await d.set("k", [inner._proxy, 1])  # pickled with a reference
            async with hf.transaction() as t:
                got, popped = t.call(d.get, "k"), t.call(d.pop, "k")
            adding = asyncio.create_task(d.add("n", 1))
            await asyncio.sleep(0)
            self.assertEqual([got.result()[0].id, popped.result()[0].id], [inner.id] * 2)
            self.assertEqual(await soon(adding), 1)
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

    def test_equal_values_with_other_pickles(self):
        """Values that are pickled are compared as the proxies that block do."""
        stored, equal, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}

        async def test(hf):
            l, d = await hf.list(), await hf.dict()
            await l.extend([0, stored, 1, stored])
            self.assertIs(await l.contains(equal), True)
            self.assertIs(await l.contains(other), False)
            self.assertEqual(await l.count(equal), 2)
            self.assertEqual(await l.index(equal), 1)
            self.assertEqual(await l.index(equal, 2), 3)
            with self.assertRaises(ValueError):
                await l.index(other)
            await l.remove(equal)
            self.assertEqual(await l.copy(), [0, 1, stored])
            with self.assertRaises(ValueError):
                await l.remove(other)
            self.assertIs(await l.compare_and_set(2, other, 5), False)
            self.assertIs(await l.compare_and_set(2, equal, 5), True)
            self.assertEqual(await l.copy(), [0, 1, 5])
            await d.set("k", stored)
            self.assertIs(await d.compare_and_set("k", other, 1), False)
            self.assertIs(await d.compare_and_set(key="k", old=equal, new=1), True)
            self.assertEqual(await d["k"], 1)
            # in the order of submission, beside others, and more than there are threads
            answers = await asyncio.gather(d.set("k", stored), d.compare_and_set("k", equal, 2),
                                           *(l.count(other) for _ in range(100)))
            self.assertEqual(answers, [None, True] + [0] * 100)
        self.run_with_client(test)

    def test_cancelled_comparison_has_a_result(self):
        """A call that compares here is not withdrawn: its result is returned, then the task ends."""
        entered, go_on = threading.Event(), threading.Event()

        class Slow:
            def __eq__(self, other):
                entered.set()
                go_on.wait(support.WAIT_S)
                return True

            def __reduce__(self):
                return int, (7,)

        async def test(hf):
            l, results = await hf.list(), []
            await l.append([1])

            async def remove():
                results.append(await l.remove(Slow()))
                await asyncio.sleep(support.WAIT_S)
            task = asyncio.create_task(remove())
            while not entered.is_set() and not task.done():
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.sleep(0.02)
            self.assertFalse(task.done())
            go_on.set()
            with self.assertRaises(asyncio.CancelledError):
                await soon(task)
            self.assertEqual(results, [None])
            self.assertEqual(await l.length(), 0)
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


class TcpKindsTest(aio_case.OverTcp, KindsTest):
    pass


if __name__ == "__main__":
    support.main()
