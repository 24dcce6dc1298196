"""What the command writes to a terminal, what it makes of signals ignored at start, closed descriptors and limits.

Run by with-server: HOLDFAST is the command, HOLDFAST_URL its server.
"""
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

HOLDFAST = os.environ["HOLDFAST"]
EVIL = "\x1b]0;owned\x07\x1b[31mred\u009b31m\u202egpj\u2028\r"
BARE = {"PATH": os.environ["PATH"], "HOLDFAST_URL": os.environ["HOLDFAST_URL"]}
if "LD_LIBRARY_PATH" in os.environ:
    BARE["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]


def run(*words, **options):
    options.setdefault("env", BARE)
    return subprocess.run([HOLDFAST, *words], capture_output=True, timeout=30, **options)


def on_terminal(*words, env=BARE):
    """All that reaches the terminal, as text."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(HOLDFAST, [HOLDFAST, *words], env)
    said = b""
    ends = 0
    while ends < 2:  # the kernel may report the end although the last words, written at that moment, are still to come
        try:
            said += os.read(master, 65536)
        except OSError:  # the other end is closed
            ends += 1
    os.close(master)
    os.waitpid(pid, 0)
    return said.decode("utf-8", "surrogateescape")


class TerminalTest(unittest.TestCase):
    def setUp(self):
        for words in (["dict", "set", "--text", "d", "k", EVIL], ["list", "append", "--text", "l", EVIL],
                      ["queue", "put", "--text", "q", EVIL, EVIL], ["dict", "set", "--text", "d2", EVIL, "v"]):
            self.assertEqual(run(*words).returncode, 0)
        self.addCleanup(lambda: run("rm", "d", "l", "q", "d2"))

    def assertHarmless(self, said):
        for order in "\x1b\x07\u009b\u202e\u2028":
            self.assertNotIn(order, said)
        self.assertNotIn("\r", said.replace("\r\n", ""))
        self.assertIn("gpj", said)

    def test_values(self):
        for words in (["dict", "get", "d", "k"], ["dict", "items", "d"], ["dict", "items", "d2"], ["list", "get", "l", "0"],
                      ["list", "slice", "l"], ["queue", "get", "q"], ["-o", "json", "queue", "get", "q"],
                      ["-o", "json", "dict", "get", "d", "k"]):
            with self.subTest(words):
                self.assertHarmless(on_terminal(*words))

    def test_value_differs_from_its_escape(self):
        self.assertEqual(on_terminal("dict", "get", "d", "k"),
                         r"\u001b]0;owned\u0007\u001b[31mred\u009b31m\u202egpj\u2028\u000d" + "\r\n")

    def test_raw_bytes(self):
        self.assertIn("\x1b[31m", on_terminal("-o", "raw", "dict", "get", "d", "k"))
        self.assertEqual(run("dict", "get", "d", "k").stdout.decode(), EVIL + "\n")

    def test_lines_stay(self):
        run("dict", "set", "--text", "d", "lines", "one\ttab\ntwo \u00f6")
        self.assertEqual(on_terminal("dict", "get", "d", "lines"), "one\ttab\r\ntwo \u00f6\r\n")

    def test_errors(self):
        for output in ("table", "json", "raw"):
            self.assertHarmless(on_terminal("-o", output, "--url", f"no://{EVIL}", "ping"))

    def test_bad_names(self):
        for name in ("\u202egpj.exe", "a\x1b[m", "a\u2028b", "\u2066x", " ", "\u3000", "a\nb"):
            done = run("dict", "set", name, "k", "1")
            self.assertEqual(done.returncode, 4, name)
            self.assertIn(b"without control characters and bidirectional overrides", done.stderr)


class LocaleTest(unittest.TestCase):
    def test_names_are_shown_and_aligned(self):
        names = ["gr\u00f6\u00dfe", "\u65e5\u672c\u8a9e", "plain"]
        for name in names:
            run("dict", "set", name, "k", "1")
        for locale in ({}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C.UTF-8"}, {"LC_ALL": "xx_YY.none"}):
            said = run("-o", "table", "ls", env=dict(BARE, **locale)).stdout.decode()
            rows = {line.split()[0]: line for line in said.splitlines()}
            for name in names:
                self.assertIn(name, rows, f"{locale}: {said}")
            at = rows["plain"].index("dict")
            self.assertEqual(rows["gr\u00f6\u00dfe"].index("dict"), at, locale)
            self.assertEqual(rows["\u65e5\u672c\u8a9e"].index("dict"), at - 3, locale)  # two columns each
        run("rm", *names)


class NameOfClientTest(unittest.TestCase):
    def test_program_that_is_not_utf8(self):
        with tempfile.TemporaryDirectory() as directory:
            program = os.path.join(os.fsencode(directory), b"w\xf6rker")
            os.symlink(os.path.abspath(HOLDFAST), program)
            running = subprocess.Popen([program, "lock", "run", "k", "--", "sleep", "20"], env=BARE)
            try:
                deadline = time.monotonic() + 20
                while True:
                    said = run("-o", "json", "lock", "ls").stdout.decode()
                    if "w?rker@" in said or time.monotonic() > deadline:
                        break
                    time.sleep(0.05)
                self.assertIn(f"w?rker@{socket.gethostname()}:{running.pid}", said)
            finally:
                running.terminate()
                running.wait()
                run("rm", "k")


class SignalTest(unittest.TestCase):
    def ignoring(self, *numbers):
        return lambda: [signal.signal(number, signal.SIG_IGN) for number in numbers]

    def test_ignored_ones_stay_ignored(self):
        """As under nohup, and in a script's background job."""
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            run("queue", "put", "work", "1", "2", "3")
            done = tempfile.NamedTemporaryFile()
            work = subprocess.Popen([HOLDFAST, "queue", "work", "work", "--nowait", "--", "sh", "-c",
                                     f"cat >>{done.name}; sleep 0.5"], env=BARE, preexec_fn=self.ignoring(number))
            deadline = time.monotonic() + 20
            while not done.read() and time.monotonic() < deadline:
                time.sleep(0.01)
            work.send_signal(number)
            self.assertEqual(work.wait(30), 0)
            self.assertEqual(open(done.name).read(), "1\n2\n3\n", number)
        run("rm", "work")

    def test_others_still_end_it(self):
        run("queue", "put", "work", "1", "2")
        work = subprocess.Popen([HOLDFAST, "queue", "work", "work", "--nowait", "--", "sleep", "1"], env=BARE)
        time.sleep(0.5)
        work.send_signal(signal.SIGHUP)
        self.assertNotEqual(work.wait(30), 0)
        run("rm", "work")

    def test_sigchld_ignored(self):
        run("queue", "put", "work", "1")
        self.assertEqual(run("queue", "work", "work", "--nowait", "--", "true",
                             preexec_fn=self.ignoring(signal.SIGCHLD)).returncode, 0)
        run("rm", "work")

    def test_file_sizes(self):
        run("queue", "put", "--text", "work", "x" * 5000)
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        done = run("queue", "work", "work", "--nowait", "--", "cat", preexec_fn=limit)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn(b"cannot hand the item over: File too large", done.stderr)
        self.assertEqual(run("queue", "size", "work").stdout, b"1\n")
        run("rm", "work")


class DescriptorTest(unittest.TestCase):
    def test_closed_output(self):
        run("dict", "set", "d", "k", "1")
        for closed in ([0], [1], [0, 1, 2]):
            done = subprocess.run([HOLDFAST, "dict", "get", "d", "k"], env=BARE, timeout=30, stderr=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, preexec_fn=lambda: [os.close(fd) for fd in closed])
            self.assertEqual(done.returncode, 4 if 1 in closed else 0, (closed, done.stderr))
        run("rm", "d")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
