#!/bin/sh
# test.sh fast|all: the unit tests, the dashboard's tests, then end to end over the real binary.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-fast}
build=${BUILD:-build}
python3 tools/tidy.py
meson test -C "$build" --print-errorlogs --no-suite slow
(cd frontend && ../tools/with-node.sh sh -c "npm run lint --silent && npm test --silent")
venv=${XDG_CACHE_HOME:-$HOME/.cache}/wardscribe-test-venv
cmp -s tests/requirements.txt "$venv/installed.txt" || {
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tests/requirements.txt
    cp tests/requirements.txt "$venv/installed.txt"
}
mark="not slow"
[ "$kind" = all ] && mark="slow or not slow"
"$venv/bin/pytest" -q tests -m "$mark"
if [ "$kind" = all ]; then
    tools/variant.sh asan -Db_sanitize=address,undefined -Db_lundef=false
    tools/variant.sh tsan -Db_sanitize=thread -Db_lundef=false
fi
