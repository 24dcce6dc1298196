#!/usr/bin/env python3
"""The tables of PROTOCOL.md and OPERATIONS.md say what the code says.

  made from the code, row by row: with --write the pages get them
    reasons      PROTOCOL.md      proto/status.h
    operations   OPERATIONS.md    server/dispatch/operations.h, the arms in proto/holdfast.proto
  written by hand, and compared
    limits       PROTOCOL.md      proto/limits.h: a row's numbers are those of its constants, and no others;
                                  each constant is in a row, but for those that are nobody's outside
    envelope     PROTOCOL.md      the fields of Request that are no operation
    memory       PROTOCOL.md      server/engine/memory.c: the uses, in their order
  only grows, at its end; --write appends
    reasons      client/abi/reasons, in the order of their numbers

usage: tables.py ROOT [--write]
"""
import os
import re
import sys

PROTOCOL, OPERATIONS, REASONS = "proto/PROTOCOL.md", "proto/OPERATIONS.md", "client/abi/reasons"

# Limits that no peer of the server comes up against, and those of the library.
INSIDE = {
    "HF_PORT", "HF_SESSION_BYTES", "HF_MACHINE_BYTES_MAX", "HF_SMALL_TABLE_BYTES", "HF_SMALL_REPLY_BYTES",
    "HF_BUDGET_BYTES_MIN", "HF_BUDGET_MS_MIN", "HF_RING_BYTES_MAX", "HF_CYCLE_STEPS_MAX",
    "HF_PAGE_CYCLE_STEPS_MAX", "HF_ARENA_BYTES", "HF_ARENA_CELL_BYTES_MAX", "HF_CELL_RETRY_MS_MIN",
    "HF_CELL_RETRY_MS_MAX", "HF_CELL_POLL_MS", "HF_CALL_TIMEOUT_MS_DEFAULT", "HF_UNFLUSHED_BYTES_MAX",
}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "ms": 1, "s": 1000, "h": 3600000, "kB/s": 1}
SHARES = {"half": 2, "quarter": 4, "eighth": 8}
QUANTITY = re.compile(r"(?<!about )(?<![\w.-])(2\^\d+|[\d,]*\d(?:\.\d+)?)(?: (\S+?)(?=[\s,;|)]|$))?( and (?=\d))?")

WORDS = {
    "READ": "read", "WRITE": "write", "READ_WRITE": "read, write", "EITHER": "read or write", "CREATE": "create",
    "NOTHING": "", "KEPT": "kept", "AGAIN": "again", "NO_EFFECT": "nothing", "SESSION": "session",
    "OBJECT": "objects", "WAITS": "waits", "ANY_TIMEOUT": "any timeout", "STORES": "stores",
    "SELECTABLE": "in `wait_any`", "IN_TRANSACTION": "in `transaction`", "ONE_WAY": "one-way", "SILENT": "no reply", "FREES": "with a full disk",
    "NEEDS_SESSION": "needs a session", "OPENS": "opens",
}


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def code(root, path):
    return re.sub(r"/\*.*?\*/", " ", read(root, path), flags=re.S).replace("\\\n", " ")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(page, head):
    """Where the rows of the table with that head begin and end in the page; its rows."""
    begin = page.index("|\n", page.index(f"\n{head}\n") + len(head) + 2) + 2
    end = page.index("\n\n", begin - 1) + 1 if "\n\n" in page[begin - 1:] else len(page)
    return begin, end, [cells(line) for line in page[begin:end].splitlines()]


# ---- made

def reasons(root):
    statuses = dict(re.findall(r"\bHF_(\w+) = (\d+),", code(root, "proto/status.h")))
    rows = re.findall(r'\bX\((\w+), (\w+),\s*((?:"[^"]*"\s*)+)\)', code(root, "proto/status.h"))
    rows.sort(key=lambda row: int(statuses[row[1]]))
    made = []
    for word, status, sentence in rows:
        parts = re.findall(r'"([^"]*)"', sentence)
        made.append(f"{statuses[status]} {status} | {word} | {''.join(parts)}")
    return made


def kinds(root):
    """What stands for which kinds of object in the rows of operations."""
    found = {"NO_OBJECT": "", "ANY_OBJECT": "any"}
    for name, value in re.findall(r"#define (\w+) (\(?KIND\(.*|\([A-Z]+ \| [A-Z]+\))\n",
                                  code(root, "server/dispatch/operations.c")):
        names = re.findall(r"KIND\((\w+)\)", value)
        found[name] = ", ".join(kind.lower() for kind in names) or ", ".join(
            found[part] for part in re.findall(r"[A-Z]+", value))
    return found


def operations(root):
    arms = dict((name.upper(), number) for name, number in re.findall(
        r"^    \w+ (\w+) = (\d+);", read(root, "proto/holdfast.proto"), re.M))
    rows = re.findall(r"\bX\(([A-Z_]+), (\w+), (\w+), (\w+), (\w+),\s*([A-Z_ |0]+),\s*\w+\)",
                      code(root, "server/dispatch/operations.h"))
    objects, made = kinds(root), []
    for name, kind, access, repeat, effect, flags in rows:
        words = [WORDS[flag] for flag in re.findall(r"[A-Z_]+", flags)]
        made.append(f"`{name.lower()}` | {arms[name]} | {objects[kind]} | {WORDS[access]} | {WORDS[repeat]} | "
                    f"{WORDS[effect]} | {', '.join(words)}")
    return made


MADE = (
    (PROTOCOL, "| status | reason | meaning |", reasons),
    (OPERATIONS, "| operation | arm | works on | access | repeated | changes | also |", operations),
)


def check_made(root, page, head, make, write):
    text = read(root, page)
    rows = [f"| {row} |".replace("|  |", "| |").replace("|  |", "| |") for row in make(root)]
    begin, end, _ = table(text, head)
    wrong = [row for row in rows if row + "\n" not in text[begin:end]]
    if text[begin:end] == "".join(row + "\n" for row in rows) and rows:
        return [], len(rows)
    if write:
        with open(os.path.join(root, page), "w", encoding="utf-8") as file:
            file.write(text[:begin] + "".join(row + "\n" for row in rows) + text[end:])
        return [], len(rows)
    return [f"{page}: {row}" for row in wrong or ["rows that are not in the code, or in another order"]] + [
        f"{page}: 'tests/lint/tables.py . --write' puts it right"], len(rows)


# ---- compared

def limits(root):
    defined = dict(re.findall(r"#define (HF_\w+) +(.+)", code(root, "proto/limits.h")))

    def value_of(name):
        text = re.sub(r"\(size_t\)", "", defined[name])
        text = re.sub(r"HF_\w+", lambda m: str(value_of(m.group(0))), text)
        return int(eval(re.sub(r"(\d)[uUlL]+", r"\1", text), {"__builtins__": {}}))  # numbers only
    return {name: value_of(name) for name in defined}


def quantities(text):
    """The numbers in a text, in bytes and milliseconds where they have such a unit; a and b are one."""
    found, before = [], 0
    for number, unit, goes_on in QUANTITY.findall(text):
        value = 1 << int(number[2:]) if "^" in number else float(number.replace(",", ""))
        before += value * UNITS.get(unit, 1)
        if not goes_on:
            found.append(before)
            before = 0
    return found


def check_limits(root):
    values, named = limits(root), set()
    _, _, rows = table(read(root, PROTOCOL), "| limit | bound | beyond it | in limits.h |")
    for limit, bound, beyond, names in rows:
        text = re.sub(r"\([^()]*\)", "", f"{bound} ; {beyond}")
        constants = re.findall(r"HF_\w+", names)
        found = quantities(text)
        shares = [share for word, share in SHARES.items() if word in text]
        named.update(constants)
        for name in constants:
            if name not in values:
                yield f"{PROTOCOL}: limit '{limit}': {name} is not in limits.h"
            elif values[name] not in (shares if name.endswith("_SHARE") else found):
                yield f"{PROTOCOL}: limit '{limit}': {name} is {values[name]}"
        for number in set(found) - {values.get(name) for name in constants}:
            yield f"{PROTOCOL}: limit '{limit}': {number:g} is none of its constants"
    for name in sorted(set(values) - named - INSIDE):
        yield f"{PROTOCOL}: no limit is {name}"
    for name in sorted(INSIDE & named | INSIDE - set(values)):
        yield f"tables.py: {name} is no limit of the inside"
    if not rows:
        yield f"{PROTOCOL}: no limits"


def check_envelope(root):
    _, _, rows = table(read(root, PROTOCOL), "| field | meaning |")
    text = re.sub(r"//[^\n]*", "", read(root, "proto/holdfast.proto"))
    request = re.search(r"^message Request \{\n(.*?)^\}", text, re.M | re.S).group(1)
    fields = re.findall(r"\b(\w+) = \d+;", request[:request.index("oneof operation")])
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    if named != fields:
        yield f"{PROTOCOL}: the envelope has {', '.join(named)}; Request has {', '.join(fields)}"


def check_memory(root):
    _, _, rows = table(read(root, PROTOCOL), "| use | counted from | until |")
    names = re.search(r"names\[MEMORY_USES\] = \{(.*?)\};", read(root, "server/engine/memory.c"), re.S).group(1)
    uses = re.findall(r'"(\w+)"', names)
    if [row[0] for row in rows] != uses:
        yield f"{PROTOCOL}: memory is used for {', '.join(row[0] for row in rows)}; in memory.c {', '.join(uses)}"


# ---- numbers that compiled programs have

def check_numbers(root, write):
    words = re.findall(r"\bX\((\w+), ", code(root, "proto/status.h"))
    accepted = read(root, REASONS).split()
    for number, (word, now) in enumerate(zip(accepted, words + [""] * len(accepted)), 1):
        if word != now:
            return [f"proto/status.h: reason {number} was {word} and is {now or 'none'}, but compiled programs "
                    f"have its number: append new reasons at the end, and take none away"]
    if write:
        with open(os.path.join(root, REASONS), "a", encoding="utf-8") as file:
            file.writelines(word + "\n" for word in words[len(accepted):])
        return []
    return [f"{REASONS}: {word} is missing; 'tests/lint/tables.py . --write' appends it" for word in words[len(accepted):]]


def main():
    root, write = sys.argv[1], "--write" in sys.argv[2:]
    problems, counts = [], []
    for page, head, make in MADE:
        found, count = check_made(root, page, head, make, write)
        problems += found
        counts.append(count)
    problems += check_numbers(root, write)
    for check in (check_limits, check_envelope, check_memory):
        problems += check(root)
    print("\n".join(problems))
    print(f"{counts[0]} reasons, {counts[1]} operations, {len(limits(root))} limits, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
