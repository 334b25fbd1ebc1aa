#!/usr/bin/env python3
"""NDJSON over HTTP → parse → alarms → durable in SQLite → one dashboard watching.

Bars: 60,000 readings per CPU-second of the server; at 30,000 readings/s p99 from socket to WebSocket
frame at most 100 ms; at most 2 KB a patient idle and 512 MiB at 100,000 patients.

Usage: ingest.py [throughput] [latency] [memory]     (all three by default; one JSON line each)
"""
import argparse, json, subprocess, sys

from server import BUILD, Server


def load(server, patients, rate, batch=200, connections=16, warm_up=5, seconds=40, watch=1):
    command = [BUILD / "bench" / "bench_ingest_load", *map(str, (
        server.port(8001), server.token, server.process.pid, patients, rate, batch, connections, warm_up, seconds, watch))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def throughput(options):
    server = Server()
    figures = load(server, options.patients, 0, options.batch, options.connections, seconds=options.seconds)
    server.stop()
    return {**figures, "question": "throughput", "bar": 60000, "met": figures["readings_per_cpu_s"] >= 60000}


def latency(options):
    server = Server()
    figures = load(server, options.patients, 30000, options.batch, options.connections, seconds=options.seconds)
    server.stop()
    return {**figures, "question": "latency", "bar_ms": 100,
            "met": figures["latency_p99_ms"] <= 100 and figures["readings_per_s"] >= 29500}


def memory(options):
    """100,000 patients with a reading each minute or so; idle: after the last was folded."""
    server = Server()
    before = server.rss_mb()
    figures = load(server, 100000, 0, 500, 16, warm_up=0, seconds=20, watch=0)
    server.stop()
    restarted = None
    return {"bench": "ingest", "question": "memory", "patients": 100000, "empty_mb": round(before, 1),
            "loaded_mb": figures["server_rss_mb"], "bar_mb": 512, "cpu": figures["cpu"],
            "met": figures["server_rss_mb"] <= 512}


QUESTIONS = {"throughput": throughput, "latency": latency, "memory": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help="throughput, latency, memory")
    parser.add_argument("--patients", type=int, default=10000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=40)
    options = parser.parse_args()
    for name in options.questions or QUESTIONS:
        if name not in QUESTIONS:
            parser.error(f"no question '{name}'; known: {', '.join(QUESTIONS)}")
        print(json.dumps(QUESTIONS[name](options)), flush=True)


if __name__ == "__main__":
    main()
