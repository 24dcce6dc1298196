"""Twenty threads and twenty forked processes share one manager under load: nothing wrong, nothing left.

    SECONDS=60 SEED=1 test_crowd.py
"""
import collections
import multiprocessing
import os
import random
import threading
import time
import unittest

import holdfast
import support

SECONDS = float(os.environ.get("SECONDS") or 10)
SEED = int(os.environ.get("SEED") or time.time_ns() % 2**32)
EACH = 20
PERMITS = 3
CELLS = 50


class Worker:
    """Random calls, and what it counts of them, in a thread or a process."""

    def __init__(self, number, shared, until):
        self.number = number
        self.shared = shared
        self.until = until
        self.random = random.Random(SEED * 10_000 + number)
        self.counts = collections.Counter()
        self.steps = [getattr(self, name) for name in dir(type(self)) if name.startswith("step_")]

    def run(self):
        try:
            while time.monotonic() < self.until:
                step = self.random.choice(self.steps)
                step()
                self.counts[step.__name__[5:]] += 1
        except BaseException as error:
            self.shared.faults.put(f"worker {self.number}: {type(error).__name__}: {error}")
            raise
        finally:
            self.shared.done.put(dict(self.counts))

    def step_add(self):
        self.shared.numbers.add("add", 1)

    def step_lock(self):
        with self.shared.lock:
            self.shared.numbers["lock"] = self.shared.numbers["lock"] + 1

    def step_rlock(self):
        with self.shared.rlock, self.shared.rlock:
            self.shared.numbers["rlock"] = self.shared.numbers["rlock"] + 1

    def step_value(self):
        with self.shared.value.get_lock():
            self.shared.value.value += 1

    def step_array(self):
        self.shared.array.add(self.random.randrange(CELLS), 1)

    def step_semaphore(self):
        with self.shared.semaphore:
            inside = self.shared.numbers.add("inside", 1)
            self.shared.numbers.add("inside", -1)
        assert 1 <= inside <= PERMITS, f"{inside} are inside"

    def step_queue(self):
        """As many items are put as are got."""
        self.shared.queue.put((self.number, [self.counts["queue"]]))
        worker, [count] = self.shared.queue.get()
        self.counts["put"] += self.number * 31 + self.counts["queue"]
        self.counts["got"] += worker * 31 + count

    def step_list(self):
        self.shared.list.append(self.number)
        self.counts["popped"] += self.shared.list.pop(self.random.choice((0, -1)))
        self.counts["appended"] += self.number

    def step_own_key(self):
        key = (self.number, self.random.randrange(100))
        value = {"number": self.number, "bytes": self.random.randbytes(self.random.randrange(5000))}
        self.shared.numbers[key] = value
        assert self.shared.numbers.pop(key) == value

    def step_condition(self):
        with self.shared.condition:
            self.shared.condition.notify()
            self.shared.condition.wait(0.001)

    def step_nested(self):
        """Objects that are made, found by others, and forgotten."""
        made = self.shared.manager.dict(number=self.number)
        self.shared.nested.put(made)
        del made
        found = self.shared.nested.get()
        assert isinstance(found["number"], int)

    def step_made(self):
        pair = self.shared.manager.Pipe()
        pair[0].send(["text", self.number])
        assert pair[1].recv() == ["text", self.number]
        for end in pair:
            end.close()
        value = self.shared.manager.Value("d", self.number)
        value.add(0.5)
        assert value.value == self.number + 0.5


class Shared:
    """What they share."""

    def __init__(self, manager):
        self.manager = manager
        self.numbers = manager.dict({"add": 0, "lock": 0, "rlock": 0, "inside": 0})
        self.lock, self.rlock = manager.Lock(), manager.RLock()
        self.semaphore, self.condition = manager.Semaphore(PERMITS), manager.Condition()
        self.value, self.array = holdfast.Value("q", 0), manager.Array("q", CELLS * [0])
        self.queue, self.nested, self.list = manager.Queue(), manager.Queue(), manager.list()
        self.done, self.faults = manager.Queue(), manager.Queue()


class CrowdTest(unittest.TestCase):
    def keep_processes(self, shared, until):
        """Twenty at a time: those that end are replaced, while all threads make calls."""
        context = multiprocessing.get_context("fork")
        rng, running, started = random.Random(SEED), [], 0
        while time.monotonic() < until or running:
            while len(running) < EACH and time.monotonic() < until:
                started += 1
                end = min(until, time.monotonic() + rng.uniform(0.2, SECONDS / 2))
                process = context.Process(target=Worker(EACH + started, shared, end).run)
                process.start()
                running.append(process)
            time.sleep(0.02)
            for process in [each for each in running if not each.is_alive()]:
                process.join()
                self.assertEqual(process.exitcode, 0)
                process.close()
                running.remove(process)
        return started

    def check_counts(self, shared, total):
        self.assertEqual(shared.numbers.copy(), {"add": total["add"], "lock": total["lock"],
                                                 "rlock": total["rlock"], "inside": 0})
        self.assertEqual(shared.value.value, total["value"])
        self.assertEqual(sum(shared.array[:]), total["array"])
        self.assertEqual((total["got"], total["popped"]), (total["put"], total["appended"]))
        self.assertEqual([each.qsize() for each in (shared.queue, shared.nested)], [0, 0])
        self.assertEqual(shared.list[:], [])

    def crowd(self, manager, seconds):
        shared = Shared(manager)
        objects = manager._number_of_objects()
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=Worker(number, shared, until).run) for number in range(EACH)]
        for thread in threads:
            thread.start()
        started = self.keep_processes(shared, until)
        for thread in threads:
            thread.join()
        total = collections.Counter()
        for _ in range(EACH + started):
            total.update(shared.done.get(timeout=5))
        self.assertEqual((shared.done.qsize(), shared.faults.qsize()), (0, 0),
                         shared.faults.qsize() and shared.faults.get())
        self.check_counts(shared, total)
        support.until(lambda: manager._number_of_objects() == objects, "as many objects as before")
        support.until(lambda: manager.connection.server_info()["sessions"] == 1, "one session")
        calls = sum(count for name, count in total.items() if hasattr(Worker, f"step_{name}"))
        print(f"seed {SEED}: {calls} steps in {seconds:g} s by {EACH} threads and {started} processes, "
              f"{EACH} at a time: {dict(total)}", flush=True)
        self.assertEqual(len([name for name in dir(Worker) if name.startswith("step_") and total[name[5:]]]),
                         len([name for name in dir(Worker) if name.startswith("step_")]))

    def test_crowd(self):
        self.enterContext(support.own_runtime_directory())
        holdfast.Value("i")  # the manager of the module level
        with holdfast.Manager() as manager:
            self.crowd(manager, 1)
        before = support.leftovers()
        with holdfast.Manager() as manager:
            self.crowd(manager, SECONDS)
        self.assertEqual(support.leftovers(), before)


if __name__ == "__main__":
    support.main()
