#!/usr/bin/env bash
# hosts.containers: builds the image, counts words with the containers of deploy/compose.yaml, looks at
# what they may and may not do, shares memory between containers (containers_local.sh), then runs the
# container commands of README.md.
#   containers.sh ROOT CELL_CLIENT
set -euo pipefail
. "$1/deploy/lib.sh"
. "$root/deploy/words.sh"
base=${HOLDFAST_BASE:-debian:bookworm-slim}

skip() {
  echo "skipped: $*"
  exit 77
}
host=$(container_engine) || skip "the container engine could not be started"
[ -n "$host" ] || skip "no container engine answers (DOCKER_HOST is '${DOCKER_HOST:-}')"
export DOCKER_HOST=$host DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
command -v docker-compose >/dev/null || skip "docker-compose is not installed"
docker image inspect "$base" >/dev/null 2>&1 || timeout 180 docker pull -q "$base" ||
  skip "no base image $base, and it can't be pulled"

export COMPOSE_PROJECT_NAME=holdfast-test-$$ HOLDFAST_IMAGE=holdfast-test-$$ HOLDFAST_BASE=$base
HOLDFAST_TREE=$(words_tree)
export HOLDFAST_TREE
work=$(mktemp -d)
export HOLDFAST_KEY=$work/words.key
compose() { docker-compose -f "$root/deploy/compose.yaml" "$@" </dev/null; }
clean() {
  compose down -v -t 1 >/dev/null 2>&1 || true
  docker image rm -f "$HOLDFAST_IMAGE" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT

failed() {
  echo "not so: $*"
  compose ps -a || true
  compose logs --no-color --tail 30 || true
  exit 1
}
# expect WHAT WANTED FOUND
expect() {
  [ "$2" = "$3" ] || failed "$1 is '$3', not '$2'"
  echo "$1: $3"
}
inspect() { docker inspect -f "$2" "$1"; }

compose build >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
size_bytes=$(inspect "$HOLDFAST_IMAGE" '{{.Size}}')
base_bytes=$(inspect "$base" '{{.Size}}')
echo "image: $((size_bytes >> 20)) MiB, $(((size_bytes - base_bytes) >> 20)) MiB more than its base"

(umask 077 && docker run --rm --entrypoint holdfast "$HOLDFAST_IMAGE" key new words >"$work/words.key")
chmod 755 "$work" && chmod 444 "$work/words.key" # for the user of the containers
compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; failed "the containers start"; }
server=$(compose ps -q server)
coordinator=$(compose ps -q coordinator)
expect "coordinator's exit code" 0 "$(timeout 180 docker wait "$coordinator")"
docker cp "$coordinator:/var/lib/holdfast/words" "$work/counted" >/dev/null
words_expected "$HOLDFAST_TREE" >"$work/expected"
words_compare "$work/expected" "$work/counted" || failed "counts equal coreutils'"
echo "counts: $(wc -l <"$work/counted") different words, as coreutils counts them"
workers=$(compose ps -q worker)
expect "workers" 3 "$(wc -w <<<"$workers")"
for worker in $workers; do
  expect "worker's exit code" 0 "$(timeout 60 docker wait "$worker")"
done

expect "user" 4653 "$(docker exec "$server" id -u)"
expect "capabilities" 0000000000000000 "$(docker exec "$server" awk '/^CapEff/ { print $2 }' /proc/1/status)"
if docker exec -u 0 "$server" touch /usr/local/bin/new 2>/dev/null; then
  failed "the root file system can't be written"
fi
echo "root file system: read-only"
await_health() {
  for _ in $(seq 100); do
    health=$(inspect "$server" '{{.State.Health.Status}}')
    [ "$health" = healthy ] && break
    sleep 0.2
  done
  expect "health" healthy "$health"
}
await_health

# The state is in a volume: a server that was killed, and one in a new container, have what was acknowledged.
holdfast() { docker exec "$server" holdfast "$@"; }
expect "owner and mode of /data" "4653 700" "$(docker exec "$server" stat -c '%u %a' /data)"
holdfast dict set kept before 1
docker kill "$server" >/dev/null
docker start "$server" >/dev/null
await_health
expect "after a kill" 1 "$(holdfast dict get kept before)"
holdfast backup /run/holdfast/backup >/dev/null
compose rm -sf server >/dev/null 2>&1
compose up -d --no-deps server >/dev/null 2>&1 || failed "a new container of the server starts"
server=$(compose ps -q server)
await_health
expect "in a new container" 1 "$(holdfast dict get kept before)"

begun_ns=$(date +%s%N)
docker stop -t 20 "$server" >/dev/null
took_ms=$((($(date +%s%N) - begun_ns) / 1000000))
expect "server's exit code" 0 "$(inspect "$server" '{{.State.ExitCode}}')"
[ "$took_ms" -lt 5000 ] || failed "stopping takes less than 5 s: $took_ms ms"
echo "stopped in $took_ms ms"

begun_s=$SECONDS
bash "$(dirname "$0")/containers_local.sh" "$2"
echo "shared memory between containers: $((SECONDS - begun_s)) s"

python3 "$root/tests/lint/readme.py" "$root" --containers
