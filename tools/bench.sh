#!/bin/sh
# bench.sh [NAME…]: runs the benchmarks of bench/ one after the other, one JSON line each.
# Results also go to $BUILD/bench.jsonl.  Nothing else should run meanwhile.
set -eu
cd "$(dirname "$0")/.."
export BUILD="${BUILD:-build}"
known="alarm ingest_parse ingest http summaries precision"
# Beside these: t5 installs PyTorch and other peers (several GB) and takes a quarter of an hour: bench.sh t5
for name in ${*:-$known}; do
    if [ -x "bench/$name/run.py" ]; then
        "bench/$name/run.py"
    elif [ -x "bench/$name" ]; then
        "bench/$name"
    elif [ -x "$BUILD/bench/bench_$name" ]; then
        "$BUILD/bench/bench_$name"
    else
        echo "No benchmark '$name'; known: $known t5" >&2
        exit 2
    fi
done | tee "$BUILD/bench.jsonl"
