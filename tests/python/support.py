"""What the tests of the Python package share."""
import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

WAIT_S = 20  # a busy machine takes its time
START_METHODS = ("fork", "spawn", "forkserver")


def until(holds, what, seconds=WAIT_S):
    """Waits until holds() is true; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in {seconds} s: {what}")


def stop(pid):
    """Stops a process. Its threads may still run when kill returns."""
    os.kill(pid, signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    until(is_stopped, "the process is stopped")


@contextlib.contextmanager
def server(scheme="tcp", *options):
    """A holdfastd of its own; its address."""
    from holdfast import private
    with tempfile.TemporaryDirectory(prefix="hf-") as directory:
        ports = f"{directory}/ports"
        process = subprocess.Popen([
            private.program(), "--listen", "tcp://127.0.0.1:0", "--listen", f"ipc://{directory}/sock",
            "--ports-file", ports, "--log-level", "error", *options])
        try:
            until(lambda: os.path.exists(ports) or process.poll() is not None, "the ports file")
            with open(ports) as file:
                url = next(line.strip() for line in file if line.startswith(scheme))
            yield url
        finally:
            process.terminate()
            assert process.wait(WAIT_S) == 0


def run(program, *arguments, url=None, method="fork", timeout=60, local=True):
    """Runs a program, as `python PROGRAM ARGUMENTS` with that start method; what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "HOLDFAST_URL"}
    if url is not None:
        environment["HOLDFAST_URL"] = url
    if not local:
        environment["HOLDFAST_LOCAL"] = "off"
    words = [sys.executable, "-X", "dev", "-W", "error", os.path.abspath(__file__), method,
             os.path.abspath(program), *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{program} ({method}, {url}) exits with {done.returncode}:\n"
                             f"{done.stdout}\n{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def own_runtime_directory():
    """Where this program's private servers make their directories, and nobody else's do."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory, \
            unittest.mock.patch.dict(os.environ, XDG_RUNTIME_DIR=directory):
        yield directory


def leftovers():
    """What a program may leave over: children, descriptors, threads, mapped memory, directories."""
    gc.collect()
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = file.read().split()
    descriptors = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                   if os.path.islink(f"/proc/self/fd/{fd}")]
    with open("/proc/self/maps") as file:
        mapped = [line for line in file if "memfd:holdfast" in line]
    return {"children": children, "descriptors": sorted(descriptors), "mapped": mapped,
            "threads": len(os.listdir("/proc/self/task")),
            "directories": sorted(os.listdir(os.environ["XDG_RUNTIME_DIR"]))}


def main():
    unittest.main(module="__main__", verbosity=2)


if __name__ == "__main__":
    import multiprocessing
    import runpy
    multiprocessing.set_start_method(sys.argv[1])
    del sys.argv[:2]
    runpy.run_path(sys.argv[0], run_name="__main__")
