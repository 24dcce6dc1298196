#!/usr/bin/env bash
# fault.sanitized: builds the server, and a unit test that sends bad arguments, with the address and
# undefined-behaviour sanitizers, in a tree of its own.
#   sanitized.sh SOURCE BUILD CMAKE
set -euo pipefail
source=$1 build=$2 cmake=$3
cd "$source"
"$cmake" --preset asan -B "$build"
"$cmake" --build "$build" --target holdfastd unit_engine_arguments
