"""holdfast.Executor and its workers: concurrent.futures' API, killed workers, ends."""
import concurrent.futures
import contextlib
import gc
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
import types
import unittest
import unittest.mock
import weakref
from concurrent.futures import CancelledError, as_completed

import executor_tasks as tasks
import support

import holdfast
from holdfast import executor as module
from holdfast import worker

SEED = int(os.environ.get("SEED") or time.time_ns() % 2**32)
TASKS = 300


def children(pid):
    """The processes that this one has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


@contextlib.contextmanager
def workers(url, processes=2, *options, stderr=None):
    """Running workers: the process of `python -m holdfast worker`."""
    words = [sys.executable, "-m", "holdfast", "worker", "--url", url, "--processes", str(processes)]
    process = subprocess.Popen([*words, *options], cwd=os.path.dirname(os.path.abspath(__file__)),
                               stderr=stderr)
    support.until(lambda: children(process.pid) or process.poll() is not None, "the workers")
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(support.WAIT_S) == 0


class ExecutorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.url = cls.stack.enter_context(support.server("ipc"))
        cls.workers = cls.stack.enter_context(workers(cls.url, 3))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    # ----------------------------------------------------------------- as concurrent.futures

    def test_results_that_can_not_be_sent(self):
        with holdfast.Executor(self.url) as executor:
            with self.assertRaises(holdfast.Error) as caught:
                executor.submit(tasks.zeros, 70 << 20).result(support.WAIT_S)
            self.assertIn("TOO_BIG", caught.exception.reason)
            with self.assertRaisesRegex(RuntimeError, "Silent.*can't be pickled"):
                executor.submit(tasks.fail_silently).result(support.WAIT_S)
            self.assertEqual(executor.submit(tasks.square, 3).result(support.WAIT_S), 9)

    def test_submit(self):
        with holdfast.Executor(self.url) as executor:
            future = executor.submit(tasks.add, 1, 2, scale=10)
            self.assertIsInstance(future, concurrent.futures.Future)
            self.assertEqual(future.result(support.WAIT_S), 30)
            self.assertTrue(future.done())
            self.assertFalse(future.cancelled() or future.running() or future.cancel())
            self.assertIsNone(future.exception())

    def test_map_is_in_order(self):
        with holdfast.Executor(self.url) as executor:
            seconds = [0.1, 0.0, 0.05, 0.0, 0.02]
            results = executor.map(tasks.pause, seconds, range(5), timeout=support.WAIT_S)
            self.assertEqual(list(results), [0, 1, 2, 3, 4])
            self.assertEqual(list(executor.map(tasks.square, range(1000), chunksize=64)),
                             [n * n for n in range(1000)])
            self.assertEqual(list(executor.map(tasks.square, [])), [])
            with self.assertRaises(concurrent.futures.TimeoutError):
                list(executor.map(tasks.pause, [0.5], timeout=0.05))
            with self.assertRaises(ValueError):
                executor.map(tasks.square, [1], chunksize=0)

    def test_as_completed_and_wait(self):
        with holdfast.Executor(self.url) as executor:
            futures = {executor.submit(tasks.pause, s, s): s for s in (0.3, 0.1, 0.2)}
            done = [future.result() for future in as_completed(futures, support.WAIT_S)]
            self.assertEqual(sorted(done), sorted(futures.values()))
            slow, quick = executor.submit(tasks.pause, 0.5), executor.submit(tasks.square, 3)
            result = concurrent.futures.wait([slow, quick], support.WAIT_S, "FIRST_COMPLETED")
            self.assertEqual(result.done, {quick})
            called = threading.Event()
            slow.add_done_callback(lambda future: called.set())
            self.assertTrue(called.wait(support.WAIT_S))

    def test_exceptions(self):
        with holdfast.Executor(self.url) as executor:
            future = executor.submit(tasks.fail, "the message")
            with self.assertRaises(KeyError) as caught:
                future.result(support.WAIT_S)
            self.assertEqual(caught.exception.args, ("the message",))
            self.assertIsInstance(caught.exception.__cause__, module.RemoteTraceback)
            self.assertIn("in inner", str(caught.exception.__cause__))
            self.assertIn("executor_tasks.py", str(caught.exception.__cause__))
            with self.assertRaisesRegex(RuntimeError, "Stubborn: 1"):
                executor.submit(tasks.fail_stubbornly).result(support.WAIT_S)
            with self.assertRaisesRegex(Exception, "pickle|local object"):
                executor.submit(tasks.unpicklable).result(support.WAIT_S)
            with self.assertRaisesRegex(Exception, "pickle|local object"):
                executor.submit(lambda: None).result(support.WAIT_S)
            with self.assertRaises(SystemExit):
                executor.submit(tasks.leave, 3).result(support.WAIT_S)
            with self.assertRaises(ModuleNotFoundError):
                executor.submit(named("no_such_module", "f")).result(support.WAIT_S)
            self.assertEqual(executor.submit(tasks.square, 5).result(support.WAIT_S), 25)

    def test_proxies(self):
        """Arguments and results may be proxies, which live as long as their task."""
        manager = holdfast.connect(self.url)
        with holdfast.Executor(manager) as executor:
            runs = manager.dict()
            self.assertEqual(executor.submit(tasks.count_and_square, runs, 7, 0).result(20), 49)
            self.assertEqual(runs.copy(), {7: 1})
            made = executor.submit(tasks.make_dict, self.url, 8).result(support.WAIT_S)
            self.assertEqual(made.copy(), {"n": 8})

    # ----------------------------------------------------------------------------- cancelling

    def test_cancel(self):
        manager = holdfast.connect(self.url)
        with holdfast.Executor(self.url) as executor:
            events = manager.Queue()
            busy = [executor.submit(tasks.pause, 0.5) for _ in range(3)]
            support.until(lambda: all(future.running() for future in busy), "all workers are busy")
            waiting = [executor.submit(tasks.mark, events, n) for n in range(10)]
            self.assertFalse(waiting[0].running())
            self.assertTrue(all(future.cancel() for future in waiting[::2]))
            self.assertTrue(waiting[0].cancel() and waiting[0].cancelled())
            self.assertFalse(any(future.cancel() for future in busy))
            with self.assertRaises(CancelledError):
                waiting[0].result()
            done, left = concurrent.futures.wait([*busy, *waiting], support.WAIT_S)
            self.assertEqual((len(done), left), (13, set()))
            self.assertEqual([future.result() for future in waiting[1::2]], [1, 3, 5, 7, 9])
            self.assertEqual(sorted(events.get() for _ in range(5)), [1, 3, 5, 7, 9])
            self.assertTrue(events.empty())

    def test_cancelled_at_random(self):
        """A task ran if and only if it was not cancelled."""
        rng = random.Random(SEED)
        manager = holdfast.connect(self.url)
        with holdfast.Executor(self.url) as executor:
            events = manager.Queue()
            executor.submit(tasks.square, 1).result(support.WAIT_S)
            futures = [executor.submit(tasks.mark, events, n, 0.005) for n in range(TASKS)]
            cancelled = {n for n in rng.sample(range(TASKS), TASKS) if futures[n].cancel()}
            concurrent.futures.wait(futures, support.WAIT_S)
            ran = {events.get() for _ in range(TASKS - len(cancelled))}
            self.assertEqual(ran, set(range(TASKS)) - cancelled)
            self.assertTrue(events.empty())
            print(f"seed {SEED}: of {TASKS} tasks {len(cancelled)} were cancelled, {len(ran)} ran")
            self.assertTrue(cancelled and ran)

    # ------------------------------------------------------------------------------- shutdown

    def test_shutdown(self):
        executor = holdfast.Executor(self.url)
        futures = [executor.submit(tasks.pause, 0.1, n) for n in range(6)]
        executor.shutdown()
        self.assertEqual([future.result(0) for future in futures], list(range(6)))
        with self.assertRaises(RuntimeError):
            executor.submit(tasks.square, 1)
        executor.shutdown()

    def test_shutdown_without_waiting(self):
        executor = holdfast.Executor(self.url)
        future = executor.submit(tasks.pause, 0.2, "value")
        executor.shutdown(wait=False)
        self.assertFalse(future.done())
        self.assertEqual(future.result(support.WAIT_S), "value")

    def test_shutdown_cancels(self):
        executor = holdfast.Executor(self.url)
        busy = [executor.submit(tasks.pause, 0.5, "ran") for _ in range(3)]
        support.until(lambda: all(future.running() for future in busy), "all workers are busy")
        waiting = [executor.submit(tasks.square, n) for n in range(20)]
        executor.shutdown(cancel_futures=True)
        self.assertEqual([future.result(0) for future in busy], ["ran"] * 3)
        self.assertTrue(all(future.cancelled() for future in waiting))

    def test_forgotten_executor(self):
        """Its futures complete all the same, and its thread and objects go."""
        info = holdfast.connect(self.url)
        names = [thread.name for thread in threading.enumerate()]
        future = holdfast.Executor(self.url).submit(tasks.pause, 0.2, "value")
        self.assertEqual(future.result(support.WAIT_S), "value")
        del future
        support.until(lambda: [each.name for each in threading.enumerate()] == names, "no thread")
        before = info.connection.server_info()["objects"]
        for _ in range(5):
            with holdfast.Executor(self.url) as executor:
                executor.submit(tasks.square, 2).result(support.WAIT_S)
        support.until(lambda: info.connection.server_info()["objects"] <= before, "no objects left")

    def test_exit_waits(self):
        """A program that ends without shutdown waits for its tasks."""
        program = ("import executor_tasks as t, holdfast, os\n"
                   "e = holdfast.Executor(os.environ['URL'])\n"
                   "e.submit(t.pause, 0.3, 'value').add_done_callback(lambda f: print(f.result()))\n")
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True,
            text=True, timeout=support.WAIT_S, env={**os.environ, "URL": self.url},
            cwd=os.path.dirname(os.path.abspath(__file__)))
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("value\n", "", 0))

    def test_fork(self):
        executor = holdfast.Executor(self.url)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                executor.submit(tasks.square, 1)
            except RuntimeError:
                with holdfast.Executor(self.url) as own:
                    status = 0 if own.submit(tasks.square, 4).result(support.WAIT_S) == 16 else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(executor.submit(tasks.square, 3).result(support.WAIT_S), 9)
        executor.shutdown()

    def test_forked_childs_garbage(self):
        """A child that drops its parent's executor does not end it, whoever has the lock."""
        executor = holdfast.Executor(self.url)
        with executor._inbox.lock:
            pid = os.fork()
            if pid == 0:
                del executor  # would wait for the lock
                os._exit(0)
            try:
                support.until(lambda: os.waitpid(pid, os.WNOHANG)[0], "the child ends", 5)
            except AssertionError:
                os.kill(pid, signal.SIGKILL)
                raise
        self.assertEqual(executor.submit(tasks.square, 3).result(support.WAIT_S), 9)
        self.assertFalse(executor._inbox.is_ending)
        executor.shutdown()

    def test_constructor_that_fails(self):
        """The queue's name is a dict's: no thread and no connection is left."""
        manager = holdfast.connect(self.url)
        taken = manager.dict(name="taken")
        threads, sessions = threading.active_count(), manager.connection.server_info()["sessions"]
        with self.assertRaises(holdfast.Error):
            holdfast.Executor(self.url, queue="taken")
        self.assertEqual(threading.active_count(), threads)
        support.until(lambda: manager.connection.server_info()["sessions"] == sessions, "no session")
        taken.delete()

    def test_submit_while_the_connection_is_lost(self):
        """The future is in time to be told, or submit raises."""
        executor = holdfast.Executor(self.url)
        check = executor._check_process

        def lose():
            check()
            executor._inbox._fail(ConnectionError("lost"))
        executor._check_process = lose
        with self.assertRaises(concurrent.futures.BrokenExecutor):
            executor.submit(tasks.square, 1)
        executor.shutdown()

    def test_submit_at_the_end_of_the_program(self):
        executor = holdfast.Executor(self.url)
        executor._inbox.end()
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            executor.submit(tasks.square, 1)

    def test_errors(self):
        with self.assertRaises(ValueError):
            holdfast.Executor(self.url, max_tries=0)
        with self.assertRaises(ConnectionError):
            holdfast.Executor("tcp://127.0.0.1:1")


def take_now(tasks_queue):
    """A reservation of a task that is there; None: there is none."""
    with contextlib.suppress(queue.Empty):
        return tasks_queue.reserve(0)


def named(module_name, name):
    """A function of a module that the workers don't have."""
    import types
    made = types.ModuleType(module_name)
    exec(f"def {name}(): pass", made.__dict__)
    sys.modules[module_name] = made
    return getattr(made, name)


class EndsTest(unittest.TestCase):
    """Workers and servers that end; each test has its own."""

    def run(self, result=None):
        with support.server("tcp") as self.url:
            super().run(result)

    def test_killed_workers_lose_nothing(self):
        """Workers are killed at random moments while tasks run: every result is there, and right."""
        rng = random.Random(SEED)
        kills = 0
        manager = holdfast.connect(self.url)
        runs = manager.dict()
        with workers(self.url, 4, stderr=subprocess.DEVNULL) as supervisor, \
                holdfast.Executor(self.url, max_tries=1000) as executor:
            futures = [executor.submit(tasks.count_and_square, runs, n, rng.uniform(0, 0.02))
                       for n in range(TASKS)]
            while not all(future.done() for future in futures):
                time.sleep(rng.uniform(0, 0.2))
                victims = children(supervisor.pid)
                if victims:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(rng.choice(victims), signal.SIGKILL)
                        kills += 1
            self.assertEqual([future.result(0) for future in futures],
                             [n * n for n in range(TASKS)])
        counts = runs.copy()
        self.assertEqual(set(counts), set(range(TASKS)))
        again = sum(counts.values()) - TASKS
        print(f"seed {SEED}: {kills} kills of 4 workers, {TASKS} tasks, {TASKS} results exact, "
              f"{again} runs repeated")
        self.assertGreater(kills, 5)
        self.assertGreater(again, 0)

    def test_task_that_kills_its_workers(self):
        with workers(self.url, 2, stderr=subprocess.DEVNULL), \
                holdfast.Executor(self.url, max_tries=2) as executor:
            future = executor.submit(tasks.die)
            with self.assertRaisesRegex(module.TaskLost, "2 workers"):
                future.result(support.WAIT_S)
            self.assertIsInstance(future.exception(), concurrent.futures.BrokenExecutor)
            self.assertEqual(executor.submit(tasks.square, 6).result(support.WAIT_S), 36)

    def test_stopped_worker(self):
        """The lease of a process that is stopped runs out, and another one runs its task."""
        with workers(self.url, 1, "--lease", "1") as first:
            [worker] = support.until(lambda: children(first.pid), "the worker")
            with holdfast.Executor(self.url) as executor:
                support.until(lambda: executor.submit(tasks.square, 1).result() == 1, "it runs")
                future = executor.submit(tasks.pid, 0.3)
                support.until(future.running, "the task runs")
                support.stop(worker)
                try:
                    with workers(self.url, 1) as second:
                        pid = future.result(support.WAIT_S)
                        self.assertEqual(children(second.pid), [pid])
                finally:
                    os.kill(worker, signal.SIGCONT)
                # The first one finds out, and goes on with others.
                self.assertEqual(executor.submit(tasks.pid).result(support.WAIT_S), worker)

    def test_worker_whose_lease_ran_out_before_it_began(self):
        """It leaves the claim to the worker that has the task now, and does not run it."""
        with holdfast.Executor(self.url) as executor:
            future = executor.submit(tasks.square, 5)
            manager = holdfast.connect(self.url)
            queue = manager.Queue(name="holdfast.tasks")
            late = queue.reserve(lease=0.1)
            own = support.until(lambda: take_now(queue), "the lease runs out")
            self.assertTrue(future.cancel())
            claims = executor._inbox.claims
            slow = worker.Worker(self.url, "holdfast.tasks", 5)
            slow._run_task(manager.connection, worker._Executors(manager.connection), late)
            self.assertEqual(claims.copy(), {future._task: "cancelled"})
            slow._run_task(manager.connection, worker._Executors(manager.connection), own)
            self.assertEqual(claims.copy(), {})
            self.assertEqual((queue.qsize(), queue.info()["unfinished"]), (0, 0))

    def test_objects_of_executors_that_were_killed(self):
        """An idle worker lets go of them, and the server frees them."""
        program = ("import executor_tasks as t, holdfast, os, signal\n"
                   "e = holdfast.Executor(os.environ['URL'])\n"
                   "e.submit(t.square, 3).result()\n"
                   "os.kill(os.getpid(), signal.SIGKILL)\n")
        manager = holdfast.connect(self.url)
        impatient = "import holdfast.worker as w; w._EXECUTORS_SECONDS = 0.3; w.Worker(%r, 'holdfast.tasks').run()"
        one = subprocess.Popen([sys.executable, "-c", impatient % self.url],
                               cwd=os.path.dirname(os.path.abspath(__file__)))
        try:
            support.until(lambda: manager.connection.server_info()["objects"] == 1, "the queue of tasks")
            subprocess.run([sys.executable, "-c", program], env={**os.environ, "URL": self.url},
                           cwd=os.path.dirname(os.path.abspath(__file__)), timeout=support.WAIT_S)
            support.until(lambda: manager.connection.server_info()["objects"] == 1, "nothing else")
        finally:
            one.terminate()
            self.assertEqual(one.wait(support.WAIT_S), 0)

    def test_workers_come_later_and_go(self):
        """Tasks wait for workers; SIGTERM lets the running task end."""
        with holdfast.Executor(self.url, queue="other") as executor:
            future = executor.submit(tasks.square, 12)
            time.sleep(0.1)
            self.assertFalse(future.done() or future.running())
            with workers(self.url, 1, "--queue", "other") as process:
                self.assertEqual(future.result(support.WAIT_S), 144)
                slow = executor.submit(tasks.pause, 0.5, "ended")
                support.until(slow.running, "the task runs")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(slow.result(support.WAIT_S), "ended")
                self.assertEqual(process.wait(support.WAIT_S), 0)

    def test_killed_supervisor(self):
        """Its workers end with it, and their tasks go to others."""
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", "worker", "--url", self.url, "--processes", "1"],
            cwd=os.path.dirname(os.path.abspath(__file__)))
        [worker] = support.until(lambda: children(process.pid), "the worker")
        with holdfast.Executor(self.url) as executor:
            future = executor.submit(tasks.pid, 1)
            support.until(future.running, "the task runs")
            process.kill()
            process.wait()
            support.until(lambda: not os.path.exists(f"/proc/{worker}"), "the worker has ended")
            with workers(self.url, 1) as second:
                self.assertEqual([future.result(support.WAIT_S)], children(second.pid))

    def test_killed_executor(self):
        """The tasks of a program that was killed are not run for nobody."""
        program = ("import executor_tasks as t, holdfast, os, signal\n"
                   "e = holdfast.Executor(os.environ['URL'])\n"
                   "events = holdfast.connect(os.environ['URL']).Queue(name='events')\n"
                   "fs = [e.submit(t.mark, events, n) for n in range(10)]\n"
                   "os.kill(os.getpid(), signal.SIGKILL)\n")
        subprocess.run([sys.executable, "-c", program], env={**os.environ, "URL": self.url},
                       cwd=os.path.dirname(os.path.abspath(__file__)), timeout=support.WAIT_S)
        manager = holdfast.connect(self.url)
        support.until(lambda: manager.connection.server_info()["sessions"] == 1, "its session ends")
        with workers(self.url, 2), holdfast.Executor(self.url) as executor:
            self.assertEqual(executor.submit(tasks.square, 2).result(support.WAIT_S), 4)
            support.until(lambda: manager.find("holdfast.tasks").info()["unfinished"] == 0, "no task")
            self.assertTrue(manager.Queue(name="events").empty())

    def test_functions_of_the_main_program(self):
        with support.tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "program.py")
            with open(path, "w") as file:
                file.write("import os, holdfast\n"
                           "def twice(n):\n    return 2 * n\n"
                           "if __name__ == '__main__':\n"
                           "    with holdfast.Executor(os.environ['URL']) as executor:\n"
                           "        print(list(executor.map(twice, range(4))))\n")
            with workers(self.url, 1, "--main", path):
                done = subprocess.run([sys.executable, path], env={**os.environ, "URL": self.url},
                                      capture_output=True, text=True, timeout=support.WAIT_S)
                self.assertEqual(done.stdout, "[0, 2, 4, 6]\n")
            with workers(self.url, 1):
                done = subprocess.run([sys.executable, path], env={**os.environ, "URL": self.url},
                                      capture_output=True, text=True, timeout=support.WAIT_S)
                self.assertIn("start the worker with --main PROGRAM", done.stderr)

    def test_foreign_item(self):
        """What is no task is set aside, and the workers go on."""
        manager = holdfast.connect(self.url)
        queue = manager.Queue(name="holdfast.tasks")
        for item in (1, "text", (2, 3, 4, 5, 6, b""), {"a": 1}):
            queue.put(item)
        with workers(self.url, 1), holdfast.Executor(self.url) as executor:
            self.assertEqual(executor.submit(tasks.square, 2).result(support.WAIT_S), 4)
        self.assertEqual(queue.info()["buried"], 4)

    def test_item_whose_class_is_elsewhere(self):
        """It can't be read: it is set aside, too."""
        manager = holdfast.connect(self.url)
        queue = manager.Queue(name="holdfast.tasks")
        module = types.ModuleType("only_here")
        module.Only = type("Only", (), {"__module__": "only_here", "__qualname__": "Only"})
        with unittest.mock.patch.dict(sys.modules, only_here=module):
            queue.put(module.Only())
        with workers(self.url, 1), holdfast.Executor(self.url) as executor:
            self.assertEqual(executor.submit(tasks.square, 2).result(support.WAIT_S), 4)
        self.assertEqual(queue.info()["buried"], 1)
        self.assertEqual(queue.kick(), 1)
        reservation = queue.reserve()
        with self.assertRaisesRegex(ModuleNotFoundError, "only_here"):
            reservation.value
        reservation.ack()

    def test_objects_that_were_deleted(self):
        """Of an argument and of a result: nothing but their own tasks notice."""
        manager = holdfast.connect(self.url)
        with holdfast.Executor(self.url) as executor:
            argument = manager.dict(a=1)
            of_it = executor.submit(len, argument)
            argument.delete()
            other = executor.submit(tasks.square, 3)
            with workers(self.url, 1):
                self.assertEqual(other.result(support.WAIT_S), 9)
                with self.assertRaises(holdfast.ObjectDeleted):
                    of_it.result(support.WAIT_S)
                first = executor.submit(tasks.pause, 0.1)
                first.add_done_callback(lambda _: time.sleep(1))  # the next results are taken together
                made = executor.submit(tasks.open_dict, self.url, "made")
                other = executor.submit(tasks.square, 4)
                support.until(lambda: executor._tasks.info()["unfinished"] == 0, "all have run")
                manager.delete("made")
                self.assertEqual(other.result(support.WAIT_S), 16)
                with self.assertRaises(holdfast.ObjectDeleted):
                    len(made.result(support.WAIT_S))
                self.assertEqual(executor.submit(tasks.square, 5).result(support.WAIT_S), 25)

    def test_results_that_are_refused(self):
        """One of an object that was deleted, and one that is larger than the server."""
        with support.server("ipc", "--memory-max", "4M") as url, holdfast.Executor(url) as executor:
            argument = holdfast.connect(url).dict()
            of_it = executor.submit(tasks.pause, 0, [argument])
            argument.delete()
            with workers(url, 1):
                with self.assertRaises(holdfast.ObjectDeleted):
                    of_it.result(support.WAIT_S)
                with self.assertRaises(holdfast.MemoryFull):
                    executor.submit(tasks.zeros, 6 << 20).result(support.WAIT_S)
                self.assertEqual(executor.submit(tasks.square, 2).result(support.WAIT_S), 4)

    def test_children_of_tasks_end_by_signals(self):
        with workers(self.url, 1), holdfast.Executor(self.url) as executor:
            self.assertEqual(executor.submit(tasks.terminate_child).result(support.WAIT_S), -signal.SIGTERM)

    def test_failure_does_not_refer_to_its_future(self):
        with workers(self.url, 1), holdfast.Executor(self.url) as executor:
            future = executor.submit(tasks.fail, "x")
            self.assertIsInstance(future.exception(support.WAIT_S), KeyError)
            alive = weakref.ref(future)
            gc.collect()
            gc.disable()
            self.addCleanup(gc.enable)
            del future
            self.assertIsNone(alive())

    def test_results_wait_for_memory(self):
        """The task is done once, and its result comes when there is room."""
        with support.server("ipc", "--memory-max", "4M") as url, workers(url, 1):
            manager = holdfast.connect(url)
            runs, filler = manager.dict(), manager.dict()
            with holdfast.Executor(url) as executor:
                future = executor.submit(tasks.count_and_fill, runs, filler, 1 << 20)
                support.until(lambda: runs.get("runs") == 1, "the task runs")
                time.sleep(3)
                self.assertFalse(future.done())
                filler.clear()
                self.assertEqual(len(future.result(support.WAIT_S)), 1 << 20)
                self.assertEqual(runs["runs"], 1)

    def test_server_restarts(self):
        """Workers wait for the server, and the executor says that it is broken."""
        with support.tempfile.TemporaryDirectory() as directory:
            url = f"ipc://{directory}/sock"

            def start():
                from holdfast import private
                return subprocess.Popen([private.program(), "--listen", url, "--log-level", "error"])
            server = start()
            support.until(lambda: os.path.exists(f"{directory}/sock"), "the socket")
            try:
                with workers(url, 1, stderr=subprocess.DEVNULL):
                    executor = holdfast.Executor(url)
                    future = executor.submit(tasks.pause, 2)
                    support.until(future.running, "the task runs")
                    server.kill()
                    server.wait()
                    server = start()
                    with self.assertRaises(concurrent.futures.BrokenExecutor):
                        future.result(support.WAIT_S)
                    with self.assertRaises(concurrent.futures.BrokenExecutor):
                        executor.submit(tasks.square, 1)
                    executor.shutdown()
            finally:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    support.main()
