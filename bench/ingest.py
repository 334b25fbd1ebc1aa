#!/usr/bin/env python3
"""NDJSON over HTTP → parse → alarms → durable in SQLite → one dashboard watching.

Bars: 60,000 readings per CPU-second of the server; at 30,000 readings/s p99 from socket to WebSocket
frame at most 100 ms; at most 2 KB a patient idle and 512 MiB at 100,000 patients.

Usage: ingest.py [throughput] [latency] [memory]     (all three by default; one JSON line each)
"""
import argparse, json, subprocess, time

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


def readings(first, count):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = ('{"patient_id":"P%06d","timestamp":"%s","heartRate":%d,"spO2":97,"bloodPressure":{"systolic":120,"diastolic":70},'
            '"temperature":37.0,"respiratory":14,"source":"monitor-%d"}\n')
    return "".join(line % (i, now, 62 + i % 30, i % 50) for i in range(first, first + count)).encode()


def memory(options):
    """Idle: one reading from each of 100,000 patients.  Loaded: 40 s as fast as it goes, one dashboard watching."""
    server = Server()
    empty = server.rss_mb()
    for first in range(0, 100000, 2000):
        server.call(8001, "/api/ingest/vitals", readings(first, 2000), "application/x-ndjson")
    time.sleep(5)
    idle = server.rss_mb()
    loaded = load(server, 100000, 0, 500, 16, warm_up=0, seconds=40)
    peak = server.peak_mb()
    server.stop()
    per_patient = (idle - empty) * 2**20 / 100000
    return {"bench": "ingest", "question": "memory", "patients": 100000, "empty_mb": round(empty, 1), "idle_mb": round(idle, 1),
            "idle_bytes_per_patient": round(per_patient), "bar_bytes": 2048, "loaded_mb": loaded["server_rss_mb"],
            "peak_mb": round(peak, 1), "bar_mb": 512, "readings_per_cpu_s": loaded["readings_per_cpu_s"], "cpu": loaded["cpu"],
            "met": per_patient <= 2048 and peak <= 512}


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
