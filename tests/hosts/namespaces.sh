#!/usr/bin/env bash
# hosts.namespaces: wordcount over a network of several hosts, each a network namespace of its own.
# The server runs in one, three workers and the coordinator in the second, three workers in the third.
#   namespaces.sh HOLDFASTD WORDCOUNT
set -euo pipefail
holdfastd=$1
wordcount=$2
. "$(dirname "$0")/../../deploy/words.sh"
. "$(dirname "$0")/lib.sh"
start_server "$holdfastd"

export HOLDFAST_URL=tcp://10.46.53.1:4653
tree=$(words_tree)
words_expected "$tree" >"$work/expected"
for _ in 1 2 3; do
  on a "$wordcount" worker
  on b "$wordcount" worker
done
ip netns exec "$here-a" timeout 120 "$wordcount" coordinator --await 6 --out "$work/counted" "$tree" || { show_logs; exit 1; }
words_compare "$work/expected" "$work/counted"

# The workers see that the job is over, and the server stops on SIGTERM.
for pid in "${started[@]:1}"; do
  wait "$pid" || { show_logs; echo "a worker failed"; exit 1; }
done
for name in a b; do
  words=$(cat "$work/$name"-*.log | awk '/the job is over/ { sum += $(NF - 1) } END { print sum + 0 }')
  echo "host $name counted $words words of $tree"
  [ "$words" -gt 0 ]
done
stop_server
echo "$(wc -l <"$work/expected") different words, counted by six workers on two hosts as coreutils counts them"
