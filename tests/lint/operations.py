#!/usr/bin/env python3
"""Every operation has an arm in the request, a row in the server, a description and a test.

  arm in proto/holdfast.proto           DictGet dict_get = 40;
  row in server/dispatch/operations.h   X(DICT_GET, ...)
  heading in proto/operations/*.md      dict_get
  in an example there or under tests/   dict_get, DICT_GET, DictGet or a call of the library

usage: operations.py ROOT
"""
import os
import re
import sys

# Where the library's verb is not simply hf_<operation>.
LIBRARY = {
    "OPEN_SESSION": ["hf_connect"],
    "CLOSE_SESSION": ["hf_close"],
    "OBJECT_OPEN": ["hf_open"],
    "OBJECT_LIST": ["hf_list_objects"],
    "OBJECT_RELEASE": ["hf_object_close"],
    "DICT_POP_ITEM": ["hf_dict_popitem"],
    "DICT_SET_DEFAULT": ["hf_dict_setdefault"],
    "DICT_SCAN": ["hf_dict_next"],
    "PIPE_ATTACH": ["hf_pipe_open"],
    "SERVER_INFO": ["hf_server_info"],
}
TEST_SUFFIXES = (".c", ".h", ".py", ".sh", ".txt", ".wire")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rows(root):
    text = read(os.path.join(root, "server/dispatch/operations.h"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.findall(r"\bX\(\s*([A-Z][A-Z0-9_]+)\s*,", text)


def plain(words):
    return re.sub(r"[^a-z0-9]", "", words.lower())


def pages(root):
    folder = os.path.join(root, "proto/operations")
    return "\n".join(read(os.path.join(folder, name)) for name in sorted(os.listdir(folder)))


def headings(root):
    return {plain(line) for line in re.findall(r"^## (.*)$", pages(root), flags=re.M)}


def arms(root):
    """The arms of Request.operation, as the rows spell them."""
    text = re.sub(r"//[^\n]*", "", read(os.path.join(root, "proto/holdfast.proto")))
    body = re.search(r"oneof operation \{(.*?)\}", text, flags=re.S).group(1)
    return [name.upper() for name in re.findall(r"(\w+)\s*=\s*\d+;", body)]


def names_in_tests(root):
    """Every identifier that the tests use; the examples of the pages are one of them."""
    examples = re.findall(r"^```wire\n(.*?)^```", pages(root), flags=re.M | re.S)
    found = set(re.findall(r"[A-Za-z][A-Za-z0-9_]*", "\n".join(examples)))
    for folder, _, names in os.walk(os.path.join(root, "tests")):
        if os.path.basename(folder) == "lint":
            continue
        for name in names:
            if name.endswith(TEST_SUFFIXES):
                found.update(re.findall(r"[A-Za-z][A-Za-z0-9_]*", read(os.path.join(folder, name))))
    return found


def in_tests(operation, used):
    lower = operation.lower()
    camel = "".join(word.capitalize() for word in operation.split("_"))
    wanted = {operation, lower, camel, f"HOLDFAST__REQUEST__OPERATION_{operation}", f"hf_{lower}"}
    wanted.update(LIBRARY.get(operation, []))
    if operation.startswith("VALUE_"):  # the handle is called a cell, because hf_value is the datum
        wanted.add("hf_cell_" + lower.removeprefix("value_"))
    return bool(wanted & used)


def main():
    root = sys.argv[1]
    operations = rows(root)
    titles = headings(root)
    used = names_in_tests(root)
    undescribed = [o for o in operations if plain(o) not in titles]
    untested = [o for o in operations if not in_tests(o, used)]
    unmatched = sorted(set(operations) ^ set(arms(root)))
    for operation in unmatched:
        print(f"{operation}: not both a row in operations.h and an arm in holdfast.proto")
    for operation in undescribed:
        print(f"{operation}: no heading in proto/operations/")
    for operation in untested:
        print(f"{operation}: not in any test")
    print(f"{len(operations)} operations, {len(undescribed)} not described, {len(untested)} not tested")
    return 1 if undescribed or untested or unmatched or not operations else 0


if __name__ == "__main__":
    sys.exit(main())
