#!/usr/bin/env bash
# Tries the server from outside, with independent clients in Python.
#
#   testkit/interop/run.sh            everything
#   testkit/interop/run.sh story …    only these scripts
#   testkit/interop/run.sh story@postgresql kill9@mariadb …
#                                     on another database than SQLite
#
# REALTIME_SERVER    the server to try       (target/debug/realtime-server)
# REALTIME_ECHO      the echo on its connection code, for the conformance cases
#                                            (target/debug/examples/echo)
# REALTIME_ECHO_URL  an echo that runs already, instead
# REALTIME_DATABASE_PROGRAM  what starts PostgreSQL and MariaDB
#                                            (target/debug/examples/database)
# REALTIME_CACHE     where the virtual environment is kept (target/interop-venv)
#
# The last line is `interop: N passed, N failed`; the exit code is 0 only when
# something passed and nothing failed.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=${REALTIME_CACHE:-$target/interop-venv}
export REALTIME_SERVER=${REALTIME_SERVER:-$target/debug/realtime-server}
if [ -z "${REALTIME_ECHO_URL:-}" ]; then
  export REALTIME_ECHO=${REALTIME_ECHO:-$target/debug/examples/echo}
fi
export REALTIME_DATABASE_PROGRAM=${REALTIME_DATABASE_PROGRAM:-$target/debug/examples/database}
# The sources stay free of compiled files.
export PYTHONDONTWRITEBYTECODE=1

fail() {
  echo "FAILED $1"
  echo "interop: 0 passed, 1 failed"
  exit 1
}

# The environment is made anew when the requirements or the Python change.
prepare() {
  local python stamp
  python=$(command -v python3) || fail "setup: python3 (3.11 or newer) is not installed"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "setup: python3 is older than 3.11"
  stamp="$(sha256sum < "$here/requirements.txt") $("$python" --version)"
  if [ "$(cat "$venv/.requirements" 2> /dev/null)" != "$stamp" ]; then
    if [ -n "$(ls -A "$venv" 2> /dev/null)" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
      fail "setup: $venv is something else than a virtual environment; it is left alone"
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "setup: no virtual environment (on Debian: python3-venv)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" ||
      fail "setup: the requirements could not be installed"
    echo "$stamp" > "$venv/.requirements"
  fi
}

scripts=("$@")
if [ ${#scripts[@]} -eq 0 ]; then
  scripts=(mint_simplejwt vectors_live conformance_ws hostile)
  for database in sqlite postgresql mariadb; do
    scripts+=("story@$database" "kill9@$database")
  done
fi

prepare
[ -x "$REALTIME_SERVER" ] || fail "setup: there is no server at $REALTIME_SERVER"

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0
failed=0
for script in "${scripts[@]}"; do
  begun=$SECONDS
  database=sqlite
  [[ $script != *@* ]] || database=${script#*@}
  REALTIME_INTEROP_DATABASE=$database "$venv/bin/python" "$here/${script%@*}.py" | tee "$output"
  status=${PIPESTATUS[0]}
  ok=$(grep -c '^ok ' "$output")
  bad=$(grep -c '^FAILED ' "$output")
  # A script that ends badly without saying so, or says nothing, counts as a failure.
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ok" -eq 0 ]; }; then
    echo "FAILED $script: exit code $status after $ok passed"
    bad=1
  fi
  echo "   $script: $ok passed, $bad failed, $((SECONDS - begun)) s"
  passed=$((passed + ok))
  failed=$((failed + bad))
done

echo "interop: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
