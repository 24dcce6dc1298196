#!/usr/bin/env python3
"""nngcat is a client in one line: a Request in, its Response out.

usage: nngcat.py HOLDFASTD PROTO_DIR tcp|ipc
"""

import subprocess
import sys
import tempfile

import daemon

CALLS = [
    ('object_open { kind: DICT name: "squares" }', 'name: "squares"'),
    ('name: "squares" dict_set { key { integer: 3 } value { integer: 9 } }', ""),
    ('name: "squares" dict_get { key { integer: 3 } }', "integer: 9"),
    ('name: "squares" dict_get { key { integer: 4 } }', 'reason: "NO_SUCH_KEY"'),
]
PUSHED = 'name: "squares" dict_set { key { integer: 4 } value { integer: 16 } }'
AFTER_PUSH = ('name: "squares" dict_get { key { integer: 4 } }', "integer: 16")


def protoc(proto_dir, option, data):
    return subprocess.run(["protoc", f"-I{proto_dir}", "holdfast.proto", option], input=data,
                          capture_output=True, check=True).stdout


def nngcat(url, kind, request, *options):
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        return subprocess.run(["nngcat", f"--{kind}", "--dial", url, "--file", file.name, *options],
                              capture_output=True, check=True, timeout=20).stdout


def call(url, proto_dir, text):
    request = protoc(proto_dir, "--encode=holdfast.Request", text.encode())
    reply = nngcat(url, "req", request, "--raw", "--recv-timeout", "5")
    return protoc(proto_dir, "--decode=holdfast.Response", reply).decode()


def check(url, proto_dir, text, expected):
    reply = call(url, proto_dir, text)
    if expected not in reply or (not expected and reply):
        raise SystemExit(f"{text}\nanswered {reply}not {expected}")


def main():
    program, proto_dir, transport = sys.argv[1:4]
    with daemon.Daemon(program) as server:
        url = server.tcp_url if transport == "tcp" else server.ipc_url
        for text, expected in CALLS:
            check(url, proto_dir, text, expected)
        request = protoc(proto_dir, "--encode=holdfast.Request", PUSHED.encode())
        nngcat(url, "push", request, "--delay", "1")
        check(url, proto_dir, *AFTER_PUSH)
    print(f"{len(CALLS) + 2} calls by nngcat over {transport}")


main()
