# holdfastd's files: --check-config, --print-config, and settings that change while it runs.
. "$(dirname "$0")/lib.sh"

conf=$TEST_DIR/holdfastd.conf
mkdir "$TEST_DIR/conf.d"

# checks CODE TEXT ARGS..: `holdfastd --config FILE --check-config ARGS..` exits so, and says exactly that
checks() {
  local code=$1 expected=$2 said exit_code
  shift 2
  checks=$((checks + 1))
  said=$("$HOLDFASTD" --config "$conf" --check-config "$@" 2>&1)
  exit_code=$?
  [ $code -eq 0 ] || expected="holdfastd: $expected"$'\n'"See holdfastd --help."
  [ $exit_code = "$code" ] && [ "$said" = "$expected" ] || fail "--check-config $*" \
    "expected $code: $expected" "got $exit_code: $said"
}

printf '[server]\nmemory_max = 1G\n[user web]\nuid = www-data\nrights = jobs.:rw\n' >"$conf"
checks 0 ''
checks 2 '--log-level loud: not one of error, warn, info, debug' --log-level loud
printf '[user web]\nrighs = :r\n' >"$TEST_DIR/conf.d/a.conf"
checks 2 "$TEST_DIR/conf.d/a.conf:2: unknown key 'righs' in [user web]; did you mean 'rights'?"
rm "$TEST_DIR/conf.d/a.conf"
printf '[tls]\ncertificate = /c\n[user a]\ncertificate = cn:x\n' >"$TEST_DIR/conf.d/a.conf"
checks 2 "$TEST_DIR/conf.d/a.conf:4: [user a]: no client is asked for a certificate: set client_ca in [tls], or --tls-client-ca"
rm "$TEST_DIR/conf.d/a.conf"
no_keys="key file $TEST_DIR/no-keys: No such file or directory; a line of \"holdfast key new USER\" belongs there"
checks 2 "$no_keys" --key-file "$TEST_DIR/no-keys"
checks 2 "certificate $TEST_DIR/no.crt: No such file or directory" --tls-certificate "$TEST_DIR/no.crt"

# The data directory: what is missing is made by a start, not by this.
checks 2 "data directory /nowhere/data: No such file or directory; it is made, but the directory that it is to be in has to be there" \
  --data /nowhere/data
checks 2 "data directory $conf: Not a directory" --data "$conf"
checks 2 "data directory $conf/data: Not a directory" --data "$conf/data"
checks 0 '' --data "$TEST_DIR/data"
checks 0 '' --data "$TEST_DIR/data/"
checks=$((checks + 1))
[ ! -e "$TEST_DIR/data" ] || fail "--check-config makes the data directory"
mkdir "$TEST_DIR/data"
checks 0 '' --data "$TEST_DIR/data"
touch "$TEST_DIR/data/unfinished-restore"
checks 2 "$TEST_DIR/data: a restore into it was not finished; empty it, and restore once more" --data "$TEST_DIR/data"
rm "$TEST_DIR/data/unfinished-restore"
if [ "$(id -u)" -eq 0 ]; then # as another user, whom nothing there belongs to
  chmod 755 "$TEST_DIR" "$TEST_DIR/data"
  as_other() { # WORDS DIRECTORY
    checks=$((checks + 1))
    said=$(setpriv --reuid 4653 --regid 4653 --clear-groups "$HOLDFASTD" --check-config --data "$2" 2>&1)
    [ $? -eq 2 ] && grep -Fq "$1" <<<"$said" || fail "--check-config by another user of $2 does not say: $1" "$said"
  }
  as_other "data directory $TEST_DIR/data: Permission denied; uid 4653 has to be able to write there" "$TEST_DIR/data"
  as_other "data directory $TEST_DIR/new: Permission denied; uid 4653 has to be able to write there" "$TEST_DIR/new"
  install -m 600 /dev/null "$TEST_DIR/data/lock"
  chown 4653 "$TEST_DIR/data"
  as_other "$TEST_DIR/data/lock: Permission denied; all files there have to be of uid 4653" "$TEST_DIR/data"
fi

checks=$((checks + 1))
printed=$(HOLDFASTD_LOG_LEVEL=warn "$HOLDFASTD" --config "$conf" --print-config --memory-max 2G)
for line in 'memory_max = 2G  # --memory-max' 'level = warn  # HOLDFASTD_LOG_LEVEL' \
  "rights = jobs.:rw  # $conf:5" 'min_version = 1.2  # default'; do
  grep -Fxq "$line" <<<"$printed" || fail "--print-config has no: $line" "$printed"
done

# What the shipped unit sets is under the file; the containers set nothing.
deploy=$(dirname "$0")/../../deploy
checks=$((checks + 1))
grep -n HOLDFASTD_ "$deploy/Dockerfile" "$deploy/compose.yaml" && fail "a variable of the image goes over mounted files"
unit=$(sed -n 's/^Environment=//p' "$deploy/systemd/holdfastd.service")
unit=${unit//%S/$TEST_DIR/state}
prints_under_unit() { # CONFIG LINE
  checks=$((checks + 1))
  printf '%s' "$1" >"$TEST_DIR/unit.conf"
  printed=$(env $unit "$HOLDFASTD" --config "$TEST_DIR/unit.conf" --print-config)
  grep -Fxq "$2" <<<"$printed" || fail "--print-config under the unit has no: $2" "$printed"
}
prints_under_unit '' "directory = $TEST_DIR/state/holdfast  # HOLDFASTD_DATA_DEFAULT"
prints_under_unit $'[data]\ndirectory = /elsewhere\n' "directory = /elsewhere  # $TEST_DIR/unit.conf:2"
prints_under_unit $'[data]\ndirectory =\n' "directory =   # $TEST_DIR/unit.conf:2"

# The process of a snapshot may be killed for memory: systemd is not to end the server for it, but to start it again
# when it was killed itself.
checks=$((checks + 1))
[ "$(grep -E '^(OOMPolicy|Restart)=' "$deploy/systemd/holdfastd.service" | sort | tr '\n' ' ')" = 'OOMPolicy=continue Restart=on-failure ' ] ||
  fail "the unit ends with the process of a snapshot"

# A server of its own, that is made to read its files again.
log=$TEST_DIR/reload.log
"$HOLDFASTD" --config "$conf" --listen "ipc://$TEST_DIR/own.sock" --ports-file "$TEST_DIR/own.ports" \
  2>"$log" &
server=$!
eventually test -s "$TEST_DIR/own.ports"
says_line() { # COUNT TEXT: so many lines of the log end so
  [ "$(grep -Fc "$2" "$log")" -ge "$1" ]
}
reload() {
  kill -HUP $server
  eventually says_line "$@"
  checks=$((checks + 1))
}
reload 1 ' reloaded'
printf '[user web]\nuid = www-data\nrighs = :r\n' >"$conf"
reload 1 "reload refused, old settings stay: $conf:3: unknown key 'righs' in [user web]; did you mean 'rights'?"
printf '[server]\nmemory_max = 3G\n[log]\nlevel = debug\n' >"$conf"
reload 2 ' reloaded'
says_line 1 'needs a restart: memory_max' || fail "a changed memory_max is not named"
HOLDFAST_URL=ipc://$TEST_DIR/own.sock "$HOLDFAST" ping >/dev/null || fail "the server serves no more"
eventually says_line 1 ' debug connected ' # the log's level is another
checks=$((checks + 1))
printf '[keys]\nfile = %s/no-keys\n' "$TEST_DIR" >"$conf"
reload 1 "reload refused, old settings stay: $no_keys"

# What only a restart may do: all rights for all keys.
(umask 077 && "$HOLDFAST" key new web >"$TEST_DIR/keys") || fail "no key is made"
printf '[keys]\nfile = %s/keys\n[user web]\nkey = yes\nrights = :r\n' "$TEST_DIR" >"$conf"
reload 3 ' reloaded'
(
  export HOLDFAST_URL=ipc://$TEST_DIR/own.sock
  json_holds 'd["users"]["web"]["sessions"] == 0 and not d["users"]["web"]["removed"] and d["users_left_out"] == 0' info
  "$HOLDFAST" -o table info | grep -Eq '^user web +.*"sessions": ?0' || fail "info has no line for the user web"
  [ "$failures" = 0 ]
) || fail "info does not show the users"
printf '[keys]\nfile = %s/keys\n' "$TEST_DIR" >"$conf"
reload 1 "reload refused, old settings stay: no [user NAME] is left, so that every key would have all rights"
printf '[log]\nlevel = debug\n' >"$conf"
reload 4 ' reloaded'

# Kubernetes swaps symbolic links and sends no signal: seen within 10 s.
mkdir "$TEST_DIR/v1" "$TEST_DIR/v2"
printf '[log]\nlevel = info\n' >"$TEST_DIR/v1/holdfastd.conf"
printf '[log]\nlevl = info\n' >"$TEST_DIR/v2/holdfastd.conf"
ln -s v1 "$TEST_DIR/current"
ln -sf current/holdfastd.conf "$conf"
reload 5 ' reloaded'
ln -s v2 "$TEST_DIR/next"
mv -T "$TEST_DIR/next" "$TEST_DIR/current"
for ((i = 0; i < 30; i++)); do says_line 1 "did you mean 'level'?" && break; sleep 0.5; done
checks=$((checks + 1))
says_line 1 "did you mean 'level'?" || fail "a swapped link is not seen"
sleep 11 # and is refused once, not every 10 s
says_line 2 "did you mean 'level'?" && fail "the same file is refused again and again"

kill $server
wait $server || fail "the server exited with $?"

# And to take all keys from an encrypted address.
rm "$conf" # a link
printf '[server]\nlisten = tls+tcp://127.0.0.1:0\n[keys]\nfile = %s/keys\n' "$TEST_DIR" >"$conf"
log=$TEST_DIR/encrypted.log
"$HOLDFASTD" --config "$conf" --ports-file "$TEST_DIR/encrypted.ports" 2>"$log" &
server=$!
eventually test -s "$TEST_DIR/encrypted.ports"
printf '[server]\nlisten = tcp://127.0.0.1:0\n' >"$conf"
reload 1 'reload refused, old settings stay: an encrypted address needs --key-file or tls.certificate'
kill $server
wait $server || fail "the server exited with $?"
finish
