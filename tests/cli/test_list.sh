# holdfast list: every verb.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT list len l
says 0 '' list append l 3
says 0 '' list extend l 1 2 3
says 0 '' list insert l 0 zero
says 0 5 list len l
says 0 zero list get l 0
says 0 3 list get l -1
fails_with 1 BAD_INDEX list get l 5
says_json 0 '{"values": ["zero", 3, 1, 2, 3]}' list slice l
says_json 0 '{"values": [3, 1]}' list slice l 1:3
says_json 0 '{"values": ["zero", 1, 3]}' list slice l ::2
says_json 0 '{"values": [3, 2, 1, 3, "zero"]}' list slice l ::-1
says 0 $'INDEX VALUE\n0     "zero"\n1     3' -o table list slice l :2
fails_with 4 BAD_SLICE list slice l ::0
fails_with 2 USAGE list slice l 1
fails_with 2 USAGE list slice l 1:2:3:4
says 0 2 list count l 3
says 0 1 list index l 3
says 0 4 list index l 3 2
fails_with 1 NO_SUCH_VALUE list index l 3 2 4
says 0 true list contains l zero
says 1 false list contains l 99
fails_with 4 NOT_ORDERED list sort l
says 0 '' list remove l zero
fails_with 1 NO_SUCH_VALUE list remove l zero
says 0 '' list sort l
says_json 0 '{"values": [1, 2, 3, 3]}' list slice l
says 0 '' list sort l --reverse
says_json 0 '{"values": [3, 3, 2, 1]}' list slice l
says 0 '' list reverse l
says 0 '' list set l 1 two
says_json 0 '{"values": [1, "two", 3, 3]}' list slice l
says 0 '' list set l 1:3 '[7, 8, 9]'
says_json 0 '{"values": [1, 7, 8, 9, 3]}' list slice l
fails_with 2 USAGE list set l 1:3 7
fails_with 1 BAD_INDEX list set l 99 1
says 0 '' list del l ::2
says_json 0 '{"values": [7, 9]}' list slice l
says 0 8 list add l 0
says 0 6.5 list add l 1 -2.5
says 0 true list cas l 0 8 80
says_json 1 '{"swapped": false, "found": 80}' list cas l 0 8 81
says 0 6.5 list pop l
says 0 80 list pop l 0
fails_with 1 IS_EMPTY list pop l
says 0 '' list append l x
says 0 '' list del l 0
fails_with 1 BAD_INDEX list del l 0
says 0 '' list append l x
says 0 '' list clear l
says 0 0 list len l
finish
