"""What the tests of holdfast.aio share."""
import asyncio
import os
import unittest

import support

from holdfast import aio


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def run(coroutine):
    """asyncio.run without asyncio's debug mode, in which each task costs a traceback."""
    return asyncio.run(coroutine, debug=False)


async def soon(awaitable):
    """A call that has to end soon."""
    return await asyncio.wait_for(awaitable, support.WAIT_S)


def cancel_at_completion(hf, task):
    """Cancels the task when its call, the only one in flight, is complete, before it goes on."""
    calls = hf._calls
    [expected], finish = calls._entries, calls._finish

    def finish_and_cancel(pending):
        finish(pending)
        if pending is expected:
            del calls._finish
            task.cancel()
    calls._finish = finish_and_cancel


class AioCase(unittest.TestCase):
    SCHEME = "ipc"

    @classmethod
    def setUpClass(cls):
        cls.server = support.server(cls.SCHEME)
        cls.url = cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def run_with_client(self, test):
        async def main():
            async with aio.connect(self.url) as hf:
                await test(hf)
        run(main())


class OverTcp:
    """The same tests over tcp, without shared memory: before the class with the tests."""

    SCHEME = "tcp"

    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_LOCAL"] = "off"
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        del os.environ["HOLDFAST_LOCAL"]
