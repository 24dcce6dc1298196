#!/usr/bin/env bash
# hosts.demo: deploy/demo in a fresh clone succeeds, says so in its last line, says of eleven programs that
# they reached the server through shared memory, as on one machine they do, and leaves nothing behind.
#   demo.sh ROOT
# A tree with changes that are not committed is copied instead of cloned: what is there gets tested.
set -euo pipefail
root=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

if [ -z "$(git -C "$root" status --porcelain 2>&1)" ]; then
  git clone -q "$root" "$work/tree"
else
  mkdir "$work/tree"
  tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/tree" -xf -
fi

mkdir "$work/tmp"
cd /
result=0
TMPDIR=$work/tmp "$work/tree/deploy/demo" </dev/null 2>&1 | tee "$work/output" || result=$?

echo "-- exit $result"
[ "$result" = 0 ]
tail -n 1 "$work/output" | grep -q '^demo: everything worked'
[ "$(grep -c '^   ([0-9]* connections over ' "$work/output")" = 11 ]
[ "$(grep -c '^   ([0-9]* connections over shared memory)$' "$work/output")" = 11 ]
grep -q '^   (5 connections over shared memory)$' "$work/output" # wordcount: four workers, a coordinator
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  case $(readlink "$process/exe" 2>/dev/null) in
    "$work"/*)
      echo "left running: $pid $(tr '\0' ' ' <"$process/cmdline")"
      result=1
      ;;
  esac
done
leftover=$(ls -A "$work/tmp")
[ -z "$leftover" ] || { echo "left in the temporary folder: $leftover"; result=1; }
exit $result
