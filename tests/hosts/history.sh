#!/usr/bin/env bash
# hosts.history: clients on two hosts do everything at once to a server on a third, each host behind a
# bad network of its own; what they saw is judged together. See tests/fault/mixed_history.c.
#   history.sh HOLDFASTD MIXED_HISTORY [OPERATIONS [SEED]]
set -euo pipefail
holdfastd=$1
mixed_history=$2
operations=${3:-20000}
seed=${4:-$(date +%s)}
. "$(dirname "$0")/lib.sh"
start_server "$holdfastd"
histories=$(mktemp -d -t holdfast-history-XXXXXX) # stays when something is found in it
common=(--server 10.46.53.1:4653 --directory "$histories" --operations $((operations / 2)) --processes 4)
on a "$mixed_history" --part clients "${common[@]}" --first 0 "$seed"
on b "$mixed_history" --part clients "${common[@]}" --first 4 $((seed + 1))
for pid in "${started[@]:1}"; do
  wait "$pid" || { show_logs; echo "a client failed"; exit 1; }
done
grep -h -e '^seed' -e '^network' "$work"/[ab]-*.log
ip netns exec "$here-a" "$mixed_history" --part check "${common[@]}" "$seed" || { show_logs; exit 1; }
stop_server
