# holdfast lock: run holds it, passes the exit code and signals on, and always releases.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT lock info l
fails_with 1 NO_SUCH_OBJECT lock release l
says 0 inside lock run l -- echo inside
json_holds 'd["name"] == "l" and d["locked"] is False and d["waiting"] == 0' lock info l
fails_with 4 NOT_LOCKED lock release l

# The exit code, the token, the options of the program itself.
says 7 '' lock run l -- sh -c 'exit 7'
says 143 '' lock run l -- sh -c 'kill -TERM $$'
says 127 '' lock run l -- /nonexistent/program
says 126 '' lock run l -- /etc
first=$("$HOLDFAST" lock run l -- printenv HOLDFAST_LOCK_TOKEN)
second=$("$HOLDFAST" lock run l -- printenv HOLDFAST_LOCK_TOKEN)
[ "$second" -gt "$first" ] || fail "the token does not rise: $first, $second"
says 0 'a -x --help' lock run l -- echo a -x --help
json_holds 'd["locked"] is False' lock info l

# Held meanwhile: others are refused, or wait.
"$HOLDFAST" lock run l -- sh -c "touch '$TEST_DIR/held'; while [ ! -e '$TEST_DIR/go' ]; do sleep 0.02; done" &
owner=$!
eventually test -e "$TEST_DIR/held"
json_holds 'd["locked"] is True and d["owner"] != ""' lock info l
fails_with 1 LOCK_HELD lock run l --nowait -- echo no
fails_with 1 LOCK_HELD lock run l --timeout 50 -- echo no
fails_with 4 TOKEN_STALE lock release l --token "$first"
"$HOLDFAST" lock run l -- echo waited >"$TEST_DIR/waited" &
waiter=$!
eventually sh -c "'$HOLDFAST' -o json lock info l | grep -q '\"waiting\": 1'"
touch "$TEST_DIR/go"
wait $owner || fail "the owner failed"
wait $waiter || fail "the waiter failed"
[ "$(cat "$TEST_DIR/waited")" = waited ] || fail "the waiter did not run"

# ls shows the tree: m is held by who waits for l.
says 0 '' lock ls
says_json 0 '{"locks": []}' lock ls
program="while [ ! -e '$TEST_DIR/leave' ]; do sleep 0.02; done"
"$HOLDFAST" lock run l --lease-ms 30000 -- sh -c "touch '$TEST_DIR/l'; $program" &
outer=$!
eventually test -e "$TEST_DIR/l"
json_holds 'd["lease_ms"] == 30000' lock info l
"$HOLDFAST" lock run m -- "$HOLDFAST" lock run l -- true &
inner=$!
eventually sh -c "'$HOLDFAST' lock ls | grep -q waits"
"$HOLDFAST" lock ls >"$TEST_DIR/tree"
grep -Eq '^l \(lock\): .*, token [0-9]+, lease 30000 ms$' "$TEST_DIR/tree" || fail "lock ls" "$(cat "$TEST_DIR/tree")"
grep -Eq '^  .* waits [0-9]+ ms$' "$TEST_DIR/tree" || fail "lock ls" "$(cat "$TEST_DIR/tree")"
grep -Eq '^m \(lock\): .*, token [0-9]+$' "$TEST_DIR/tree" || fail "lock ls" "$(cat "$TEST_DIR/tree")"
json_holds '[(l["name"], len(l["waiters"])) for l in d["locks"]] == [("l", 1), ("m", 0)]' lock ls
json_holds 'all(l["owned"] and not l["deadlocked"] for l in d["locks"])' lock ls
[ "$("$HOLDFAST" -o raw lock ls | cut -f2 | tr '\n' ' ')" = 'l m ' ] || fail "lock ls -o raw"
touch "$TEST_DIR/leave"
wait $outer || fail "the owner of l failed"
wait $inner || fail "the owner of m failed"
says 0 '' lock run l --refuse-deadlock -- true

# Two threads that wait for each other: a circle, which ls follows once.
"$CIRCLE" &
circle=$!
eventually sh -c "'$HOLDFAST' lock ls | grep -q deadlock"
[ "$("$HOLDFAST" lock ls | sed 's/token [0-9]*/token N/; s/[0-9]* ms/T ms/')" = 'left (lock): circle, token N
  circle waits T ms
    right (lock): circle, token N
      circle waits T ms
        left (lock): deadlock' ] || fail "lock ls" "$("$HOLDFAST" lock ls)"
json_holds 'all(l["deadlocked"] for l in d["locks"]) and len(d["locks"]) == 2' lock ls
json_holds 'd["deadlocks"] == 1' info
kill -KILL $circle
wait $circle 2>/dev/null

# A signal reaches the program, and the lock is free afterwards.
"$HOLDFAST" lock run l -- sh -c "trap 'exit 5' TERM; touch '$TEST_DIR/trapped'; while :; do sleep 0.02; done" &
owner=$!
eventually test -e "$TEST_DIR/trapped"
kill -TERM $owner
wait $owner
code=$?
[ $code -eq 5 ] || fail "the program's exit code after SIGTERM was lost: $code"
json_holds 'd["locked"] is False' lock info l

# A command that is killed leaves neither the program nor, after the grace time, the lock.
"$HOLDFAST" lock run l -- sh -c "echo \$\$ >'$TEST_DIR/child'; exec sleep 60" &
owner=$!
eventually test -s "$TEST_DIR/child"
kill -KILL $owner
wait $owner 2>/dev/null
says 0 mine lock run l --timeout 20000 -- echo mine
child=$(cat "$TEST_DIR/child")
eventually sh -c "! kill -0 $child"

# Released by somebody else while it is held: the command says so.
"$HOLDFAST" lock run l -- sh -c "touch '$TEST_DIR/third'; while [ ! -e '$TEST_DIR/over' ]; do sleep 0.02; done" \
  2>"$TEST_DIR/lost" &
owner=$!
eventually test -e "$TEST_DIR/third"
says 0 '' lock release l
touch "$TEST_DIR/over"
wait $owner
code=$?
[ $code -eq 4 ] || fail "a lock that was released by another went unnoticed: $code"
fails_with 2 USAGE lock run l

# A command that was stopped beyond its lease has lost the lock: its program is ended.
"$HOLDFAST" lock run l --lease-ms 300 -- sh -c "echo \$\$ >'$TEST_DIR/leased'; exec sleep 60" 2>"$TEST_DIR/lost" &
owner=$!
eventually test -s "$TEST_DIR/leased"
kill -STOP $owner
says 0 mine lock run l --timeout 20000 -- echo mine
kill -CONT $owner
child=$(cat "$TEST_DIR/leased")
eventually sh -c "! kill -0 $child"
kill -KILL "$child" 2>/dev/null
wait $owner
code=$?
[ $code -eq 4 ] || fail "a lease that was over is answered with $code"
grep -q 'the lock was lost' "$TEST_DIR/lost" || fail "nothing is said about the lease"

# The server is restarted: the lock is lost, so the program is ended, and the exit code says why.
second_server() {
  "$HOLDFASTD" --listen "ipc://$TEST_DIR/second.sock" >"$TEST_DIR/second.log" 2>&1 &
  server=$!
  eventually "$HOLDFAST" --url "ipc://$TEST_DIR/second.sock" --timeout 100 ping
}
second_server
"$HOLDFAST" --url "ipc://$TEST_DIR/second.sock" lock run l -- \
  sh -c "echo \$\$ >'$TEST_DIR/fourth'; exec sleep 60" 2>"$TEST_DIR/lost" &
owner=$!
eventually test -s "$TEST_DIR/fourth"
kill -KILL $server
wait $server 2>/dev/null
second_server
wait $owner
code=$?
[ $code -eq 3 ] || fail "a lost session is answered with $code"
grep -q 'the lock was lost' "$TEST_DIR/lost" || fail "nothing is said about the lost lock"
child=$(cat "$TEST_DIR/fourth")
eventually sh -c "! kill -0 $child"
kill -TERM $server
wait $server || fail "the second server failed"
finish
