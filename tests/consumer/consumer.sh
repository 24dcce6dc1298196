#!/usr/bin/env bash
# consumer.cmake, consumer.pkgconfig, consumer.archive and consumer.cxx: see CMakeLists.txt here.
#   consumer.sh cmake|pkgconfig|archive|cxx BUILD CMAKE CC
set -euo pipefail
way=$1 build=$2 cmake=$3 cc=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

prefix=$work/prefix
"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
libdir=$(dirname "$(find "$prefix" -name 'libholdfast.so' | head -n 1)")

expected=$'3 squared is 9\nfour: NO_SUCH_KEY'
# Neither way may see the source tree: the program is copied away from it.
cp -r "$here/program" "$work/program"
cd "$work"
if [ "$way" = cmake ]; then
  "$cmake" -S program -B out -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="-Wall -Werror" >cmake.log
  "$cmake" --build out >>cmake.log || { cat cmake.log; exit 1; }
  program=out/consumer
elif [ "$way" = cxx ]; then
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  for cxx in g++ clang++; do
    command -v $cxx >/dev/null || continue
    for standard in 11 14 17 20; do
      # shellcheck disable=SC2046  # the flags are words
      $cxx -std=c++$standard -Wall -Wextra -pedantic -Werror program/consumer.cc \
        $(pkg-config --cflags --libs holdfast) -o consumer
    done
  done
  program=./consumer expected='-10 10 10 of 1'
elif [ "$way" = archive ]; then
  # Without link-time optimisation, whatever the archive was built with.
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  libs=$(pkg-config --static --libs holdfast)
  # shellcheck disable=SC2046,SC2086  # the flags are words
  "$cc" -Wall -Werror -fno-lto program/consumer.c $(pkg-config --cflags holdfast) \
    ${libs/-lholdfast/$libdir/libholdfast.a} -o consumer
  program=./consumer
else
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  # shellcheck disable=SC2046  # the flags are words
  "$cc" -Wall -Werror program/consumer.c $(pkg-config --cflags --libs holdfast) -o consumer
  program=./consumer
fi

"$prefix/bin/holdfastd" --listen "ipc://$work/hf.sock" >server.log 2>&1 &
server=$!
for _ in $(seq 100); do
  [ -S "$work/hf.sock" ] && break
  kill -0 "$server" 2>/dev/null || { cat server.log; exit 1; }
  sleep 0.05
done
output=$(LD_LIBRARY_PATH=$libdir "$program" "ipc://$work/hf.sock")
echo "$output"
[ "$output" = "$expected" ]

# And a clean stop, with nothing left of the socket.
kill -TERM "$server"
wait "$server"
server=
