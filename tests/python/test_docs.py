"""The pages of the package say what the code does."""
import importlib.util
import inspect
import math
import os
import re
import signal
import subprocess
import sys
import unittest

import support

import holdfast
from holdfast import aio

PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../client/python")
README = os.path.join(PACKAGE, "../../README.md")


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    with open(path) as file:
        return file.read()


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


class PagesTest(unittest.TestCase):
    reference = load(os.path.join(PACKAGE, "docs/reference.py"))

    def test_reference(self):
        """Else: run client/python/docs/reference.py."""
        self.assertEqual(read(self.reference.path("reference.md")), self.reference.page())

    def test_table_of_methods(self):
        text = read(self.reference.path("coming-from-multiprocessing.md"))
        self.assertEqual(text, self.reference.with_table(text))

    def test_all_types_are_in_the_table(self):
        from multiprocessing import managers as std
        typeids = {*self.reference.PROXIES, *self.reference.SERVED}
        ours = {name for name in typeids if not hasattr(std.SyncManager, name)}
        self.assertLessEqual(ours, {"set", "Iterator"})
        self.assertLessEqual(set(std.SyncManager._registry) - {"AsyncResult"}, typeids)

    def test_everything_has_a_docstring(self):
        import holdfast.__main__ as main
        from holdfast import (executor, managers, messages, pickles, pipes, private, proxies,
                              registered, sets, shared, submission, worker)
        for module in (holdfast, aio, executor, main, managers, messages, pickles, pipes, private,
                       proxies, registered, sets, shared, submission, worker):
            self.assertTrue(module.__doc__, module)
            for name, value in vars(module).items():
                is_own = getattr(value, "__module__", None) == module.__name__
                if is_own and not name.startswith("_") and callable(value):
                    self.assertTrue(inspect.getdoc(value), f"{module.__name__}.{name}")

    def test_python_blocks_compile(self):
        for path in ("README.md", "docs/coming-from-multiprocessing.md"):
            for block in blocks(read(os.path.join(PACKAGE, path))):
                compile(block, path, "exec")

    def test_links(self):
        for path in ("README.md", "docs/coming-from-multiprocessing.md"):
            text = read(os.path.join(PACKAGE, path))
            for link in re.findall(r"\]\(([^)#]+)\)", text):
                self.assertTrue(os.path.exists(os.path.join(PACKAGE, os.path.dirname(path), link)))
        for name in re.findall(r"`(src/\w+\.\w+|holdfast/\w+\.py|docs/[\w-]+\.\w+)`",
                               read(os.path.join(PACKAGE, "README.md"))):
            self.assertTrue(os.path.exists(os.path.join(PACKAGE, name)), name)


class ExamplesTest(unittest.TestCase):
    def test_example_of_the_main_readme(self):
        """The first Python program of the main README, as it stands there."""
        text = read(README)
        program = next(block for block in blocks(text) if "holdfast" in block)
        self.assertLessEqual(len(program.splitlines()), 12)
        printed = re.findall(r"# prints (.*)", program)
        with support.tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "program.py")
            with open(path, "w") as file:
                file.write(program)
            self.assertEqual(support.run(path).splitlines(), printed)
            with support.server("tcp") as url:
                self.assertEqual(support.run(path, url=url, method="spawn").splitlines(), printed)

    def test_farm(self):
        """Workers are killed, and every result is there."""
        farm = os.path.join(PACKAGE, "examples/farm.py")
        self.assertLessEqual(len(read(farm).splitlines()), 30)
        with support.server("tcp") as url:
            environment = {**os.environ, "HOLDFAST_URL": url}

            def work():
                return subprocess.Popen([sys.executable, farm, "work"], env=environment)
            workers = [work() for _ in range(3)]
            try:
                run = subprocess.Popen([sys.executable, farm, "run", "60"], env=environment,
                                       stdout=subprocess.PIPE, text=True)
                results = holdfast.connect(url).dict(name="farm.results")
                support.until(lambda: len(results) > 5 or run.poll() is not None, "results")
                os.kill(workers[0].pid, signal.SIGKILL)
                out, _ = run.communicate(timeout=120)
                self.assertRegex(out, r"^60 results, the largest: \d+\n$")
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()


class DifferencesTest(unittest.TestCase):
    """What the page says is different, is."""

    @classmethod
    def setUpClass(cls):
        cls.manager = holdfast.Manager()

    @classmethod
    def tearDownClass(cls):
        cls.manager.shutdown()

    def test_values(self):
        m = self.manager
        big = 2**70
        d = m.dict({1: "one", big: "big", (1, "x"): 2})
        self.assertEqual((d[1.0], d[True], d[big], d[(1.0, "x")]), ("one", "one", "big", 2))
        d[math.nan] = 1
        self.assertEqual(d[float("nan")], 1)
        with self.assertRaises(Exception):
            d["f"] = lambda: None
        self.assertNotIn("f", d)
        d["k"] = []
        d["k"].append(1)
        self.assertEqual(d["k"], [])

    def test_sort_that_fails(self):
        elements = self.manager.list([3, "a", 1])
        with self.assertRaises(TypeError):
            elements.sort()
        self.assertEqual(elements[:], [3, "a", 1])

    def test_numbers(self):
        value = self.manager.Value("i", 1)
        with self.assertRaises(TypeError):
            value.value = "text"
        with self.assertRaises(OverflowError):
            value.value = 2**31
        self.assertEqual(value.value, 1)
        self.assertEqual(self.manager.Value(list, [1]).value, [1])
        self.assertEqual(self.manager.Array("u", "ab")[0], "a")

    def test_locks(self):
        with self.manager.Lock() as entered:
            self.assertIs(entered, True)
        lock = self.manager.Lock()
        self.assertTrue(lock.acquire(block=True) and not lock.acquire(blocking=False))
        value = holdfast.Value("i")
        self.assertTrue(value.get_lock() is value and value.get_obj() is value)

    def test_pipes_and_queues(self):
        for end in self.manager.Pipe():
            with self.assertRaises(OSError):
                end.fileno()
        q = holdfast.Queue()
        q.join_thread()
        q.cancel_join_thread()
        q.put(1)
        self.assertEqual((q.qsize(), q.empty()), (1, False))
        self.assertIs(type(self.manager.dict().keys()), list)

    def test_managers(self):
        self.assertTrue(self.manager.address.startswith("ipc://"))
        with support.server("tcp") as url:
            with holdfast.Manager(url) as other:
                other.Queue(name="stays").put(1)
            self.assertEqual(holdfast.connect(url).Queue(name="stays").get(), 1)

    def test_exceptions(self):
        for cls in (holdfast.Unavailable, holdfast.SessionEnded, holdfast.Closed):
            self.assertTrue(issubclass(cls, ConnectionError) and issubclass(cls, holdfast.Error))
        with self.assertRaises(holdfast.Error) as caught:
            self.manager.find("no such")
        self.assertEqual((caught.exception.status, caught.exception.reason),
                         ("NOT_FOUND", "NO_SUCH_OBJECT"))
        with self.assertRaises(TypeError):
            self.manager.list(5)

    def test_beyond(self):
        """The example at the end of the page."""
        manager = self.manager
        d, jobs, stop = manager.dict({1: "a"}), manager.Queue(), manager.Event()
        jobs.put("job")
        jobs.put("another")
        with manager.pipeline():
            results = [d.get(k) for k in (1, 2)]
        self.assertEqual([each.result() for each in results], ["a", None])
        with manager.transaction() as t:
            t.require_length(jobs, 1)
            job = jobs.get()
            d.add("running", 1)
        self.assertEqual((job.result(), d["running"]), ("job", 1))
        with jobs.reserve(timeout=5) as item:
            self.assertEqual(item.value, "another")
        stop.set()
        ready, _ = manager.wait([jobs, stop], timeout=1)
        self.assertIs(ready, stop)


if __name__ == "__main__":
    support.main()
