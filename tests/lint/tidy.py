"""lint.tidy: clang-tidy 14 has nothing to say about our sources, with the checks of .clang-tidy.
  tidy.py ROOT BUILD

A file that was found clean is not looked at again until something differs of what the compiler reads
for it, comments included, of the checks, or of the tool. Digests of clean files are kept in
$XDG_CACHE_HOME/holdfast/tidy (~/.cache), as empty files; without them every file is looked at."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOOL = "clang-tidy-14"
COMPILER = "clang-14"


def commands_of(root, build):
    """The commands as built, without what only a sanitized build has, without the generated code, and
    with assertions: they tell the analyzer what must be true."""
    ours = re.compile(re.escape(root) + r"/(proto|server|client|tests)/")
    commands = json.load(open(f"{build}/compile_commands.json"))
    # A header's installed copy stands for the header itself.
    kept = {c["file"]: c for c in commands if ours.match(c["file"])}
    for command in kept.values():
        command["command"] = re.sub(r" -(Werror|DNDEBUG|fsanitize\S*|fno-sanitize\S*)(?= )", "", command["command"])
    return list(kept.values())


def digest_of(command, places, checks):
    """Of all that the outcome depends on; None: the compiler can't read the file."""
    start = next(i for i, word in enumerate(command["command"].split()) if word.startswith("-"))
    options = command["command"].split()[start:]
    for option in ("-o", "-MF", "-MT"):
        if option in options:
            at = options.index(option)
            del options[at:at + 2]
    options = [option for option in options if option not in ("-c", "-MD")]
    read = subprocess.run([COMPILER, "-E", "-C", "-P", "-w", *options], cwd=command["directory"], capture_output=True)
    if read.returncode != 0:
        return None
    text = b"\0".join([checks, " ".join(options).encode(), read.stdout])
    for place in places:
        text = text.replace(place.encode(), b"")
    return hashlib.sha256(text).hexdigest()


def look(command, places, database, checks, cache):
    """Whether it was clean before; what there is to say, None: nothing."""
    digest = digest_of(command, places, checks)
    clean = cache / digest if digest else None
    if clean and clean.exists():
        return True, None
    run = subprocess.run([TOOL, "-quiet", "-p", database, "--extra-arg=-Wno-unknown-warning-option", command["file"]],
                         capture_output=True, text=True)
    if run.returncode == 0:
        if clean:
            clean.touch()
        return False, None
    # Standard error counts warnings in system headers too.
    errors = [line for line in run.stderr.splitlines() if not re.search(r"^\d+ warning|^Suppressed|^Use -", line)]
    return False, run.stdout + "\n".join(errors)


def main(root, build):
    root, build = os.path.realpath(root), os.path.realpath(build)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "holdfast" / "tidy"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TOOL, "--version"], capture_output=True, check=True).stdout
    checks = version + pathlib.Path(root, ".clang-tidy").read_bytes()
    commands = commands_of(root, build)
    with tempfile.TemporaryDirectory() as database, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        json.dump(commands, open(f"{database}/compile_commands.json", "w"))
        outcomes = list(pool.map(lambda c: look(c, [build, root], database, checks, cache), commands))
    findings = [text for _, text in outcomes if text is not None]
    print(f"{len(commands)} files, {sum(was_clean for was_clean, _ in outcomes)} of them as they were when clean")
    print("\n".join(findings))
    return 1 if findings else 0


sys.exit(main(*sys.argv[1:]))
