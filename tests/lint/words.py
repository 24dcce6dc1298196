#!/usr/bin/env python3
"""Fails on a word of our own making where the field has one: in comments, identifiers, log texts and pages.

  WORDS        forbidden, also as a part of an identifier
  IDENTIFIERS  patterns of identifiers: words that are forbidden in one meaning only
  TEXT         patterns of comments and pages; a blank is any white space

Each has what to write instead. Tests are searched for WORDS only, and ENGLISH is left to them.

usage: words.py ROOT
"""
import os
import re
import sys

TOPS = ("client", "proto", "server", "tests")
PAGES = ("README.md",)
# Of other projects, or English that is meant as such: taken out before the search.
FOREIGN = re.compile(r"\b(?:list_repeat_in_place|(?:HF_REASON_)?LOCK_HELD)\b", re.I)

WORDS = {
    "bell bells": "doorbell",
    "burial": "deferred free",
    "closer": "reclaimer",
    "complaint complaints complain complains": "limited log; or: error",
    "crew": "pollers",
    "door doors": "local handshake",
    "doomed": "unreferenced",
    "doubt doubts doubted": "validate the owner",
    "driver drivers drive drives driven": "poll leader",
    "ear ears": "wait entry",
    "gather gathers gathered gathering": "batch; collect",
    "hail hails hailed": "notify",
    "heed heeds heeded": "honour the preference",
    "house houses": "local handshake; context",
    "knock knocks knocked": "notify; notification",
    "lender lenders": "opener",
    "nap naps napping": "futex wait; spinning",
    "nudge nudges nudged": "notify; notification",
    "patience": "backoff",
    "poke pokes poked": "notify; wakeup",
    "principal principals": "owner",
    "seat seats": "slot; poller",
    "stray strays": "orphan",
    "told untold": "notified, answered, reported",
    "takeback takebacks": "revoke",
    "trash": "dropped values",
    "unclaimed": "unadopted",
    "undertaker": "reclaimer",
    "unseen": "unacknowledged",
    "whoever": "name the thread, the client or the caller",
    "wish wishes": "preference",
}

IDENTIFIERS = {
    r"(?:\w+_)?turns?(?:_\w+)?": "batch",
    r"\w*near_(?:enter|leave|lock|cell)\w*": "mapped_*",
    r"\w*_note|note_\w+|\w+_note_\w+": "record, count, set; or a name for the number",
    r"(?:\w+_)?un?hold(?:_\w+)?|(?:core|session|object)_hold\w*|hold_(?:object|again|for_\w+|context)": "reference",
    r"(?:dict|list|log)_hold": "pin",
    r"(?:cell|share|dict|list|log|page|first|front|index)_places?(?:_\w+)?|place_(?:compare|last|bytes\w*|count)": "slot, position, cell_location",
    r"\w*_claim|claim_\w+|\w+_claim_\w+": "request, acquire, adopt",
    r"look_(?:at|in|for)\w*|\w+_look|\w+_look_\w+": "check, watch, poll",
    r"(?:is|was)_hot": "busy",
    r"(?:\w+_)?callers?": "thread",
    r"(?:is_|was_|may_)?(?:held|holders?)(?:_\w+)?|\w+_(?:held|holders?)": "owned, owner; pinned",
    r"bury_\w+|(?:next|take|free|join)_buried": "deferred free",
    r"places?": "slot, position, location",
    r"\w+_told|told_\w+|is_told": "notified, announced",
    r"tell_\w+": "notify",
}

TEXT = {
    r"within reach": "mapped",
    r"the (?:engine|server)'s turn|turns? of the (?:engine|server)(?:'s lock)?|(?:one|a|same|this) turn of": "batch",
    r"that one's|the other's turn": "name the noun",
    r"those who wait|everybody who waits": "waiters",
    r"(?:holds?|held|holding) (?:the|its|a) (?:lock|mutex)s?\b": "owns, owned",
    r"\block holders?\b": "lock owner",
}

# Plain words in tests: what drives an engine, or a benchmark.
ENGLISH = {"driven", "drives"}

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
IDENTIFIER = re.compile(r"\b[A-Za-z]\w*\b")
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return FOREIGN.sub(lambda match: " " * len(match.group(0)), file.read())


def files(root):
    names = list(PAGES)
    for top in TOPS:
        for folder, _, found in os.walk(os.path.join(root, top)):
            names += [os.path.relpath(os.path.join(folder, name), root) for name in found]
    return sorted(name for name in names if name.endswith((".c", ".h", ".md", ".proto")))


def blank(text, pattern):
    """The text with blanks for what matches, so that positions stay."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def search(text, code, is_test):
    """(position, what was found, what to write instead)"""
    for match in IDENTIFIER.finditer(text):
        for part in PART.finditer(match.group(0)):
            word = part.group(0).lower()
            if word in SINGLE and not (is_test and word in ENGLISH):
                yield match.start(), match.group(0), SINGLE[word]
    if is_test:
        return
    for match in IDENTIFIER.finditer(code):
        for pattern, instead in IDENTIFIERS.items():
            if re.fullmatch(pattern, match.group(0), re.I):
                yield match.start(), match.group(0), instead
    for pattern, instead in TEXT.items():
        for match in re.finditer(r"\s+(?:\*\s+)?".join(pattern.split(" ")), text, re.I):
            yield match.start(), match.group(0), instead


SINGLE = {word: instead for words, instead in WORDS.items() for word in words.split()}


def main():
    root = sys.argv[1]
    count = total = 0
    for name in files(root):
        text = read(os.path.join(root, name))
        code = blank(blank(text, COMMENT), STRING) if name.endswith((".c", ".h")) else ""
        total += 1
        for position, found, instead in sorted(set(search(text, code, name.startswith("tests/")))):
            line = text.count("\n", 0, position) + 1
            print(f"{name}:{line}: {' '.join(found.split())}: {instead}")
            count += 1
    print(f"{total} files: {count} words")
    return 1 if count or not total else 0


if __name__ == "__main__":
    sys.exit(main())
