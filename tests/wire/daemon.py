"""A holdfastd of its own on a free port and an ipc socket, for the length of a `with`."""

import os
import shutil
import subprocess
import tempfile
import time


class Daemon:
    def __init__(self, program, *arguments):
        self.program, self.arguments = program, arguments

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-wire-")
        ports = os.path.join(self.directory, "ports")
        self.log_path = os.path.join(self.directory, "log")
        self.ipc_url = "ipc://" + os.path.join(self.directory, "holdfast.sock")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "--listen", "tcp://127.0.0.1:0", "--listen", self.ipc_url,
                 "--ports-file", ports, *self.arguments], stderr=log)
        deadline = time.monotonic() + 10
        while not os.path.exists(ports):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("holdfastd did not start")
            time.sleep(0.01)
        with open(ports) as lines:
            self.urls = [line.strip() for line in lines]
        self.tcp_url = self.url("tcp://")
        return self

    def url(self, scheme):
        """The first address that begins so."""
        return next(url for url in self.urls if url.startswith(scheme))

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "nothing: it had to be killed"
        shutil.rmtree(self.directory)
        if code != 0:
            raise RuntimeError(f"holdfastd ended with {code}")
