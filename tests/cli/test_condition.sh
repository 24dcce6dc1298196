# holdfast condition: made and looked at.
. "$(dirname "$0")/lib.sh"

fails_with 1 NO_SUCH_OBJECT condition info c
says 0 '' condition new c
says_json 0 '{"ok": true}' condition new c
says_json 0 '{"name": "c", "locked": false, "owner": "", "waiting": 0}' condition info c
json_holds 'd["kind"] == "condition" and d["locked"] is False' info c

# On a lock that is there, and stays the same one.
fails_with 1 NO_SUCH_OBJECT condition new on-lock l
says 0 '' lock run l -- true
says 0 '' condition new on-lock l
fails_with 4 WRONG_SHAPE condition new on-lock
says 0 '' dict set d 1 1
fails_with 4 WRONG_KIND condition new on-dict d
fails_with 4 WRONG_KIND condition info d
json_holds '[o["name"] for o in d["objects"]] == ["c", "on-lock"]' ls --kind condition
finish
