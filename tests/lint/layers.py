#!/usr/bin/env python3
"""Fails on an #include that points up the layers, and on time, chance or sockets in the core.

  main -> server -> connection -> dispatch -> engine -> objects -> base
  server -> transport -> base; a transport is handed to connection as a table
  proto is usable by all but base; the client uses proto and base only; tests may use everything.

usage: layers.py ROOT
"""
import os
import re
import sys

# What a file in the folder may include of ours. The longest folder that fits decides.
CORE = ["proto/", "proto/base/"]
MAY = {
    "proto/base/": ["proto/base/"],
    "proto/": CORE,
    "server/memory/": ["server/memory/"] + CORE,
    "server/objects/": ["server/objects/", "server/memory/"] + CORE,
    "server/journal/": ["server/journal/", "server/objects/"] + CORE,
    "server/engine/": ["server/engine/", "server/journal/", "server/objects/", "server/memory/"] + CORE,
    "client/include/": ["client/include/", "proto/"],
    "client/": ["client/", "client/include/"] + CORE,
    "client/cli/": ["client/cli/", "client/include/"],
    "client/examples/": ["client/examples/", "client/include/"],
}
MAY["server/dispatch/"] = ["server/dispatch/"] + MAY["server/engine/"]
# A connection knows of transports but their table.
TABLE = "server/transport/transport.h"
MAY[TABLE] = CORE
MAY["server/transport/"] = ["server/transport/", TABLE] + CORE
MAY["server/connection/"] = ["server/connection/", TABLE] + MAY["server/dispatch/"]
MAY["server/"] = ["server/"] + sorted({f for may in list(MAY.values()) for f in may if f.startswith("server/")}) + CORE

PUBLIC = {"holdfast/holdfast.h": "client/include/", "holdfast/status.h": "proto/"}
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
    if path.startswith("tests/"):
        return None
    if bracket == "<" and header in PUBLIC:
        target = PUBLIC[header]
    elif bracket == '"':
        generated = header == "proto/holdfast.pb-c.h"
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


def main():
    root = os.path.abspath(sys.argv[1])
    paths = list(sources(root))
    complaints = [complaint for path in paths for complaint in check_file(root, path)]
    print("\n".join(complaints))
    print(f"{len(paths)} files, {len(complaints)} arrows or calls that may not be")
    return 1 if complaints or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
