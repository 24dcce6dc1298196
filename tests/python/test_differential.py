"""Random sequences of calls answer the same as those on multiprocessing.Manager, method by method.

Both get the same calls; results, exceptions and the final content are compared. DIFFERENTIAL_EXAMPLES
sequences of each kind (default 30), DIFFERENTIAL_SEED (printed) repeats a run.
"""
import array
import copy
import functools
import multiprocessing
import os
import random
import re
import sys
import unittest

import holdfast
import support

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", support.tempfile.gettempdir() + "/holdfast-hypothesis")
try:
    from hypothesis import HealthCheck, given, note, seed, settings
    from hypothesis import strategies as st
except ImportError as error:
    print(f"no hypothesis: {error}")
    sys.exit(77)

SEED = int(os.environ.get("DIFFERENTIAL_SEED") or random.SystemRandom().randrange(1 << 32))
EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES") or 30)

# ---------------------------------------------------------------------------------- values

# Not here, because documented as different: NaN, which equals itself on the server, and keys beyond 64
# bits, which are pickled and equal only what has the same pickle.
integers = st.one_of(st.integers(-3, 3), st.integers(-2**63, 2**64 - 1))
floats = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.5]), st.floats(allow_nan=False, width=64))
texts = st.text(max_size=4)
scalars = st.one_of(st.none(), st.booleans(), integers, floats, texts, st.binary(max_size=4))
keys = st.one_of(st.integers(-2, 5), scalars, st.tuples(scalars, scalars))
values = st.recursive(
    st.one_of(scalars, st.integers(), st.complex_numbers(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.tuples(inner, inner),
                            st.dictionaries(st.integers(0, 9), inner, max_size=3)), max_leaves=6)
indexes = st.integers(-6, 6)
slices = st.builds(slice, *[st.one_of(st.none(), st.integers(-7, 7))] * 3)
unhashable = st.just([])


def call(method, *arguments, **keywords):
    """A call: the method's name, arguments."""
    return st.tuples(st.just(method), st.tuples(*arguments), st.fixed_dictionaries(keywords))


dict_calls = st.one_of(
    call("__getitem__", keys), call("__getitem__", unhashable), call("__setitem__", keys, values),
    call("__delitem__", keys), call("__contains__", keys), call("__len__"), call("__iter__"),
    call("get", keys), call("get", keys, values), call("pop", keys), call("pop", keys, values),
    call("popitem"), call("setdefault", keys), call("setdefault", keys, values), call("keys"),
    call("values"), call("items"), call("copy"), call("clear"), call("__str__"),
    call("update", st.dictionaries(keys, values, max_size=3)), call("update"),
    call("update", st.lists(st.tuples(keys, values), max_size=3)), call("update", st.integers()),
    call("update", a=values, b=values), call("_getvalue"),
    call("_callmethod", st.just("get"), st.tuples(keys)))
items = st.one_of(st.integers(-3, 3), values)
list_calls = st.one_of(
    call("__getitem__", indexes), call("__getitem__", slices), call("__setitem__", indexes, items),
    call("__setitem__", slices, st.lists(items, max_size=4)), call("__delitem__", indexes),
    call("__delitem__", slices), call("__contains__", items), call("__len__"), call("__iter__"),
    call("__reversed__"), call("__add__", st.lists(items, max_size=3)), call("__mul__", st.integers(-1, 3)),
    call("__rmul__", st.integers(-1, 2)), call("append", items), call("count", items),
    call("extend", st.lists(items, max_size=3)), call("extend", st.integers()), call("index", items),
    call("index", items, indexes), call("index", items, indexes, indexes), call("insert", indexes, items),
    call("pop"), call("pop", indexes), call("remove", items), call("reverse"), call("sort"),
    call("sort", reverse=st.booleans()), call("sort", key=st.sampled_from([str, repr, type, None])),
    call("__str__"), call("_getvalue"), call("__getitem__", st.sampled_from(["a", None, 1.0])))
sortable_list_calls = st.one_of(
    call("append", st.integers(-9, 9)), call("extend", st.lists(st.integers(-9, 9), max_size=5)),
    call("sort"), call("sort", reverse=st.booleans()), call("reverse"), call("insert", indexes, floats),
    call("__getitem__", slices), call("__delitem__", slices), call("sort", key=st.sampled_from([abs, None])))
timeouts = st.sampled_from([None, 0, 0.0, 0.001, -1])
queue_calls = st.one_of(
    call("put_nowait", values), call("put", values, st.just(False)), call("get_nowait"),
    call("get", st.just(False)), call("put", values, block=st.just(False), timeout=timeouts),
    call("get", block=st.just(False), timeout=timeouts), call("get", st.just(True), st.sampled_from([0, 0.001, -1])),
    call("put", values, st.just(True), st.sampled_from([0, 0.001, -1])), call("qsize"), call("empty"),
    call("full"), call("task_done"))
names = st.sampled_from(["a", "b", "name", "id", "list", "close", "connection", "info", "kind"])
namespace_calls = st.one_of(
    call("__setattr__", names, values), call("__getattr__", names), call("__delattr__", names), call("__str__"))
typed = {
    **{code: st.integers(-2**(size - 1), 2**(size - 1) - 1) for code, size in
       (("b", 8), ("h", 16), ("i", 32), ("l", 64), ("q", 64))},
    **{code: st.integers(0, 2**size - 1) for code, size in
       (("B", 8), ("H", 16), ("I", 32), ("L", 64), ("Q", 64))},
    "f": st.floats(allow_nan=False, width=32), "d": st.floats(allow_nan=False),
}
wrong = st.sampled_from(["text", None, 2**70, -2**70, 1j])


def array_calls(code):
    numbers = st.one_of(typed[code], wrong)
    return st.one_of(
        call("__getitem__", indexes), call("__getitem__", slices), call("__setitem__", indexes, numbers),
        call("__len__"), call("__str__"), call("__iter__"), call("__getitem__", st.just("a")))


acquirer_calls = st.one_of(
    call("acquire", st.just(False)), call("acquire", st.just(True), st.sampled_from([0, 0.001])),
    call("acquire", blocking=st.just(False)), call("acquire", st.just(False), st.just(1)), call("release"))
event_calls = st.one_of(call("set"), call("clear"), call("is_set"), call("wait", st.sampled_from([0, 0.001, -1])))
condition_calls = st.one_of(
    call("acquire", st.just(False)), call("release"), call("notify"), call("notify_all"),
    call("notify", st.integers(1, 3)), call("wait", st.sampled_from([0, 0.001])))
barrier_calls = st.one_of(
    call("wait"), call("wait", st.just(0.001)), call("abort"), call("reset"),
    *[call("__getattribute__", st.just(name)) for name in ("parties", "n_waiting", "broken")])
set_calls = st.one_of(
    call("add", keys), call("discard", keys), call("remove", keys), call("__contains__", keys), call("__len__"),
    call("clear"), call("copy"), *[call(name, st.sets(keys, max_size=4)) for name in (
        "update", "difference_update", "intersection_update", "symmetric_difference_update", "union",
        "difference", "intersection", "symmetric_difference", "issubset", "issuperset", "isdisjoint",
        "__or__", "__and__", "__sub__", "__xor__", "__ror__", "__le__", "__lt__", "__ge__", "__gt__")])


# ------------------------------------------------------------------------------ comparing

ITERATORS = ("__iter__", "__reversed__")


def perform(proxy, name, arguments, keywords):
    """What a call answers, so that it can be compared."""
    try:
        if name == "__iter__":
            return "result", list(iter(proxy))
        if name == "__str__":
            return "result", str(proxy)
        function = getattr(proxy, name) if name != "__getattr__" else functools.partial(getattr, proxy)
        result = function(*arguments, **keywords)
        return "result", list(result) if name in ITERATORS else plain(result)
    except Exception as error:
        return "exception", cause(error)


def plain(result):
    if isinstance(result, multiprocessing.managers.Namespace):
        return vars(result)
    return result


def cause(error):
    """Class and message. Of what failed in a manager's server, those that it names."""
    if isinstance(error, multiprocessing.managers.RemoteError):
        name, _, message = str(error).rstrip("-\n").splitlines()[-1].strip().partition(": ")
        return name.rpartition(".")[2], message
    if isinstance(error, OverflowError):  # worded otherwise for each C type
        return "OverflowError", ""
    # The slice's size is known on the server only, which answers with reasons.
    return type(error).__name__, re.sub(r"(extended slice of).*", r"\1", str(error))


def identical(a, b):
    """Equal, and of equal types all the way down: 1, 1.0 and True are told apart."""
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            identical(x, y) for x, y in zip(list(a.items()), list(b.items())))
    return a == b


class DifferentialTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.theirs = multiprocessing.Manager()
        cls.ours = holdfast.Manager()

    @classmethod
    def tearDownClass(cls):
        cls.ours.shutdown()
        cls.theirs.shutdown()

    def compare(self, calls, make, final=(), make_theirs=None):
        """Performs random sequences of the calls on what `make(manager)` makes on both."""
        @seed(SEED)
        @settings(max_examples=EXAMPLES, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))
        @given(st.lists(calls, min_size=1, max_size=40))
        def check(sequence):
            theirs, ours = (make_theirs or make)(self.theirs), make(self.ours)
            for name, arguments, keywords in [*sequence, *final]:
                note(f"{name}{arguments}{keywords or ''}")
                wanted = perform(theirs, name, copy.deepcopy(arguments), keywords)
                answered = perform(ours, name, copy.deepcopy(arguments), keywords)
                if name == "sort" and wanted[0] == "exception":
                    theirs[:] = ours[:]  # documented as different: the server's list is as it was
                if not identical(wanted, answered):
                    self.fail(f"{name}{arguments}{keywords or ''}: {answered}, not {wanted}")
        check()

    def test_dict(self):
        self.compare(dict_calls, lambda manager: manager.dict(), [("items", (), {})])

    def test_dict_with_content(self):
        self.compare(dict_calls, lambda manager: manager.dict({1: "a", "b": [2], (3, None): 1.5}),
                     [("items", (), {})])

    def test_list(self):
        self.compare(list_calls, lambda manager: manager.list([3, 1, 2, "a", None]),
                     [("__getitem__", (slice(None),), {})])

    def test_list_of_numbers(self):
        self.compare(sortable_list_calls, lambda manager: manager.list(range(5, 0, -1)),
                     [("__getitem__", (slice(None),), {})])

    def test_queue(self):
        for maxsize in (0, 2):
            with self.subTest(maxsize=maxsize):
                self.compare(queue_calls, lambda manager: manager.Queue(maxsize), [("qsize", (), {})])

    def test_namespace(self):
        self.compare(namespace_calls, lambda manager: manager.Namespace(a=1), [("__str__", (), {})])

    def test_value(self):
        for code, numbers in typed.items():
            with self.subTest(typecode=code):
                calls = st.one_of(call("set", numbers), call("get"), call("__str__"))
                self.compare(calls, lambda manager: manager.Value(code, 1.0 if code in "fd" else 1),
                             [("get", (), {})])

    def test_array(self):
        for code in typed:
            with self.subTest(typecode=code):
                self.compare(array_calls(code), lambda manager: manager.Array(code, [1, 2, 3, 4]),
                             [("__getitem__", (slice(None),), {})])

    def test_lock(self):
        self.compare(acquirer_calls, lambda manager: manager.Lock())

    def test_rlock(self):
        self.compare(acquirer_calls, lambda manager: manager.RLock())

    def test_semaphore(self):
        self.compare(acquirer_calls, lambda manager: manager.Semaphore(2))

    def test_bounded_semaphore(self):
        self.compare(acquirer_calls, lambda manager: manager.BoundedSemaphore(2))

    def test_event(self):
        self.compare(event_calls, lambda manager: manager.Event(), [("is_set", (), {})])

    def test_condition(self):
        self.compare(condition_calls, lambda manager: manager.Condition())

    def test_condition_on_a_lock(self):
        self.compare(condition_calls, lambda manager: manager.Condition(manager.Lock()))

    def test_barrier(self):
        self.compare(barrier_calls, lambda manager: manager.Barrier(1))

    def test_set(self):
        self.compare(set_calls, lambda manager: manager.set([1, "a"]), [("copy", (), {})],
                     make_theirs=lambda manager: {1, "a"})


if __name__ == "__main__":
    print(f"seed {SEED}, {EXAMPLES} examples of each kind: repeat with DIFFERENTIAL_SEED={SEED}", flush=True)
    support.main()
