# Vocabulary of the tests of the command. Sourced; needs $HOLDFAST (the program) and $TEST_DIR.
#
#   says CODE OUTPUT ARGS..       `holdfast ARGS..` exits with CODE and prints exactly OUTPUT
#   says_json CODE JSON ARGS..    the same with -o json, compared as JSON
#   usage ARGS..                  exits with 2 and says why
#   fails_with CODE REASON ARGS..  exits with CODE; stderr names REASON, as text and as JSON
#   goes FILE PROGRAM    each line of HOLDFAST_LOG=connect in FILE says that PROGRAM's calls go by $way
set -u
failures=0
checks=0

# Which way calls are to go, and why not through shared memory.
way="shared memory" way_reason=
if [ "${HOLDFAST_LOCAL:-on}" = off ]; then
  way=${HOLDFAST_URL%%:*} way=${way%+tcp} way_reason="HOLDFAST_LOCAL is off"
fi

fail() {
  echo "FAILED: $1" >&2
  shift
  printf '  %s\n' "$@" >&2
  failures=$((failures + 1))
}

says() {
  local code=$1 expected=$2 output exit_code
  shift 2
  checks=$((checks + 1))
  output=$("$HOLDFAST" "$@" 2>"$TEST_DIR/stderr")
  exit_code=$?
  if [ "$exit_code" != "$code" ] || [ "$output" != "$expected" ]; then
    fail "holdfast $*" "expected $code: $expected" "got $exit_code: $output" \
      "stderr: $(cat "$TEST_DIR/stderr")"
  fi
}

same_json() {
  "${PYTHON:-python3}" -c 'import json, sys
sys.exit(json.loads(sys.argv[1]) != json.loads(sys.argv[2]))' "$1" "$2" 2>/dev/null
}

says_json() {
  local code=$1 expected=$2 output exit_code
  shift 2
  checks=$((checks + 1))
  output=$("$HOLDFAST" -o json "$@" 2>"$TEST_DIR/stderr")
  exit_code=$?
  if [ "$exit_code" != "$code" ] || ! same_json "$output" "$expected"; then
    fail "holdfast -o json $*" "expected $code: $expected" "got $exit_code: $output" \
      "stderr: $(cat "$TEST_DIR/stderr")"
  fi
}

# true when `holdfast -o json ARGS` makes the Python expression over `d` true
json_holds() {
  local expression=$1
  shift
  checks=$((checks + 1))
  "$HOLDFAST" -o json "$@" | "${PYTHON:-python3}" -c 'import json, sys
d = json.load(sys.stdin)
sys.exit(not eval(sys.argv[1]))' "$expression" || fail "holdfast -o json $*" "not so: $expression"
}

fails_with() {
  local code=$1 reason=$2 output exit_code
  shift 2
  checks=$((checks + 1))
  output=$("$HOLDFAST" "$@" 2>&1 >/dev/null)
  exit_code=$?
  if [ "$exit_code" != "$code" ] || [[ "$output" != "holdfast: "*" $reason)"* ]]; then
    fail "holdfast $*" "expected $code: $reason" "got $exit_code: $output"
  fi
  output=$("$HOLDFAST" -o json "$@" 2>&1 >/dev/null)
  exit_code=$?
  if [ "$exit_code" != "$code" ] || ! "${PYTHON:-python3}" -c 'import json, sys
error = json.loads(sys.argv[1])["error"]
sys.exit(not (error["reason"] == sys.argv[2] and error["status"] and error["message"]))' \
    "$output" "$reason" 2>/dev/null; then
    fail "holdfast -o json $*" "expected $code: $reason" "got $exit_code: $output"
  fi
}

goes() {
  checks=$((checks + 1))
  local expected="holdfast: $2[] calls $HOLDFAST_URL over $way${way_reason:+, not shared memory: $way_reason}"
  local said
  said=$(grep ' calls [^ ]* over ' "$1" | sed 's/\[[0-9]*\]/[]/' | sort -u)
  [ "$said" = "$expected" ] || fail "$2 goes another way" "expected: $expected" "got: $said"
}

# Exit code 2 and a message: for mistakes in options, which are found before -o is known.
usage() {
  checks=$((checks + 1))
  "$HOLDFAST" "$@" >/dev/null 2>"$TEST_DIR/stderr"
  local code=$?
  [ $code -eq 2 ] && [ -s "$TEST_DIR/stderr" ] || fail "holdfast $*: $code, not a usage error"
}

# Waits until the command answers with exit code 0, at most 10 seconds.
eventually() {
  for ((attempt = 0; attempt < 200; attempt++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  fail "never became true: $*"
}

finish() {
  if [ "$checks" -eq 0 ]; then
    echo "nothing was checked" >&2
    exit 1
  fi
  echo "$checks checks, $failures failures"
  [ "$failures" -eq 0 ]
  exit
}
