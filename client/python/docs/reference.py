"""Makes reference.md from the docstrings, and the table of methods in coming-from-multiprocessing.md.

    PYTHONPATH=BUILD/client/python /usr/bin/python3 client/python/docs/reference.py

tests/python/test_docs.py compares both with the code.
"""

import inspect
import os
import re
from multiprocessing import managers as std

import holdfast
from holdfast import _core, aio, executor, managers, pipes, proxies, sets, shared

HEAD = """# Reference

Made from the docstrings by `docs/reference.py`. Methods without a description here are those of
Python's own types, and of `multiprocessing`, of the same name. Times are in seconds.

"""
DIRECTORY = os.path.dirname(os.path.abspath(__file__))

SECTIONS = [
    ("holdfast", "The functions of the package. Everything else that `multiprocessing` exports is in "
     "`holdfast` too.",
     [holdfast.Manager, holdfast.connect, holdfast.get_context]),
    ("Managers", "", [managers.SyncManager, managers.BaseManager]),
    ("Objects on the server", "What the methods of a manager return. `Object` has what all of them "
     "have beside it.",
     [_core.Object, proxies.DictProxy, proxies.ListProxy, sets.SetProxy, proxies.NamespaceProxy,
      proxies.QueueProxy, _core.Reservation, pipes.PipeEnd, proxies.ValueProxy, proxies.ArrayProxy,
      proxies.LockProxy, proxies.RLockProxy, proxies.SemaphoreProxy, proxies.BoundedSemaphoreProxy,
      proxies.EventProxy, proxies.ConditionProxy, proxies.BarrierProxy]),
    ("Several calls at once", "", [_core.Batch, _core.Pending]),
    ("Module-level objects", "As `multiprocessing.Value` and so on: on one manager of the process, "
     "which is started when the first of them is made.",
     [getattr(shared, name) for name in sorted(shared.__all__)]),
    ("holdfast.aio", inspect.getdoc(aio),
     [aio.connect, aio.Client, *[getattr(aio, name) for name in sorted(aio.__all__)
                                 if name not in ("connect", "Client")]]),
    ("holdfast.Executor", inspect.getdoc(executor),
     [executor.Executor, executor.Future, executor.TaskLost, executor.RemoteTraceback]),
    ("Connections", "What managers are made of.", [_core.Connection]),
    ("Exceptions", "", [value for value in vars(_core).values()
                        if isinstance(value, type) and issubclass(value, Exception)]),
]


def signature(function):
    """The arguments, without self and annotations."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    parameters = [each.replace(annotation=each.empty) for each in found.parameters.values()]
    if parameters and parameters[0].name == "self":
        del parameters[0]
    text = str(found.replace(parameters=parameters, return_annotation=found.empty))
    return re.sub(r"^\(/, ?", "(", text).replace("(/)", "()")


def doc(value):
    """The description, without a signature in its first line."""
    text = inspect.getdoc(value) or ""
    first, _, rest = text.partition("\n\n")
    return rest if re.match(r"^\w+\(.*\)$", first) else text


def members(cls):
    """Methods and properties with descriptions, of the class and of its bases in this package. What
    all objects have is described once."""
    found = {}
    for base in reversed(cls.__mro__):
        is_own = base.__module__.startswith("holdfast")
        if is_own and (base is cls or base not in (_core.Object, aio.Proxy)):
            found.update(vars(base))
    for name in found:
        is_shown = not name.startswith("_") and doc(getattr(cls, name))
        if is_shown and (cls is not sets.SetProxy or name in sets.SetProxy._exposed_):
            yield name, getattr(cls, name)


def entry(name, value):
    """One method or property, as a list item."""
    text = " ".join(doc(value).split())
    if callable(value):
        is_coroutine = inspect.iscoroutinefunction(value)
        core = getattr(value, "_core_method", None)
        arguments = signature(core if core is not None and core.__doc__ == value.__doc__ else value)
        return f"- {'await ' if is_coroutine else ''}**`{name}{arguments}`** {text}\n"
    return f"- **`{name}`** {text}\n"


def describe_class(cls, lines):
    """A class with its members."""
    title = f"{cls.__module__}.{cls.__qualname__}".replace("holdfast._core.", "holdfast.")
    lines.append(f"### {title}\n\n{doc(cls)}\n\n")
    entries = [entry(*each) for each in members(cls)]
    if entries:
        lines.append("".join(entries) + "\n")


def describe_exception(cls, lines):
    """An exception, as a list item."""
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    lines.append(f"- **`holdfast.{cls.__name__}`** ({bases}) {' '.join((cls.__doc__ or '').split())}\n")


def page():
    """The whole page."""
    lines = [HEAD]
    for title, text, values in SECTIONS:
        lines.append(f"## {title}\n\n" + (f"{text}\n\n" if text else ""))
        for value in values:
            if isinstance(value, type) and issubclass(value, Exception) and title == "Exceptions":
                describe_exception(value, lines)
            elif isinstance(value, type):
                describe_class(value, lines)
            else:
                lines.append(f"### {value.__name__}{signature(value)}\n\n{doc(value)}\n\n")
    return "".join(lines).rstrip() + "\n"


# ------------------------------------------------------------------------------ table of methods

BEGIN, END = "<!-- made by reference.py -->\n", "<!-- end -->\n"
PROXIES = {
    "dict": proxies.DictProxy, "list": proxies.ListProxy, "set": sets.SetProxy,
    "Namespace": proxies.NamespaceProxy, "Queue": proxies.QueueProxy,
    "JoinableQueue": proxies.JoinableQueueProxy, "Value": proxies.ValueProxy,
    "Array": proxies.ArrayProxy, "Lock": proxies.LockProxy, "RLock": proxies.RLockProxy,
    "Semaphore": proxies.SemaphoreProxy, "BoundedSemaphore": proxies.BoundedSemaphoreProxy,
    "Event": proxies.EventProxy, "Condition": proxies.ConditionProxy,
    "Barrier": proxies.BarrierProxy,
}
SERVED = {"Pool": "in a manager process of the standard library's",
          "Iterator": "the same"}  # of SyncManager's types


def standard_methods(typeid):
    """What multiprocessing's proxy of the type has."""
    if typeid not in std.SyncManager._registry:  # set, before Python 3.14
        return set(PROXIES[typeid]._exposed_)
    create, exposed, _, proxytype = std.SyncManager._registry[typeid]
    names = set(exposed or getattr(proxytype, "_exposed_", None) or std.public_methods(create()))
    names |= {name for name in vars(proxytype) if not name.startswith("_")} if isinstance(
        proxytype, type) else set()
    return names - {"__getattribute__", "__setattr__", "__delattr__"}


def further_methods(cls):
    """What the proxy here has beside that, apart from what all have."""
    common = set(dir(_core.Object)) | set(dir(std.BaseProxy))
    return {name for name in dir(cls) if not name.startswith("_")} - common


def table():
    """A row a type of SyncManager: the methods of multiprocessing's proxy, and the further ones."""
    rows = [BEGIN, "| type | methods of multiprocessing, all of them here | further ones |\n|---|---|---|\n"]
    for typeid, cls in PROXIES.items():
        theirs = standard_methods(typeid)
        missing = [name for name in theirs if not hasattr(cls, name)]
        if missing:
            raise AttributeError(f"{typeid} lacks {missing}")
        further = set() if typeid in ("set", "Namespace") else further_methods(cls) - theirs
        columns = (" ".join(f"`{name}`" for name in sorted(names)) for names in (theirs, further))
        rows.append(f"| {typeid} | {' | '.join(columns)} |\n")
    rows += [f"| {typeid} | {how} | |\n" for typeid, how in SERVED.items()]
    return "".join([*rows, END])


def with_table(text):
    """The text with the table as it is to be."""
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    return text[:begin] + table() + text[end:]


def path(name):
    """Of a page."""
    return os.path.join(DIRECTORY, name)


if __name__ == "__main__":
    with open(path("reference.md"), "w") as file:
        file.write(page())
    with open(path("coming-from-multiprocessing.md")) as file:
        text = file.read()
    with open(path("coming-from-multiprocessing.md"), "w") as file:
        file.write(with_table(text))
