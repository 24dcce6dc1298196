"""Drives multiprocessing.Queue and multiprocessing.Pipe between two processes for bench_pairs.

Reads lines "queue DURATION_MS" and "pipe DURATION_MS" until its input ends, and answers each with items, or
ways there and back, a second.
"""
import ctypes
import multiprocessing
import signal
import sys
import time

ITEM = 12345
WARM_COUNT = 100
QUEUE_MAXSIZE = 1000


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def put_on(queue, is_over):
    die_with_parent()
    while not is_over.value:
        queue.put(ITEM)
    queue.put(None)


def send_back(end):
    die_with_parent()
    while (item := end.recv()) is not None:
        end.send(item)


def rate(step, seconds):
    for _ in range(WARM_COUNT):
        step()
    began = now = time.perf_counter()
    count = 0
    while now < began + seconds:
        step()
        count += 1
        now = time.perf_counter()
    return count / (now - began)


def measure_queue(seconds):
    queue, is_over = multiprocessing.Queue(QUEUE_MAXSIZE), multiprocessing.Value("b", 0, lock=False)
    partner = multiprocessing.Process(target=put_on, args=(queue, is_over))
    partner.start()
    items_per_s = rate(queue.get, seconds)
    is_over.value = 1
    while queue.get() is not None:
        pass
    partner.join()
    return items_per_s


def measure_pipe(seconds):
    here, there = multiprocessing.Pipe()
    partner = multiprocessing.Process(target=send_back, args=(there,))
    partner.start()

    def there_and_back():
        here.send(ITEM)
        here.recv()

    ways_per_s = rate(there_and_back, seconds)
    here.send(None)
    partner.join()
    return ways_per_s


def main():
    measures = {"queue": measure_queue, "pipe": measure_pipe}
    for line in sys.stdin:
        what, duration_ms = line.split()
        print(measures[what](int(duration_ms) / 1000), flush=True)


if __name__ == "__main__":
    main()
