#!/usr/bin/env python3
"""Numbers of the wire come from holdfast.proto, and varints are read and written in one place.

  holdfast_fields.h    has the fields that protoc-c's descriptors have, and no other
  a field in a call    HF_FIELD_..., a constant of protobuf-c's, or a variable: f(at, HF_FIELD_PAGE_CURSOR, n).
                       Calls are those of functions that have a parameter `field` of uint32_t
  field.number         is compared with those only, field->number too
  7 bits a byte        only in proto/wire_field.h, as is a tag
  OPERATION(X)         stands in a function of the client that has X's message, if it has an operation's

The records of snapshots have numbers of their own: server/engine is left out, but for varints.

usage: wire.py ROOT GENERATED    the folder of the generated headers
"""
import os
import re
import sys

FOLDERS = ("proto", "server", "client", "tests/support", "tests/bench", "tests/fault")
SNAPSHOTS = "server/engine/"
ONLY_PLACE = "proto/wire_field.h"
# Makes numbers longer than they need to be, to overwrite them in place.
STRETCHES = "tests/bench/holdfast_raw.c"

CONSTANT = re.compile(r"HF_FIELD_\w+|HOLDFAST__\w+|OPERATION\(\w+\)")
VARIABLE = re.compile(r"[a-z]\w*(?:(?:->|\.)[a-z]\w*)*")
PARAMETERS = re.compile(r"\b(\w+)\(((?:[^()]*,)?\s*uint32_t field\b[^()]*)\)\s*[{;]")
COMPARED = re.compile(r"\bfield\w*(?:\.|->)number\s*(?:[=!]=|[<>]=?)\s*([^\s;)&|?]+(?:\(\w+\))?)")
SWITCHED = re.compile(r"\bswitch \(\w+(?:\.|->)number\) \{")
SEVEN_BITS = re.compile(r"(?:>>|<<)=?\s*\(?7\b|\+=\s*7\b|<<\s*3\s*\|")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def code_of(text):
    """Without comments, lines as they were."""
    keep_lines = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*", keep_lines, text, flags=re.S)


def sources(root):
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    yield os.path.relpath(path, root), code_of(read(path))


def upper(message):
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", message).upper()


def check_header(generated):
    """The header against what protoc-c has made of the same file."""
    tables = re.findall(r"holdfast__(\w+)__field_descriptors\[\d+\] =\n\{(.*?)\n\};",
                        read(generated, "proto/holdfast.pb-c.c"), re.S)
    wanted = [(f"HF_FIELD_{message.replace('__', '_')}_{field}".upper(), number) for message, table in tables
              for field, number in re.findall(r'\{\n\s*"(\w+)",\n\s*(\d+),', table)]
    found = re.findall(r"(HF_FIELD_\w+) = (\d+),", read(generated, "proto/holdfast_fields.h"))
    for name, number in sorted(set(wanted) ^ set(found)):
        place = "holdfast_fields.h" if (name, number) in found else "protoc-c's descriptors"
        yield f"{name} = {number} is only in {place}"
    if not wanted or len(wanted) != len(found):
        yield f"holdfast_fields.h: {len(found)} fields, protoc-c's descriptors have {len(wanted)}"


def block_from(text, at):
    """What stands behind an opening parenthesis, up to the one that closes it."""
    depth = 1
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return text[at:i]
    return ""


def arguments(text, at):
    """Of the call whose parenthesis opens before `at`."""
    found, depth = [""], 0
    for character in block_from(text, at):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character == ",":
            found.append("")
        else:
            found[-1] += character
    return [argument.strip() for argument in found]


def field_parameters(text):
    """Which parameter of a function is a field's number."""
    return {name: [parameter.strip() for parameter in parameters.split(",")].index("uint32_t field")
            for name, parameters in PARAMETERS.findall(text)}


def is_named(number):
    return CONSTANT.fullmatch(number) or VARIABLE.fullmatch(number)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_calls(path, text, where):
    for call in re.finditer(r"\b(" + "|".join(where) + r")\(", text):
        number = (arguments(text, call.end()) + [""] * 9)[where[call.group(1)]]
        if number != "uint32_t field" and not is_named(number):
            yield f"{path}:{line_of(text, call.start())}: {call.group(1)}: field {number or '?'} is no HF_FIELD_..."


def check_comparisons(path, text):
    for found in COMPARED.finditer(text):
        if not is_named(found.group(1)):
            yield f"{path}:{line_of(text, found.start())}: field {found.group(1)} is no HF_FIELD_..."
    for block in SWITCHED.finditer(text):
        for number in re.findall(r"\bcase ([^:]+):", block_from(text, block.end())):
            if not CONSTANT.fullmatch(number.strip()):
                yield f"{path}:{line_of(text, block.start())}: case {number} is no HF_FIELD_..."


def check_varints(path, text):
    for found in SEVEN_BITS.finditer(text):
        yield f"{path}:{line_of(text, found.start())}: '{found.group(0)}': varints and tags are {ONLY_PLACE}'s"


def check_stubs(path, text, messages):
    """Functions that name an operation, and another one's message."""
    for function in re.finditer(r"^\w[^;{}]*\)\s*\{\n.*?^\}", text, re.M | re.S):
        operations = set(re.findall(r"\bOPERATION\((\w+)\)", function.group(0)))
        used = {upper(name) for name in re.findall(r"\bHoldfast__(\w+)", function.group(0))} & messages
        if used and operations and not operations <= used:
            yield (f"{path}:{line_of(text, function.start())}: "
                   f"{', '.join(operations)} with the message of {', '.join(used)}")


def main():
    root, generated = sys.argv[1:]
    files = list(sources(root))
    everywhere = {}
    for path, text in files:
        if path.endswith(".h") and not path.startswith(SNAPSHOTS):
            everywhere.update(field_parameters(text))
    messages = {upper(name) for name in re.findall(
        r"^    (\w+) \w+ = \d+;", read(root, "proto/holdfast.proto"), re.M)}
    problems = list(check_header(generated))
    names = stubs = 0
    for path, text in files:
        if not path.startswith(SNAPSHOTS):
            problems += check_calls(path, text, everywhere | field_parameters(text))
            problems += check_comparisons(path, text)
            names += len(re.findall("HF_FIELD_", text))
        if path not in (ONLY_PLACE, STRETCHES):
            problems += check_varints(path, text)
        if path.startswith("client/"):
            problems += check_stubs(path, text, messages)
            stubs += len(re.findall(r"\bOPERATION\(", text))
    print("\n".join(problems))
    print(f"{names} uses of a field's name, {stubs} of an operation's in the client, {len(problems)} problems")
    return 1 if problems or not everywhere or not names or not stubs else 0


if __name__ == "__main__":
    sys.exit(main())
