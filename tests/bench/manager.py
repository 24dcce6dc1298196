"""Drives multiprocessing.Manager for the benchmark.

usage: manager.py tcp|ipc
Reads lines "OPERATION DURATION_MS PROCESSES", until one says "stop", and answers each with
"RATE P50 P90 P99 P99.9 MAX": requests a second, and latencies in microseconds.
"""
import ctypes
import multiprocessing
import signal
import sys
import time
from multiprocessing.managers import SyncManager

KEYS = ["key:%012d" % i for i in range(10000)]


def calls(objects, operation):
    """One turn of the operation: the calls it is made of."""
    d, l, q = objects
    if operation == "get":
        return [lambda i: d.get(KEYS[i % 10000])]
    if operation == "set":
        return [lambda i: d.__setitem__(KEYS[i % 10000], 12345)]
    if operation == "append":
        return [lambda i: l.append(12345)]
    return [lambda i: q.put(12345), lambda i: q.get()]


def measure(objects, operation, seconds):
    turn = calls(objects, operation)
    latencies, i = [], 0
    start = before = time.perf_counter()
    while before < start + seconds:
        for call in turn:
            call(i)
            after = time.perf_counter()
            latencies.append(after - before)
            before = after
        i += 7919  # a prime: visits the keys in no obvious order
    return latencies, before - start


def work(objects, operation, seconds, barrier, results):
    die_with_parent()
    measure(objects, operation, 0)  # opens this process's connections
    barrier.wait()
    results.put(measure(objects, operation, seconds))


def measure_processes(objects, operation, seconds, count):
    barrier, results = multiprocessing.Barrier(count), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(objects, operation, seconds, barrier, results))
               for _ in range(count)]
    for worker in workers:
        worker.start()
    parts = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return [l for latencies, _ in parts for l in latencies], max(elapsed for _, elapsed in parts)


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main():
    address = ("127.0.0.1", 0) if sys.argv[1] == "tcp" else None
    manager = SyncManager(address=address)
    manager.start(die_with_parent)
    objects = manager.dict(), manager.list(), manager.Queue()
    objects[0].update({key: 12345 for key in KEYS})
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "stop\n":
            break
        operation, duration_ms, count = line.split()
        seconds = int(duration_ms) / 1000
        if int(count) == 1:
            latencies, elapsed = measure(objects, operation, seconds)
        else:
            latencies, elapsed = measure_processes(objects, operation, seconds, int(count))
        latencies.sort()
        at = [latencies[min(len(latencies) - 1, int(len(latencies) * part))] * 1e6
              for part in (0.5, 0.9, 0.99, 0.999, 1)]
        objects[1][:] = []
        print(len(latencies) / elapsed, *at, flush=True)
    manager.shutdown()


if __name__ == "__main__":
    main()
