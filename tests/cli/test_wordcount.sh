# wordcount against coreutils: a generated tree with everything that is awkward, and a real one.
. "$(dirname "$0")/lib.sh"
seed=${HOLDFAST_SEED:-$RANDOM}
echo "seed $seed"
wordcount=$EXAMPLES/wordcount

# The same by coreutils, words as "word<TAB>count".
reference() {
  find "$@" -type f -print0 | while IFS= read -r -d '' file; do
    cat "$file"
    echo
  done | tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c |
    awk '{print $2 "\t" $1}'
}

make_tree() {
  python3 - "$1" "$seed" <<'PYTHON'
import os, random, sys
root, seed = sys.argv[1], int(sys.argv[2])
r = random.Random(seed)
words = ["".join(r.choice("abcdefgXYZ") for _ in range(r.randint(1, 9))) for _ in range(3000)]
def write(name, data):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
for i in range(120):
    text = "".join(r.choice(words) + r.choice([" ", "\n", ", ", "-", "'", "1", "\t"])
                   for _ in range(r.randint(0, 3000)))
    write(f"d{i % 7}/{i}.txt", text.encode())
write("empty", b"")
write("no newline at the end", b"start middle tail")
write("no newline either", b"tail")
write("name with\nnewline", b"newline in a name")
write("binary", bytes(r.randrange(256) for _ in range(300000)))
write("latin1", "Größe über façade".encode("latin-1"))
write("utf8", "Größe über façade".encode())
# Boundaries: words around the size of a chunk, and one that is longer than any.
write("long/1", b"x" * (256 * 1024 - 3) + b" ab cd")
write("long/2", b"y" * 700000 + b" after " + b"z" * 300000)
write("long/3", b"word " * 400000)
PYTHON
  ln -s no-target "$1/dangling"
  ln -s d1 "$1/loop"
}

compare() {
  checks=$((checks + 1))
  reference "${@:3}" >"$TEST_DIR/expected"
  cmp "$TEST_DIR/expected" "$1" || fail "$2 differs from coreutils"
  [ -s "$1" ] || fail "$2 is empty"
}

make_tree "$TEST_DIR/tree"
HOLDFAST_LOG=connect "$wordcount" coordinator --workers 3 --out "$TEST_DIR/counts" "$TEST_DIR/tree" \
  >"$TEST_DIR/printed" 2>"$TEST_DIR/progress" || fail "wordcount failed: $(cat "$TEST_DIR/progress")"
compare "$TEST_DIR/counts" "the generated tree" "$TEST_DIR/tree"

# What it prints: totals and the ten most frequent.
checks=$((checks + 1))
files=$(find "$TEST_DIR/tree" -type f -printf . | wc -c)
bytes=$(find "$TEST_DIR/tree" -type f -printf '%s\n' | awk '{n += $1} END {print n}')
words=$(awk '{n += $2} END {print n}' "$TEST_DIR/expected")
{
  printf 'files %d\nbytes %d\nwords %d\n' "$files" "$bytes" "$words"
  printf 'distinct %d\n' "$(wc -l <"$TEST_DIR/expected")"
  LC_ALL=C sort -t $'\t' -k2,2nr -k1,1 "$TEST_DIR/expected" | head |
    awk -F '\t' '{printf "%10d %s\n", $2, $1}'
} >"$TEST_DIR/summary"
diff "$TEST_DIR/summary" "$TEST_DIR/printed" || fail "the summary is wrong"
grep -q '^done: ' "$TEST_DIR/progress" || fail "there was no progress"
goes "$TEST_DIR/progress" wordcount
processes=$(sed -n 's/^holdfast: wordcount\[\([0-9]*\)\] calls .*/\1/p' "$TEST_DIR/progress" | sort -u | wc -l)
[ "$processes" = 4 ] || fail "a coordinator and three workers, but $processes processes connected"

# A real tree, counted by workers that were there first, while another job runs.
real=/usr/share/common-licenses
[ -d $real ] || real=$(dirname "$0")/../..
for ((i = 0; i < 2; i++)); do
  "$wordcount" worker --job real 2>"$TEST_DIR/worker$i" &
  workers[i]=$!
done
"$wordcount" coordinator --job other --workers 2 --out "$TEST_DIR/other" "$TEST_DIR/tree" \
  >/dev/null 2>"$TEST_DIR/other.log" &
other=$!
"$wordcount" coordinator --job real --await 2 --out "$TEST_DIR/real" "$real" >/dev/null \
  2>"$TEST_DIR/real.log" || fail "wordcount of $real failed: $(cat "$TEST_DIR/real.log")"
compare "$TEST_DIR/real" "$real" "$real"
for ((i = 0; i < 2; i++)); do
  wait "${workers[i]}" || fail "worker $i failed: $(cat "$TEST_DIR/worker$i")"
  grep -q 'the job is over after [0-9]* chunks, [0-9]* words' "$TEST_DIR/worker$i" ||
    fail "worker $i does not say what it did"
done
wait $other || fail "the other job failed: $(cat "$TEST_DIR/other.log")"
compare "$TEST_DIR/other" "the other job" "$TEST_DIR/tree"

# A coordinator that is killed leaves things behind; the next one counts from the start. Once with a
# worker that waits, once with chunks that nobody took.
count_again() {
  for ((attempt = 0; attempt < 200; attempt++)); do
    "$wordcount" coordinator --job again --workers 1 --out "$TEST_DIR/again" "$TEST_DIR/tree" \
      >/dev/null 2>"$TEST_DIR/again.log" && break
    grep -q 'has a coordinator already' "$TEST_DIR/again.log" || fail "$(cat "$TEST_DIR/again.log")"
    sleep 0.1
  done
  compare "$TEST_DIR/again" "the job after a killed coordinator" "$TEST_DIR/tree"
}
"$wordcount" worker --job again 2>/dev/null &
stale=$!
"$wordcount" coordinator --job again --await 2 "$TEST_DIR/tree" >/dev/null 2>&1 &
killed=$!
eventually sh -c "'$HOLDFAST' -o raw ls again/ | grep -q counts"
kill -KILL $killed
wait $killed 2>/dev/null
count_again
wait $stale || fail "the worker that had waited failed"
"$wordcount" coordinator --job again "$TEST_DIR/tree" >/dev/null 2>&1 &
killed=$!
eventually "$HOLDFAST" queue get again/queue --nowait
kill -KILL $killed
wait $killed 2>/dev/null
count_again

# A worker that is killed with chunks in hand, on whatever host: the coordinator says so, and ends.
# The command stands in for it, because it surely has one chunk then.
checks=$((checks + 1))
"$wordcount" coordinator --job lost "$TEST_DIR/tree" >/dev/null 2>"$TEST_DIR/lost.log" &
coordinator=$!
eventually "$HOLDFAST" queue get lost/queue --nowait
"$wordcount" worker --job lost 2>/dev/null &
remote=$!
for ((attempt = 0; attempt < 400; attempt++)); do
  kill -0 $coordinator 2>/dev/null || break
  sleep 0.05
done
kill -KILL $coordinator 2>/dev/null && fail "the coordinator waits for a lost chunk for ever"
wait $coordinator
[ $? -eq 1 ] && grep -q 'lost with a worker' "$TEST_DIR/lost.log" ||
  fail "a lost chunk goes unnoticed: $(cat "$TEST_DIR/lost.log")"
says 0 '' rm lost/queue
wait $remote || fail "the worker of the failed job failed"
lost_lock_is_free() { "$HOLDFAST" lock run lost/lock --nowait -- true; }
eventually lost_lock_is_free
"$HOLDFAST" rm lost/lock "$("$HOLDFAST" -o raw ls lost/counts | cut -f 1)" ||
  fail "the failed job's objects can't be removed"

# Nothing is left on the server; a worker without a job ends with --idle.
says 0 '' -o raw ls
checks=$((checks + 1))
"$wordcount" worker --job none --idle 50 2>/dev/null || fail "an idle worker failed"
"$wordcount" worker extra 2>/dev/null && fail "a wrong command line goes unnoticed"
finish
