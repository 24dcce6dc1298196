# holdfast barrier: parties that meet, one that is late, abort and reset.
. "$(dirname "$0")/lib.sh"

arrived() {
  eventually sh -c "'$HOLDFAST' -o json barrier info b | grep -q '\"arrived\": $1'"
}

fails_with 1 NO_SUCH_OBJECT barrier info b
fails_with 1 NO_SUCH_OBJECT barrier wait b
fails_with 1 NO_SUCH_OBJECT barrier abort b
fails_with 1 NO_SUCH_OBJECT barrier reset b
fails_with 2 USAGE barrier new b
usage barrier new b --parties 0
says 0 '' barrier new b --parties 3
says_json 0 '{"ok": true}' barrier new b --parties 3
fails_with 4 WRONG_SHAPE barrier new b --parties 2
says_json 0 '{"name": "b", "parties": 3, "arrived": 0, "broken": false}' barrier info b
json_holds 'd["kind"] == "barrier" and d["parties"] == 3 and d["broken"] is False' info b

# Three meet, and get their order of arrival.
"$HOLDFAST" barrier wait b >"$TEST_DIR/first" &
first=$!
arrived 1
"$HOLDFAST" -o json barrier wait b --timeout 20000 >"$TEST_DIR/second" &
second=$!
arrived 2
says 0 2 barrier wait b --nowait
wait $first || fail "the first party failed"
wait $second || fail "the second party failed"
[ "$(cat "$TEST_DIR/first")" = 0 ] || fail "the first party got $(cat "$TEST_DIR/first")"
[ "$(cat "$TEST_DIR/second")" = '{"index": 1}' ] || fail "the second: $(cat "$TEST_DIR/second")"
json_holds 'd["arrived"] == 0 and d["broken"] is False' barrier info b

# One whose time is up breaks it for all, until it is reset.
"$HOLDFAST" barrier wait b 2>"$TEST_DIR/first" &
first=$!
arrived 1
fails_with 1 BARRIER_BROKEN barrier wait b --timeout 20
wait $first
code=$?
[ $code -eq 1 ] || fail "a broken barrier is answered with $code"
grep -q BARRIER_BROKEN "$TEST_DIR/first" || fail "nothing is said about the broken barrier"
json_holds 'd["broken"] is True' barrier info b
fails_with 1 BARRIER_BROKEN barrier wait b
says 0 '' barrier reset b
json_holds 'd["broken"] is False and d["arrived"] == 0' barrier info b

# Abort, and the party that is killed.
says 0 '' barrier abort b
fails_with 1 BARRIER_BROKEN barrier wait b
says 0 '' barrier reset b
"$HOLDFAST" barrier wait b 2>/dev/null &
killed=$!
arrived 1
"$HOLDFAST" barrier wait b 2>/dev/null &
left=$!
arrived 2
kill -KILL $killed
wait $killed 2>/dev/null
wait $left
code=$?
[ $code -eq 1 ] || fail "a party that was killed is waited for: $code"
json_holds 'd["broken"] is True' barrier info b
finish
