"""What multiprocessing.Manager gets wrong when processes are killed or updates collide: here it is
right. Each process is killed by SIGKILL while it has, or waits for, something."""
import os
import signal
import threading
import time
import unittest

import core_case
from holdfast import _core
from support import main, until

GRACE_S = 0.1
LATE_S = 20


def connect(url):
    return _core.Connection(url, grace=GRACE_S)


class Victim:
    """A process that runs work(connection, object) and is killed."""

    def __init__(self, url, work, *shared):
        ids = [(thing.kind, thing.id) for thing in shared]
        self.process = os.fork()
        if self.process == 0:
            connection = connect(url)
            work(connection, *(connection.open(*which) for which in ids))
            time.sleep(60)
            os._exit(1)

    def kill(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


class DeathTest(core_case.CoreCase):
    def setUp(self):
        self.ended()

    def ended(self):
        """The sessions of the killed are over: their notifications, objects are nobody's, or another's."""
        until(lambda: self.connection.server_info()["sessions"] == 1, "their sessions have ended")

    def waits(self, shared, count=1):
        until(lambda: shared.info()["waiting"] == count, "it waits")

    # ---- lost updates

    def test_updates_are_not_lost(self):
        counters, cell = _core.Dict(self.connection), _core.Cell(self.connection, "i", 0)

        def add(connection, numbers, value):
            for _ in range(1000):
                numbers.add("k", 1)
                value.add(1)
            connection.close()
            os._exit(0)
        adders = [Victim(self.url, add, counters, cell) for _ in range(3)]
        for adder in adders:
            self.assertEqual(os.waitpid(adder.process, 0)[1], 0)
        self.assertEqual((counters["k"], cell.value), (3000, 3000))

    # ---- waiters that are killed

    def test_killed_getter_takes_no_item(self):
        shared = _core.Queue(self.connection)
        for attempt in range(5):
            victim = Victim(self.url, lambda _, q: q.get(), shared)
            self.waits(shared)
            victim.kill()
            shared.put(attempt)  # at once: the server may not know yet
            self.assertEqual(shared.get(timeout=LATE_S), attempt)

    def test_killed_receiver_takes_no_object(self):
        near, far = _core.pipe_new(self.connection)

        def receive(_, pipe):
            pipe.attach(0)
            pipe.recv()
        victim = Victim(self.url, receive, near)
        self.waits(near)
        victim.kill()
        far.send("kept")
        self.assertEqual(near.recv(timeout=LATE_S), "kept")

    def test_killed_acquirer_takes_no_lock(self):
        lock, semaphore = _core.Lock(self.connection), _core.Semaphore(self.connection, 1)
        for shared in (lock, semaphore):
            shared.acquire()
            victim = Victim(self.url, lambda _, thing: thing.acquire(), shared)
            self.waits(shared)
            victim.kill()
            shared.release()
            self.assertTrue(shared.acquire(timeout=LATE_S))

    # ---- owners that are killed

    def test_killed_owner_releases_its_lock(self):
        for recursive in (False, True):
            lock = _core.Lock(self.connection, recursive=recursive)
            victim = Victim(self.url, lambda _, thing: thing.acquire(), lock)
            until(lambda k=lock: k.info()["locked"], "it is owned")
            victim.kill()
            self.assertTrue(lock.acquire(timeout=LATE_S))
            self.assertTrue(lock.owner_died)
            first = lock.token
            lock.release()
            self.assertTrue(lock.acquire(timeout=LATE_S))
            self.assertFalse(lock.owner_died)
            self.assertGreater(lock.token, first)

    def test_killed_owner_releases_its_permits(self):
        semaphore = _core.Semaphore(self.connection, 2, bounded=True)
        victim = Victim(self.url, lambda _, thing: (thing.acquire(), thing.acquire()), semaphore)
        until(lambda: semaphore.info()["value"] == 0, "they are taken")
        victim.kill()
        self.assertTrue(semaphore.acquire(timeout=LATE_S) and semaphore.acquire(timeout=LATE_S))

    def test_killed_owner_of_a_value_leaves_its_last_number(self):
        for kind in ("value", "array"):
            shared = (_core.Cell(self.connection, "q", 1) if kind == "value"
                      else _core.Array(self.connection, "q", [1]))

            def hold(_, thing):
                thing.acquire()
                if isinstance(thing, _core.Cell):
                    thing.value = 42
                else:
                    thing[0] = 42
            memory = memoryview(shared)
            victim = Victim(self.url, hold, shared)
            until(lambda view=memory: view[0] == 42, "it has the lock")
            victim.kill()
            self.assertTrue(shared.acquire(timeout=LATE_S))
            self.assertTrue(shared.owner_died)
            self.assertEqual(memory[0], 42)
            shared.release()
            with shared:
                self.assertFalse(shared.owner_died)

    def test_killed_worker_returns_its_reservation(self):
        shared = _core.Queue(self.connection)
        shared.put("task")
        victim = Victim(self.url, lambda _, thing: thing.reserve(), shared)
        until(lambda: shared.info()["reserved"] == 1, "it is reserved")
        victim.kill()
        task = shared.reserve(timeout=LATE_S)
        self.assertEqual((task.value, task.tries), ("task", 1))
        task.ack()
        shared.join(LATE_S)

    # ---- parties that are killed

    def test_killed_condition_waiter_is_forgotten(self):
        condition, woken = _core.Condition(self.connection), []

        def wait(_, thing):
            with thing:
                thing.wait()

        def wait_here():
            with condition:
                woken.append(condition.wait(LATE_S))
        victim = Victim(self.url, wait, condition)
        self.waits(condition)
        thread = threading.Thread(target=wait_here)
        thread.start()
        self.waits(condition, 2)
        victim.kill()
        self.waits(condition, 1)
        for _ in range(2):  # notify(1) reaches the living one, and the next works as well
            with condition:
                condition.notify()
        thread.join()
        self.assertEqual(woken, [True])
        self.ended()
        with condition:
            self.assertIs(condition.wait(0.01), False)

    def test_killed_condition_owner_lets_others_in(self):
        condition = _core.Condition(self.connection)
        victim = Victim(self.url, lambda _, thing: thing.acquire(), condition)
        until(lambda: not (condition.acquire(False) and (condition.release() or True)), "it is owned")
        victim.kill()
        self.assertTrue(condition.acquire(timeout=LATE_S))
        self.assertTrue(condition.owner_died)

    def test_killed_party_breaks_the_barrier(self):
        barrier = _core.Barrier(self.connection, 3)
        victim = Victim(self.url, lambda _, thing: thing.wait(), barrier)
        until(lambda: barrier.n_waiting == 1, "it waits")
        failures = []

        def wait_here():
            try:
                barrier.wait(LATE_S)
            except threading.BrokenBarrierError as error:
                failures.append(error)
        thread = threading.Thread(target=wait_here)
        thread.start()
        until(lambda: barrier.n_waiting == 2, "both wait")
        began = time.monotonic()
        victim.kill()
        thread.join()
        self.assertEqual(len(failures), 1)
        self.assertLess(time.monotonic() - began, LATE_S / 2)
        barrier.reset()
        threads = [threading.Thread(target=barrier.wait, args=(LATE_S,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        self.assertIn(barrier.wait(LATE_S), range(3))
        for thread in threads:
            thread.join()

    # ---- references

    def test_killed_process_leaks_no_objects(self):
        before = self.connection.server_info()["objects"]

        def make(connection, shared):
            things = [_core.Dict(connection) for _ in range(20)]
            nested = connection.open("dict", things[0].id)
            things[1]["nested"] = nested
            shared.add("made", 20)
        shared = _core.Dict(self.connection)
        victim = Victim(self.url, make, shared)
        until(lambda: shared.get("made") == 20, "they are made")
        self.assertGreaterEqual(self.connection.server_info()["objects"], before + 20)
        victim.kill()
        until(lambda: self.connection.server_info()["objects"] == before + 1, "they are freed")

    def test_nested_objects_are_freed(self):
        before = self.connection.server_info()["objects"]
        outer = _core.Dict(self.connection)
        for depth in range(5):
            made = _core.Dict(self.connection)
            inner = self.connection.open("dict", made.id)
            made.close()
            outer[depth] = inner
            inner["deeper"] = depth
            inner.close()
        self.assertEqual(self.connection.server_info()["objects"], before + 6)
        outer.close()
        until(lambda: self.connection.server_info()["objects"] == before, "all are freed")

    def test_ids_are_never_used_again(self):
        seen = set()
        for _ in range(200):
            made = _core.Queue(self.connection)
            self.assertNotIn(made.id, seen)
            seen.add(made.id)
            stale = made.id
            made.close()
        with self.assertRaises(_core.Error):
            self.connection.open("queue", stale)

    def test_killed_clients_end_their_sessions(self):
        before = self.connection.server_info()["sessions"]
        victims = [Victim(self.url, lambda connection: connection.ping()) for _ in range(3)]
        until(lambda: self.connection.server_info()["sessions"] >= before + 3, "they are there")
        for victim in victims:
            victim.kill()
        until(lambda: self.connection.server_info()["sessions"] == before, "they are gone")


class RemoteDeathTest(DeathTest):
    scheme = "tcp"

    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_LOCAL"] = "off"
        super().setUpClass()
        cls.addClassCleanup(os.environ.pop, "HOLDFAST_LOCAL")

    test_killed_owner_of_a_value_leaves_its_last_number = None  # of shared memory


if __name__ == "__main__":
    main()
