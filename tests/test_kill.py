"""kill -9 at random moments under ingest load: nothing acknowledged is lost or doubled (issue 3's bar; trust.md A1)."""
import collections, random, subprocess, threading, time

import httpx
import pytest

from conftest import BINARY, Ward, ndjson

SOURCES, PATIENTS, BATCH = 3, 8, 10
START = 1767225600  # 2026-01-01: a recording, so that wall time does not matter


class Device(threading.Thread):
    """Sends its readings in order, one batch at a time and again until it is acknowledged; keeps a ledger of acks."""

    def __init__(self, ward, token, number):
        super().__init__(daemon=True)
        self.ward, self.token, self.number = ward, token, number
        self.next, self.acked, self.requests = 0, [], 0
        self.stopping = threading.Event()

    def batch(self):
        lines = []
        for i in range(self.next, self.next + BATCH):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + i // PATIENTS))
            beat = i // PATIENTS % 20
            lines.append({"patient_id": f"K{self.number}-{i % PATIENTS}", "timestamp": stamp + f".{self.number:03d}Z",
                          "source": f"monitor-{self.number}", "heartRate": 150 if beat < 5 else 75, "spO2": 97})
        return ndjson(lines)

    def run(self):
        while not self.stopping.is_set():
            try:
                with httpx.Client(base_url=self.ward.url(8001), headers={"Authorization": "Bearer " + self.token},
                                  timeout=5) as client:
                    while not self.stopping.is_set():
                        reply = client.post("/api/ingest/vitals", content=self.batch(),
                                            headers={"Content-Type": "application/x-ndjson"})
                        self.requests += 1
                        if reply.status_code == 200 and reply.json()["accepted"] == BATCH:
                            self.acked += range(self.next, self.next + BATCH)
                            self.next += BATCH
            except httpx.HTTPError:
                time.sleep(0.002)


def stored(client, patient):
    """Every stored reading, page by page."""
    rows, start = [], START - 1
    while True:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start))
        page = client.get(f"/api/patients/{patient}/vitals/history",
                          params={"raw": "true", "limit": 10000, "from": stamp, "to": "2026-03-01T00:00:00Z"})
        page.raise_for_status()
        found = [r["timestamp"] for r in page.json()["readings"]]
        rows += [f for f in found if f not in set(rows[-20000:])] if rows else found
        if len(found) < 10000:
            return rows
        start = int(time.mktime(time.strptime(found[-1][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)


def expected_alerts(count):
    """Episodes of tachycardia among `count` readings of a patient, one a second: 5 of 20 s are beyond the limit."""
    return (count + 19) // 20


def check(ward, token, devices):
    missing, doubled, alerts_wrong, total = [], [], [], 0
    with ward.client(token) as client:
        for device in devices:
            acked = collections.Counter(i % PATIENTS for i in device.acked)
            for p in range(PATIENTS):
                patient = f"K{device.number}-{p}"
                if not acked[p]:
                    continue
                rows = stored(client, patient)
                counts = collections.Counter(rows)
                doubled += [(patient, t) for t, n in counts.items() if n > 1]
                for i in (i for i in device.acked if i % PATIENTS == p):
                    stamp = time.strftime("%Y-%m-%dT%H:%M:%S",
                                          time.gmtime(START + i // PATIENTS)) + f".{device.number:03d}Z"
                    if stamp not in counts:
                        missing.append((patient, stamp))
                total += len(rows)
                alerts = [a for a in client.get(f"/api/alerts/{patient}/history", params={"limit": 1000}).json()
                          if a["type"] == "Tachycardia Alert"]
                ids = collections.Counter(a["id"] for a in alerts)
                # A critical alarm that nobody acknowledged latches: one episode however often it returns.
                if len(ids) != 1 or max(ids.values()) != 1:
                    alerts_wrong.append((patient, len(rows), ids))
        audit = client.get("/api/audit/verify").json()
    return missing, doubled, alerts_wrong, total, audit


def kill_many(tmp_path, kills, seed):
    generator = random.Random(seed)
    ward = Ward(tmp_path).start()
    token = ward.login()
    devices = [Device(ward, token, n) for n in range(SOURCES)]
    for device in devices:
        device.start()
    started, down = time.monotonic(), []
    for _ in range(kills):
        time.sleep(generator.uniform(0.0, 0.25))
        ward.kill()
        dead = time.monotonic()
        ward.start()
        down.append(time.monotonic() - dead)
    for device in devices:
        device.stopping.set()
    for device in devices:
        device.join()
    missing, doubled, alerts_wrong, total, audit = check(ward, token, devices)
    acked = sum(len(d.acked) for d in devices)
    print(f"{kills} kills in {time.monotonic() - started:.0f} s: {acked} readings acknowledged, {total} stored, "
          f"{len(missing)} lost, {len(doubled)} doubled, {len(alerts_wrong)} patients with wrong alerts; "
          f"restart {sorted(down)[len(down) // 2]:.2f} s (median), {max(down):.2f} s (longest)")
    assert acked > kills and not missing and not doubled and not alerts_wrong
    assert audit["valid"] is True
    assert ward.stop() == 0
    result = subprocess.run([BINARY, "verify", "--data-dir", ward.directory / "data"], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == 0, result.stderr


def test_kill_9_ten_times_under_load(tmp_path):
    kill_many(tmp_path, 10, seed=1)


@pytest.mark.slow
def test_kill_9_two_hundred_times_under_load(tmp_path):
    kill_many(tmp_path, 200, seed=2)
