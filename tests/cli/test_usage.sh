# Options, help, addresses; and that every command has a test.
. "$(dirname "$0")/lib.sh"

usage
usage --nonsense
usage -o yaml ping
usage --timeout soon ping
usage --timeout
usage pipe recv p --end 2
usage dict
fails_with 2 USAGE nonsense
fails_with 2 USAGE dict nonsense
fails_with 2 USAGE dict get d
fails_with 2 USAGE dict get d k extra
fails_with 2 USAGE list get l first
fails_with 2 USAGE help nonsense

# One screen of 80 columns and 24 lines.
"$HOLDFAST" --help >"$TEST_DIR/help" || fail "--help fails"
[ "$(wc -l <"$TEST_DIR/help")" -le 24 ] || fail "--help is longer than a screen"
[ "$(wc -L <"$TEST_DIR/help")" -le 80 ] || fail "--help is wider than a screen"
"$HOLDFAST" --version | grep -Eq '^holdfast [0-9]+\.[0-9]+\.[0-9]+$' || fail "--version"
[ "$("$HOLDFAST" help dict)" = "$("$HOLDFAST" dict --help)" ] || fail "help NOUN and NOUN --help differ"

# Each row of the help is used by some test.
tests=$(dirname "$0")
client=$tests/../../client
for noun in '' dict list queue pipe namespace value array lock semaphore event condition barrier key; do
  "$HOLDFAST" help ${noun:+"$noun"} | sed 1d >"$TEST_DIR/rows" || fail "help $noun fails"
  [ -s "$TEST_DIR/rows" ] || fail "help $noun is empty"
  while read -r first second _; do
    command="$first${noun:+ $second}"
    checks=$((checks + 1))
    grep -Eq "(says|says_json|json_holds|HOLDFAST\").* $command( |$)" "$tests"/test_*.sh ||
      fail "no test uses: holdfast $command"
  done <"$TEST_DIR/rows"
done

# Each variable that the library reads is named where its users look.
variables=$(grep -rhoE 'getenv\("[A-Z_]+"' "$client/src" | grep -oE '[A-Z_]{2,}' | sort -u)
[ -n "$variables" ] || fail "no variables found"
cat "$client"/include/holdfast/*.h >"$TEST_DIR/headers"
for variable in $variables; do
  checks=$((checks + 1))
  for page in "$TEST_DIR/help" "$TEST_DIR/headers" "$client/../README.md"; do
    grep -qw "$variable" "$page" || fail "$page does not name $variable"
  done
done

# Addresses.
fails_with 2 BAD_ADDRESS --url nonsense ping
fails_with 3 NOT_CONNECTED --url "ipc://$TEST_DIR/nothing.sock" --timeout 200 ping
HOLDFAST_URL="ipc://$TEST_DIR/holdfast.sock" says 0 '' dict set d k v
says 0 v --url "$HOLDFAST_URL" dict get d k

# Output that can't be written is an error.
"$HOLDFAST" dict get d k >/dev/full 2>/dev/null
[ $? -eq 4 ] || fail "a full disk goes unnoticed"
finish
