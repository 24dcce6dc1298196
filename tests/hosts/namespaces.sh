#!/usr/bin/env bash
# hosts.namespaces: wordcount over a network of several hosts, each a network namespace of its own.
# The server runs in one, three workers and the coordinator in the second, three workers in the third. Whoever
# listens on the network reads everything; with HOLDFAST the hosts have a key, and nothing can be read.
#   namespaces.sh HOLDFASTD WORDCOUNT [HOLDFAST]
set -euo pipefail
holdfastd=$1
wordcount=$2
holdfast=${3:-}
. "$(dirname "$0")/../../deploy/words.sh"
. "$(dirname "$0")/lib.sh"
tree=$(words_tree)
words_expected "$tree" >"$work/expected"

# Names of objects, the key, and lines of text: none is longer than a frame.
grep -rhoE '[A-Za-z]+( [A-Za-z]+){5,8}' "$tree" 2>/dev/null | awk 'NR % 97 == 0 && ++n <= 200' >"$work/lines"
printf '/queue\n/counts/\n/lock\n' | cat - "$work/lines" >"$work/texts"
if [ -n "$holdfast" ]; then
  "$holdfast" key new alice >"$work/alice.key"
  cut -d: -f2 "$work/alice.key" >>"$work/texts"
  start_server "$holdfastd" --key-file "$work/alice.key" --listen tls+tcp://10.46.53.1:4653
  export HOLDFAST_URL=tls+tcp://10.46.53.1:4653 HOLDFAST_KEY_FILE=$work/alice.key
else
  start_server "$holdfastd"
  export HOLDFAST_URL=tcp://10.46.53.1:4653
fi
on server python3 "$(dirname "$0")/capture.py" eth0 "$work/texts"
capture=${started[-1]}
await_file "$work/server-1.log"
for _ in 1 2 3; do
  on a "$wordcount" worker
  on b "$wordcount" worker
done
ip netns exec "$here-a" timeout 120 "$wordcount" coordinator --await 6 --out "$work/counted" "$tree" || { show_logs; exit 1; }
words_compare "$work/expected" "$work/counted"

# The workers see that the job is over, and the server stops on SIGTERM.
for pid in "${started[@]:2}"; do
  wait "$pid" || { show_logs; echo "a worker failed"; exit 1; }
done
for name in a b; do
  words=$(cat "$work/$name"-*.log | awk '/the job is over/ { sum += $(NF - 1) } END { print sum + 0 }')
  echo "host $name counted $words words of $tree"
  [ "$words" -gt 0 ]
done
kill "$capture"
wait "$capture"
seen=$(tail -n 1 "$work/server-1.log")
echo "on the network: $seen"
if [ -n "$holdfast" ]; then
  [[ $seen == *", 0 dropped, 0 of "* ]]
else
  [[ $seen == *", 0 dropped, "* && $seen == */counts/*/queue* ]]
fi
stop_server
echo "$(wc -l <"$work/expected") different words, counted by six workers on two hosts as coreutils counts them"
