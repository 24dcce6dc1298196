# holdfast event: set, cleared, waited for.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT event is-set e
fails_with 1 NO_SUCH_OBJECT event wait e --nowait
fails_with 1 NO_SUCH_OBJECT event clear e
says 0 '' event new e
says_json 0 '{"ok": true}' event new e
says 1 false event is-set e
says 1 false event wait e --nowait
says_json 1 '{"is_set": false}' event wait e --timeout 20
json_holds 'd["kind"] == "event" and d["value"] == 0' info e

# Two waits that one set ends.
"$HOLDFAST" event wait e >"$TEST_DIR/first" &
first=$!
"$HOLDFAST" event wait e --timeout 20000 >"$TEST_DIR/second" &
second=$!
eventually sh -c "'$HOLDFAST' -o json info e | grep -q '\"waiting\": 2'"
says 0 '' event set e
wait $first || fail "the first wait failed"
wait $second || fail "the second wait failed"
[ "$(cat "$TEST_DIR/first" "$TEST_DIR/second")" = $'true\ntrue' ] || fail "the waits did not say true"
says 0 true event is-set e
says_json 0 '{"is_set": true}' event is-set e
says 0 true event wait e --nowait
json_holds 'd["value"] == 1' info e
says 0 '' event clear e
says 1 false event is-set e

# Setting creates it, like setting a key creates the dict.
says 0 '' event set other
says 0 true event is-set other
says 0 '' dict set d 1 1
fails_with 4 WRONG_KIND event set d
finish
