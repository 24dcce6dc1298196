# holdfast dict: every verb, values of every type, both other formats, what is missing.
. "$(dirname "$0")/lib.sh"

# Reading does not create.
fails_with 1 NO_SUCH_OBJECT dict get ages Ann
fails_with 1 NO_SUCH_OBJECT dict len ages
for command in "dict len" rm info; do # the object is named
  checks=$((checks + 1))
  said=$("$HOLDFAST" $command ages 2>&1)
  [[ "$said" == "holdfast: ages: no such object: "* ]] || fail "holdfast $command ages" "said: $said"
done
says 0 '' -o raw ls

says 0 '' dict set ages Ann 41
says_json 0 '{"ok": true}' dict set ages Bob 2.5
says 0 41 dict get ages Ann
says 0 2.5 dict get ages Bob
says_json 0 '{"value": 2.5}' dict get ages Bob
fails_with 1 NO_SUCH_KEY dict get ages Carl
says 0 true dict contains ages Ann
says 1 false dict contains ages Carl
says_json 1 '{"contains": false}' dict contains ages Carl
says 0 2 dict len ages
says_json 0 '{"len": 2}' dict len ages

says 0 $'Ann\nBob' -o raw dict keys ages
says_json 0 '{"values": ["Ann", "Bob"]}' dict keys ages
says 0 $'41\n2.5' -o raw dict values ages
says_json 0 '{"values": [41, 2.5]}' dict values ages
says 0 $'Ann\t41\nBob\t2.5' -o raw dict items ages
says_json 0 '{"items": [{"key": "Ann", "value": 41}, {"key": "Bob", "value": 2.5}]}' dict items ages
says 0 $'KEY   VALUE\n"Ann" 41\n"Bob" 2.5' -o table dict items ages
says 0 $'Ann\t41\nBob\t2.5' -o raw dict scan ages
says 0 $'{"key": "Ann", "value": 41}\n{"key": "Bob", "value": 2.5}' -o json dict scan ages

says 0 42 dict add ages Ann
says 0 40 dict add ages Ann -2
says 0 7 dict add ages new 7
fails_with 4 WRONG_TYPE dict add ages Ann text
says_json 0 '{"value": {"uint": "18446744073709551615"}}' dict add big n 18446744073709551615
fails_with 4 OVERFLOW dict add big n 1
says_json 0 '{"value": {"uint": "18446744073709551615"}}' dict get big n

says 0 true dict cas ages Ann 40 50
says_json 1 '{"swapped": false, "found": 50}' dict cas ages Ann 40 51
says 0 true dict cas ages --missing Dora 1
says 1 false dict cas ages --missing Dora 2
says 0 true dict cas ages --delete Dora 1
says 1 false dict contains ages Dora
fails_with 2 USAGE dict cas ages Dora 1

says 0 '' dict replace ages Ann 60
fails_with 1 NO_SUCH_KEY dict replace ages Nobody 1
says 0 60 dict setdefault ages Ann 1
says 0 1 dict setdefault ages Emil 1
says 0 '' dict update ages x 1 y '[1,"a",null]'
says 0 '[1, "a", null]' dict get ages y
fails_with 2 USAGE dict update ages x 1 y
says 0 $'y\t[1, "a", null]' -o raw dict popitem ages
says_json 0 '{"key": "x", "value": 1}' dict popitem ages
says 0 '' dict del ages Emil
fails_with 1 NO_SUCH_KEY dict del ages Emil
says 0 60 dict pop ages Ann
fails_with 1 NO_SUCH_KEY dict pop ages Ann
says 0 none dict pop ages Ann none
says 0 '' dict clear ages
says 0 0 dict len ages
fails_with 1 NO_SUCH_KEY dict popitem ages

# Types: JSON when it is JSON, else text.
value() {
  says 0 '' dict set types k "$1"
  says_json 0 "{\"value\": $2}" dict get types k
}
value 5 5
value -5 -5
value -0.5 -0.5
value 1e3 1000.0
value true true
value null null
value '"5"' '"5"'
value 'plain text' '"plain text"'
value 'not, [json' '"not, [json"'
value '' '""'
value 'Grüße' '"Grüße"'
value '[1,[2,"x"],[]]' '[1,[2,"x"],[]]'
value '{"bytes":"AAEC/w=="}' '{"bytes":"AAEC/w=="}'
value '{"codec":"pickle","opaque":"gASVAAA="}' '{"codec":"pickle","opaque":"gASVAAA="}'
value '{"float":"nan"}' '{"float":"nan"}'
value '{"float":"-inf"}' '{"float":"-inf"}'
value 18446744073709551615 '{"uint":"18446744073709551615"}'
value 0.1 0.1
value 0.30000000000000004 0.30000000000000004
says 0 '' dict set types k --text 5
says_json 0 '{"value": "5"}' dict get types k
says 0 5 -o raw dict get types k
says 0 '' dict set types -7 minus
says 0 minus dict get types -7
fails_with 2 USAGE dict set types k 18446744073709551616
fails_with 2 USAGE dict set types k '{"a":1}'
fails_with 2 USAGE dict set types k '{"bytes":"*"}'

# Python's keys: 1, 1.0 and true are one.
says 0 '' dict set same 1 int
says 0 int dict get same 1.0
says 0 int dict get same true
fails_with 1 NO_SUCH_KEY dict get same --text 1

fails_with 4 WRONG_KIND list len ages

# wait: for a key, and for another value than the one that is known.
fails_with 1 NOT_CHANGED dict wait watched k --nowait
"$HOLDFAST" dict wait watched k >"$TEST_DIR/waited" &
waiter=$!
eventually sh -c "'$HOLDFAST' -o json info watched | grep -q '\"waiting\": 1'"
says 0 '' dict set watched k 1
wait $waiter || fail "the waiting dict wait failed"
[ "$(cat "$TEST_DIR/waited")" = 1 ] || fail "dict wait got $(cat "$TEST_DIR/waited")"
fails_with 1 NOT_CHANGED dict wait watched k 1 --timeout 20
says_json 0 '{"value": 1}' dict wait watched k 0
finish
