# Counting words with coreutils, to compare wordcount with, and what to count. Sourced by deploy/demo and by
# tests/hosts.

# words_expected DIR: "word<TAB>count" lines in the order of LC_ALL=C. A word is a run of ASCII letters,
# lower-cased; it ends with its file.
words_expected() {
  find "$1" -type f -exec sh -c 'for file; do cat "$file"; echo; done' sh {} + |
    LC_ALL=C tr -cs 'A-Za-z' '\n' | LC_ALL=C tr 'A-Z' 'a-z' | LC_ALL=C sort | LC_ALL=C uniq -c |
    awk '$2 != "" { print $2 "\t" $1 }'
}

# words_compare EXPECTED COUNTED: fails, with the first differences, unless they are the same.
words_compare() {
  [ -s "$1" ] || { echo "nothing to compare with" >&2; return 1; }
  diff "$1" "$2" >/dev/null && return 0
  echo "counts differ from coreutils':" >&2
  diff "$1" "$2" | head -n 10 >&2
  return 1
}

# words_tree: the first folder of this machine with plenty of text in it.
words_tree() {
  local folder bytes
  for folder in /usr/share/perl /usr/include /usr/share/doc; do
    [ -d "$folder" ] || continue
    bytes=$(find "$folder" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
    if [ "$bytes" -gt 4000000 ]; then
      echo "$folder"
      return
    fi
  done
  echo /usr/share/common-licenses
}
