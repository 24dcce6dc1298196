#!/bin/bash
# Makes tests/cli/formats/NUMBER.tar.gz: what this build writes with --data, a snapshot and a journal behind it,
# for test_formats.sh, which all later builds have to pass. A new sample when a number of the formats is raised:
# RECORD_VERSION, the VERSION of both snapshots, FORMAT of a part, ENGINE_REVISION, FORMAT of a backup.
#
#   make_sample.sh HOLDFASTD HOLDFAST NUMBER
set -eu
holdfastd=$1 holdfast=$2 number=$3
formats=$(cd "$(dirname "$0")" && pwd)/formats
directory=$(mktemp -d)
server= programs=
trap '[ -z "$server$programs" ] || kill -KILL -- $server $programs; rm -rf "$directory"' EXIT
export HOLDFAST_URL=ipc://$directory/sock

# await CONDITION..
await() {
  for _ in $(seq 200); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.05
  done
  echo "make_sample.sh: not so after 10 s: $*" >&2
  exit 1
}

# is_waiting COUNT: so many requests wait.
is_waiting() {
  "$holdfast" -o json info | grep -q "\"waiting\": $1[,}]"
}

# One object of each kind, whose names begin with $1; programs that outlive the server keep what they
# have. $2 requests wait.
fill() {
  local name=$1
  "$holdfast" dict update "$name-dict" text '"eins"' number 2 float 2.5 nothing null truth true \
    bytes '{"bytes": "AAEC"}' tuple '[1, [2, "b"]]' gone 1 5 '"a key that is a number"'
  "$holdfast" dict del "$name-dict" gone
  "$holdfast" list extend "$name-list" 3 1 2 '"four"'
  "$holdfast" list reverse "$name-list"
  "$holdfast" queue put "$name-queue" second third --priority 2
  "$holdfast" queue put "$name-queue" first --priority 1
  "$holdfast" queue put "$name-delayed" later --delay-ms 1000
  "$holdfast" queue put "$name-work" buried reserved
  "$holdfast" queue work "$name-work" --bury --count 1 -- false || true
  "$holdfast" namespace set "$name-namespace" attribute '"value"'
  "$holdfast" value new "$name-value" i -7
  "$holdfast" array new "$name-array" d '[1.5, 2.5, -3.5]'
  "$holdfast" semaphore new "$name-semaphore" --start 3
  "$holdfast" event new "$name-set"
  "$holdfast" event set "$name-set"
  "$holdfast" event new "$name-clear"
  "$holdfast" condition new "$name-condition"
  "$holdfast" barrier new "$name-barrier" --parties 2
  setsid "$holdfast" queue work "$name-work" -- sleep 600 &
  programs+=" -$!"
  await sh -c "[ \$('$holdfast' queue size '$name-work') = 0 ]"
  setsid "$holdfast" lock run "$name-lock" -- sleep 600 &
  programs+=" -$!"
  await sh -c "'$holdfast' -o json lock info '$name-lock' | grep -q '\"locked\": true'"
  "$holdfast" queue new "$name-empty"
  setsid "$holdfast" queue get "$name-empty" &
  programs+=" -$!"
  await is_waiting "$2"
}

"$holdfastd" --data "$directory/data" --listen "$HOLDFAST_URL" 2>"$directory/log" &
server=$!
await "$holdfast" ping
fill snapshot 1
"$holdfast" snapshot --wait
fill journal 2
kill -KILL "$server"
wait "$server" || true
server=
tar -C "$directory" --sort=name --owner=0 --group=0 --numeric-owner --exclude=lock --exclude='*-shm' \
  -cf - data | gzip -9n >"$formats/$number.tar.gz"
ls -l "$formats/$number.tar.gz"
tar -tvzf "$formats/$number.tar.gz"
