#!/bin/sh
# Line coverage of the clinical logic by its own unit tests; the bar is 95 %.
set -eu
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "needs gcovr (apt-get install gcovr)" >&2; exit 1; }
[ -f build-cov/build.ninja ] || meson setup build-cov -Db_coverage=true >/dev/null
ninja -C build-cov --quiet $(printf '%s\n' backend/clinical/*_test.c | sed 's/\.c$//')
meson test -C build-cov --no-rebuild --suite clinical
gcovr -r . --filter 'backend/clinical/' --exclude '.*_test.*' build-cov/backend/clinical --fail-under-line 95
