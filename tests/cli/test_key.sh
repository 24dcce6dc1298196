# Keys: new ones, the modes of their files, and what can't be used.
. "$(dirname "$0")/lib.sh"

# Without a server.
one=$(HOLDFAST_URL=nonsense "$HOLDFAST" key new alice) || fail "key new needs a server"
two=$("$HOLDFAST" key new alice)
checks=$((checks + 1))
[[ "$one" =~ ^alice:hfk1_[A-Za-z0-9_-]{48}$ ]] || fail "not a key: $one"
[ "$one" != "$two" ] || fail "two keys are equal"
json_holds 'd["key"].startswith("bob:hfk1_") and len(d) == 1' key new bob
fails_with 2 USAGE key new
fails_with 2 USAGE key new 'not a name'
fails_with 2 USAGE key new a:b
fails_with 2 USAGE key new ''

# The file that it is written to is the owner's alone, whatever the umask is.
(umask 022 && "$HOLDFAST" key new alice >"$TEST_DIR/alice.key")
checks=$((checks + 1))
[ "$(stat -c %a "$TEST_DIR/alice.key")" = 600 ] || fail "mode $(stat -c %a "$TEST_DIR/alice.key")"

# Files that can't be used are named, before any connection is made.
tls=(--url tls+tcp://127.0.0.1:1 --timeout 200)
refuses() {
  checks=$((checks + 1))
  local said
  said=$("$HOLDFAST" "${tls[@]}" "${@:2}" ping 2>&1)
  [[ "$said" == *"$1"* ]] || fail "holdfast ${*:2}" "expected: $1" "said: $said"
}
refuses "$TEST_DIR/nothing: No such file or directory" --key-file "$TEST_DIR/nothing"
refuses "$TEST_DIR/nothing" --ca-file "$TEST_DIR/nothing"
refuses "$TEST_DIR/nothing" --cert-file "$TEST_DIR/nothing"
refuses NOT_CONNECTED --key-file "$TEST_DIR/alice.key"
chmod 644 "$TEST_DIR/alice.key"
refuses "$TEST_DIR/alice.key: mode 0644 lets others read it; chmod 600" --key-file "$TEST_DIR/alice.key"
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key refuses "mode 0644 lets others read it; chmod 600"
(umask 077 && printf '# mine\n\n%s\n' "${one%????}" >"$TEST_DIR/cut.key")
refuses "$TEST_DIR/cut.key:3: not a key of \"holdfast key new\" (its check sum is wrong: was it cut?)" \
  --key-file "$TEST_DIR/cut.key"

# A key and an address in clear.
chmod 600 "$TEST_DIR/alice.key"
tls=(--url tcp://192.0.2.1:4653 --timeout 200)
refuses 'a key is set (key_file), but tcp:// is not encrypted; use tls+tcp://' \
  --key-file "$TEST_DIR/alice.key"
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key fails_with 2 BAD_ADDRESS "${tls[@]}" ping
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key \
  refuses 'a key is set (HOLDFAST_KEY_FILE), but tcp:// is not encrypted; use tls+tcp://'
tls=(--url tcp://127.0.0.1:1 --timeout 200)
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key refuses NOT_CONNECTED
tls=(--url "tcp://[::1]:1" --timeout 200)
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key refuses NOT_CONNECTED
tls=(--url "$HOLDFAST_URL")
checks=$((checks + 1))
HOLDFAST_KEY_FILE=$TEST_DIR/alice.key "$HOLDFAST" "${tls[@]}" ping >/dev/null || fail "ipc beside a key"
finish
