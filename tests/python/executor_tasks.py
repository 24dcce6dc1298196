"""Functions that the workers of test_executor.py import."""
import multiprocessing
import os
import signal
import time

import holdfast


def square(n):
    return n * n


def add(a, b, scale=1):
    return (a + b) * scale


def pause(seconds, value=None):
    time.sleep(seconds)
    return value


def pid(seconds=0):
    time.sleep(seconds)
    return os.getpid()


def fail(message):
    def inner():
        raise KeyError(message)
    inner()


class Stubborn(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, a, b):
        super().__init__(a)


def fail_stubbornly():
    raise Stubborn(1, 2)


class Silent(Exception):
    """Can't be pickled, nor shown."""

    def __init__(self):
        super().__init__(lambda: None)

    def __str__(self):
        raise ValueError


def fail_silently():
    raise Silent


def zeros(count):
    return bytes(count)


def unpicklable():
    return lambda: None


def leave(status):
    raise SystemExit(status)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def count_and_square(runs, n, seconds):
    """Counts its runs in a dict of the server, which is an argument."""
    runs.add(n, 1)
    time.sleep(seconds)
    return n * n


def make_dict(url, n):
    """A proxy as the result."""
    made = holdfast.connect(url).dict()
    made["n"] = n
    return made


def mark(events, name, seconds=0):
    events.put(name)
    time.sleep(seconds)
    return name


def open_dict(url, name):
    """A proxy of an object that has a name as the result."""
    return holdfast.connect(url).dict(name=name)


def terminate_child():
    """How a process that the task forked ends by SIGTERM."""
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(10)
    ended = child.exitcode
    child.kill()
    return ended


def count_and_fill(runs, filler, size):
    """Leaves the server less memory than its result takes."""
    runs.add("runs", 1)
    step = 1 << 16
    while step > 8:
        try:
            filler[len(filler)] = bytes(step)
        except holdfast.MemoryFull:
            step //= 2
    return bytes(size)
