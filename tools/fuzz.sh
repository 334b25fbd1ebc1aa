#!/bin/sh
# fuzz.sh [TARGET…]: runs fuzz targets (without arguments all of fuzz/) for FUZZ_MINUTES of CPU time each
# (default 10) under ASan and UBSan, and prints executions, coverage and findings.  Inputs with new coverage
# are kept in build-fuzz/corpus; a crash, a hang (10 s) or one allocation over FUZZ_MALLOC_MB (default 256) is a
# finding and leaves its input in build-fuzz/findings.
set -eu
cd "$(dirname "$0")/.."
command -v clang >/dev/null || {
    echo "needs clang with libFuzzer: apt-get install clang libclang-rt-14-dev" >&2
    exit 1
}
minutes=${FUZZ_MINUTES:-10}
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang CXX=clang++ meson setup $build -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link -Dcpp_args=-fsanitize=fuzzer-no-link >/dev/null
[ $# -gt 0 ] || set -- $(cd fuzz && ls *.c | sed 's/\.c$//' | grep -v '^replay$')

ticks_of() {   # user and system time of a process
    awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0
}

failed=0
for target in "$@"; do
    ninja -C $build --quiet fuzz/fuzz_"$target"
    mkdir -p $build/corpus/"$target" $build/findings
    log=$build/fuzz_$target.log
    $build/fuzz/fuzz_"$target" $build/corpus/"$target" fuzz/corpus/"$target" -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb="${FUZZ_MALLOC_MB:-256}" -max_len="${FUZZ_MAX_LEN:-8192}" -print_final_stats=1 \
        -artifact_prefix=$build/findings/"$target"- >"$log" 2>&1 &
    pid=$!
    limit=$((minutes * 60 * $(getconf CLK_TCK)))
    trap 'kill -TERM $pid' INT TERM
    while kill -0 $pid 2>/dev/null && [ "$(ticks_of $pid)" -lt $limit ]; do
        sleep 1
    done
    kill -TERM $pid 2>/dev/null || true     # libFuzzer prints its figures and ends
    wait $pid || true
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
    found=$(find $build/findings -name "$target-*" | wc -l)
    echo "$target: ${runs:-?} executions in $minutes CPU minutes, ${coverage:-no coverage}, $found findings"
    [ "$found" -eq 0 ] && [ -n "$runs" ] || failed=1
done
exit $failed
