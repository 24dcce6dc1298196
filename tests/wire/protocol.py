#!/usr/bin/env python3
"""Runs every `wire` example of PROTOCOL.md and operations/*.md against a real server.

usage: protocol.py HOLDFASTD PROTO_DIR tcp|ipc [WORD]
       protocol.py --lint PROTO_DIR            checks that the pages are complete
       protocol.py --corpus PROTO_DIR OUT_DIR  writes the requests of each example for the fuzzers
With WORD only the examples under headings that contain it are run.
"""

import os
import re
import struct
import subprocess
import sys

import daemon
import sp
import text_format

LINE = re.compile(r"^(?P<peer>[A-Z]?)\s*(?P<what>>x|>|<|\(\w+\))\s*(?P<text>.*)$")
PARKED_AFTER_S = 0.03


class Mismatch(Exception):
    pass


def pages_of(proto_dir):
    """(name, text) of every page of the wire."""
    names = sorted(os.listdir(os.path.join(proto_dir, "operations")))
    for name in ["PROTOCOL.md"] + [os.path.join("operations", name) for name in names]:
        with open(os.path.join(proto_dir, name)) as page:
            yield name, page.read()


def examples_of(proto_dir):
    """(page, heading, line number, lines) of every wire block."""
    for page, text in pages_of(proto_dir):
        heading, block, begun = "", None, 0
        for number, line in enumerate(text.splitlines(), 1):
            if block is None and line.startswith("#"):
                heading = line.lstrip("# ")
            if line == "```wire":
                block, begun = [], number
            elif line == "```" and block is not None:
                yield page, heading, begun, block
                block = None
            elif block is not None:
                block.append(line)


class Messages:
    """Requests and Responses as text, by protoc."""

    def __init__(self, proto_dir):
        self.command = ["protoc", f"-I{proto_dir}", "holdfast.proto"]
        self.encoded = {}

    def run(self, option, data):
        done = subprocess.run([*self.command, option], input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise Mismatch(f"protoc {option}: {done.stderr.decode()}")
        return done.stdout

    def encode(self, text):
        if text not in self.encoded:
            self.encoded[text] = self.run("--encode=holdfast.Request", text.encode())
        return self.encoded[text]

    def decode(self, data):
        return text_format.parse(self.run("--decode=holdfast.Response", data).decode())


class Example:
    def __init__(self, url, messages):
        self.url, self.messages = url, messages
        self.peers, self.variables = {}, {}

    def peer(self, name):
        if name not in self.peers:
            self.peers[name] = sp.Peer(self.url, sp.PUSH if name == "P" else sp.REQ)
        return self.peers[name]

    def run_line(self, line):
        match = LINE.match(line)
        if not match:
            raise Mismatch("not a line of an example")
        name, what, text = match.group("peer", "what", "text")
        if what == ">":
            for variable, value in self.variables.items():
                text = re.sub(re.escape(variable) + r"\b", lambda _, v=value: v, text)
            self.peer(name).send(self.messages.encode(text))
        elif what == ">x":
            self.peer(name).send(bytes.fromhex(text))
        elif what == "<":
            self.expect(name, text_format.parse(text))
        elif what == "(nothing)":
            if not self.peer(name).is_silent(PARKED_AFTER_S):
                raise Mismatch("a reply came")
        elif what in ("(reset)", "(close)"):
            getattr(self.peers.pop(name), what.strip("()"))()
        else:
            raise Mismatch("unknown action")

    def expect(self, name, expected):
        _, payload = self.peer(name).receive()
        found = self.messages.decode(payload)
        if dict(expected).get("message") is None:
            found = [field for field in found if field[0] != "message"]
        problem = text_format.difference(expected, found, self.variables)
        if problem:
            raise Mismatch(f"{problem}\n     found {found}")

    def close(self):
        for peer in self.peers.values():
            peer.close()


def delete_all(url, messages):
    """Leaves a server without objects. Only after what the example left behind is gone too."""
    peer = sp.Peer(url)
    peer.send(messages.encode("object_list { anonymous: true }"))
    listed = dict(messages.decode(peer.receive()[1])).get("objects", [])
    for _, item in listed:
        peer.send(messages.encode(f"object: {dict(item)['id']} object_delete {{ }}"))
        peer.receive()
    peer.close()


def run(program, proto_dir, transport, word):
    messages, failed, count, lines_count = Messages(proto_dir), 0, 0, 0
    with daemon.Daemon(program) as server:
        url = server.tcp_url if transport == "tcp" else server.ipc_url
        for page, heading, begun, lines in examples_of(proto_dir):
            if word not in heading:
                continue
            example, number = Example(url, messages), begun
            count += 1
            try:
                for number, line in enumerate(lines, begun + 1):
                    example.run_line(line)
                    lines_count += 1
            except (Mismatch, ValueError, OSError, sp.Closed) as problem:
                failed += 1
                print(f"{page}:{number}: {heading}: {lines[number - begun - 1]}\n"
                      f"     {type(problem).__name__}: {problem}")
            example.close()
            delete_all(url, messages)
    print(f"{count} examples, {lines_count} lines over {transport}, {failed} failed")
    return failed or count == 0


def lint(proto_dir):
    """Every operation has a section with an example."""
    with open(os.path.join(proto_dir, "holdfast.proto")) as file:
        messages = file.read()
    arms = re.search(r"oneof operation \{(.*?)\n  \}", messages, re.DOTALL).group(1)
    operations = re.findall(r"^\s*\w+ (\w+) = \d+;", arms, re.MULTILINE)
    sections = dict(section for name, text in pages_of(proto_dir) if name != "PROTOCOL.md"
                    for section in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    problems = [f"no section for {name}" for name in operations if name not in sections]
    problems += [f"no such operation: {name}" for name in sections if name not in operations]
    problems += [f"no example for {name}" for name in operations
                 if not re.search(rf"^[A-Z]?> .*\b{name} \{{", sections.get(name, ""), re.MULTILINE)]
    print("\n".join(problems))
    print(f"{len(operations)} operations, {len(problems)} problems")
    return bool(problems or not operations)


def corpus(proto_dir, out_dir):
    """One file per example: its requests, each behind its connection's number and its length."""
    messages = Messages(proto_dir)
    for kind in ("request", "engine"):
        os.makedirs(os.path.join(out_dir, kind), exist_ok=True)
    seen = set()
    for idx, (_, heading, _, lines) in enumerate(examples_of(proto_dir)):
        name = f"{idx:03}-{re.sub(r'[^a-z_]+', '-', heading.lower())}"
        story = b""
        for number, line in enumerate(lines):
            match = LINE.match(line)
            if match.group("what") not in (">", ">x"):
                continue
            text = re.sub(r"(?<=session: )\$\w+|\$S", '"0123456789abcdef"', match.group("text"))
            text = re.sub(r"\$\w+", "1", text)
            body = (messages.encode(text) if match.group("what") == ">" else bytes.fromhex(text))
            story += struct.pack(">BH", max(ord(match.group("peer") or "A") - ord("A"), 0) % 4, len(body)) + body
            if body not in seen:
                seen.add(body)
                with open(os.path.join(out_dir, "request", f"{name}-{number:02}"), "wb") as file:
                    file.write(body)
        with open(os.path.join(out_dir, "engine", name), "wb") as file:
            file.write(story)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--lint"]:
        return lint(arguments[1])
    if arguments[:1] == ["--corpus"]:
        return corpus(arguments[1], arguments[2])
    word = arguments[3] if len(arguments) > 3 else ""
    return run(arguments[0], arguments[1], arguments[2], word)


sys.exit(1 if main() else 0)
