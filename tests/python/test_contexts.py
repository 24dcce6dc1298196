"""holdfast.get_context() where the standard library takes a context, and holdfast.Pool."""
import concurrent.futures
import multiprocessing.pool
import multiprocessing.queues
import os
import pickle
import unittest

import executor_tasks as tasks
import support

import holdfast

METHODS = ("fork", "spawn")


def initialize(shared):
    global given
    given = shared


def count(n):
    """On objects that came by the initializer."""
    counts, lock, value = given
    with lock:
        counts["calls"] = counts["calls"] + 1
    value.add(n)
    return n * n, os.getpid()


class ContextsTest(unittest.TestCase):
    def check_pool(self, make, run):
        """A pool of two workers, which also share this package's objects; each start method."""
        for method in METHODS:
            with self.subTest(method=method):
                context = holdfast.get_context(method)
                shared = holdfast.Manager().dict(calls=0), context.Lock(), context.Value("i", 0)
                self.assertIsInstance(shared[1], holdfast._core.Lock)
                with make(context, shared) as pool:
                    results = list(run(pool, count, range(50)))
                self.assertEqual([square for square, _ in results], [n * n for n in range(50)])
                self.assertNotIn(os.getpid(), {pid for _, pid in results})
                self.assertEqual((shared[0]["calls"], shared[2].value), (50, sum(range(50))))

    def test_process_pool_executor(self):
        def make(context, shared):
            return concurrent.futures.ProcessPoolExecutor(
                2, mp_context=context, initializer=initialize, initargs=(shared,))
        self.check_pool(make, lambda pool, *call: pool.map(*call, chunksize=3))

    def test_executor_that_lost_a_worker(self):
        for method in METHODS:
            with concurrent.futures.ProcessPoolExecutor(1, holdfast.get_context(method)) as pool:
                with self.assertRaises(concurrent.futures.process.BrokenProcessPool):
                    pool.submit(tasks.die).result(support.WAIT_S)

    def test_pool_with_a_context(self):
        def make(context, shared):
            return multiprocessing.pool.Pool(2, initialize, (shared,), context=context)
        self.check_pool(make, lambda pool, *call: pool.imap(*call))
        self.check_pool(lambda context, shared: context.Pool(2, initialize, (shared,)),
                        lambda pool, *call: pool.map(*call))

    def test_pool_of_the_package(self):
        shared = holdfast.Manager().dict(calls=0), holdfast.Lock(), holdfast.Value("i", 0)
        with holdfast.Pool(2, initialize, (shared,)) as pool:
            self.assertEqual([square for square, _ in pool.map(count, range(9))], [n * n for n in range(9)])
        self.assertEqual((shared[0]["calls"], shared[2].value), (9, 36))

    def test_tasks_make_objects_of_the_package(self):
        """By the same function, called by the same modules: but for the task."""
        context = holdfast.get_context("fork")
        with holdfast.Manager() as manager, support.unittest.mock.patch.object(
                holdfast.shared, "_manager", manager):  # the children's, too
            with concurrent.futures.ProcessPoolExecutor(1, context) as executor, context.Pool(1) as pool:
                for made in (executor.submit(context.Queue).result(support.WAIT_S), pool.apply(context.Queue)):
                    self.assertIsInstance(made, holdfast._core.Queue)

    def test_queue_of_the_standard_library(self):
        made = multiprocessing.queues.Queue(ctx=holdfast.get_context())
        made.put("item")
        self.assertEqual(made.get(timeout=support.WAIT_S), "item")
        made.close()
        made.join_thread()

    def test_names(self):
        context = holdfast.get_context("spawn")
        self.assertEqual(context.Queue.__name__, "Queue")
        self.assertEqual(pickle.loads(pickle.dumps(context.Event)).__self__.get_start_method(), "spawn")
        self.assertIsInstance(context.Queue(), holdfast._core.Queue)
        self.assertIs(context.Process, multiprocessing.get_context("spawn").Process)


if __name__ == "__main__":
    import unittest.mock
    support.main()
