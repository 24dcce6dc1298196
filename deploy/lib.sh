# What the scripts in this folder share. Sourced by bash, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

section() { printf '\n== %s\n' "$*"; }
say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs the command with its output in LOG; the end of it is shown on failure.
quietly() {
  local log=$1
  shift
  if "$@" >"$log" 2>&1 </dev/null; then
    return 0
  fi
  tail -n 60 "$log" >&2
  fail "failed: $* (everything it said is in $log)"
}

# Prints the DOCKER_HOST of a container engine that answers, or nothing when there is none. Beside
# the project there may be a helper that starts one; it is used before giving up.
container_engine() {
  local helper=$root/../shared/bin/container-engine
  if command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; then
    printf '%s\n' "${DOCKER_HOST:-unix:///var/run/docker.sock}"
  elif [ -x "$helper" ] && [ "$(id -u)" = 0 ]; then
    "$helper" </dev/null
  fi
}
