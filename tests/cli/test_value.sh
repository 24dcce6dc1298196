# holdfast value: every verb, types and ranges.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT value get v
says 0 '' value new v i 5
says 0 '' value new v i
fails_with 4 WRONG_SHAPE value new v d
fails_with 2 USAGE value new v z
says 0 5 value get v
says 0 '' value set v -7
says_json 0 '{"value": -7}' value get v
fails_with 4 OVERFLOW value set v 2147483648
fails_with 4 WRONG_TYPE value set v text
says 0 -6 value add v
says 0 -10 value add v -4
says 0 true value cas v -10 3
says_json 1 '{"swapped": false, "found": 3}' value cas v -10 4
says 0 3 value wait v 2
fails_with 1 NOT_CHANGED value wait v 3 --timeout 20
says 0 '' value new real d 3.1415927 --raw
says 0 3.1415927 value get real
json_holds 'd["kind"] == "raw_value" and d["typecode"] == "d"' info real
says 0 '' value new letter c x
says_json 0 '{"value": {"bytes": "eA=="}}' value get letter
says 0 '' value set letter y
says_json 0 '{"value": {"bytes": "eQ=="}}' value get letter
says 0 '' value new zero c
says_json 0 '{"value": {"bytes": "AA=="}}' value get zero
says 0 '' dict set d 1 1
fails_with 4 WRONG_KIND value get d

# A wait that a change ends; not in shared memory, where the server does not see who waits.
HOLDFAST_LOCAL=off "$HOLDFAST" value wait v 3 >"$TEST_DIR/got" &
waiter=$!
eventually sh -c "'$HOLDFAST' -o json info v | grep -q '\"waiting\": 1'"
says 0 '' value set v 4
wait $waiter || fail "the wait failed"
[ "$(cat "$TEST_DIR/got")" = 4 ] || fail "the wait answered $(cat "$TEST_DIR/got")"
finish
