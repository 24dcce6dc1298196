"""A private holdfastd ends with its process, however that ends, and leaves nothing."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import support
from holdfast import private

SEED = int(os.environ.get("SEED") or time.time_ns() % 2**32)
KILLS = 200
STARTER = """
import os, sys
from holdfast import private
server = private.PrivateServer()
print(server.pid, server.url, flush=True)
sys.stdin.read()
os._exit(3)
"""


def exists(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def running(word):
    """The processes whose command line has the word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                found += [pid] if word in file.read() else []
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class PrivateServerTest(unittest.TestCase):
    def start_in_child(self):
        child = subprocess.Popen([sys.executable, "-c", STARTER], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(lambda: (child.kill(), child.wait(), child.stdin.close(), child.stdout.close()))
        pid, url = child.stdout.readline().split()
        self.assertTrue(exists(pid))
        return child, pid, os.path.dirname(url[len("ipc://"):])

    def assertGone(self, pid, directory):
        support.until(lambda: not exists(pid), "the server's end")
        support.until(lambda: not os.path.exists(directory), "the directory's end")

    def test_ends_with_a_killed_process(self):
        child, pid, directory = self.start_in_child()
        self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
        child.kill()
        self.assertGone(pid, directory)

    def test_ends_with_a_process_that_exits_without_cleaning_up(self):
        child, pid, directory = self.start_in_child()
        child.communicate()
        self.assertEqual(child.returncode, 3)
        self.assertGone(pid, directory)

    def test_interrupt_of_the_terminal_is_not_for_it(self):
        child, pid, directory = self.start_in_child()
        os.killpg(child.pid, signal.SIGINT)
        self.assertEqual(child.wait(support.WAIT_S), -signal.SIGINT)
        self.assertGone(pid, directory)  # with its process, not by the signal:
        server = private.PrivateServer()
        self.addCleanup(server.stop)
        self.assertNotEqual(os.getpgid(server.pid), os.getpgid(0))

    def test_killed_while_the_server_starts(self):
        """At random moments: no process and no directory is left."""
        rng, answered = random.Random(SEED), 0
        with support.own_runtime_directory() as runtime, tempfile.TemporaryFile() as errors:
            began = time.monotonic()
            private.PrivateServer().stop()
            seconds = time.monotonic() - began
            for number in range(KILLS):
                pid = os.fork()
                if pid == 0:
                    os.dup2(errors.fileno(), 2)
                    private.PrivateServer()
                    signal.pause()
                if number % 2 == 0:  # else, on a busy machine, most are killed before
                    support.until(lambda: os.listdir(runtime), "a directory")
                time.sleep(rng.uniform(0, seconds))
                answered += len(os.listdir(runtime)) > 0
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            support.until(lambda: not running(runtime), "the servers' end")
            self.assertEqual(os.listdir(runtime), [])
            print(f"seed {SEED}: {KILLS} kills within {1500 * seconds:.0f} ms; {answered} servers had "
                  "a directory", flush=True)
            self.assertTrue(0 < answered < KILLS)

    def test_stop(self):
        server = private.PrivateServer(name="x")
        self.assertTrue(server.is_alive())
        self.assertIsNone(server.exitcode)
        self.assertIn("name='x'", repr(server))
        server.stop()
        self.assertFalse(server.is_alive())
        self.assertEqual(server.exitcode, 0)
        self.assertFalse(os.path.exists(os.path.dirname(server.url[len("ipc://"):])))
        with self.assertRaises(ChildProcessError):
            os.waitpid(server.pid, 0)
        server.stop()

    def test_a_forked_child_does_not_stop_it(self):
        server = private.PrivateServer()
        self.addCleanup(server.stop)
        pid = os.fork()
        if pid == 0:
            server.stop()
            os._exit(0 if server.is_alive() else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertTrue(server.is_alive())

    def test_stopped_server_is_killed(self):
        server = private.PrivateServer()
        support.stop(server.pid)
        server.stop(0.1)
        self.assertEqual(server.exitcode, -signal.SIGKILL)

    def test_keeps_no_descriptor_of_the_program(self):
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        server = private.PrivateServer()
        self.addCleanup(server.stop)
        os.close(writing)
        os.set_blocking(reading, False)
        self.assertEqual(os.read(reading, 1), b"")  # end of file, not "would block"
        os.close(reading)

    def test_program_that_is_no_server(self):
        for path, error in (("/nowhere/holdfastd", FileNotFoundError), ("/bin/false", OSError)):
            with self.subTest(path=path), support.own_runtime_directory() as runtime, \
                    unittest.mock.patch.dict(os.environ, HOLDFASTD=path):
                with self.assertRaises(error):
                    private.PrivateServer()
                self.assertEqual(os.listdir(runtime), [])

    def test_no_program_says_what_to_do(self):
        with unittest.mock.patch.dict(os.environ, PATH="/nowhere"):
            del os.environ["HOLDFASTD"]
            if os.path.exists("/usr/local/sbin/holdfastd") or os.path.exists("/usr/sbin/holdfastd"):
                self.skipTest("a holdfastd is installed")
            # The package in the build tree has a server.
            with unittest.mock.patch.object(private, "__file__", "/nowhere/private.py"), \
                    self.assertRaisesRegex(FileNotFoundError, "HOLDFASTD"):
                private.program()


if __name__ == "__main__":
    support.main()
