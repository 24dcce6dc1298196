#!/usr/bin/env bash
# hosts.namespaces: wordcount over a network of several hosts, each a network namespace of its own.
#
#     server  10.46.53.1 ─┐
#     a       10.46.53.2 ─┤ bridge, in a namespace too: nothing of this machine's network is touched
#     b       10.46.53.3 ─┘
#
# The server runs in one, three workers and the coordinator in the second, three workers in the third.
#   namespaces.sh HOLDFASTD WORDCOUNT
# Exit 77, which means skipped, where namespaces are not allowed; with CI set that is a failure.
set -euo pipefail
holdfastd=$1
wordcount=$2
. "$(dirname "$0")/../../deploy/words.sh"
here=hf$$
switch=$here-switch
work=$(mktemp -d)
started=()

clean() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for name in server a b switch; do ip netns del "$here-$name" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean EXIT

if ! ip netns add "$switch" 2>"$work/error"; then
  echo "skipped: network namespaces are not allowed here: $(cat "$work/error")"
  [ -z "${CI:-}" ] || exit 1
  exit 77
fi
ip -n "$switch" link add bridge type bridge
ip -n "$switch" link set bridge up

# host NAME NUMBER: a namespace on the bridge, with the address 10.46.53.NUMBER.
host() {
  ip netns add "$here-$1"
  ip link add eth0 netns "$here-$1" type veth peer name "port-$1" netns "$switch"
  ip -n "$switch" link set "port-$1" master bridge up
  ip -n "$here-$1" addr add "10.46.53.$2/24" dev eth0
  ip -n "$here-$1" link set eth0 up
  ip -n "$here-$1" link set lo up
}
# on NAME COMMAND...: in the background, on that host. Its output is in $work/NAME-NUMBER.log.
on() {
  local name=$1
  shift
  ip netns exec "$here-$name" "$@" >"$work/$name-${#started[@]}.log" 2>&1 &
  started+=($!)
}
show_logs() { tail -n 20 "$work"/*.log; }

host server 1
host a 2
host b 3
# No tcp shortcut: the hosts do not share a loopback, so whoever answers there is another one.
on server "$holdfastd" --insecure-no-auth --listen tcp://10.46.53.1:4653 --ports-file "$work/ports"
server=${started[0]}
for _ in $(seq 100); do
  [ -s "$work/ports" ] && break
  sleep 0.05
done
[ -s "$work/ports" ] || { show_logs; exit 1; }

export HOLDFAST_URL=tcp://10.46.53.1:4653
tree=$(words_tree)
words_expected "$tree" >"$work/expected"
for _ in 1 2 3; do
  on a "$wordcount" worker
  on b "$wordcount" worker
done
ip netns exec "$here-a" timeout 120 "$wordcount" coordinator --await 6 --out "$work/counted" "$tree" || { show_logs; exit 1; }
words_compare "$work/expected" "$work/counted"

# The workers see that the job is over, and the server stops when told.
for pid in "${started[@]:1}"; do
  wait "$pid" || { show_logs; echo "a worker failed"; exit 1; }
done
for name in a b; do
  words=$(cat "$work/$name"-*.log | awk '/the job is over/ { sum += $(NF - 1) } END { print sum + 0 }')
  echo "host $name counted $words words of $tree"
  [ "$words" -gt 0 ]
done
kill -TERM "$server"
wait "$server" || { show_logs; echo "the server did not stop well"; exit 1; }
started=()
echo "$(wc -l <"$work/expected") different words, counted by six workers on two hosts as coreutils counts them"
