#!/usr/bin/env bash
# Part of hosts.containers: containers that have the directory of the server's sockets use shared memory,
# others the network; all of them count on one Value; killed owners of its lock, and a killed server,
# are noticed.
#   containers_local.sh CELL_CLIENT      with DOCKER_HOST and HOLDFAST_IMAGE
set -euo pipefail
client=$(realpath "$1")
name=holdfast-local-$$
count=10000
work=$(mktemp -d)
names=()

clean() {
  [ ${#names[@]} -eq 0 ] || docker rm -fv "${names[@]}" >/dev/null 2>&1 || true
  docker volume rm -f "$name" >/dev/null 2>&1 || true
  docker network rm "$name" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
failed() {
  echo "not so: $*"
  for container in "${names[@]}"; do
    echo "-- $container"
    docker logs --tail 10 "$container" 2>&1 || true
  done
  exit 1
}

# start NAME OPTIONS.. -- COMMAND..: a client in the background, with the program to run in it.
start() {
  local container=$name-$1 options=()
  shift
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  names+=("$container")
  docker run -d --name "$container" --read-only --cap-drop ALL --network "$name" \
    -e HOLDFAST_LOG=connect -v "$client:/cell_client:ro" "${options[@]}" \
    --entrypoint /cell_client "$HOLDFAST_IMAGE" "${@:2}" >/dev/null
}
# said NAME: what it printed, on both streams.
said() { docker logs "$name-$1" 2>&1; }
# ends NAME TEXT..: it succeeds, having said each of the texts.
ends() {
  local code
  code=$(timeout 60 docker wait "$name-$1")
  [ "$code" = 0 ] || failed "$1 ends with exit code 0: $code"
  for text in "${@:2}"; do
    [[ $(said "$1") == *"$text"* ]] || failed "$1 says: $text"
    echo "$1: $text"
  done
}
# awaits NAME WORD: until it has said that.
awaits() {
  for _ in $(seq 100); do
    [[ $(said "$1") == *"$2"* ]] && return
    sleep 0.1
  done
  failed "$1 says: $2"
}

docker network create --internal "$name" >/dev/null
names+=("$name-server")
docker run -d --name "$name-server" --read-only --cap-drop ALL --network "$name" \
  -v "$name:/run/holdfast" "$HOLDFAST_IMAGE" --insecure-no-auth --listen tcp://0.0.0.0:4653 \
  --listen ipc:///run/holdfast/holdfast.sock >/dev/null # other users are served, without memory
for _ in $(seq 100); do
  docker exec "$name-server" holdfast ping >/dev/null 2>&1 && break
  sleep 0.1
done

sockets=(-v "$name:/run/holdfast:ro")
ipc=(-e "HOLDFAST_URL=ipc:///run/holdfast/holdfast.sock")
tcp=(-e "HOLDFAST_URL=tcp://$name-server:4653")

# Everybody at once: with the sockets, by either address; in the server's own namespace of process ids;
# without them; as somebody else.
start a "${sockets[@]}" "${ipc[@]}" -- add $count
start b "${sockets[@]}" "${tcp[@]}" -- add $count
start mapped "${sockets[@]}" "${ipc[@]}" --pid "container:$name-server" -- add $count
start remote "${tcp[@]}" -- add $count
start other "${sockets[@]}" "${tcp[@]}" --user 1000:1000 -- add $count
start group "${sockets[@]}" "${ipc[@]}" --user 1000:4653 -- add $count
ends a "over shared memory" "added $count at the server"
ends b "over shared memory" "added $count at the server"
ends mapped "over shared memory" "added $count in memory"
ends remote "over tcp, not shared memory: there is no local handshake" "added $count at the server"
ends other "over tcp, not shared memory: this user may not connect to the server's local handshake" "added $count"
ends group "over ipc, not shared memory: the server there is another user's" "added $count"
sum=$(docker exec "$name-server" holdfast value get cell)
[ "$sum" = $((6 * count)) ] || failed "the sum is $((6 * count)): $sum"
echo "sum of six containers: $sum"

# An owner is killed; a waiter, in any container, goes on and is notified.
# dies HOLDER NEXT OPTIONS..
dies() {
  local owner=$1 next=$2
  shift 2
  start "$next" "$@" -- next
  sleep 1 # it is in line
  local killed_ms
  killed_ms=$(date +%s%3N)
  docker kill -s KILL "$name-$owner" >/dev/null
  ends "$next" "next, the one before died"
  echo "$owner was killed in the lock: the next one had it within $(($(date +%s%3N) - killed_ms)) ms"
}
start owner-a "${sockets[@]}" "${ipc[@]}" -- hold
awaits owner-a held
dies owner-a next-b "${sockets[@]}" "${ipc[@]}"
start owner-mapped "${sockets[@]}" "${ipc[@]}" --pid "container:$name-server" -- hold
awaits owner-mapped held
dies owner-mapped next-remote "${tcp[@]}"

# The server is killed: who counts in memory, where nobody else is needed, notices.
start counter "${sockets[@]}" "${ipc[@]}" -- count
awaits counter counting
docker kill -s KILL "$name-server" >/dev/null
ends counter "over shared memory" "stopped: NOT_CONNECTED"
