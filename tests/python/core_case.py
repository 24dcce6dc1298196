"""The cases of the extension's tests: a server, a connection, and comparing with builtin types."""
import unittest

import support
from holdfast import _core


def outcome(function, *args, **kwargs):
    """What a call does: its result or its exception, to be compared. Of a TypeError the words differ."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:  # pylint: disable=broad-except
        return type(error), None if isinstance(error, TypeError) else error.args
    return "returns", result, type(result)


class CoreCase(unittest.TestCase):
    """A test with `self.connection`; the class attribute `scheme` says over which transport."""

    scheme = "ipc"

    @classmethod
    def setUpClass(cls):
        context = support.server(cls.scheme)
        cls.url = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.connection = _core.Connection(cls.url)
        cls.addClassCleanup(cls.connection.close)

    def assert_same(self, builtin, shared, name, *args, **kwargs):
        """The method of that name does the same with both, whose contents then are the same."""
        with self.subTest(method=name, args=args, **kwargs):
            self.assertEqual(outcome(getattr(builtin, name), *args, **kwargs),
                             outcome(getattr(shared, name), *args, **kwargs))
            self.assertEqual(builtin, shared.copy())
