# holdfast queue: every verb, waiting and not waiting.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT queue get q --nowait
says 0 '' queue new q --maxsize 2
fails_with 4 WRONG_SHAPE queue new q --maxsize 3
says 0 true queue empty q
says 1 false queue full q
says 0 '' queue put q first second
says 0 true queue full q
says_json 1 '{"empty": false}' queue empty q
says 0 2 queue size q
fails_with 1 QUEUE_FULL queue put q third --nowait
fails_with 1 QUEUE_FULL queue put q third --timeout 20
says 0 first queue get q
says_json 0 '{"value": "second"}' queue get q --timeout 1000
fails_with 1 QUEUE_EMPTY queue get q --nowait
fails_with 1 QUEUE_EMPTY queue get q --timeout 20
fails_with 1 NOT_JOINED queue join q --timeout 20
says 0 '' queue done q
says 0 '' queue done q
says 0 '' queue join q
fails_with 4 TOO_MANY_DONE queue done q
usage queue get q --timeout -1

# put creates an unbounded one; a get that waits is woken.
says 0 '' queue put fresh 1
says 0 1 queue get fresh
"$HOLDFAST" queue get fresh >"$TEST_DIR/got" &
getter=$!
eventually sh -c "'$HOLDFAST' -o json info fresh | grep -q '\"waiting\": 1'"
says 0 '' queue put fresh woken
wait $getter || fail "the waiting get failed"
[ "$(cat "$TEST_DIR/got")" = woken ] || fail "the waiting get got $(cat "$TEST_DIR/got")"
finish
