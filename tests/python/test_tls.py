"""Over TLS, with keys made here as the documentation says: connections, managers, workers that fork."""
import base64
import contextlib
import hashlib
import os
import secrets
import tempfile
import unittest
from unittest import mock

import holdfast
import support
from holdfast import _core


def new_key(user):
    secret = secrets.token_bytes(32)
    text = base64.urlsafe_b64encode(secret + hashlib.sha256(secret).digest()[:4]).decode()
    return f"{user}:hfk1_{text}\n"


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)


WORKER = """
from holdfast import Manager, Pool

def square(squares, i):
    squares[i] = i * i

if __name__ == "__main__":
    with Manager() as manager, Pool(2) as pool:
        squares = manager.dict()
        pool.starmap(square, [(squares, i) for i in range(5)])
        print(sorted(squares.values()))
"""


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-tls-"))
        cls.key, cls.other = cls.folder + "/key", cls.folder + "/other"
        write(cls.key, new_key("alice"))
        write(cls.other, new_key("alice"))
        stack.enter_context(mock.patch.dict(os.environ, HOLDFAST_LOCAL="off"))
        cls.url = stack.enter_context(
            support.server("tls+tcp", "--listen", "tls+tcp://127.0.0.1:0", "--key-file", cls.key))

    def test_a_connection_with_a_key(self):
        with _core.Connection(self.url, key_file=self.key) as connection:
            self.assertEqual("tls", connection.path)
            shared = _core.Dict(connection)
            shared["large"] = "x" * 1_000_000
            self.assertEqual("x" * 1_000_000, shared["large"])

    def test_who_is_not_let_in(self):
        with self.assertRaises(holdfast.AuthenticationError) as caught:
            _core.Connection(self.url, key_file=self.other)
        self.assertIsInstance(caught.exception, holdfast.Unauthenticated)
        self.assertEqual(("UNAUTHENTICATED", "KEY_REFUSED"), (caught.exception.status, caught.exception.reason))
        self.assertIn(f'the key of "alice" in {self.other}', str(caught.exception))
        with self.assertRaises(holdfast.Unauthenticated) as caught:
            _core.Connection(self.url)
        self.assertEqual("NOT_ADMITTED", caught.exception.reason)

    def test_a_user_without_the_right(self):
        config = self.folder + "/holdfastd.conf"
        write(config, f"[keys]\nfile = {self.key}\n[user alice]\nkey = yes\nrights = mine.:rwc others.:r\n")
        with support.server("tls+tcp", "--listen", "tls+tcp://127.0.0.1:0", "--config", config) as url:
            with _core.Connection(url, key_file=self.key) as connection:
                _core.Dict(connection, name="mine.words")["a"] = 1
                with self.assertRaises(PermissionError) as caught:
                    _core.Dict(connection, name="others.words")
        self.assertIsInstance(caught.exception, holdfast.PermissionDenied)
        self.assertEqual(("PERMISSION_DENIED", "NO_RIGHT"), (caught.exception.status, caught.exception.reason))

    def test_files_that_cannot_be_used(self):
        for name in ("key_file", "ca_file", "cert_file", "private_key_file"):
            with self.subTest(name):
                self.assertRaises(TypeError, _core.Connection, self.url, **{name: 5})
        with self.assertRaisesRegex(ValueError, "/nothing: No such file or directory"):
            _core.Connection(self.url, key_file="/nothing")

    def test_the_environments_key(self):
        with mock.patch.dict(os.environ, HOLDFAST_KEY_FILE=self.key):
            manager = holdfast.connect(self.url)
            numbers = manager.list([1, 2])
            numbers.append(3)
            self.assertEqual([1, 2, 3], list(numbers))

    def test_workers_that_fork(self):
        program = self.folder + "/worker.py"
        write(program, WORKER)
        with mock.patch.dict(os.environ, HOLDFAST_KEY_FILE=self.key):
            for method in ("fork", "spawn"):
                said = support.run(program, url=self.url, method=method, local=False)
                self.assertEqual("[0, 1, 4, 9, 16]\n", said)


if __name__ == "__main__":
    support.main()
