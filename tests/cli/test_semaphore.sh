# holdfast semaphore: run has one of it, passes the exit code on, and gives it back.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT semaphore info s
fails_with 1 NO_SUCH_OBJECT semaphore release s
fails_with 1 NO_SUCH_OBJECT semaphore run s -- echo no
usage semaphore new s --start -1
usage semaphore new s --start many
says 0 '' semaphore new s --start 2
says_json 0 '{"ok": true}' semaphore new s --start 2
fails_with 4 WRONG_SHAPE semaphore new s --start 3
fails_with 4 WRONG_KIND semaphore new s --start 2 --bounded
says_json 0 '{"name": "s", "kind": "semaphore", "value": 2, "waiting": 0}' semaphore info s
json_holds 'd["kind"] == "semaphore" and d["value"] == 2' info s
says 0 inside semaphore run s -- echo inside
says 7 '' semaphore run s -- sh -c 'exit 7'
says 127 '' semaphore run s -- /nonexistent/program
says 0 'a -x --help' semaphore run s -- echo a -x --help
fails_with 2 USAGE semaphore run s
json_holds 'd["value"] == 2' semaphore info s

# Two have it, a third is refused or waits until one of them is done.
program="while [ ! -e '$TEST_DIR/go' ]; do sleep 0.02; done"
"$HOLDFAST" semaphore run s -- sh -c "touch '$TEST_DIR/first'; $program" &
first=$!
"$HOLDFAST" semaphore run s -- sh -c "touch '$TEST_DIR/second'; $program" &
second=$!
eventually test -e "$TEST_DIR/first"
eventually test -e "$TEST_DIR/second"
json_holds 'd["value"] == 0' semaphore info s
fails_with 1 NO_PERMIT semaphore run s --nowait -- echo no
fails_with 1 NO_PERMIT semaphore run s --timeout 50 -- echo no
"$HOLDFAST" semaphore run s -- echo waited >"$TEST_DIR/waited" &
waiter=$!
eventually sh -c "'$HOLDFAST' -o json semaphore info s | grep -q '\"waiting\": 1'"
touch "$TEST_DIR/go"
wait $first || fail "the first failed"
wait $second || fail "the second failed"
wait $waiter || fail "the waiter failed"
[ "$(cat "$TEST_DIR/waited")" = waited ] || fail "the waiter did not run"
json_holds 'd["value"] == 2' semaphore info s

# What a command had that is killed comes back.
says 0 '' semaphore new one
"$HOLDFAST" semaphore run one -- sh -c "echo \$\$ >'$TEST_DIR/child'; exec sleep 60" &
owner=$!
eventually test -s "$TEST_DIR/child"
json_holds 'd["value"] == 0' semaphore info one
kill -KILL $owner
wait $owner 2>/dev/null
says 0 mine semaphore run one --timeout 20000 -- echo mine
child=$(cat "$TEST_DIR/child")
eventually sh -c "! kill -0 $child"

# Released by hand: a bounded one not beyond its start.
says 0 '' semaphore release one
says 0 '' semaphore release one 3
json_holds 'd["value"] == 5' semaphore info one
fails_with 2 USAGE semaphore release one 0
says 0 '' semaphore new bounded --start 2 --bounded
fails_with 4 RELEASED_TOO_OFTEN semaphore release bounded
json_holds 'd["kind"] == "bounded_semaphore" and d["value"] == 2' semaphore info bounded
json_holds '[o["name"] for o in d["objects"]] == ["bounded"]' ls --kind bounded_semaphore
says 0 '' dict set d 1 1
fails_with 4 WRONG_KIND semaphore info d
finish
