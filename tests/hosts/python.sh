#!/usr/bin/env bash
# hosts.python: Python programs over a network of several hosts, each a network namespace of its own. The
# server runs in one; the five examples run in the second, with each start method; then the farm's workers
# in the second and the third, and who gives them work in the third.
#   python.sh HOLDFASTD PYTHON PACKAGES
set -euo pipefail
holdfastd=$1
python=$2
tests=$(cd "$(dirname "$0")/.." && pwd)
. "$tests/hosts/lib.sh"
export PYTHONPATH=$3:$tests/python PYTHONDONTWRITEBYTECODE=1
# A private server would not be the one over there.
export HOLDFASTD=/nowhere/holdfastd HOLDFAST_URL=tcp://10.46.53.1:4653
start_server "$holdfastd"

cat >"$work/examples.py" <<'END'
import os
import support
from test_examples import Examples

URL = os.environ["HOLDFAST_URL"]

class HostsTest(Examples):
    def test_server_on_another_host(self):
        self.check(URL, local=False)

del Examples
support.main()
END
ip netns exec "$here-a" timeout 200 "$python" "$work/examples.py" || { show_logs; exit 1; }

farm=$tests/../client/python/examples/farm.py
on a "$python" "$farm" work
on b "$python" "$farm" work
results=$(ip netns exec "$here-b" timeout 60 "$python" "$farm" run 60) || { show_logs; exit 1; }
echo "the farm on two hosts: $results"
[[ $results == "60 results, the largest: "* ]]
for pid in "${started[@]:1}"; do kill "$pid"; wait "$pid" || true; done
started=("$server")
stop_server
