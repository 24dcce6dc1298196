"""The article's programs, of which only the import was changed, print what the article prints."""
import os
import unittest

import support

EXAMPLES = os.environ.get("EXAMPLES") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../client/python/examples")
PRINTED = {
    "dict_from_ten_processes": "{0: 0, 1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36, 7: 49, 8: 64, 9: 81}\n",
    "value_and_array": "3.1415927\n[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n",
    "queue_from_three_processes": "hello 0 times\nhello 1 times\nhello 2 times\n",
    "pipe": "[42, None, 'hello']\nbye\nend of file\n",
    "raw_value_and_raw_array": "Shared value: 10000\nShared array: [1, 4, 9, 16, 25]\n",
}


class Examples(unittest.TestCase):
    def check(self, url=None, local=True):
        for method in support.START_METHODS:
            for name, printed in PRINTED.items():
                with self.subTest(name=name, method=method):
                    program = os.path.join(EXAMPLES, f"{name}.py")
                    self.assertEqual(support.run(program, url=url, method=method, local=local), printed)


class ExamplesTest(Examples):
    def test_private_server(self):
        self.check()

    def test_tcp(self):
        with support.server("tcp") as url:
            self.check(url, local=False)

    def test_ipc(self):
        with support.server("ipc") as url:
            self.check(url)

    def test_are_all_here(self):
        names = {name[:-3] for name in os.listdir(EXAMPLES) if name.endswith(".py")}
        self.assertLessEqual(set(PRINTED), names)

    def test_work_with_multiprocessing_too(self):
        for name, printed in PRINTED.items():
            with self.subTest(name=name), open(os.path.join(EXAMPLES, f"{name}.py")) as file:
                text = file.read().replace("from holdfast import", "from multiprocessing import")
                with support.tempfile.TemporaryDirectory() as directory:
                    program = os.path.join(directory, f"{name}.py")
                    with open(program, "w") as changed:
                        changed.write(text)
                    self.assertEqual(support.run(program), printed)


if __name__ == "__main__":
    support.main()
