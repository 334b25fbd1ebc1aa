#!/usr/bin/env python3
"""Does a summarizer that takes all CPU, or never answers in time, delay an alarm?

    bench/summaries/run.py [MODEL_FOLDER] [ALARMS]

From the write of a critical reading to its alert on /ws/ward: first with nothing else to do, then while more
summaries are asked for than the model can write, with a deadline of a minute, so that every engine thread is busy
all the time.  One JSON line: p50 and p99 of both, and their ratio.  Without MODEL_FOLDER: the default model, else
Google's tiny test checkpoint from $WARDSCRIBE_DATA."""
import asyncio, json, os, pathlib, shutil, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
try:
    import httpx
    import websockets
except ImportError:  # those of the tests (tools/test.sh)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    python = cache / "wardscribe-test-venv/bin/python"
    if not python.exists() or pathlib.Path(sys.executable) == python:
        sys.exit("bench/summaries needs httpx and websockets: run `make test` once, it installs them")
    os.execv(python, [python, *sys.argv])
from server import Server


def model_folder():
    shipped = sorted(ROOT.glob("models/*/config.json"))
    if shipped:
        return shipped[0].parent
    data = pathlib.Path(os.environ.get("WARDSCRIBE_DATA", ROOT.parent / "shared/data")) / "t5"
    if not (data / "t5x-tiny").exists():
        sys.exit(f"bench/summaries: no model: neither models/ nor {data}/t5x-tiny")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wardscribe-bench-model-"))
    for name in ("t5x-tiny/config.json", "t5x-tiny/model.safetensors", "tokenizer/spiece.model"):
        shutil.copy(data / name, folder)
    return folder


def stamp(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


async def measure(server, prefix, count):
    """Seconds from write to frame, one alarm every 25 ms."""
    headers = {"Authorization": f"Bearer {server.token}"}
    sent, took = {}, []
    async with websockets.connect(f"ws://127.0.0.1:{server.port(8001)}/ws/ward?token={server.token}",
                                  max_size=None) as socket, \
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port(8001)}", headers=headers, timeout=60) as client:
        await socket.recv()

        async def listen():
            while len(took) < count:
                text = await asyncio.wait_for(socket.recv(), 60)
                now = time.perf_counter()
                for patient in [p for p in sent if p + '"' in text and "critical" in text]:
                    took.append(now - sent.pop(patient))

        listening = asyncio.create_task(listen())
        posts = []
        for i in range(count):
            patient = f"{prefix}{i}"
            sent[patient] = time.perf_counter()
            body = {"patient_id": patient, "timestamp": stamp(time.time()), "source": "m", "heartRate": 170}
            posts.append(asyncio.create_task(client.post("/api/ingest/vitals", json=body)))
            await asyncio.sleep(0.025)
        await listening
        await asyncio.gather(*posts)
    return sorted(took)


def hammer(server, stop):
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port(8003)}", headers=headers, timeout=120) as client:
        while not stop.is_set():
            client.post("/api/model/trigger-summary", json={"patientId": "N0"})


def at(sorted_values, share):
    return round(1000 * sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))], 2)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else model_folder()
    os.environ.update(WARDSCRIBE_SUMMARIES_MODEL=str(folder.resolve()), WARDSCRIBE_SUMMARIES_DEADLINE_MS="60000")
    server = Server()
    try:
        deadline = time.monotonic() + 60
        while server.call(8003, "/api/model/info")["source"] != "model" and time.monotonic() < deadline:
            time.sleep(0.2)
        asyncio.run(measure(server, "W", 40))
        quiet = asyncio.run(measure(server, "N", count))
        stop = threading.Event()
        # as many as may wait for the model
        threads = [threading.Thread(target=hammer, args=(server, stop)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        busy = asyncio.run(measure(server, "B", count))
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        server.stop()
    print(json.dumps({"bench": "alarm_latency_under_summaries", "alarms": count,
                      "quiet_ms": {"p50": at(quiet, .5), "p99": at(quiet, .99)},
                      "busy_ms": {"p50": at(busy, .5), "p99": at(busy, .99)},
                      "p99_ratio": round(at(busy, .99) / at(quiet, .99), 2)}))


if __name__ == "__main__":
    main()
