# holdfastd --data: what is acknowledged is there after the server's end, however it ended; damage is refused by name.
. "$(dirname "$0")/lib.sh"

export HOLDFAST_URL=ipc://$TEST_DIR/data.sock
data=$TEST_DIR/data
server=
trap '[ -n "$server" ] && kill -KILL "$server" 2>/dev/null' EXIT

check() {
  local text=$1
  shift
  checks=$((checks + 1))
  "$@" || fail "$text" "$(tail -3 "$TEST_DIR/data.log")"
}

# start DIRECTORY [OPTIONS..]: a server that keeps its state there.
start() {
  local directory=$1
  shift
  rm -f "$TEST_DIR/data.ports"
  "$HOLDFASTD" --data "$directory" --listen "$HOLDFAST_URL" --ports-file "$TEST_DIR/data.ports" "$@" \
    >"$TEST_DIR/data.log" 2>&1 &
  server=$!
  eventually test -s "$TEST_DIR/data.ports"
  eventually "$HOLDFAST" ping
}

# starts DIRECTORY: whether a server on it serves; else it has ended with $code.
starts() {
  "$HOLDFASTD" --data "$1" --listen "$HOLDFAST_URL" >"$TEST_DIR/refused.log" 2>&1 &
  server=$!
  while kill -0 "$server" 2>/dev/null; do
    "$HOLDFAST" --timeout 1000 dict set started at 1 >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  wait "$server"
  code=$?
  server=
  return 1
}

# stop SIGNAL
stop() {
  kill "-$1" "$server"
  wait "$server" 2>/dev/null
  code=$?
  server=
  [ "$1" = KILL ] || [ $code -eq 0 ] || fail "a server that was told to stop exits with $code" "$(cat "$TEST_DIR/data.log")"
}

# refused WORDS DIRECTORY [OPTIONS..]: a server on it does not start, and says so in these words.
refused() {
  local words=$1 directory=$2
  shift 2
  checks=$((checks + 1))
  timeout 20 "$HOLDFASTD" --data "$directory" --listen "ipc://$TEST_DIR/refused.sock" "$@" \
    >"$TEST_DIR/refused.log" 2>&1
  local code=$?
  { [ $code -ne 0 ] && [ $code -ne 124 ] && grep -Eq "$words" "$TEST_DIR/refused.log"; } ||
    fail "--data $directory $* answers $code, not: $words" "$(cat "$TEST_DIR/refused.log")"
}

damage() {
  "${PYTHON:-python3}" "$(dirname "$0")/damage.py" "$@" || fail "damage.py $*"
}

# ---- what is there after each end of the server

is_as_it_was() {
  says_json 0 '{"items": [{"key": "b", "value": 1}, {"key": "a", "value": "text"}, {"key": "c", "value": 3.5}]}' dict items d
  says_json 0 '{"values": [3, 1, 2]}' list slice l
  says 0 3 queue size q
  says 0 -7 value get v
  says_json 0 '{"values": [4, 5, 6]}' array slice a
  json_holds 'd["locked"] and d["token"] == '"$token" lock info lock
}
# begins_anew YES|NO: whether the last start has warned that there was no state.
begins_anew() {
  local found=no
  checks=$((checks + 1))
  grep -Fq "warn a new journal begins: the directory is empty directory=$data" "$TEST_DIR/data.log" && found=yes
  [ $found = "$1" ] || fail "the warning of a new journal: $found" "$(cat "$TEST_DIR/data.log")"
}
start "$data"
begins_anew yes
json_holds 'd["snapshot_index"] == 0 and d["snapshot_age_ms"] is None' info
says 0 '' dict update d b 1 a text c 3.5
says 0 '' list extend l 3 1 2
says 0 '' queue put q second third --priority 2
says 0 '' queue put q first --priority 1
says 0 '' value new v i -7
says 0 '' array new a i '[4, 5, 6]'
"$HOLDFAST" lock run lock -- sh -c "touch '$TEST_DIR/owned'; while [ ! -e '$TEST_DIR/go' ]; do sleep 0.02; done; exit 9" &
owner=$!
eventually test -e "$TEST_DIR/owned"
token=$("$HOLDFAST" -o json lock info lock | sed 's/.*"token": \([0-9]*\).*/\1/')
is_as_it_was
for signal in KILL TERM KILL; do
  stop $signal
  start "$data"
  begins_anew no
  is_as_it_was
done
touch "$TEST_DIR/go"
wait $owner
code=$?
[ $code -eq 9 ] || fail "the owner of a lock ended with $code over three restarts"
json_holds 'd["locked"] is False' lock info lock

# ---- volatile values and arrays

says 0 '' value new vv i 5 --volatile
says 0 '' array new va i 3 --volatile
says 0 '' value new vr i 5 --volatile --raw
says 0 6 value add vv
fails_with 4 WRONG_SHAPE value new vv i 5
fails_with 4 WRONG_SHAPE value new v i 5 --volatile
stop KILL
start "$data"
fails_with 4 CELL_LOST value get vv
fails_with 4 CELL_LOST value add vv
fails_with 4 CELL_LOST array get va 0
fails_with 4 CELL_LOST value get vr
fails_with 4 CELL_LOST value new vv i 5 --volatile
says 0 -7 value get v
for name in vv va vr; do
  says 0 '' rm $name
done
says 0 '' value new vv i 7 --volatile
says 0 7 value get vv
says 0 '' rm vv

# ---- one server a directory

refused "in use by another server, process $server\"" "$data"
rm "$data/lock"
refused "$data is in use by another server, though its file lock was removed\"" "$data"
says 0 -7 value get v

# ---- a snapshot

before=$("$HOLDFAST" -o json info | sed 's/.*"snapshot_index": \([0-9]*\).*/\1/')
says 0 '' dict set before snapshot 1
check "no snapshot is made" "$HOLDFAST" snapshot --wait
check "no file of a snapshot" sh -c "ls '$data' | grep -q '^snapshot-[0-9]*\$'"
check "parts before the snapshot are there" sh -c "[ \$(ls '$data' | grep -c '^journal-[0-9]*.sqlite\$') -le 1 ]"
check "the first part is still there" test ! -e "$data/journal-1.sqlite"
json_holds "d[\"snapshot_index\"] > $before and 0 <= d[\"snapshot_age_ms\"] < 60000" info
says 0 '' dict set after snapshot 2
# One that fails: its process has no room for its arguments.
prlimit --pid "$server" --stack=4096:
check "a snapshot that fails ends the wait" sh -c "! '$HOLDFAST' snapshot --wait --timeout 20000 2>'$TEST_DIR/failed'"
grep -q 'log says why.*NO_SNAPSHOT' "$TEST_DIR/failed" || fail "no reason was given" "$(cat "$TEST_DIR/failed")"
grep -q 'no snapshot was made' "$TEST_DIR/data.log" || fail "the log does not say why" "$(cat "$TEST_DIR/data.log")"
stop KILL
start "$data"
grep -q 'loaded .*snapshot=[1-9]' "$TEST_DIR/data.log" || fail "the snapshot was not loaded" "$(cat "$TEST_DIR/data.log")"
says 0 1 dict get before snapshot
says 0 2 dict get after snapshot
for item in first second third; do
  says 0 $item queue get q
done

# ---- the end: what is behind the snapshot comes into another one

stop TERM
grep -q 'snapshot at the end index=[1-9]' "$TEST_DIR/data.log" || fail "no snapshot at the end" "$(cat "$TEST_DIR/data.log")"
start "$data"
grep -q 'loaded batches=\([0-9]*\) commands=0 snapshot=\1 ' "$TEST_DIR/data.log" ||
  fail "a server that was stopped replays" "$(cat "$TEST_DIR/data.log")"
says 0 1 dict get before snapshot
says 0 2 dict get after snapshot
says 0 0 queue size q
stop KILL

# One that is told to stop while it loads ends, whatever it waits for: here the first byte of the snapshot.
rm -rf "$TEST_DIR/slow"
cp -r "$data" "$TEST_DIR/slow"
newest=$(ls "$TEST_DIR/slow" | grep '^snapshot-[0-9]*$' | sort -t- -k2n | tail -1)
rm "$TEST_DIR/slow/$newest"
mkfifo "$TEST_DIR/slow/$newest"
"$HOLDFASTD" --data "$TEST_DIR/slow" --listen "$HOLDFAST_URL" >"$TEST_DIR/data.log" 2>&1 &
server=$!
eventually sh -c "'$HOLDFAST' --timeout 500 ping 2>&1 | grep -q LOADING"
# What a container's engine asks it meanwhile: it is no failure while the container starts, and its words are seen.
"${PYTHON:-python3}" - "$(dirname "$0")/../../deploy/Dockerfile" "$HOLDFAST" <<'END' || fail "the check of the container" "$(cat "$TEST_DIR/data.log")"
import json, re, subprocess, sys
line = re.search(r"^HEALTHCHECK (.*) CMD (.*)$", open(sys.argv[1]).read(), re.M)
options = dict(re.findall(r"--([a-z-]+)=([0-9]+[sm]?)", line[1]))
assert options.get("start-period", "0s").endswith("m"), options
done = subprocess.run([sys.argv[2], *json.loads(line[2])[1:]], timeout=float(options["timeout"][:-1]) - 1,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
assert done.returncode == 3 and "LOADING" in done.stdout, done
END
checks=$((checks + 1))
kill -TERM "$server"
( sleep 10; kill -KILL "$server" 2>/dev/null ) &
watchdog=$!
wait "$server"
code=$?
kill "$watchdog" 2>/dev/null
server=
check "it ends at once, and with 0, not $code" test $code -eq 0
socket=${HOLDFAST_URL#ipc://}
check "it leaves no socket" test ! -e "$socket" -a ! -e "$socket.shm"

# ---- damage: refused by name, unless the loss is accepted

# Two parts: 1 .. in the snapshot's place, and those behind it.
for number in 1 2 3 4 5; do
  start "$data"
  says 0 '' dict set numbers $number $number
  stop KILL
  last[number]=$(damage last "$data")
done
# a copy of the directory, to be damaged
copy() {
  rm -rf "$TEST_DIR/copy"
  cp -r "$data" "$TEST_DIR/copy"
}
for way in flip lose; do
  copy
  damage $way "$TEST_DIR/copy" $((last[3] + 1))
  refused "batch $((last[3] + 1))( can't be replayed|.* is missing).*--accept-loss-after ${last[3]} " "$TEST_DIR/copy"
  refused "batch $((last[3] + 1)) " "$TEST_DIR/copy" --accept-loss-after ${last[2]}
  start "$TEST_DIR/copy" --accept-loss-after ${last[3]}
  grep -q "batches are dropped after=${last[3]} dropped=[1-9]" "$TEST_DIR/data.log" ||
    fail "nothing is said of what was dropped" "$(cat "$TEST_DIR/data.log")"
  says_json 0 '{"values": [1, 2, 3]}' dict keys numbers
  says 0 '' dict set numbers 6 6
  stop KILL
  for options in "" "--accept-loss-after ${last[3]}"; do
    start "$TEST_DIR/copy" $options
    says_json 0 '{"values": [1, 2, 3, 6]}' dict keys numbers
    stop TERM
  done
done

# A byte of the file, wherever it is: the start is refused, or nothing is lost.
copy
size=$(stat -c %s "$(ls -S "$TEST_DIR"/copy/journal-*.sqlite | head -1)")
for at in 0 18 100 $((size / 3)) $((size / 2)) $((size - 5)); do
  copy
  part=$(ls -S "$TEST_DIR"/copy/journal-*.sqlite | head -1)
  "${PYTHON:-python3}" -c 'import sys
with open(sys.argv[1], "r+b") as file:
    content = bytearray(file.read())
    content[int(sys.argv[2])] ^= 0x55
    file.seek(0)
    file.write(content)' "$part" $at
  checks=$((checks + 1))
  if starts "$TEST_DIR/copy"; then
    says_json 0 '{"values": [1, 2, 3, 4, 5]}' dict keys numbers
    stop TERM
  else
    [ $code -ne 0 ] && grep -Eq 'error .*(journal-|batch )' "$TEST_DIR/refused.log" ||
      fail "a damaged byte at $at is not named: $code" "$(cat "$TEST_DIR/refused.log")"
  fi
done

# A torn end: all that was acknowledged is there, or it is said what is missing.
for bytes in 1 4000 20000; do
  copy
  start "$TEST_DIR/copy"
  for number in 1 2 3 4 5 6 7 8; do
    "$HOLDFAST" dict set torn $number $number || fail "torn: $number"
  done
  stop KILL
  wal=$(ls "$TEST_DIR"/copy/journal-*-wal)
  truncate -s -$bytes "$wal"
  checks=$((checks + 1))
  if starts "$TEST_DIR/copy"; then # the last page is there twice, for the sake of the disk's sectors
    says_json 0 '{"values": [1, 2, 3, 4, 5, 6, 7, 8]}' dict keys torn
    stop TERM
    continue
  fi
  grep -Eq 'its end is lost: batches [0-9]+ to [0-9]+ were acknowledged and are missing.*--accept-loss-after [0-9]+ ' \
    "$TEST_DIR/refused.log" || fail "a torn end" "$(cat "$TEST_DIR/refused.log")"
  after=$(sed -n 's/.*--accept-loss-after \([0-9]*\) .*/\1/p' "$TEST_DIR/refused.log")
  start "$TEST_DIR/copy" --accept-loss-after "$after"
  says_json 0 '{"values": [1, 2, 3, 4, 5]}' dict keys numbers
  stop TERM
done

# A snapshot that is damaged: what is older and the journal lead there too, or there is nothing to accept.
rm -rf "$TEST_DIR/spare"
start "$TEST_DIR/spare"
says 0 '' dict set numbers 1 1
"$HOLDFAST" snapshot --wait >/dev/null || fail "no snapshot is made" "$(cat "$TEST_DIR/data.log")"
says 0 '' dict set numbers 2 2
stop TERM
damage spoil "$TEST_DIR/spare"
start "$TEST_DIR/spare"
grep -q "a snapshot is damaged, the journal did without it snapshot=[0-9]" "$TEST_DIR/data.log" ||
  fail "nothing is said of the damaged snapshot" "$(cat "$TEST_DIR/data.log")"
says_json 0 '{"values": [1, 2]}' dict keys numbers
stop KILL
cp -r "$TEST_DIR/spare" "$TEST_DIR/bare"
rm "$TEST_DIR/bare"/journal-*
for options in "" "--accept-loss-after 1"; do
  refused "snapshot-[0-9]+ is damaged: .*, and the journal can't do without it.*: only a backup helps" "$TEST_DIR/bare" $options
done

# ---- formats that are newer

newer='is of a newer format than this server reads; use the version that wrote it'
copy
damage batch "$TEST_DIR/copy" ${last[3]}
refused "batch ${last[3]}: it $newer\"" "$TEST_DIR/copy" --accept-loss-after $((last[3] - 1))
copy
damage engine "$TEST_DIR/copy" ${last[3]}
refused "batch ${last[3]} was written by a newer server .*: start that version, or a newer one" "$TEST_DIR/copy"
copy
damage part "$TEST_DIR/copy"
refused "journal-[0-9]+.sqlite: it $newer" "$TEST_DIR/copy"
copy
damage snapshot "$TEST_DIR/copy"
refused "snapshot-[0-9]+ $newer" "$TEST_DIR/copy"

# ---- a directory that can't be

refused "/nowhere/data: No such file or directory; it is made, but the directory that it is to be in has to be there" \
  /nowhere/data
refused "Not a directory" "$TEST_DIR/data.log/data"
if [ "$(id -u)" -ne 0 ]; then
  mkdir -m 500 "$TEST_DIR/locked"
  refused "Permission denied" "$TEST_DIR/locked/data"
else
  refused "/proc/data: " /proc/data
fi

# ---- a limit on the size of files: it ends, and says which error it was

(
  ulimit -f 200
  exec timeout -s KILL 60 "$HOLDFASTD" --data "$TEST_DIR/short" --listen "$HOLDFAST_URL" >"$TEST_DIR/short.log" 2>&1
) &
server=$!
eventually "$HOLDFAST" ping
for number in $(seq 40); do
  "$HOLDFAST" --timeout 500 --text list append short "$(printf '%020000d' "$number")" 2>/dev/null || break
done
wait "$server"
code=$?
server=
check "it ends with 74, not $code" test $code -eq 74
check "it says which error: $(tail -1 "$TEST_DIR/short.log")" grep -q 'disk I/O error: File too large' "$TEST_DIR/short.log"

# ---- --fsync

for when in "interval 50" never; do
  rm -rf "$TEST_DIR/when"
  start "$TEST_DIR/when" --fsync "$when"
  json_holds 'd["fsync"] == "'"$when"'"' info
  for number in 1 2 3 4 5; do
    says 0 '' list append l $number
  done
  stop KILL
  start "$TEST_DIR/when" --fsync "$when"
  says_json 0 '{"values": [1, 2, 3, 4, 5]}' list slice l
  stop TERM
  start "$TEST_DIR/when"
  says_json 0 '{"values": [1, 2, 3, 4, 5]}' list slice l
  stop TERM
done
finish
