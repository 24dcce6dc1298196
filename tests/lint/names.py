#!/usr/bin/env python3
"""Fails on a comment or a page that names a file or an identifier of ours that is not there (any more), and
on a test or a decision that its page does not name.

  files        local/spin.h, dispatch.c: some file of the tree ends so
  identifiers  hf_cell_wait, HF_RINGS_MAX, cell_add: lower or upper case with an underscore; in code
  tests        in tests/README.md, in the column of their folder, or behind it: `fault/test_checker.c`
  decisions    in the index, server/decisions/README.md

usage: names.py ROOT
"""
import os
import re
import sys

TOPS = ("client", "deploy", "proto", "server", "tests")
# A page, or all pages of a folder.
PAGES = ("README.md", "client/README.md", "server/README.md", "server/ARCHITECTURE.md",
         "server/decisions/", "tests/README.md", "proto/PROTOCOL.md",
         "proto/OPERATIONS.md", "proto/operations/")
# Of others, of the build, or made up.
FOREIGN = {
    "err.h", "file.c", "holdfast.pb-c.h", "holdfast_fields.h", "holdfast_layouts.h", "holdfast/status.h", "linux/futex.h",
    "pthread_mutex_lock.c", "F_OK", "FUTEX_WAITERS", "futex_waitv", "handle_futex_death", "malloc_trim", "pidfd_open", "nng_push0", "nng_req0",
}
TESTS = re.compile(r"tests/(unit|integration|python)/(?:test|model)_\w+\.(?:c|py)|tests/(fault)/\w+\.c")
COLUMNS = {"unit": 1, "integration": 2, "fault": 3}
DECISIONS = re.compile(r"server/decisions/\d[^/]+\.md")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
FILE = re.compile(r"[\w./-]*\w\.(?:c|h|md|py|sh|proto)\b")
IDENTIFIER = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+\b(?![.*<])")


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def tree(root):
    names = [name for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))]
    for top in TOPS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(names)


def pages(names):
    folders = tuple(page for page in PAGES if page.endswith("/"))
    inside = [name for name in names if name.endswith(".md") and name.startswith(folders)]
    return [page for page in PAGES if page not in folders] + inside


def missing_names(text, names, words):
    for found in set(FILE.findall(text)) - FOREIGN:
        wanted = "/" + found.removeprefix("./").replace("../", "").lstrip("/")
        if not any(("/" + name).endswith(wanted) for name in names):
            yield found
    for found in set(IDENTIFIER.findall(FILE.sub(" ", text))) - FOREIGN:
        if found.lower() not in words:
            yield found


def unnamed(root, names):
    """(a page, what it does not name)"""
    page, index = "tests/README.md", "server/decisions/README.md"
    text = read(root, page)
    columns = {folder: "" for folder in ("unit", "integration", "fault", "python")}
    for row in (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")):
        if len(row) == 4:
            for folder, column in COLUMNS.items():
                columns[folder] += row[column]
        else:
            columns["python"] += row[-1]
    for name in filter(TESTS.fullmatch, names):
        folder, file = name.split("/")[1:]
        is_test = folder != "fault" or re.search(r"^int main\(", read(root, name), re.M)
        if is_test and f"`{file}`" not in columns[folder] and f"`{folder}/{file}`" not in text:
            yield page, name
    for name in filter(DECISIONS.fullmatch, names):
        if f"({os.path.basename(name)})" not in read(root, index):
            yield index, name


def main():
    root = sys.argv[1]
    names = tree(root)
    texts = {page: read(root, page) for page in pages(names)}
    words = {os.path.basename(name).partition(".")[0].lower() for name in names}
    for name in names:
        if name.endswith((".c", ".h", ".proto")):
            text = read(root, name)
            texts[name] = "\n".join(COMMENT.findall(text))
            words |= set(re.findall(r"\w+", COMMENT.sub(" ", text).lower()))
        elif name.endswith((".py", ".sh", ".txt", ".cmake")):
            words |= set(re.findall(r"\w+", read(root, name).lower()))
    count = 0
    for page, text in texts.items():
        for found in sorted(missing_names(text, names, words)):
            print(f"{page}: names {found}, which is not there")
            count += 1
    for page, name in unnamed(root, names):
        print(f"{page}: does not name {name}")
        count += 1
    print(f"{len(texts)} comments and pages: {count} names that are not there, or are missing")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
