"""python -m holdfast worker: the processes that run the tasks of Executors."""

from __future__ import annotations

import argparse
import os
import sys
from multiprocessing import spawn
from typing import List, Optional

from . import worker
from .connections import DEFAULT_URL
from .executor import QUEUE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m holdfast")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "worker", help="run the tasks of executors", formatter_class=argparse.RawTextHelpFormatter,
        description="Run the tasks that programs submit to holdfast.Executor, on any host that reaches "
                    "the\nserver. SIGTERM and Ctrl-C: end after the tasks that are running; the second "
                    "time: at once.\nTasks are pickled functions: only programs that you trust may "
                    "have access to the server.")
    command.add_argument("--url", default=os.environ.get("HOLDFAST_URL") or DEFAULT_URL,
                         help="of the server; default: HOLDFAST_URL, else " + DEFAULT_URL)
    command.add_argument("--queue", default=QUEUE, help="the executors' name of the queue of tasks")
    command.add_argument("--processes", type=int, default=os.cpu_count() or 1,
                         help="how many tasks run at a time; default: one a processor")
    command.add_argument("--lease", type=float, default=worker.LEASE_SECONDS, metavar="SECONDS",
                         help="after this time the task of a host that is stopped or unreachable "
                              "goes to\nanother; default: %(default)g")
    command.add_argument("--main", metavar="PROGRAM",
                         help="the program whose functions are submitted: its file, imported as "
                              "__main__\nwithout running what is below `if __name__ == "
                              "\"__main__\"`")
    return parser


def main(words: Optional[List[str]] = None) -> None:
    """The command line."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.processes < 1:
        parser.error("--processes must be at least 1")
    if options.lease <= 0:
        parser.error("--lease must be positive")
    sys.path.insert(0, os.getcwd())
    if options.main:
        sys.path.insert(0, os.path.dirname(os.path.abspath(options.main)))
        spawn._fixup_main_from_path(os.path.abspath(options.main))  # type: ignore[attr-defined]
    worker.supervise(options.url, options.queue, options.processes, options.lease)


if __name__ == "__main__":
    main()
