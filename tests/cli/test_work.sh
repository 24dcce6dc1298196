# holdfast queue work: a program for each item; and the verbs around it.
. "$(dirname "$0")/lib.sh"

# Priorities, delays, several at once.
says 0 '' queue new q
says 0 '' queue put q ordinary
says 0 '' queue put q later --delay-ms 60000
says 0 '' queue put q urgent --priority -1
says 0 '' queue put q last --priority 5
json_holds 'd["length"] == 3 and d["delayed"] == 1 and d["unfinished"] == 4' info q
says 0 $'urgent\nordinary' -o raw queue get q --max 2
says_json 0 '{"values": ["last"]}' queue get q --max 2
fails_with 1 QUEUE_EMPTY queue get q --max 2 --nowait
usage queue get q --max 0
usage queue put q x --delay-ms -1
usage queue work q --lease-ms 0 -- true
fails_with 2 USAGE queue work q
fails_with 1 NO_SUCH_OBJECT queue work nothing -- true

# Each item is the stdin of its program; what is done is gone.
says 0 '' queue new w
says 0 '' queue put w one '[1,2]' 3
says 0 $'"one"\n[1, 2]\n3' queue work w --nowait -- cat
json_holds 'd["length"] == d["reserved"] == d["unfinished"] == 0' info w
says 0 '' queue join w
says 0 '' queue put w bare 5
says 0 'bare5' -o raw queue work w --nowait -- cat
says 0 '' queue put w a b c
says 0 $'"a"\n"b"' queue work w --count 2 -- cat
says 0 '"c"' queue work w --count 1 -- cat

# A program that fails: the item comes back with a try more, or is set aside.
says 0 '' queue put w stubborn
says 0 '0' queue work w --count 1 --delay-ms 0 -- sh -c 'echo $HOLDFAST_TRIES; exit 3'
says 0 '1' queue work w --count 1 --delay-ms 0 -- sh -c 'echo $HOLDFAST_TRIES; exit 3'
says 0 '' queue work w --nowait -- sh -c 'exit 3'
json_holds 'd["delayed"] == 1' info w
says 0 3 queue work w --bury --timeout 5000 --count 1 -- sh -c 'echo $HOLDFAST_TRIES; exit 3'
json_holds 'd["buried"] == 1 and d["delayed"] == 0 and d["unfinished"] == 1' info w
says_json 0 '{"kicked": 1}' queue kick w
says 0 0 queue kick w 5
fails_with 2 USAGE queue kick w 0
says 127 '' queue work w -- /nonexistent/program
json_holds 'd["reserved"] == 0 and d["unfinished"] == 1' info w
says 0 '"stubborn"' queue work w --timeout 5000 --count 1 -- cat

# The lease is extended while the program runs.
says 0 '' queue put w long
"$HOLDFAST" queue work w --lease-ms 1500 --count 1 -- sh -c "cat >'$TEST_DIR/long'; sleep 3" &
worker=$!
eventually test -s "$TEST_DIR/long"
fails_with 1 QUEUE_EMPTY queue get w --timeout 2000
wait $worker || fail "the worker lost its lease"
says 0 '' queue join w

# A worker that is killed leaves the item to others, and its program ends.
says 0 '' queue put w orphan
"$HOLDFAST" queue work w -- sh -c "echo \$\$ >'$TEST_DIR/child'; exec sleep 60" &
worker=$!
eventually test -s "$TEST_DIR/child"
kill -KILL $worker
wait $worker 2>/dev/null
says 0 '"orphan"' queue work w --timeout 20000 --count 1 -- cat
child=$(cat "$TEST_DIR/child")
eventually sh -c "! kill -0 $child"

# SIGTERM ends the program, and then the worker; a program that ends well has done its item.
says 0 '' queue put w first second
"$HOLDFAST" queue work w -- sh -c "trap 'exit 0' TERM; touch '$TEST_DIR/trapped'; while :; do sleep 0.02; done" &
worker=$!
eventually test -e "$TEST_DIR/trapped"
kill -TERM $worker
wait $worker || fail "a worker that got SIGTERM and finished its item exits $?"
json_holds 'd["length"] == 1 and d["unfinished"] == 1' info w
"$HOLDFAST" queue work w --delay-ms 0 -- sh -c "touch '$TEST_DIR/again'; exec sleep 60" &
worker=$!
eventually test -e "$TEST_DIR/again"
kill -TERM $worker
wait $worker
code=$?
[ $code -eq 143 ] || fail "a worker that got SIGTERM exits $code"
json_holds 'd["length"] == 1 and d["reserved"] == 0' info w
says 0 second queue get w

# Workers end when the queue is shut down.
"$HOLDFAST" queue work w -- cat >"$TEST_DIR/worked" &
worker=$!
says 0 '' queue put w x y
eventually sh -c "[ \$(wc -l <'$TEST_DIR/worked') = 2 ]"
says 0 '' queue shutdown w
wait $worker || fail "a shut-down queue is an error: $?"
fails_with 1 QUEUE_SHUT_DOWN queue put w z
fails_with 1 QUEUE_SHUT_DOWN queue get w
says 0 '' queue work w -- cat
json_holds 'd["shut_down"] is True' info w
says 0 '' queue shutdown q --immediate
json_holds 'd["delayed"] == 0 and d["length"] == 0' info q
finish
