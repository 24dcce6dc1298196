#!/usr/bin/env python3
"""Runs the commands of README.md, in order, as a reader would: in a copy of the tree, one shell.

  ```sh             run by lint.readme
  ```sh container   run by hosts.containers, which has an engine
  deploy/demo and deploy/test are not run from here: hosts.demo and this very run of the tests are.
  "command  # prints TEXT" checks what the command says.
  The ```c block is client/examples/worker.c, character by character, and the ```python block
  client/python/examples/worker.py.

usage: readme.py ROOT [--containers]
"""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

BY_OTHER_TESTS = ("deploy/demo", "deploy/test")
TIMEOUT_S = 540


def blocks(text, *kinds):
    """[(kind, body)] of the fenced blocks of these kinds."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.M | re.S)
    return [(kind.strip(), body) for kind, body in found if kind.strip() in kinds]


def check_workers(root, text):
    for kind, path in (("c", "client/examples/worker.c"),
                       ("python", "client/python/examples/worker.py")):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            worker = file.read()
        if worker not in [body for _, body in blocks(text, kind)]:
            sys.exit(f"README.md: its program in {kind} is not {path}")


def checked(line):
    """A line that says what it prints becomes one that fails when it prints something else."""
    command, said, expected = line.partition("  # prints ")
    if not said:
        return line
    return (f"said=$({command.rstrip()}); printf '%s\\n' \"$said\"; "
            f"[ \"$said\" = {shlex.quote(expected.strip())} ]")


def script(text, kind):
    lines = []
    for _, body in blocks(text, kind):
        # A line that ends in a backslash goes on in the next.
        for line in body.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith(BY_OTHER_TESTS):
                lines.append(checked(line))
    return lines


def copy_tree(root, target):
    """What git would show of the tree; without git, all but the build folder."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True, check=False)
    if listed.returncode != 0:
        shutil.copytree(root, target, ignore=shutil.ignore_patterns("build", ".git"), symlinks=True)
        return
    for name in sorted(set(os.fsdecode(listed.stdout).split("\0")) - {""}):
        source = os.path.join(root, name)
        if os.path.exists(source):
            os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
            shutil.copy2(source, os.path.join(target, name))


def private_network():
    """A network of its own, so that the README's fixed port is free. Needs root; else the machine's."""
    prefix = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    works = subprocess.run(prefix + ["true"], capture_output=True, check=False).returncode == 0
    return prefix if works else []


def run(lines, work, tree, prefix):
    """The shell's exit code. Whatever it left in the background is ended."""
    folders = {"HOME": "home", "XDG_RUNTIME_DIR": "run", "TMPDIR": "tmp"}
    env = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
    for variable, name in folders.items():
        env[variable] = os.path.join(work, name)
        os.mkdir(env[variable], 0o700)
    process = subprocess.Popen(
        prefix + ["bash", "-euo", "pipefail", "-c", "set -x\n" + "\n".join(lines)],
        cwd=tree, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        print("took too long", flush=True)
        return 1
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main():
    root = os.path.abspath(sys.argv[1])
    containers = "--containers" in sys.argv[2:]
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        text = file.read()
    check_workers(root, text)
    lines = script(text, "sh container" if containers else "sh")
    for command in BY_OTHER_TESTS:
        if command not in text:
            sys.exit(f"README.md: does not name {command}")
    if not lines:
        sys.exit("README.md: no commands found")
    work = tempfile.mkdtemp(prefix="holdfast-readme-")
    try:
        tree = os.path.join(work, "holdfast")
        copy_tree(root, tree)
        code = run(lines, work, tree, [] if containers else private_network())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(lines)} commands of README.md: {'all did' if code == 0 else 'one failed'}")
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
