#!/usr/bin/env bash
# lint.symbols: the library exports what the public headers declare, all of it named hf_*, and no more.
#   symbols.sh ROOT LIBRARY
set -euo pipefail
root=$1
library=$2

exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
# The node of the version is a symbol too, an absolute one. A declaration begins with HF_API or HF_CHECKED, in status.h with its type; its name is the last word
# before the first bracket.
declared=$({
  cat "$root"/client/include/holdfast/*.h | tr '\n' ' ' | grep -oE '(HF_API|HF_CHECKED) [^;(#]*[ *]hf_[a-z0-9_]+\('
  grep -E '^[a-z][a-z_ ]*[ *]hf_[a-z_]+\(' "$root/proto/status.h"
} | grep -oE '[ *]hf_[a-z0-9_]+\(' | tr -d ' *(' | sort -u)

foreign=$(grep -v '^hf_' <<<"$exported" || true)
hidden=$(comm -13 <(printf '%s\n' "$exported") <(printf '%s\n' "$declared"))
extra=$(comm -23 <(printf '%s\n' "$exported") <(printf '%s\n' "$declared"))
result=0
report() {
  [ -n "$2" ] || return 0
  printf '%s:\n%s\n' "$1" "$2"
  result=1
}
report "exported, but not named hf_*" "$foreign"
report "declared, but not exported" "$hidden"
report "exported, but not declared in a public header" "$extra"
echo "$(wc -l <<<"$declared") declared, $(wc -l <<<"$exported") exported"
exit $result
