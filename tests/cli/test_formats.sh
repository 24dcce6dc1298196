# What earlier builds have written with --data: formats/NUMBER.tar.gz, one for each format there was, made by
# make_sample.sh. Each is loaded, checked object by object, and written and loaded once more by this build.
. "$(dirname "$0")/lib.sh"

export HOLDFAST_URL=ipc://$TEST_DIR/formats.sock
server=
trap '[ -n "$server" ] && kill -KILL "$server" 2>/dev/null' EXIT

start() {
  "$HOLDFASTD" --data "$1" --listen "$HOLDFAST_URL" >"$TEST_DIR/formats.log" 2>&1 &
  server=$!
  local try
  for try in $(seq 200); do
    "$HOLDFAST" --timeout 1000 ping >/dev/null 2>&1 && return
    kill -0 $server 2>/dev/null || break
  done
  fail "$1 is not loaded; if it is the memory that is counted, or what commands do, ENGINE_REVISION has to be raised" \
    "$(cat "$TEST_DIR/formats.log")"
  wait $server
  server=
  finish
}

stop() {
  kill -TERM $server
  wait $server || fail "the server exits with $?" "$(cat "$TEST_DIR/formats.log")"
  server=
}

# What there is while the clients' grace times last: to be asked for first.
still_waits() {
  local name
  for name in snapshot journal; do
    json_holds 'd["locked"] and d["token"] > 0' lock info "$name-lock"
  done
  json_holds 'd["waiting"] == 2' info
}

# What make_sample.sh has filled under that name.
is_there() {
  local name=$1
  says_json 0 '{"items": [{"key": "text", "value": "eins"}, {"key": "number", "value": 2},
    {"key": "float", "value": 2.5}, {"key": "nothing", "value": null}, {"key": "truth", "value": true},
    {"key": "bytes", "value": {"bytes": "AAEC"}}, {"key": "tuple", "value": [1, [2, "b"]]},
    {"key": 5, "value": "a key that is a number"}]}' dict items "$name-dict"
  says_json 0 '{"values": ["four", 2, 1, 3]}' list slice "$name-list"
  says 0 3 queue size "$name-queue"
  says 0 0 queue size "$name-empty"
  says_json 0 '{"value": "value"}' namespace get "$name-namespace" attribute
  says 0 -7 value get "$name-value"
  says_json 0 '{"values": [1.5, 2.5, -3.5]}' array slice "$name-array"
  json_holds 'd["value"] == 3' semaphore info "$name-semaphore"
  says 0 true event is-set "$name-set"
  says 1 false event is-set "$name-clear"
  json_holds 'not d["locked"]' condition info "$name-condition"
  json_holds 'd["parties"] == 2 and not d["broken"]' barrier info "$name-barrier"
}

# The same objects go on.
goes_on() {
  local name=$1 item
  for item in first second third; do
    says 0 $item queue get "$name-queue"
  done
  says 0 later queue get "$name-delayed" --timeout 5000
  says 0 1 queue kick "$name-work"
  says 0 -6 value add "$name-value"
  says 0 '' dict set "$name-dict" more 1
  says 0 9 dict len "$name-dict"
}

unpack() {
  rm -rf "$TEST_DIR/data"
  tar -C "$TEST_DIR" -xzf "$1" || fail "$1 can't be unpacked"
}

for sample in "$(dirname "$0")"/formats/*.tar.gz; do
  unpack "$sample"
  start "$TEST_DIR/data"
  still_waits
  is_there snapshot
  is_there journal
  stop
  unpack "$sample"
  start "$TEST_DIR/data"
  stop # which writes all of it
  start "$TEST_DIR/data"
  still_waits
  is_there snapshot
  is_there journal
  goes_on snapshot
  goes_on journal
  stop
  echo "$(basename "$sample"): $checks checks so far"
done
finish
