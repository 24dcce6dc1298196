# holdfast ping, ls, info, rm.
. "$(dirname "$0")/lib.sh"

json_holds 'd["round_trip_us"] > 0' ping
"$HOLDFAST" ping | grep -Eq '^[0-9]+\.[0-9] us$' || fail "ping prints a time"
says_json 0 '{"objects": []}' ls
says 0 '' dict set app/ages Ann 41
says 0 '' queue new app/work --maxsize 5
says 0 '' list append other x
json_holds '[o["name"] for o in d["objects"]] == ["app/ages", "app/work", "other"]' ls
json_holds '[(o["name"], o["kind"]) for o in d["objects"]] == [("app/ages", "dict"), ("app/work", "queue")]' ls app/
json_holds '[o["name"] for o in d["objects"]] == ["other"]' ls --kind list
kind_error=$("$HOLDFAST" ls --kind lists 2>&1)
[ $? -eq 2 ] || fail "an unknown kind is a usage error: $kind_error"
"$HOLDFAST" -o table ls | head -1 | grep -Eq '^NAME +KIND +LENGTH' || fail "ls has a heading"
json_holds 'd["maxsize"] == 5 and d["kind"] == "queue" and d["length"] == 0' info app/work
json_holds 'd["objects"] == 3 and d["sessions"] >= 1 and d["version"] and d["uptime_ms"] >= 0' info
json_holds 'd["memory_bytes"] > 0 and d["memory_bytes_max"] == 8 << 30 and d["memory_sessions"] > 0 and 0 < d["memory_waiters_max"] < d["memory_bytes_max"]' info
json_holds 'sum(d["memory_" + use] for use in "containers values shared index references sessions waiters windows scratch reclaimed".split()) == d["memory_bytes"]' info
"$HOLDFAST" -o table info | grep -Eq '^objects +3$' || fail "info is a table for people"
"$HOLDFAST" -o raw info other | grep -Fxq $'kind\tlist' || fail "info has raw lines"
fails_with 1 NO_SUCH_OBJECT info nothing
json_holds '"journal_index" not in d' info
fails_with 4 NO_JOURNAL snapshot
fails_with 4 NO_JOURNAL backup "$TEST_DIR/file"
checks=$((checks + 1))
[ -z "$(ls "$TEST_DIR" | grep file)" ] || fail "a backup that failed left a file"
fails_with 4 NO_JOURNAL snapshot --wait
says_json 0 '{"ok": true}' rm app/ages app/work
fails_with 1 NO_SUCH_OBJECT rm app/ages
"$HOLDFAST" rm nothing other 2>/dev/null && fail "rm of a missing name succeeds"
says_json 0 '{"objects": []}' ls

# Why not through shared memory, of servers of its own.
# path_of LISTEN PATH REASON
path_of() {
  checks=$((checks + 1))
  rm -f "$TEST_DIR/own.ports"
  "$HOLDFASTD" --listen "$1" --ports-file "$TEST_DIR/own.ports" 2>"$TEST_DIR/own.log" &
  local server=$! url info
  for ((i = 0; i < 500; i++)); do
    [ -s "$TEST_DIR/own.ports" ] && break
    sleep 0.02
  done
  url=$(cat "$TEST_DIR/own.ports")
  info=$("$HOLDFAST" --url "$url" -o raw info | grep '^path')
  [ "$info" = $'path\t'"$2"$'\npath_reason\t'"$3" ] || fail "info of $url says: $info" "wanted: $2, $3"
  kill "$server"
  wait "$server"
}
path_of tcp://127.0.0.1:0 tcp "the server runs on another machine, or has no ipc address"
long=$TEST_DIR/$(printf 'x%.0s' {1..100})
path_of "ipc://${long:0:105}" ipc "the ipc socket's path is too long for a local handshake beside it"
grep -q 'no shared memory for clients' "$TEST_DIR/own.log" || fail "the server says so too"

# An invalid value is refused, not taken for the other one.
for preference in on '' off; do
  HOLDFAST_LOCAL=$preference "$HOLDFAST" ping >/dev/null || fail "HOLDFAST_LOCAL='$preference' is refused"
done
for preference in 0 OFF no; do
  HOLDFAST_LOCAL=$preference fails_with 4 BAD_ARGUMENT ping
done

# References read as such.
fails_with 2 USAGE dict set d k '{"reference":1,"kind":"dict"}'
finish
