"""Measures the Python package beside multiprocessing, in one run.

usage: python.py HELPER [--seconds S] [--rounds N] [--check]

HELPER is bench_python_helper, which makes the same calls from C. PYTHONPATH and HOLDFASTD name the
package and the server. In each round every pair is measured one right after the other. `ratio` is the median
over the rounds, with the quartiles beside it; `best` compares the best round of each, which is what they
cost on a machine that does other things meanwhile. --check: exit code 1 if a median misses its target.
"""
import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import multiprocessing
from multiprocessing.managers import SyncManager

import holdfast
from holdfast import private

KEYS = [f"key:{i:012d}" for i in range(1000)]
SOME = KEYS[::50]  # the calls of a step
DOUBLES = 1_000_000


def per_second(step, seconds, count):
    """How often step() does `count` things in a second."""
    step()
    done, began = 0, time.perf_counter()
    while True:
        step()
        done += count
        now = time.perf_counter()
        if now >= began + seconds:
            return done / (now - began)


# ------------------------------------------------------------------------------- the steps


def dict_get(manager):
    d = manager.dict({key: 12345 for key in KEYS})

    def step():
        for key in SOME:
            d.get(key)
    return step


def dict_set(manager):
    d = manager.dict()

    def step():
        for key in SOME:
            d[key] = 12345
    return step


def queue_put_get(manager):
    q = manager.Queue()

    def step():
        for _ in SOME:
            q.put(12345)
            q.get()
    return step


def iterate(manager):
    d = manager.dict({key: 12345 for key in KEYS[:200]})

    def step():
        assert sum(1 for _ in d) == 200
    return step


def value_under_lock(module):
    value = module.Value("i", 0)
    lock = value.get_lock()

    def step():
        for _ in SOME:
            with lock:
                value.value += 1
    return step


def pipelined_get(manager):
    d = manager.dict({key: 12345 for key in KEYS})

    def step():
        with manager.pipeline():
            results = [d.get(key) for key in KEYS]
        assert results[-1].result() == 12345
    return step


# -------------------------------------------------------------------------------- the parties


@contextlib.contextmanager
def standard_manager(family):
    """multiprocessing's, over AF_UNIX or AF_INET."""
    manager = SyncManager(("127.0.0.1", 0) if family == "tcp" else None)
    manager.start()
    with manager:
        yield manager


@contextlib.contextmanager
def server():
    """A holdfastd; its addresses: by shared memory, and by tcp."""
    with tempfile.TemporaryDirectory(prefix="hf-") as directory:
        ports = f"{directory}/ports"
        process = subprocess.Popen([
            private.program(), "--listen", "tcp://127.0.0.1:0", "--listen", f"ipc://{directory}/sock",
            "--ports-file", ports, "--log-level", "error"])
        try:
            while not os.path.exists(ports):
                time.sleep(0.01)
            with open(ports) as file:
                urls = {line.split(":")[0]: line.strip() for line in file}
            yield urls["ipc"], urls["tcp"]
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def without_shared_memory():
    os.environ["HOLDFAST_LOCAL"] = "off"
    yield
    del os.environ["HOLDFAST_LOCAL"]


class Helper:
    """bench_python_helper: a C program on the same server."""

    def __init__(self, path, url, is_local=True):
        environment = {**os.environ, "HOLDFAST_LOCAL": "on" if is_local else "off"}
        self._process = subprocess.Popen([path, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, env=environment)

    def ask(self, words):
        """The number that it answers."""
        print(words, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def end(self):
        self._process.communicate()


# ------------------------------------------------------------------------------------ bulk


class Loopback:
    """A plain socket over tcp on this machine, from which a process sends 8 MB when it is asked to."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._pid = os.fork()
            if self._pid == 0:
                self._send(listener.getsockname())
            self._receiver, _ = listener.accept()
        self._buffer = memoryview(bytearray(8 * DOUBLES))

    def _send(self, address):
        data = bytes(8 * DOUBLES)
        with contextlib.suppress(OSError), socket.create_connection(address) as sender:
            while sender.recv(1):
                sender.sendall(data)
        os._exit(0)

    def step(self):
        self._receiver.send(b"1")
        taken = 0
        while taken < len(self._buffer):
            taken += self._receiver.recv_into(self._buffer[taken:])

    def end(self):
        self._receiver.close()
        os.waitpid(self._pid, 0)


def bulk_read(connection, helper):
    """Reads an array on the server, over tcp, into numpy; a C program has written it."""
    try:
        import numpy
        target = numpy.empty(DOUBLES)
    except ImportError:
        import array
        target = array.array("d", bytes(8 * DOUBLES))
    helper.ask(f"write {DOUBLES}")
    doubles = holdfast.managers.ArrayProxy(connection, "d", DOUBLES, name="bench.doubles")
    doubles.read_into(target)
    assert all(target[i] == i * 0.5 for i in (0, 1, DOUBLES // 2, DOUBLES - 1))
    return lambda: doubles.read_into(target)


# ------------------------------------------------------------------------------------ rounds


class Row:
    """Two parties that do the same, each a function of the seconds that answers a rate."""

    def __init__(self, name, ours, theirs, target=None, unit="/s"):
        self.name, self.parties, self.target, self.unit = name, (ours, theirs), target, unit
        self.pairs = []

    def measure(self, seconds, is_turned):
        order = (1, 0) if is_turned else (0, 1)
        rates = {i: self.parties[i](seconds) for i in order}
        self.pairs.append((rates[0], rates[1]))

    def best(self):
        return tuple(max(each) for each in zip(*self.pairs))

    def print(self):
        """Whether the target is met."""
        ratios = sorted(ours / theirs for ours, theirs in self.pairs)
        ratio, quarter = statistics.median(ratios), len(ratios) // 4
        best = self.best()
        is_met = self.target is None or ratio >= self.target
        text = "" if self.target is None else f"{self.target:g} {'met' if is_met else 'MISSED'}"
        print(f"{self.name:42} {shown(best[0], self.unit):>12} {shown(best[1], self.unit):>12} "
              f"{best[0] / best[1]:7.2f} {ratio:7.2f} ({ratios[quarter]:.2f} .. {ratios[-1 - quarter]:.2f})  {text}")
        return is_met


def shown(number, unit):
    return f"{number:,.0f}{unit}" if unit != "B/s" else f"{number / 1e6:,.0f} MB/s"


def timed(step, count=len(SOME)):
    """A party that repeats a step, which does `count` things."""
    return lambda seconds: per_second(step, seconds, count)


def asked(helper, words):
    """The party in C."""
    return lambda seconds: helper.ask(f"{words} {seconds}")


def local_rows(manager, standard, helper):
    steps = (("dict get, local", dict_get), ("dict set, local", dict_set),
             ("queue put and get, local", queue_put_get))
    rows = [Row(name, timed(make(manager)), timed(make(standard)), 20) for name, make in steps]
    rows.append(Row("iterate 200 keys, local", timed(iterate(manager), 1), timed(iterate(standard), 1),
                    50))
    rows.append(Row("Value += 1 under its lock", timed(value_under_lock(holdfast)),
                    timed(value_under_lock(multiprocessing)), 3))
    rows.append(Row("dict get, local; C", timed(dict_get(manager)), asked(helper, "get")))
    return rows


def tcp_rows(manager, standard, helper, loopback):
    pipelined = timed(pipelined_get(manager), len(KEYS))
    return [
        Row("dict get, tcp", timed(dict_get(manager)), timed(dict_get(standard)), 1),
        Row("dict get, tcp, pipelined", pipelined, timed(dict_get(standard)), 50),
        Row("queue put and get, tcp", timed(queue_put_get(manager)), timed(queue_put_get(standard))),
        Row("dict get, tcp; C", timed(dict_get(manager)), asked(helper, "get")),
        Row("dict get, tcp, pipelined; C", pipelined, asked(helper, "pipeline")),
        Row("1e6 doubles from C into numpy, tcp; a socket",
            timed(bulk_read(manager.connection, helper), 8 * DOUBLES),
            timed(loopback.step, 8 * DOUBLES), 0.5, "B/s"),
    ]


def print_share(rows):
    """The part of a call's time that is Python's and the extension's: what it takes from C is taken
    off."""
    for row in rows:
        if row.name.endswith("; C"):
            ours, theirs = (1e9 / rate for rate in row.best())
            print(f"{row.name[:-3]}: {ours:,.0f} ns, of them {theirs:,.0f} in C and {ours - theirs:,.0f} "
                  f"({100 * (1 - theirs / ours):.0f} %) Python's")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("helper")
    parser.add_argument("--seconds", type=float, default=0.1, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        loopback = Loopback()
        stack.callback(loopback.end)
        standard_unix = stack.enter_context(standard_manager("unix"))
        standard_tcp = stack.enter_context(standard_manager("tcp"))
        ipc, tcp = stack.enter_context(server())
        os.environ["HOLDFAST_URL"] = ipc
        local_helper, tcp_helper = Helper(options.helper, ipc), Helper(options.helper, tcp, False)
        stack.callback(local_helper.end)
        stack.callback(tcp_helper.end)
        rows = local_rows(holdfast.connect(ipc), standard_unix, local_helper)
        with without_shared_memory():
            remote = holdfast.connect(tcp)
        assert remote.connection.path == "tcp", remote.connection.path
        rows += tcp_rows(remote, standard_tcp, tcp_helper, loopback)
        for number in range(options.rounds):
            for row in rows:
                row.measure(options.seconds, number % 2 == 1)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, {options.rounds} rounds of "
          f"{options.seconds:g} s\n{'best rounds':42} {'holdfast':>12} {'the other':>12} {'best':>7} "
          f"{'ratio':>7}  quartiles, target")
    is_met = all([row.print() for row in rows])
    print_share(rows)
    if options.check and not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
