#!/usr/bin/env bash
# lint.format: every C file is as clang-format 14 would write it. `-t format` does so.
#   format.sh ROOT
set -euo pipefail
cd "$1"
files=$(find proto server client tests -name '*.[ch]' | sort)
# shellcheck disable=SC2086  # names of ours have no blanks
clang-format-14 --dry-run -Werror $files
echo "$(wc -l <<<"$files") files"
