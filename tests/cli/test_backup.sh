# holdfast backup, holdfastd --backup and --restore: what is restored is what was there; what is no whole backup is refused by name,
# and leaves nothing behind. Under load: tests/fault/backup.c.
. "$(dirname "$0")/lib.sh"

export HOLDFAST_URL=ipc://$TEST_DIR/backup.sock
data=$TEST_DIR/data file=$TEST_DIR/file restored=$TEST_DIR/restored
server=
trap '[ -n "$server" ] && kill -KILL "$server" 2>/dev/null' EXIT

# start DIRECTORY: a server that keeps its state there.
start() {
  "$HOLDFASTD" --data "$1" --listen "$HOLDFAST_URL" >"$TEST_DIR/backup.log" 2>&1 &
  server=$!
  eventually "$HOLDFAST" ping
}

# stop SIGNAL
stop() {
  kill "-$1" "$server"
  wait "$server" 2>/dev/null
  server=
}

# succeeds WORDS ARGUMENTS..: holdfastd with them says so.
succeeds() {
  local words=$1 said
  shift
  checks=$((checks + 1))
  said=$("$HOLDFASTD" "$@" 2>&1) && [[ $said =~ ^$words$ ]] || fail "holdfastd $*" "$said"
}

# refused WORDS ARGUMENTS..: holdfastd with them ends with an error that has these words.
refused() {
  local words=$1 said
  shift
  checks=$((checks + 1))
  if said=$("$HOLDFASTD" "$@" 2>&1) || [[ ! $said =~ ^holdfastd:\ .*$words ]]; then
    fail "holdfastd $* does not say: $words" "$said"
  fi
}

# Nothing is at that path.
is_missing() {
  checks=$((checks + 1))
  [ -z "$(ls -A "$(dirname "$1")" | grep -F "$(basename "$1")")" ] || fail "$1 is there" "$(ls -lAR "$1"*)"
}

is_as_it_was() {
  says_json 0 '{"items": [{"key": "b", "value": 1}, {"key": "a", "value": "text"}]}' dict items d
  says_json 0 '{"values": [3, 1, 2]}' list slice l
  says 0 2 queue size q
}

# ---- there and back: out of the journal, out of a snapshot, out of both

start "$data"
says 0 '' dict update d b 1 a text
says 0 '' list extend l 3 1 2
says 0 '' queue put q one two
for round in journal snapshot both; do
  if [ $round = snapshot ]; then
    checks=$((checks + 1))
    "$HOLDFAST" snapshot --wait >/dev/null || fail "no snapshot is made" "$(cat "$TEST_DIR/backup.log")"
  fi
  succeeds 'backup batches=[0-9]+ bytes=[0-9]+' --data "$data" --backup "$file"
  size=$(stat -c %s "$file")
  json_holds "d['bytes'] >= $size" backup "$TEST_DIR/fetched" # sessions come and go
  mv "$TEST_DIR/fetched" "$file"
  checks=$((checks + 1))
  [ "$(stat -c %a "$file")" = 600 ] || fail "others may read the backup" "$(ls -l "$file")"
  is_missing "$file.new"
  says 0 '' dict set later $round 1 # which is in none
  stop KILL
  rm -rf "$restored"
  succeeds 'restored batches=[0-9]+ bytes=[0-9]+' --restore "$file" --data "$restored"
  start "$restored"
  is_as_it_was
  if [ $round = journal ]; then
    fails_with 1 NO_SUCH_OBJECT dict len later
  else
    says 1 '' dict get later $round
  fi
  stop TERM
  start "$data"
done
is_as_it_was

# What was left, or laid, where a backup is to be written is no part of it: nobody else gets to read it.
backs_up_privately() { # WHAT COMMAND..
  local what=$1
  shift
  checks=$((checks + 1))
  timeout 20 "$@" >/dev/null && [ "$(stat -c '%a %F' "$TEST_DIR/private")" = '600 regular file' ] && [ ! -s "$TEST_DIR/other" ] ||
    fail "a backup over $what" "$(ls -l "$TEST_DIR/private"* "$TEST_DIR/other")"
  rm -rf "$TEST_DIR/private"*
}
: >"$TEST_DIR/other"
for command in "$HOLDFAST backup" "$HOLDFASTD --data $data --backup"; do
  install -m 644 /dev/null "$TEST_DIR/private.new"
  backs_up_privately "a file that all may read" $command "$TEST_DIR/private"
  ln -s "$TEST_DIR/other" "$TEST_DIR/private.new"
  backs_up_privately "a link" $command "$TEST_DIR/private"
  mkfifo "$TEST_DIR/private.new"
  backs_up_privately "a pipe" $command "$TEST_DIR/private"
done

# What a backup reads is not removed meanwhile; afterwards it is.
part=$(ls "$data" | grep '^journal-[0-9]*.sqlite$' | tail -1)
says 0 '' dict set later parts 1
exec 9<"$data"
flock -s 9
"$HOLDFAST" snapshot --wait >/dev/null || fail "no snapshot is made" "$(cat "$TEST_DIR/backup.log")"
sleep 1.5
checks=$((checks + 1))
[ -e "$data/$part" ] || fail "$part was removed while a backup read it" "$(ls "$data")"
exec 9<&-
eventually test ! -e "$data/$part"

# A directory that is there and empty, as one of a new file system is; of a stopped server.
stop TERM
rm -rf "$restored"
mkdir -p -m 700 "$restored/lost+found"
succeeds 'backup .*' --data "$data" --backup "$file"
succeeds 'restored .*' --restore "$file" --data "$restored"
start "$restored"
is_as_it_was
says 0 1 dict get later both

# What root restores is of the directory's owner, as whom the service runs.
if [ "$(id -u)" -eq 0 ]; then
  owner=4653
  stop TERM
  rm -rf "$restored"
  chmod 711 "$TEST_DIR"
  mkdir -m 700 "$restored" && chown $owner:$owner "$restored"
  succeeds 'restored .*' --restore "$file" --data "$restored"
  checks=$((checks + 1))
  others=$(find "$restored" -printf '%u %g %m %f\n' | grep -Ev "^$owner $owner [67]00 ")
  [ -z "$others" ] || fail "root's restore into a directory of $owner leaves files that are not its" "$others"
  as_owner=(setpriv --reuid $owner --regid $owner --clear-groups "$HOLDFASTD" --data "$restored")
  url=$HOLDFAST_URL
  rm -f "$TEST_DIR/owner.ports"
  "${as_owner[@]}" --listen tcp://127.0.0.1:0 --ports-file /dev/stdout >"$TEST_DIR/owner.ports" 2>"$TEST_DIR/backup.log" &
  server=$!
  eventually test -s "$TEST_DIR/owner.ports"
  HOLDFAST_URL=$(cat "$TEST_DIR/owner.ports")
  eventually "$HOLDFAST" ping
  is_as_it_was
  stop TERM
  chown root "$restored/lock" # as a start by root leaves it
  checks=$((checks + 1))
  timeout 20 "${as_owner[@]}" --listen tcp://127.0.0.1:0 >"$TEST_DIR/refused.log" 2>&1
  [ $? -eq 1 ] && grep -Fq "$restored/lock: Permission denied; all files there have to be of uid $owner: chown -R $owner $restored/" \
    "$TEST_DIR/refused.log" || fail "a file of another user is not named" "$(cat "$TEST_DIR/refused.log")"
  HOLDFAST_URL=$url
  start "$restored"
else
  echo "not tested: a restore by root, since this is another user"
fi

# ---- where nothing may be lost

refused "$restored is in use by another server, process $server" --restore "$file" --data "$restored"
stop KILL
refused "$restored is not empty: a backup is restored into a directory that is empty or missing" \
  --restore "$file" --data "$restored"
start "$restored"
is_as_it_was
stop TERM
rm -rf "$restored"
refused 'needs --data DIR beside it' --backup "$file"
refused 'needs --data DIR beside it' --restore "$file"
refused '/nowhere/file: No such file' --data "$data" --backup /nowhere/file
refused '/nowhere: No such file' --data /nowhere --backup "$TEST_DIR/none"
is_missing "$TEST_DIR/none"
refused "$TEST_DIR/none: No such file" --restore "$TEST_DIR/none" --data "$restored"
is_missing "$restored"
mkdir "$TEST_DIR/empty"
refused "$TEST_DIR/empty has no state" --data "$TEST_DIR/empty" --backup "$TEST_DIR/none"
is_missing "$TEST_DIR/none"

# A restore that was killed.
mkdir -m 700 "$restored"
touch "$restored/unfinished-restore"
refused "$restored: a restore into it was not finished; empty it, and restore once more" --restore "$file" --data "$restored"
refused "$restored has a restore that was not finished" --data "$restored" --backup "$TEST_DIR/none"
checks=$((checks + 1))
timeout 20 "$HOLDFASTD" --data "$restored" --listen "$HOLDFAST_URL" >"$TEST_DIR/refused.log" 2>&1
[ $? -eq 1 ] && grep -q 'a restore into it was not finished; empty it' "$TEST_DIR/refused.log" ||
  fail "a server starts on half of a backup" "$(cat "$TEST_DIR/refused.log")"
rm -rf "$restored"

# ---- backups that are not whole

# change PYTHON: the file's bytes, as `content`, become others.
change() {
  "${PYTHON:-python3}" - "$file" "$TEST_DIR/changed" "$1" <<'END'
import hashlib, sys
content = bytearray(open(sys.argv[1], "rb").read())
checksum = lambda part: hashlib.blake2b(bytes(8) + bytes(part), digest_size=32).digest()[:8]
exec(sys.argv[3])
open(sys.argv[2], "wb").write(content)
END
}

# worthless WORDS PYTHON: the file so changed is refused, and nothing is left.
worthless() {
  change "$2"
  refused "$TEST_DIR/changed:? $1" --restore "$TEST_DIR/changed" --data "$restored"
  is_missing "$restored"
}
worthless 'is no backup of holdfastd' 'content[:] = b""'
worthless 'is no backup of holdfastd' 'content[0] ^= 1'
worthless 'is damaged: its header' 'content[16] ^= 1'
worthless 'is of a newer format than this server reads; use the version that wrote it' \
  'content[8] = 2; content[32:40] = checksum(content[:32])'
worthless 'is damaged behind batch [0-9]+; use another backup' 'content += b"x"'
worthless 'is damaged behind batch [0-9]+; use another backup' 'content[-12] ^= 1'

# Any byte, and a cut anywhere: out of what has a snapshot, and batches behind it.
start "$data"
for number in 1 2 3 4 5; do
  says 0 '' dict set numbers $number $number
done
succeeds 'backup .*' --data "$data" --backup "$file"
stop KILL
# What another version wrote is not damaged: it says which one restores it. Of the snapshot, then of the first batch.
newer='is of a newer format than this server reads; use the version that wrote it$'
snapshot='at = 40; end = at + 72'
batch='at = 40 + int.from_bytes(content[24:32], "little") + 8; end = at + int.from_bytes(content[at - 8:at], "little") - 8'
seal='content[end:end + 8] = checksum(content[at:end])'
worthless "$newer" "$snapshot; content[at + 8] += 1; $seal"
worthless 'was written by a newer server \(engine [0-9]+, this one has [0-9]+\): restore it by that version' \
  "$snapshot; content[at + 16] += 1; $seal"
worthless "batch [0-9]+: it $newer" "$batch; content[at] += 1; $seal"
worthless 'was written by a newer server \(engine [0-9]+, this one has [0-9]+\): restore it by that version' \
  "$batch; content[at + 1] += 1; $seal"
worthless 'was written by an older server \(engine 0\), .*: restore it by the version that wrote it, start that once' \
  "$batch; content[at + 1] = 0; $seal"
worthless 'is damaged: its snapshot is damaged: its content; use another backup$' 'content[130] ^= 1'

size=$(stat -c %s "$file")
for ((i = 0; i < 40; i++)); do
  at=$((i * size / 40))
  worthless '(is no backup|is damaged|was cut short)' "content[$at] ^= 0x40"
  worthless '(is no backup|was cut short)' "del content[$at:]"
done
mkdir -m 700 "$restored"
change 'del content[-30:]'
refused "was cut short: it ends in (batch|the end behind batch) [0-9]+; use another backup" \
  --restore "$TEST_DIR/changed" --data "$restored"
checks=$((checks + 1))
[ -d "$restored" ] && [ -z "$(ls -A "$restored")" ] || fail "the directory is not as it was" "$(ls -A "$restored")"

# A journal that is damaged gives no backup.
cp -r "$data" "$TEST_DIR/copy"
last=$("${PYTHON:-python3}" "$(dirname "$0")/damage.py" last "$TEST_DIR/copy")
"${PYTHON:-python3}" "$(dirname "$0")/damage.py" flip "$TEST_DIR/copy" "$last"
refused "batch $last: its bytes are damaged; an earlier backup may be right" \
  --data "$TEST_DIR/copy" --backup "$TEST_DIR/none"
is_missing "$TEST_DIR/none"

# ---- fetched by a client: one at a time, whole or not at all

start "$data"
value=$(head -c 75000 /dev/urandom | base64 -w 0)
for ((i = 0; i < 30; i++)); do
  "$HOLDFAST" --text list extend large "$value"{,,,,,,,,,,,,,,,} || fail "large $i"
done

# begin_slow FILE: $slow fetches a backup of 48 MB to it, and has stopped in the middle.
begin_slow() {
  local file=$1
  shift
  for ((i = 0; i < 20; i++)); do
    "$HOLDFAST" "$@" backup "$file" >"$TEST_DIR/slow.log" 2>&1 &
    slow=$!
    until [ -s "$file.new" ] || ! kill -0 $slow 2>/dev/null; do :; done
    kill -STOP $slow 2>/dev/null && sleep 0.1 && [ -e "$file.new" ] && return
    kill -CONT $slow 2>/dev/null
    wait $slow
    rm -f "$file"
  done
  fail "no backup was stopped in the middle"
}
begin_slow "$TEST_DIR/slow"
fails_with 4 BACKUP_FAILED backup "$TEST_DIR/none"
checks=$((checks + 1))
"$HOLDFAST" backup "$TEST_DIR/none" 2>&1 | grep -q 'another backup is being made; try again when it is done' ||
  fail "a second backup is not told of the first"
is_missing "$TEST_DIR/none"
kill -CONT $slow
checks=$((checks + 1))
wait $slow && [ "$(stat -c %s "$TEST_DIR/slow")" -gt 40000000 ] || fail "slow" "$(cat "$TEST_DIR/slow.log")"
checks=$((checks + 1))
"$HOLDFAST" backup "$file" >/dev/null && [ "$(stat -c %s "$file")" -gt 40000000 ] || fail "no second backup"
rm -rf "$restored"
succeeds 'restored .*' --restore "$file" --data "$restored"
rm -rf "$restored"
succeeds 'restored .*' --restore "$TEST_DIR/slow" --data "$restored"
rm "$TEST_DIR/slow"

# The server ends meanwhile.
begin_slow "$TEST_DIR/cut" --timeout 1000
stop KILL
kill -CONT $slow
checks=$((checks + 1))
wait $slow && fail "a backup of a server that was killed" "$(cat "$TEST_DIR/slow.log")"
is_missing "$TEST_DIR/cut"
start "$restored"
says 0 480 list len large
"$HOLDFAST" rm large
stop TERM

# What is damaged behind the server's back.
rm -rf "$TEST_DIR/copy"
cp -r "$data" "$TEST_DIR/copy"
start "$TEST_DIR/copy"
"$HOLDFAST" dict set d damaged 1
"${PYTHON:-python3}" "$(dirname "$0")/damage.py" flip "$TEST_DIR/copy" \
  "$("${PYTHON:-python3}" "$(dirname "$0")/damage.py" last "$TEST_DIR/copy")"
fails_with 4 BACKUP_FAILED backup "$TEST_DIR/none"
is_missing "$TEST_DIR/none"
checks=$((checks + 1))
grep -q 'no backup: batch [0-9]*: its bytes are damaged' "$TEST_DIR/backup.log" || fail "the log does not say why" "$(cat "$TEST_DIR/backup.log")"
stop KILL

# ---- a full disk, which takes a mount

if unshare -rm true 2>/dev/null; then
  disk=$TEST_DIR/disk
  mkdir "$disk"
  "${PYTHON:-python3}" -c 'import random; print("\n".join("%d %d" % (i, random.getrandbits(60)) for i in range(4000)))' |
    tr ' ' '\n' >"$TEST_DIR/numbers"
  start "$data"
  xargs -a "$TEST_DIR/numbers" "$HOLDFAST" dict update many
  succeeds 'backup .*' --data "$data" --backup "$file"
  said=$(unshare -rm sh -c 'mount -t tmpfs -o size=40k none "$1" && "$2" --data "$3" --backup "$1/file"
    echo "code=$?"; ls -A "$1"; "$2" --restore "$4" --data "$1/restored"; echo "code=$?"; ls -A "$1"
    "$5" backup "$1/file"; echo "code=$?"; ls -A "$1"' - "$disk" "$HOLDFASTD" "$data" "$file" "$HOLDFAST" 2>&1)
  stop KILL
  checks=$((checks + 1))
  [[ $said =~ ^'holdfastd: no backup: the backup can'\''t be written: No space left on device'$'\n'code=1$'\n''holdfastd: nothing is restored: '[^$'\n']*/restored:\ [^$'\n']*(full|'No space left on device')$'\n'code=1$'\n''holdfast: '[^$'\n']*'/file: No space left on device; there is no backup (ABORTED BACKUP_FAILED)'$'\n'code=4$ ]] ||
    fail "a full disk" "$said"
else
  echo "not tested: a full disk, since nothing can be mounted here"
fi
finish
