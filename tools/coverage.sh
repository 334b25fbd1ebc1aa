#!/bin/sh
# Line coverage of the alarm logic; the bar is 95 %.
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "needs gcovr (apt-get install gcovr)" >&2; exit 1; }
[ -f build-cov/build.ninja ] || meson setup build-cov -Db_coverage=true >/dev/null
ninja -C build-cov --quiet
meson test -C build-cov --suite clinical
gcovr -r . --filter 'backend/clinical/' --exclude '.*_test\.c' build-cov --fail-under-line 95
