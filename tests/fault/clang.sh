#!/usr/bin/env bash
# fault.clang: builds the server with another compiler, in a tree of its own.
#   clang.sh SOURCE BUILD CMAKE CLANG
set -euo pipefail
source=$1 build=$2 cmake=$3 clang=$4
"$cmake" -G Ninja -S "$source" -B "$build" -DCMAKE_C_COMPILER="$clang" -DCMAKE_BUILD_TYPE=Release \
  -DHOLDFAST_TESTS=OFF -DHOLDFAST_PYTHON=OFF -DHOLDFAST_CLI=OFF
"$cmake" --build "$build" --target holdfastd
