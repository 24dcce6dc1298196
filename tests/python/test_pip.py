"""`pip install` as client/python/README.md has it: from a copy of the sources, in a virtual environment of
the system's interpreter, without a network; then a program in another directory.

    test_pip.py FOLDER      keeps its build there, so that the next run builds only what has changed
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

import support

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SOURCES = ("CMakeLists.txt", "LICENSE", "client", "cmake", "proto", "server")
FOLDER = ""
PROGRAM = """
import holdfast
from holdfast import Executor, Manager, Process, aio

def count(words, page):
    for word in page.split():
        words.add(word, 1)

if __name__ == "__main__":
    with Manager() as manager:
        words = manager.dict()
        processes = [Process(target=count, args=(words, "to be or not to be")) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print(holdfast.__file__)
        print(sorted(words.items()))
"""


def command():
    """README.md's."""
    with open(os.path.join(ROOT, "client/python/README.md")) as file:
        [words] = re.findall(r"^pip install .*", file.read(), re.M)
    return words


def environment(**more):
    """Without this build's own package, and with an index that nobody answers."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "HOLDFASTD", "HOLDFAST_URL")}
    nowhere = "http://127.0.0.1:9"
    return {**kept, "PIP_INDEX_URL": nowhere, "http_proxy": nowhere, "https_proxy": nowhere,
            "PIP_RETRIES": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}


def output(words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{words} exits with {done.returncode}:\n{done.stdout}")
    return done.stdout


class PipTest(unittest.TestCase):
    def copy_sources(self):
        """pip writes into the folder it installs from."""
        tree = os.path.join(FOLDER, "tree")
        shutil.rmtree(tree, ignore_errors=True)
        os.makedirs(tree)
        for name in SOURCES:
            path = os.path.join(ROOT, name)
            copy = shutil.copytree if os.path.isdir(path) else shutil.copy2
            copy(path, os.path.join(tree, name))
        return tree

    def make_venv(self):
        venv = os.path.join(FOLDER, "venv")
        output([sys.executable, "-m", "venv", "--clear", "--system-site-packages", venv],
               env=environment())
        return os.path.join(venv, "bin")

    def test_install_and_run(self):
        tree, programs = self.copy_sources(), self.make_venv()
        # Fast to build, not fast to run.
        building = environment(HOLDFAST_BUILD=os.path.join(FOLDER, "build"),
                               CMAKE_ARGS="-DCMAKE_C_FLAGS_RELEASE=-O0",
                               PATH=f"{programs}:{os.environ['PATH']}")
        printed = output(["sh", "-c", command()], cwd=tree, env=building)
        self.assertIn("Successfully installed holdfast-", printed)
        with support.tempfile.TemporaryDirectory() as elsewhere:
            path = os.path.join(elsewhere, "program.py")
            with open(path, "w") as file:
                file.write(PROGRAM)
            lines = output([f"{programs}/python", "-X", "dev", "-W", "error", path], cwd=elsewhere,
                           env=environment()).splitlines()
        self.assertTrue(lines[0].startswith(os.path.realpath(FOLDER) + "/venv/"), lines)
        self.assertEqual(lines[1:], ["[('be', 6), ('not', 3), ('or', 3), ('to', 6)]"])


if __name__ == "__main__":
    FOLDER = os.path.realpath(sys.argv.pop(1))
    support.main()
