# The example programs print what they promise, again and again, and leave nothing on the server.
. "$(dirname "$0")/lib.sh"

objects() {
  "$HOLDFAST" -o json info | "${PYTHON:-python3}" -c 'import json, sys; print(json.load(sys.stdin)["objects"])'
}

prints() {
  local program=$1 expected=$2 output
  for ((round = 0; round < 3; round++)); do
    checks=$((checks + 1))
    output=$("$EXAMPLES/$program" 2>&1)
    code=$?
    [ $code -eq 0 ] && [ "$output" = "$expected" ] ||
      fail "$program, round $round: exit code $code" "expected: $expected" "got: $output"
  done
}

before=$(objects)
squares='0, 1, 4, 9, 16, 25, 36, 49, 64, 81'
prints dict_from_ten_processes '{0: 0, 1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36, 7: 49, 8: 64, 9: 81}'
prints list_from_ten_processes "[$squares]"
prints value_and_array $'3.1415927\n'"[$squares]"
prints queue_and_pipe $'hello 0 times\nhello 1 times\nhello 2 times'
prints raw_value_and_raw_array $'Shared value: 10000\nShared array: [1, 4, 9, 16, 25]'
after=$(objects)
[ "$before" = "$after" ] || fail "the examples left objects behind: $before before, $after after"

# Asked to, they tell which way their calls go, each process for itself, and only on standard error.
checks=$((checks + 1))
HOLDFAST_LOG=connect "$EXAMPLES/value_and_array" >"$TEST_DIR/printed" 2>"$TEST_DIR/said"
[ "$(cat "$TEST_DIR/printed")" = $'3.1415927\n'"[$squares]" ] || fail "HOLDFAST_LOG changes the output"
[ "$(wc -l <"$TEST_DIR/said")" = 2 ] || fail "not two lines: $(cat "$TEST_DIR/said")"
goes "$TEST_DIR/said" value_and_array
json_holds "d['path'] == '$way' and d['path_reason'] == '$way_reason'" info

# The worker of the first page: two of them share the numbers.
for ((number = 1; number <= 20; number++)); do numbers+=("$number"); done
says 0 '' queue put work "${numbers[@]}" null null
"$EXAMPLES/worker" & first=$!
"$EXAMPLES/worker" & second=$!
wait $first || fail "the first worker failed"
wait $second || fail "the second worker failed"
# The item that stopped them is done too, text as well as none.
says 0 '' queue put work stop
"$EXAMPLES/worker" || fail "the worker that is stopped by a text failed"
says 0 '' queue join work --nowait
says 0 20 dict len results
says 0 400 dict get results 20
[ "$(wc -l <"$(dirname "$0")/../../client/examples/worker.c")" -le 20 ] || fail "worker.c has grown"

# The same on an epoll loop: a thousand calls in flight, of which all but one wait when it is to
# stop.
for ((number = 101; number <= 400; number++)); do more+=("$number"); done
"$EXAMPLES/epoll_worker" & first=$!
says 0 '' queue put work "${more[@]}"
says 0 '' queue join work
says 0 '' queue put work stop
wait $first || fail "the epoll worker failed"
says 0 '' queue join work --nowait
says 0 320 dict len results
says 0 160000 dict get results 400

# Without a server they say so.
checks=$((checks + 1))
message=$(HOLDFAST_URL=nonsense "$EXAMPLES/dict_from_ten_processes" 2>&1)
[ $? -ne 0 ] && [ -n "$message" ] || fail "a wrong address goes unnoticed"
finish
