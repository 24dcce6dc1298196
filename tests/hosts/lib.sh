# Several hosts on one machine, for sourcing: each a network namespace on one bridge.
#
#     server  10.46.53.1 ─┐
#     a       10.46.53.2 ─┤ bridge, in a namespace too: nothing of this machine's network is touched
#     b       10.46.53.3 ─┘
#
# Exits 77, which means skipped, where namespaces are not allowed; with CI set that is a failure.
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

# start_server HOLDFASTD [OPTIONS]: on its host; $server is its process. Without options: in clear, for all.
start_server() {
  local program=$1
  shift
  [ $# -gt 0 ] || set -- --insecure-no-auth --listen tcp://10.46.53.1:4653
  # No tcp shortcut: the hosts do not share a loopback, so whoever answers there is another one.
  on server "$program" "$@" --ports-file "$work/ports"
  server=${started[-1]}
  await_file "$work/ports"
}
# await_file PATH: until something is in it
await_file() {
  for _ in $(seq 100); do
    [ -s "$1" ] && return
    sleep 0.05
  done
  show_logs
  exit 1
}
stop_server() {
  kill -TERM "$server"
  wait "$server" || { show_logs; echo "the server did not stop well"; exit 1; }
  started=()
}
