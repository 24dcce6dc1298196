"""The server's process: where its log goes, which limits hold for it, what lies in its way at start and stop.

usage: server_process.py HOLDFASTD HOLDFAST [TEST..]
"""
import fcntl
import os
import pty
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import termios
import time
import unittest

WAIT_S = 20  # a busy machine takes its time
F_SETPIPE_SZ = 1031


def until(holds, what):
    """Waits until holds() is true; its value."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in {WAIT_S} s: {what}")


class Server:
    """A holdfastd in a directory of its own, ready by default."""

    def __init__(self, *arguments, dir=None, is_ready=True, ports="ports", listen=None, **popen):
        self.dir = dir or tempfile.mkdtemp(prefix="hf-")
        self.sock = f"{self.dir}/holdfast.sock"
        self.ports = f"{self.dir}/{ports}" if ports else None
        self.log = f"{self.dir}/log"
        words = [HOLDFASTD]
        for url in listen if listen is not None else ["tcp://127.0.0.1:0", f"ipc://{self.sock}"]:
            words += ["--listen", url]
        if self.ports:
            words += ["--ports-file", self.ports]
        popen.setdefault("stderr", open(self.log, "ab"))
        popen.setdefault("stdout", subprocess.DEVNULL)
        self.process = subprocess.Popen(words + list(arguments), **popen)
        if is_ready:
            until(lambda: os.path.exists(self.ports) or self.process.poll() is not None, "ports file")
            assert self.process.poll() is None, self.text()

    def text(self):
        return open(self.log, "rb").read().decode()

    def url(self, transport="tcp"):
        return next(line.strip() for line in open(self.ports) if line.startswith(transport))

    def command(self, *arguments, transport="tcp", **run):
        environment = dict(os.environ, HOLDFAST_URL=self.url(transport))
        return subprocess.run([HOLDFAST, *arguments], env=environment, capture_output=True, timeout=WAIT_S, **run)

    def port(self):
        return int(self.url().rsplit(":", 1)[1])

    def end(self, number=signal.SIGTERM):
        """Its exit code after the signal."""
        self.process.send_signal(number)
        try:
            return self.process.wait(WAIT_S)
        finally:
            self.process.kill()


class Case(unittest.TestCase):
    def serve(self, *arguments, **options):
        server = Server(*arguments, **options)
        self.addCleanup(lambda: (server.process.kill(), server.process.wait(), shutil.rmtree(server.dir, True)))
        return server

    def assertAnswers(self, server, transport="tcp"):
        done = server.command("ping", transport=transport)
        self.assertEqual(done.returncode, 0, done.stderr)


def small_pipe():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    return reading, writing


def fill(descriptor):
    """Leaves room for nothing. Through a description of its own: the flag is not for others."""
    own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(own, b"." * 4095 + b"\n")
    except BlockingIOError:
        pass
    try:
        while True:
            os.write(own, b"\n")
    except BlockingIOError:
        os.close(own)


def say_bad_hellos(server, count):
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", server.port())) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")


class LogTest(Case):
    def drain(self, descriptor, wanted):
        text = b""
        def read():
            nonlocal text
            try:
                text += os.read(descriptor, 65536)
            except BlockingIOError:
                pass
            return re.search(wanted, text)
        os.set_blocking(descriptor, False)
        until(read, wanted)
        return text.decode()

    def assertWhole(self, text):
        for line in text.splitlines():
            self.assertRegex(line, r"^(\.*|\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info) \S.*)$")

    def test_start_with_a_full_pipe(self):
        reading, writing = small_pipe()
        fill(writing)
        server = self.serve(stderr=writing)
        self.assertAnswers(server)
        for _ in range(25):  # five lines a second are let through
            say_bad_hellos(server, 6)
            time.sleep(0.7)
        self.assertAnswers(server)
        self.assertAnswers(server, "ipc")
        self.assertFalse(fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK)
        text = self.drain(reading, rb"log lines dropped count=[1-9]\d*\n")
        self.assertWhole(text)
        self.assertEqual(server.end(), 0)
        self.assertIn("info stopped", self.drain(reading, rb"info stopped\n"))

    def test_stop_with_a_full_pipe(self):
        reading, writing = small_pipe()
        server = self.serve(stderr=writing)
        fill(writing)
        began = time.monotonic()
        self.assertEqual(server.end(), 0)
        self.assertLess(time.monotonic() - began, 10)
        os.close(reading)

    def test_pipe_whose_reader_left(self):
        reading, writing = small_pipe()
        server = self.serve(stderr=writing)
        os.close(reading)
        say_bad_hellos(server, 20)
        self.assertAnswers(server)
        self.assertEqual(server.end(), 0)

    def test_stopped_terminal(self):
        master, slave = pty.openpty()
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S does
        server = self.serve(stderr=slave)
        say_bad_hellos(server, 20)
        self.assertAnswers(server)
        termios.tcflow(slave, termios.TCOON)
        self.drain(master, rb"info ready")
        self.assertEqual(server.end(), 0)

    def test_socket_that_is_not_read(self):
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        theirs.setblocking(False)
        try:
            while True:
                theirs.send(b"." * 1000 + b"\n")
        except BlockingIOError:
            theirs.setblocking(True)
        server = self.serve(stderr=theirs)
        self.assertAnswers(server)
        self.assertEqual(server.end(), 0)
        ours.close()


class LimitTest(Case):
    def limited(self, which, soft):
        return lambda: resource.setrlimit(which, (soft, resource.getrlimit(which)[1]))

    def test_file_sizes(self):
        """No memory can be shared then, and the log does not grow; everything else works."""
        server = self.serve(preexec_fn=self.limited(resource.RLIMIT_FSIZE, 1024))
        self.assertAnswers(server, "ipc")
        for words in (["value", "set", "v", "q", "5"], ["array", "set", "a", "q", "3", "0", "7"]):
            server.command(*words, transport="ipc")
        path = server.command("-o", "raw", "info", transport="ipc").stdout.decode()
        self.assertIn("path\tipc\n", path)
        for _ in range(3):
            say_bad_hellos(server, 6)
            time.sleep(1)
        self.assertAnswers(server)
        self.assertLessEqual(os.path.getsize(server.log), 1024)
        self.assertEqual(server.end(), 0)

    def test_signals_of_limits(self):
        server = self.serve()
        for number in (signal.SIGXFSZ, signal.SIGXCPU, signal.SIGHUP, signal.SIGPIPE):
            server.process.send_signal(number)
            self.assertAnswers(server)
        self.assertEqual(server.end(), 0)

    def test_address_space(self):
        """It starts and serves, or says why not; it neither crashes nor hangs."""
        refused = 0
        for mib in (20, 60, 90, 100, 110, 120, 130, 140, 170, 200, 230, 240, 246, 252, 260, 2000):
            server = self.serve(preexec_fn=self.limited(resource.RLIMIT_AS, mib << 20), is_ready=False)
            until(lambda: os.path.exists(server.ports) or server.process.poll() is not None, f"{mib} MiB")
            if server.process.poll() is None:
                self.assertAnswers(server)
                self.assertEqual(server.end(), 0, f"{mib} MiB: {server.text()}")
            elif mib == 20:
                self.assertNotEqual(server.process.poll(), 0)  # before main, perhaps
            else:
                refused += 1
                self.assertEqual(server.process.poll(), 1, f"{mib} MiB: {server.text()}")
                self.assertRegex(server.text(), "can't start reason=.*threads.*ulimit -v")
        self.assertGreater(refused, 3)


class DescriptorTest(Case):
    def test_few_ones(self):
        """With less than it and some clients need it says so."""
        for few in (8, 16, 30, 61, 64):
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
            server = self.serve(preexec_fn=limit, is_ready=few == 64)
            if few == 64:
                self.assertAnswers(server)
                self.assertEqual(server.end(), 0, server.text())
            else:
                self.assertEqual(server.process.wait(10), 1, f"{few} files: {server.text()}")
                self.assertRegex(server.text(), "can't start reason=.*raise the limit to 6[24] or more.*ulimit -n")

    def test_closed_ones(self):
        for closed in ([0], [1], [2], [0, 1, 2]):
            server = self.serve(preexec_fn=lambda: [os.close(fd) for fd in closed])
            for fd in closed:
                self.assertEqual(os.readlink(f"/proc/{server.process.pid}/fd/{fd}"), "/dev/null", closed)
            say_bad_hellos(server, 6)
            self.assertAnswers(server)
            self.assertEqual(server.end(), 0)


class PortsFileTest(Case):
    def test_link_is_not_followed(self):
        with tempfile.TemporaryDirectory() as other:
            victim = f"{other}/victim"
            open(victim, "w").write("mine")
            with tempfile.TemporaryDirectory() as directory:
                os.symlink(victim, f"{directory}/ports")
                lay_link = lambda: os.symlink(victim, f"{directory}/ports.{os.getpid()}")
                server = self.serve(dir=directory, is_ready=False, preexec_fn=lay_link)
                until(lambda: not os.path.islink(server.ports), "the file in the link's place")
                self.assertEqual(open(victim).read(), "mine")
                self.assertEqual(server.end(), 0)

    def test_fifo(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        os.mkfifo(f"{directory}/ports")
        server = self.serve(dir=directory)
        with open(server.ports) as fifo:
            self.assertRegex(fifo.read(), r"^tcp://127.0.0.1:\d+\nipc:///.*holdfast.sock\n$")
        self.assertTrue(stat.S_ISFIFO(os.stat(server.ports).st_mode))
        self.assertEqual(server.end(), 0)

    def test_fifo_that_nobody_reads(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        os.mkfifo(f"{directory}/ports")
        server = self.serve(dir=directory)
        until(lambda: os.path.exists(server.sock), "listening")
        self.assertEqual(server.end(), 0)

    def test_standard_output(self):
        for kind in ("pipe", "file"):
            with tempfile.TemporaryFile() as file:
                reading, writing = os.pipe()
                out = writing if kind == "pipe" else file
                server = self.serve("--ports-file", "/dev/stdout", ports=None, is_ready=False, stdout=out)
                os.close(writing)
                until(lambda: "info ready" in server.text(), "ready")
                if kind == "file":
                    file.seek(0)
                text = os.read(reading, 1000) if kind == "pipe" else file.read()
                self.assertRegex(text.decode(), r"^tcp://127.0.0.1:\d+\nipc:///.*holdfast.sock\n$", kind)
                self.assertTrue(os.path.islink("/dev/stdout"))
                self.assertEqual(server.end(), 0)
                os.close(reading)


class SocketFileTest(Case):
    def test_stop_leaves_the_sockets_of_others(self):
        first = self.serve()
        inodes = {}
        for name in ("holdfast.sock", "holdfast.sock.local"):
            path = f"{first.dir}/{name}"
            if not os.path.exists(path):
                path = next(f"{first.dir}/{n}" for n in os.listdir(first.dir) if n.startswith("holdfast.sock") and n != "holdfast.sock")
            os.unlink(path)
            other = socket.socket(socket.AF_UNIX)
            self.addCleanup(other.close)
            other.bind(path)
            other.listen()
            inodes[path] = os.stat(path).st_ino
        self.assertEqual(first.end(), 0)
        self.assertEqual({path: os.stat(path).st_ino for path in inodes if os.path.exists(path)}, inodes)
        self.assertEqual(len(inodes), 2)

    def test_stop_removes_its_own(self):
        server = self.serve()
        self.assertEqual(server.end(), 0)
        self.assertEqual(sorted(os.listdir(server.dir)), ["log", "ports"])

    def test_kill_leaves_stale_ones_that_are_replaced(self):
        server = self.serve()
        server.end(signal.SIGKILL)
        os.unlink(server.ports)
        again = self.serve(dir=server.dir)
        self.assertAnswers(again, "ipc")
        self.assertIn("removing stale socket", again.text())
        self.assertEqual(again.end(), 0)

    def test_bound_but_not_listening(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"{directory}/holdfast.sock")
            inode = os.stat(f"{directory}/holdfast.sock").st_ino
            server = self.serve(dir=directory, is_ready=False)
            self.assertEqual(server.process.wait(WAIT_S), 1)
            self.assertIn("the address is in use", server.text())
            self.assertEqual(os.stat(server.sock).st_ino, inode)

    def test_locked_directory(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        lock = os.open(directory, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = self.serve(dir=directory, is_ready=False)
        self.assertEqual(server.process.wait(WAIT_S), 1)
        self.assertIn(f"waiting for a lock on a directory path={directory} pid={os.getpid()}", server.text())
        self.assertIn("keeps the directory locked", server.text())
        os.close(lock)

    def test_directory_locked_at_stop(self):
        server = self.serve()
        lock = os.open(server.dir, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.assertEqual(server.end(), 0)
        self.assertFalse(os.path.exists(server.sock))
        os.close(lock)

    def test_path_too_long(self):
        long = f"/tmp/{'x' * 120}.sock"
        server = self.serve(listen=[f"ipc://{long}"], is_ready=False)
        self.assertEqual(server.process.wait(WAIT_S), 2)
        self.assertRegex(server.text(), f"may have 107 bytes, and this one has {len(long)}")
        done = subprocess.run([HOLDFAST, "--url", f"ipc://{long}", "ping"], capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"has {len(long)} bytes, and may have 107".encode(), done.stderr)

    def test_longest_path(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        for name in ("x" * (106 - len(directory)), "y"):
            server = self.serve(listen=[f"ipc://{directory}/{name}"])
            self.assertAnswers(server, "ipc")
            self.assertEqual(server.end(), 0)

    def test_short_names_are_taken(self):
        """The socket is bound to another name of that length first, and that is no file of others."""
        directory = tempfile.mkdtemp(prefix="hf-")
        others = list("acdefghijklmnopqrstuvwxz012345")  # but b, and y itself
        for letter in others:
            open(f"{directory}/{letter}", "w").close()
        server = self.serve(listen=[f"ipc://{directory}/y"])
        self.assertAnswers(server, "ipc")
        self.assertEqual(server.end(), 0)
        self.assertLessEqual(set(others), set(os.listdir(directory)))

    def test_relative_path(self):
        directory = tempfile.mkdtemp(prefix="hf-")
        server = self.serve(dir=directory, listen=["ipc://some.sock"], cwd=directory)
        self.assertEqual(server.url("ipc"), f"ipc://{directory}/some.sock")
        done = subprocess.run([HOLDFAST, "--url", "ipc://some.sock", "ping"], cwd=directory, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.end(), 0)

    def test_runtime_directory(self):
        if os.access("/run/holdfast", os.W_OK):
            self.skipTest("/run/holdfast goes first")
        for runtime, words in (("run", "relative"), ("/tmp/" + "x" * 120, "too long"), (None, "nor is XDG_RUNTIME_DIR set")):
            environment = {**os.environ, "XDG_RUNTIME_DIR": runtime or ""}
            server = self.serve(listen=[], is_ready=False, env=environment)
            until(lambda: words in server.text(), words)
            server.end()


class ExitWithTest(Case):
    """--exit-with: a private server ends with the process it serves, and leaves nothing."""

    def serve_beside(self, *command):
        other = subprocess.Popen(command)
        self.addCleanup(lambda: (other.kill(), other.wait()))
        directory = tempfile.mkdtemp(prefix="hf-")
        self.addCleanup(shutil.rmtree, directory, True)
        server = self.serve("--exit-with", str(other.pid), listen=[f"ipc://{directory}/sock"])
        return server, other, directory

    def test_killed(self):
        server, other, directory = self.serve_beside("sleep", "1000")
        self.assertAnswers(server, "ipc")
        other.kill()
        self.assertEqual(server.process.wait(WAIT_S), 0)
        self.assertFalse(os.path.exists(directory))
        self.assertIn('stopping reason="the process of --exit-with has ended"', server.text())

    def test_signal_first(self):
        server, other, directory = self.serve_beside("sleep", "1000")
        self.assertEqual(server.end(), 0)
        self.assertFalse(os.path.exists(directory))
        self.assertIsNone(other.poll())

    def test_not_empty_directory_stays(self):
        server, other, directory = self.serve_beside("sleep", "1000")
        open(f"{directory}/other", "w").close()
        other.kill()
        self.assertEqual(server.process.wait(WAIT_S), 0)
        self.assertEqual(os.listdir(directory), ["other"])

    def serve_in_a_new_directory(self, pid, **options):
        """Its directory is made by the server, its addresses come by a pipe."""
        parent = tempfile.mkdtemp(prefix="hf-")
        self.addCleanup(shutil.rmtree, parent, True)
        server = self.serve("--exit-with", str(pid), "--ports-file", "/dev/stdout", is_ready=False,
                            listen=[f"ipc://{parent}/own-XXXXXX/sock"], **options)
        return server, parent

    def test_makes_its_directory(self):
        reading, writing = os.pipe()
        server, parent = self.serve_in_a_new_directory(os.getpid(), stdout=writing)
        os.close(writing)
        url = os.read(reading, 200).decode()
        os.close(reading)
        [name] = os.listdir(parent)
        self.assertEqual(url, f"ipc://{parent}/{name}/sock\n")
        self.assertRegex(name, "^own-.{6}$")
        self.assertEqual(os.stat(f"{parent}/{name}").st_mode & 0o7777, 0o700)
        self.assertEqual(server.end(), 0)
        self.assertEqual(os.listdir(parent), [])

    def test_removes_its_directory_when_it_can_not_start(self):
        parent = tempfile.mkdtemp(prefix="hf-")
        self.addCleanup(shutil.rmtree, parent, True)
        busy, _, directory = self.serve_beside("sleep", "1000")
        failed = self.serve("--exit-with", str(os.getpid()), is_ready=False, listen=[
            f"ipc://{parent}/own-XXXXXX/sock", f"ipc://{directory}/sock"])
        self.assertEqual(failed.process.wait(WAIT_S), 1)
        nowhere = self.serve("--exit-with", str(os.getpid()), is_ready=False,
                             listen=[f"ipc://{parent}/no/own-XXXXXX/sock"])
        self.assertEqual(nowhere.process.wait(WAIT_S), 1)
        self.assertIn("can't make a directory", nowhere.text())
        self.assertEqual(os.listdir(parent), [])
        self.assertAnswers(busy, "ipc")

    def test_nobody_reads_the_pipe_any_more(self):
        """Also if the number of the process that started it is another one's by now."""
        reading, writing = os.pipe()
        os.close(reading)
        server, parent = self.serve_in_a_new_directory(os.getpid(), stdout=writing)
        os.close(writing)
        self.assertEqual(server.process.wait(WAIT_S), 1)
        self.assertEqual(os.listdir(parent), [])

    def test_ended_before(self):
        other = subprocess.Popen(["true"])
        other.wait()
        server = self.serve("--exit-with", str(other.pid), is_ready=False)
        self.assertEqual(server.process.wait(WAIT_S), 1)
        self.assertIn("can't watch the process of --exit-with", server.text())


if __name__ == "__main__":
    HOLDFASTD, HOLDFAST = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2, warnings="ignore")
