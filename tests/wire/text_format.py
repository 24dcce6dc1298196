"""protobuf's text format as nested lists, and the comparison the examples need.

A message is a list of (field, value); a value is a scalar token or a message. Two marks go beyond
the format: `*` stands for any value, `...` for any further fields, and `$X` for what an earlier
line set.
"""

import re

TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>\.\.\.|\$\w+|\*|[-+\w.]+)|(?P<mark>[{}:]))""")
ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
NAMED_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def tokens_of(text):
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"not the text format at: {text[at:at + 40]}")
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


def parse_fields(tokens, at, fields):
    """Reads fields until a closing brace or the end; answers where it stopped."""
    while at < len(tokens) and tokens[at] != "}":
        if tokens[at] == "...":
            fields.append(("...", None))
            at += 1
            continue
        name = tokens[at]
        if tokens[at + 1] == ":":
            fields.append((name, tokens[at + 2]))
            at += 3
        elif tokens[at + 1] == "{":
            inner = []
            at = parse_fields(tokens, at + 2, inner)
            if at >= len(tokens):
                raise ValueError(f"{name} is not closed")
            fields.append((name, inner))
            at += 1
        else:
            raise ValueError(f"neither : nor {{ after {name}")
    return at


def parse(text):
    tokens = tokens_of(text)
    fields = []
    if parse_fields(tokens, 0, fields) != len(tokens):
        raise ValueError(f"a brace too many: {text}")
    return fields


def unescape(token):
    """The bytes of a quoted string."""
    def replace(match):
        code = match.group(1)
        if code[:1].isdigit():
            return bytes([int(code, 8)])
        if code[:1] == b"x" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        return NAMED_ESCAPES.get(code, code)
    return ESCAPE.sub(replace, token[1:-1].encode())


def is_default(value):
    return value in ("0", "false", '""')


def scalars_equal(expected, found):
    if expected.startswith('"') or found.startswith('"'):
        return expected[:1] == found[:1] and unescape(expected) == unescape(found)
    if expected == found:
        return True
    try:
        if "." in expected + found:
            return float(expected) == float(found)
        return int(expected) == int(found)
    except ValueError:
        return False


def difference(expected, found, variables):
    """None when the message found is the expected one, else what differs first."""
    found = list(found)
    further = ("...", None) in expected
    for name, value in expected:
        if name == "...":
            continue
        at = next((i for i, field in enumerate(found) if field[0] == name), None)
        if at is None:
            if isinstance(value, str) and (is_default(value) or value == "*"):
                continue
            return f"{name} is missing"
        problem = value_difference(name, value, found.pop(at)[1], variables)
        if problem:
            return problem
    if found and not further:
        return f"{found[0][0]} was not expected"
    return None


def value_difference(name, expected, found, variables):
    if isinstance(expected, list):
        if not isinstance(found, list):
            return f"{name} is no message"
        problem = difference(expected, found, variables)
        return f"{name}.{problem}" if problem else None
    if expected == "*":
        return None
    if expected.startswith("$"):
        expected = variables.setdefault(expected, found)
    if isinstance(found, list) or not scalars_equal(expected, found):
        return f"{name} is {found}, not {expected}"
    return None
