# holdfast array: every verb.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT array len a
says 0 '' array new a i 3
says 0 3 array len a
says_json 0 '{"values": [0, 0, 0]}' array slice a
says 0 '' array set a 1 11
says 0 '' array set a -1 -12
says 0 11 array get a 1
says 0 -12 array get a -1
fails_with 1 BAD_INDEX array get a 3
fails_with 4 OVERFLOW array set a 0 2147483648
says 0 '' array set a :2 '[7, 8]'
says_json 0 '{"values": [7, 8, -12]}' array slice a
says_json 0 '{"values": [7, -12]}' array slice a ::2
fails_with 4 BAD_SLICE array set a :2 '[7]'
fails_with 2 USAGE array set a :2 7
says 0 9 array add a 1
says 0 6 array add a 0 -1
says 0 '' array new r d '[1.5, 2, -3]' --raw
says_json 0 '{"values": [1.5, 2.0, -3.0]}' array slice r
json_holds 'd["kind"] == "raw_array" and d["length"] == 3' info r
says 0 '' array new text c '["h", "i"]'
says_json 0 '{"value": {"bytes": "aQ=="}}' array get text 1
says 0 '' array set text 0 H
says_json 0 '{"value": {"bytes": "SA=="}}' array get text 0
fails_with 2 USAGE array new bad i text
fails_with 2 USAGE array new bad i -1
fails_with 2 USAGE array new bad zz 1
fails_with 4 WRONG_SHAPE array new a i 4
finish
