#!/usr/bin/env bash
# lint.abi: the library's binary interface is the one that was accepted, in client/abi/libholdfast.abi.
#   abi.sh ROOT LIBRARY STATUS_H            compares
#   abi.sh ROOT LIBRARY STATUS_H --accept   accepts what the library is now
# The library needs debug information, by which abidw finds the types of what it exports.
set -euo pipefail
root=$1
library=$2
status_h=$3
accepted=$root/client/abi/libholdfast.abi

command -v abidw >/dev/null || { echo "abidw is missing: deploy/packages test installs it"; exit 1; }

dump() {
  abidw --exported-interfaces-only --drop-private-types --headers-dir "$root/client/include/holdfast" \
    --header-file "$status_h" --no-corpus-path --no-comp-dir-path --no-show-locs "$library" |
    sed -E "s|path='[^']*/|path='|" >"$1"
}

if [ "${4:-}" = --accept ]; then
  dump "$accepted"
  exit
fi
now=$(mktemp)
trap 'rm -f "$now"' EXIT
dump "$now"
if abidiff "$accepted" "$now"; then
  echo "the interface is as it was accepted"
  exit
fi
cat <<END

The library's binary interface is not the one that was accepted.

Added functions, and fields at the end of the structs that base.h says may grow, are fine: give each
function a line in client/src/holdfast.map. Anything else breaks programs that are linked already: leave
it, or give the library another major version. Then accept it, and commit what changes:

  tests/lint/abi.sh . $library $status_h --accept
END
exit 1
