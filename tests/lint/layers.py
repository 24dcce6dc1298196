#!/usr/bin/env python3
"""Fails on an #include or a call that points up the layers, on files that use each other in a circle, and
on time, chance or sockets in the core, or memory that other processes write.

  main -> server -> connection -> dispatch -> engine -> objects -> base
  server -> transport -> base; a transport is handed to connection as a table
  server -> journal -> dispatch
  server -> cells -> base; shared memory is handed to the engine as a table
  client: objects -> mapped -> call -> connection -> transport
  proto is usable by all but base; the client uses proto and base only; tests may use everything.

A file uses another one (x.c and x.h are one) if it includes its header, or if its object needs a symbol of
the other's; OBJECT: the compiled files of client/src, server and proto. The server's files and proto's are
looked at together; the client's apart, because both sides have functions of the same names.

usage: layers.py ROOT OBJECT..
"""
import os
import re
import subprocess
import sys

# What a file in the folder may include of ours. The longest folder that fits decides.
CORE = ["proto/", "proto/base/"]
MAY = {
    "proto/base/": ["proto/base/"],
    "proto/": CORE,
    "server/memory/": ["server/memory/"] + CORE,
    "server/objects/": ["server/objects/"] + CORE,
    "client/include/": ["client/include/", "proto/"],
    "client/src/transport/": ["client/src/transport/", "client/include/"] + CORE,
    "client/cli/": ["client/cli/", "client/include/"],
    "client/examples/": ["client/examples/", "client/include/"],
}
# Shared memory knows of the engine but the table that it implements.
CELL_HOST = "server/engine/cell_host.h"
MAY[CELL_HOST] = CORE
# Users are told to the engine as settings; transports and connections know who a peer is.
USER_SETTINGS = "server/engine/user_settings.h"
MAY[USER_SETTINGS] = CORE
IDENTITY = "server/users/identity.h"
MAY[IDENTITY] = [USER_SETTINGS] + CORE
MAY["server/users/"] = ["server/users/", IDENTITY, USER_SETTINGS] + CORE
MAY["server/cells/"] = ["server/cells/", CELL_HOST] + CORE
MAY["server/engine/"] = ["server/engine/", CELL_HOST, USER_SETTINGS, "server/objects/"] + CORE
# Each of these may use itself and all below.
for above, below in (("connection", "transport"), ("call", "connection"), ("mapped", "call"), ("objects", "mapped")):
    MAY[f"client/src/{above}/"] = [f"client/src/{above}/"] + MAY[f"client/src/{below}/"]
MAY["server/dispatch/"] = ["server/dispatch/", "server/users/", IDENTITY] + MAY["server/engine/"]
# The configuration says how the state is kept.
DATA_SETTINGS = "server/journal/settings.h"
MAY[DATA_SETTINGS] = CORE
MAY["server/journal/"] = ["server/journal/", DATA_SETTINGS] + MAY["server/dispatch/"]
# A connection knows of transports but their table.
TABLE = "server/transport/transport.h"
MAY[TABLE] = [IDENTITY, USER_SETTINGS] + CORE
MAY["server/transport/"] = ["server/transport/", TABLE] + MAY[TABLE]
MAY["server/connection/"] = ["server/connection/", TABLE] + MAY["server/dispatch/"]
MAY["server/config/"] = ["server/config/", DATA_SETTINGS, "server/users/", IDENTITY, USER_SETTINGS] + CORE
MAY["server/"] = ["server/"] + sorted({f for may in list(MAY.values()) for f in may if f.startswith("server/")}) + CORE

PUBLIC = {"holdfast/holdfast.h": "client/include/", "holdfast/status.h": "proto/"}
# Among these files there is no circle: of the client's library, and of the server with proto.
CLIENT, SERVER = ("client/src/",), ("server/", "proto/")
NNG_ALLOWED = ("server/transport/", "tests/")

# The engine and the objects get time as an argument, and the same commands give the same state.
DETERMINISTIC = ("server/engine/", "server/objects/")
IMPURE_HEADERS = re.compile(
    r"^(time|sys/time|sys/timex|sys/random|sys/socket|sys/epoll|sys/select|poll|netdb|unistd"
    r"|netinet/.*|arpa/.*)\.h$")
IMPURE_CALLS = re.compile(
    r"\b(clock_gettime|gettimeofday|time|clock|nanosleep|usleep|sleep|s?rand|rand_r|s?random|[dlm]rand48"
    r"|getrandom|getentropy|arc4random\w*|randombytes\w*|socket|connect|accept4?|listen|recvfrom|sendto"
    r"|recvmsg|sendmsg|getpid|getenv|clock_now_ns)\s*\(")

# Nor do they know of memory that other processes write: server/cells does. Headers of ours that may not be
# included, nor by a header that is; headers of the system, and what else shows that somebody does.
SHARED_MEMORY = ("proto/cell.h", "proto/cell_layout.h", "proto/ring_layout.h", "proto/ring.h", "proto/local_handshake.h")
SHARED_HEADERS = re.compile(r"^(stdatomic|pthread|threads|linux/futex|sys/mman|sys/syscall|signal)\.h$")
SHARED_WORDS = re.compile(r"\b(_Atomic|__atomic_\w+|__sync_\w+|atomic_\w+|syscall|t?gkill|gettid|futex\w*)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def folder_of(path, folders):
    fits = [f for f in folders if path.startswith(f)]
    return max(fits, key=len) if fits else None


def sources(root):
    for top in ("proto", "server", "client", "tests"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def without_comments_and_strings(text):
    keep_lines = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', keep_lines, text, flags=re.S)


def check_include(root, path, bracket, header):
    """The complaint about one #include, or None."""
    if header.startswith("nng/"):
        return None if path.startswith(NNG_ALLOWED) else "only server/transport may use nng"
    if path.startswith(DETERMINISTIC) and IMPURE_HEADERS.match(header):
        return "the core gets its time and chance from outside"
    if path.startswith(DETERMINISTIC) and SHARED_HEADERS.match(header):
        return "only server/cells uses memory that others write"
    if path.startswith("tests/"):
        return None
    if bracket == "<" and header in PUBLIC:
        target = PUBLIC[header]
    elif bracket == '"':
        generated = header in ("proto/holdfast.pb-c.h", "proto/holdfast_fields.h", "proto/holdfast_layouts.h")
        if not generated and not os.path.exists(os.path.join(root, header)):
            return "not found from the root of the repository"
        target = folder_of(header, list(MAY)) or header
    else:
        return None
    folder = folder_of(path, list(MAY))
    if folder is None or target in MAY[folder]:
        return None
    return f"{folder} may not use {target}"


def check_file(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        complaint = include and check_include(root, path, *include.groups())
        if complaint:
            yield f"{path}:{number}: {line.strip()}: {complaint}"
    if path.startswith(DETERMINISTIC):
        for number, line in enumerate(without_comments_and_strings(text).splitlines(), 1):
            call = IMPURE_CALLS.search(line)
            if call:
                yield f"{path}:{number}: {call.group(1)}(): the core has no clock, chance or socket"
            word = SHARED_WORDS.search(line)
            if word:
                yield f"{path}:{number}: {word.group(1)}: only server/cells uses memory that others write"


def includes_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        found = [INCLUDE.match(line) for line in file]
    return [i.group(2) for i in found if i and os.path.exists(os.path.join(root, i.group(2)))]


def check_wall(root, paths):
    """Headers of shared memory that a file of the core includes, itself or by way of others."""
    included = {path: includes_of(root, path) for path in paths}
    for path in paths:
        if not path.startswith(DETERMINISTIC):
            continue
        ways, to_visit = {path: path}, [path]
        while to_visit:
            file = to_visit.pop()
            for header in included.get(file, ()):
                if header not in ways:
                    ways[header] = f"{ways[file]} -> {header}"
                    to_visit.append(header)
        for header in SHARED_MEMORY:
            if header in ways:
                yield f"{ways[header]}: only server/cells uses memory that others write"


# ---------------------------------------------------------------- files that use each other


def stem(path):
    return path.rpartition(".")[0]


def uses_by_include(root, paths, group):
    """(file, file it uses, how), of the group's files."""
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for line in file:
                include = INCLUDE.match(line)
                header = include.group(2) if include else ""
                if header.startswith(group) and os.path.exists(os.path.join(root, header)):
                    yield stem(path), stem(header), "includes it"


def source_of(root, group, name):
    """The source of an object, which is named after it below some folders of the build; without its end."""
    parts = re.sub(r"CMakeFiles/[^/]+[.]dir/([.]/)?", "", name).split("/")
    for at in range(len(parts)):
        source = stem("/".join(parts[at:]))
        if source.startswith(group) and os.path.exists(os.path.join(root, source + ".c")):
            return source
    return None


def uses_by_symbol(root, objects, group):
    """The same."""
    listing = subprocess.run(["nm", "-A", *objects], check=True, capture_output=True, text=True).stdout
    defined, needed = {}, []
    for line in listing.splitlines():
        name, _, rest = line.partition(".o:")
        source = source_of(root, group, name)
        kind, symbol = rest.split()[-2:]
        if source is None:
            continue
        if kind == "U":
            needed.append((source, symbol))
        elif kind in "TDBRVWC":
            defined[symbol] = source
    for source, symbol in needed:
        if symbol in defined:
            yield source, defined[symbol], f"needs {symbol}"


def circles(arrows):
    """Sets of files each of which uses all others, if only through them (Tarjan's components)."""
    order, low, stack, found = {}, {}, [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        for used in arrows.get(file, ()):
            if used not in order:
                visit(used)
            if used in stack:
                low[file] = min(low[file], low[used])
        if low[file] == order[file]:
            at = stack.index(file)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for file in sorted(arrows):
        if file not in order:
            visit(file)
    return [circle for circle in found if len(circle) > 1]


def check_uses(root, paths, objects, group):
    paths = [path for path in paths if path.startswith(group)]
    unplaced = [path for path in paths if folder_of(path, list(MAY)) is None]
    yield from (f"{path}: is in none of the folders that have a place" for path in unplaced)
    if unplaced:
        return
    uses = set(uses_by_include(root, paths, group))
    by_symbol = set(uses_by_symbol(root, objects, group))
    for user, used, how in sorted(by_symbol):
        folder, target = folder_of(user, list(MAY)), folder_of(used, list(MAY))
        if target not in MAY[folder]:
            yield f"{user}.c: {how} of {used}.c: {folder} may not use {target}"
    arrows = {}
    for user, used, _ in uses | by_symbol:
        if user != used:
            arrows.setdefault(user, set()).add(used)
    for circle in circles(arrows):
        yield "a circle of files: " + " ".join(circle)
    if not by_symbol:
        yield f"no calls between the objects of {' and '.join(group)}"


def main():
    root = os.path.abspath(sys.argv[1])
    paths = list(sources(root))
    complaints = [complaint for path in paths for complaint in check_file(root, path)]
    complaints += check_wall(root, paths)
    for group in (CLIENT, SERVER):
        complaints += check_uses(root, paths, sys.argv[2:], group)
    print("\n".join(complaints))
    print(f"{len(paths)} files, {len(complaints)} arrows, circles or calls that may not be")
    return 1 if complaints or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
