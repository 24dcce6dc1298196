#!/bin/sh
# Builds the preset bench and measures everything; further arguments go to the benchmark (--help).
# Leaves bench.json and bench.svg in build/bench.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset bench >/dev/null
cmake --build --preset bench --target bench
exec build/bench/tests/bench/bench --json build/bench/bench.json --svg build/bench/bench.svg "$@"
