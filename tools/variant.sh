#!/bin/sh
# variant.sh NAME OPTION…: builds build-NAME with the options and runs the unit tests in it.
set -eu
cd "$(dirname "$0")/.."
name=$1
shift
[ -f "build-$name/build.ninja" ] || meson setup "build-$name" "$@" >/dev/null
ninja -C "build-$name" --quiet
meson test -C "build-$name" --print-errorlogs --no-suite slow --timeout-multiplier 5
