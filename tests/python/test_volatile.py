"""Volatile values and arrays: mapped also on a server with --data, and lost by its restart."""
import os
import subprocess
import tempfile
import unittest

import holdfast
from holdfast import private
from support import WAIT_S, until


class Durable:
    """A holdfastd with --data that is killed and started again on the same address."""

    def __init__(self, directory):
        self.directory = directory
        self.url = f"ipc://{directory}/sock"
        self.process = None
        self.start()

    def start(self):
        ports = f"{self.directory}/ports"
        if os.path.exists(ports):
            os.remove(ports)
        self.process = subprocess.Popen([
            private.program(), "--listen", self.url, "--ports-file", ports, "--log-level", "error",
            "--data", f"{self.directory}/data"])
        until(lambda: os.path.exists(ports), "the ports file")

    def restart(self):
        self.process.kill()
        self.process.wait(WAIT_S)
        self.start()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(WAIT_S) == 0


class VolatileCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="hf-")
        self.addCleanup(directory.cleanup)
        self.server = Durable(directory.name)
        self.addCleanup(self.server.stop)
        self.manager = holdfast.SyncManager(address=self.server.url)
        self.manager.connect()

    def assert_lost(self, call, *args, **kwds):
        with self.assertRaises(holdfast.Error) as caught:
            call(*args, **kwds)
        self.assertEqual(caught.exception.reason, "CELL_LOST")
        self.assertIn("delete it and make it anew", str(caught.exception))

    def test_durable_ones_are_not_mapped_and_stay(self):
        value = self.manager.Value("i", 3, name="value")
        array = self.manager.Array("d", [1, 2], name="array")
        self.assertFalse(value.mapped or array.mapped)
        value.add(4)
        array[1] = 7.5
        self.server.restart()
        self.assertEqual(value.value, 7)
        self.assertEqual(list(array), [1, 7.5])

    def test_volatile_ones_are_mapped_and_lost(self):
        m = self.manager
        makers = {
            "value": lambda: m.Value("i", 3, name="value", volatile=True),
            "raw_value": lambda: m.RawValue("i", 3, name="raw_value", volatile=True),
            "array": lambda: m.Array("i", [3, 4], name="array", volatile=True),
            "raw_array": lambda: m.RawArray("i", [3, 4], name="raw_array", volatile=True),
        }
        objects = {name: make() for name, make in makers.items()}
        for cell in objects.values():
            self.assertTrue(cell.mapped)
        self.assertEqual(objects["raw_value"].value, 3)
        self.server.restart()
        for name, cell in objects.items():
            if "array" in name:
                self.assert_lost(cell.__getitem__, 0)
                self.assert_lost(cell.__getitem__, slice(None))
                self.assert_lost(cell.__setitem__, 0, 1)
            else:
                self.assert_lost(getattr, cell, "value")
                self.assert_lost(setattr, cell, "value", 1)
                self.assert_lost(cell.add, 1)
            self.assert_lost(makers[name])
            m.delete(name)
            anew = makers[name]()
            self.assertTrue(anew.mapped)
            self.assertEqual(anew[1] if "array" in name else anew.value, 4 if "array" in name else 3)

    def test_without_a_name_they_are_lost_too(self):
        value = self.manager.Value("i", 3, volatile=True)
        with value:
            value.value += 1
        self.assertEqual(value.value, 4)
        self.server.restart()
        self.assert_lost(value.get)
        self.assert_lost(value.acquire)

    def test_another_choice_is_refused(self):
        self.manager.Value("i", 3, name="value", volatile=True)
        with self.assertRaisesRegex(holdfast.InvalidArgument, "volatile"):
            self.manager.Value("i", 3, name="value")

    def test_transactions_have_one_or_the_other(self):
        value = self.manager.Value("i", 3, volatile=True)
        entries = self.manager.dict()
        with self.assertRaises(holdfast.InvalidArgument) as caught:
            with self.manager.transaction():
                value.add(1)
                entries["key"] = 1
        self.assertEqual(caught.exception.reason, "MIXED_DURABILITY")
        self.assertEqual(value.value, 3)
        self.assertEqual(len(entries), 0)


if __name__ == "__main__":
    unittest.main()
