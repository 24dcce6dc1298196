# holdfast namespace: every verb.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT namespace get n x
says 0 '' namespace set n x 1
says 0 '' namespace set n name 'Ann B.'
says 0 1 namespace get n x
says_json 0 '{"value": "Ann B."}' namespace get n name
fails_with 1 NO_SUCH_ATTRIBUTE namespace get n y
says 0 $'x\nname' -o raw namespace ls n
says_json 0 '{"values": ["x", "name"]}' namespace ls n
says 0 '' namespace del n x
fails_with 1 NO_SUCH_ATTRIBUTE namespace del n x
says 0 $'INDEX ATTRIBUTE\n0     "name"' namespace ls n
finish
