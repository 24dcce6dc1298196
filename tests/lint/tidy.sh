#!/usr/bin/env bash
# lint.tidy: clang-tidy 14 has nothing to say about our sources, with the checks of .clang-tidy.
#   tidy.sh ROOT BUILD
set -euo pipefail
root=$(realpath "$1")
build=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The commands as built, without what only a sanitized build has, without the generated code, and with
# assertions: they tell the analyzer what must be true.
python3 - "$root" "$build" "$work" <<'PY'
import json, re, sys
root, build, work = sys.argv[1:]
commands = json.load(open(f"{build}/compile_commands.json"))
ours = re.compile(re.escape(root) + r"/(proto|server|client|tests)/")
# A header's installed copy stands for the header itself.
kept = {c["file"]: c for c in commands if ours.match(c["file"])}
for command in kept.values():
    command["command"] = re.sub(r" -(Werror|DNDEBUG|fsanitize\S*|fno-sanitize\S*)(?= )", "", command["command"])
json.dump(list(kept.values()), open(f"{work}/compile_commands.json", "w"))
print(len(kept), "files")
PY
# The tool prints each command, in colours, and counts of warnings in system headers: only findings are kept.
if ! run-clang-tidy-14 -quiet -p "$work" -j "$(nproc)" -extra-arg=-Wno-unknown-warning-option \
  >"$work/findings" 2>"$work/errors"; then
  sed 's/\x1b\[[0-9;]*m//g' "$work/findings" | grep -vE '^(clang-tidy-14 |Suppressed |Use -)' || true
  sed 's/\x1b\[[0-9;]*m//g' "$work/errors" | grep -vE '^[0-9]+ (warning|error)s?|^Suppressed|^Use -' || true
  exit 1
fi
