# holdfast pipe: every verb, at both ends.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT pipe recv p --nowait
fails_with 1 NO_SUCH_OBJECT pipe poll p
fails_with 1 NO_SUCH_OBJECT pipe send p --end 0 x
says 0 '' -o raw ls
says 0 '' pipe send p one '[2, "two"]'
json_holds 'd["kind"] == "pipe" and d["length"] == 2' info p
says 0 true pipe poll p
says 0 one pipe recv p
says_json 0 '{"value": [2, "two"]}' pipe recv p
fails_with 1 END_OF_FILE pipe recv p
says_json 0 '{"readable": true}' pipe poll p
fails_with 4 PIPE_CLOSED pipe send p more

# One way: from end 1 to end 0 only.
"$HOLDFAST" pipe send one-way --one-way first second
fails_with 4 BAD_END pipe send one-way --end 0 back
says 0 first pipe recv one-way
says_json 0 '{"value": "second"}' pipe recv one-way
fails_with 1 END_OF_FILE pipe recv one-way
usage pipe recv p --end 2
usage pipe recv p --end
finish
