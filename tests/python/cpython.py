"""CPython's own tests of multiprocessing's managers, with this package's in their place.

usage: cpython.py [fork|spawn|forkserver] [TEST..]

Runs every test of the interpreter's test._test_multiprocessing that uses a manager. Exits with 77 if
the interpreter has no test package (Debian: libpython3.11-testsuite).
"""
import sys

if __name__ == "__main__":
    METHOD = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in ("fork", "spawn", "forkserver") else "fork"
    sys.argv[0] = f"{sys.argv[0]}:{METHOD}"  # children get it from here
else:
    METHOD = sys.argv[0].rpartition(":")[2]

import multiprocessing  # noqa: E402
import multiprocessing.managers  # noqa: E402
import unittest  # noqa: E402

import holdfast  # noqa: E402
import holdfast.managers  # noqa: E402


def put_in_place():
    """Before the tests are imported: they derive classes from these."""
    multiprocessing.Manager = holdfast.Manager
    multiprocessing.managers.SyncManager = holdfast.managers.SyncManager
    multiprocessing.managers.BaseManager = holdfast.managers.BaseManager


put_in_place()
try:
    import test._test_multiprocessing as cpython
except ImportError as error:
    if __name__ != "__main__":
        raise
    print(f"no tests of CPython's: {error}")
    sys.exit(77)

cpython.install_tests_in_module_dict(globals(), METHOD)

# Those that use managers, by any of the three kinds of test.
WITH_MANAGERS = ("TestSyncManagerTypes", "TestInitializers", "TestManagerExceptions",
                 "TestManagerRestart", "WithManager")


def load_tests(loader, tests, pattern):
    suite = unittest.TestSuite()
    for name, cls in sorted(globals().items()):
        is_test = isinstance(cls, type) and issubclass(cls, unittest.TestCase)
        if is_test and any(word in name for word in WITH_MANAGERS):
            suite.addTests(loader.loadTestsFromTestCase(cls))
    return suite


if __name__ == "__main__":
    unittest.main(verbosity=2)
