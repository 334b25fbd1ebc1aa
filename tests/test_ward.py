"""The life of a reading, over the real binary: in, alarm, stored, served, on a socket."""
import asyncio, gzip, json, time

import httpx
import pytest
import websockets

from conftest import PATIENCE_S, eventually, ndjson, reading


def post(client, body, **headers):
    return client.post("/api/ingest/vitals", content=body, headers={"Content-Type": "application/x-ndjson", **headers})


def test_a_reading_becomes_an_alarm_a_chart_and_a_summary(ward):
    client = ward.client()
    sent = reading(heartRate=142, spO2=91, bloodPressure={"systolic": 148, "diastolic": 92}, temperature=38.4,
                   respiratory=24)
    assert client.post("/api/ingest/vitals", json=sent).json() == {"accepted": 1, "rejected": []}
    # On disk, on the ward and judged are three ways: none waits for another.
    patient = eventually(lambda: (p := client.get("/api/patients/P001").json())["alertSeverity"] == "critical"
                         and p["vitals"]["heartRate"] and p)
    assert patient["vitals"] == {"heartRate": 142, "spO2": 91, "bloodPressure": {"systolic": 148, "diastolic": 92},
                                 "temperature": 38.4, "respiratory": 24}
    alerts = client.get("/api/alerts").json()
    assert alerts[0]["message"] == "Critical tachycardia detected. Heart rate: 142 bpm (threshold: >=130)"
    assert {a["type"] for a in alerts} == {"Tachycardia Alert", "Hypoxia Alert", "Hypertensive Crisis", "Fever Alert",
                                           "Tachypnea Alert"}
    history = client.get("/api/patients/P001/vitals/history?hours=1").json()
    assert [p["value"] for p in history["heartRate"]] == [142]
    summary = client.post("/api/model/trigger-summary", json={"patientId": "P001"}).json()["summary"]
    assert summary["text"].startswith("**Clinical Summary for P001**")
    assert "142 bpm" in summary["ml_summary"]
    assert all(s["evidence"] for s in summary["sentences"])
    assert client.get("/api/summaries/P001").json()[0]["id"] == summary["id"]


def test_a_wrong_line_is_named_and_the_others_are_kept(ward):
    client = ward.client()
    now = time.time()
    lines = [reading(at=now - 10 + i, heartRate=80) for i in range(10)]
    lines[6]["heartRate"] = 900
    reply = post(client, ndjson(lines))
    assert reply.status_code == 207
    body = reply.json()
    assert body["accepted"] == 9
    assert body["rejected"][0]["line"] == 7 and body["rejected"][0]["field"] == "heartRate"
    assert "900" in body["rejected"][0]["detail"]
    assert len(client.get("/api/patients/P001/vitals/history?raw=true").json()["readings"]) == 9
    assert post(client, b'{"patient_id": 3}\n').status_code == 400


def test_the_same_readings_again_are_stored_once(ward):
    client = ward.client()
    body = ndjson(reading(at=time.time() - 20 + i, heartRate=80 + i) for i in range(10))
    for _ in range(3):
        assert post(client, gzip.compress(body), **{"Content-Encoding": "gzip"}).json()["accepted"] == 10
    assert len(client.get("/api/patients/P001/vitals/history?raw=true").json()["readings"]) == 10


def test_zero_is_a_sensor_that_is_off_never_a_healthy_value(ward):
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading(heartRate=80, spO2=0))
    patient = eventually(lambda: (p := client.get("/api/patients/P001").json())["vitals"]["heartRate"] and p)
    assert patient["vitals"]["spO2"] is None
    assert patient["implausible"]["count"] == 1 and patient["implausible"]["last"]["vital"] == "spO2"


def test_acknowledge_works_by_the_alert_id_and_is_audited_once(ward):
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading(heartRate=150))
    alert = client.get("/api/alerts").json()[0]
    path = f"/api/alerts/{alert['id']}/acknowledge"
    assert client.post(path, json={"version": alert["version"] + 5}).status_code == 409
    assert client.post(path).json() == {"status": "acknowledged", "alert_id": alert["id"]}
    assert client.post(path).status_code == 200
    after = client.get("/api/alerts").json()[0]
    assert after["acknowledged"] and after["acknowledged_by"] == "admin"
    rows = [r for r in client.get("/api/audit?limit=50").json() if r["action"] == "alert.acknowledge"]
    assert len(rows) == 1
    assert client.post("/api/alerts/P001.fever.1/acknowledge").status_code == 404
    assert client.get("/api/audit/verify").json()["valid"] is True


def test_limits_are_per_patient_and_wrong_ones_are_named(ward):
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading(heartRate=80))
    reply = client.put("/api/patients/P001/limits", json={"heart_rate": {"warning_low": 45, "critical_low": 50}})
    assert reply.status_code == 400 and "critical_low" in reply.json()["detail"]
    assert client.put("/api/patients/P001/limits", json={"heart_rate": {"warning_low": 45}}).status_code == 200
    client.post("/api/ingest/vitals", json=reading(heartRate=50))
    assert client.get("/api/alerts").json() == []


def test_no_pause_without_an_end(ward):
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading(heartRate=80))
    for wrong in ({}, {"minutes": 0}, {"minutes": 31}, {"minutes": -1}, {"minutes": 1e18}):
        assert client.post("/api/patients/P001/pause", json=wrong).status_code == 400
    assert client.post("/api/patients/P001/pause", json={"minutes": 5, "reason": "washing"}).status_code == 200
    eventually(lambda: client.get("/api/patients/P001").json()["alarmsPausedUntil"])


@pytest.mark.parametrize("path", ["/api/patients/P999", "/api/patients/P999/vitals",
                                  "/api/patients/P999/vitals/history", "/api/alerts/P999", "/api/alerts/P999/history",
                                  "/api/alerts/P999/recent", "/api/summaries/P999"])
def test_an_unknown_patient_is_404_on_every_path(shared_ward, path):
    reply = shared_ward.client().get(path)
    assert reply.status_code == 404
    assert reply.json()["detail"] == "Patient P999 not found"
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_sensor_disconnection_is_on_time_and_clears(ward):
    client = ward.client()
    start = time.time()
    for i in range(6):
        client.post("/api/ingest/vitals", json=reading(heartRate=80, spO2=97))
        time.sleep(max(0, start + i + 1 - time.time()))
    deadline = time.time() + 4
    while time.time() < deadline and not client.get("/api/alerts").json():
        time.sleep(0.05)
    alert = client.get("/api/alerts").json()[0]
    assert alert["type"] == "Sensor Disconnection" and alert["kind"] == "technical"
    patient = client.get("/api/patients/P001").json()
    assert patient["vitals"]["heartRate"] is None and "heartRate" in patient["stale"]
    client.post("/api/ingest/vitals", json=reading(heartRate=80, spO2=97))
    assert client.get("/api/alerts").json() == []


def test_kill_9_loses_nothing_that_was_acknowledged(ward):
    token = ward.login()
    acknowledged = []
    for round_number in range(5):
        with ward.client(token) as client:
            for i in range(8):
                at = 1767225600 + round_number * 1000 + i * 2  # 2026-01-01: a replay, so wall time does not matter
                batch = [reading(f"K{p}", at=at, heartRate=150 if i % 4 == 0 else 70) for p in range(20)]
                assert post(client, ndjson(batch)).json()["accepted"] == 20
                acknowledged.append(at)
        ward.kill()
        ward.start()
    with ward.client(token) as client:
        readings = client.get("/api/patients/K3/vitals/history?raw=true&limit=10000"
                              "&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z").json()["readings"]
        assert len(readings) == len(acknowledged)
        alerts = client.get("/api/alerts/K3/history?limit=1000").json()
        assert len({a["id"] for a in alerts}) == len(alerts) > 0
        assert client.get("/api/audit/verify").json()["valid"] is True


async def ward_frames(ward, token, count, query=""):
    frames = []
    async with websockets.connect(ward.url(3000, "ws") + "/ws/ward" + query) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        while len(frames) < count:
            frames.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S)))
    return frames


def test_the_ward_socket_sends_a_snapshot_then_changes(ward):
    client, token = ward.client(), ward.login()
    client.post("/api/ingest/vitals", json=reading(heartRate=80))
    eventually(lambda: client.get("/api/patients/P001").json()["vitals"]["heartRate"])

    async def scenario():
        async with websockets.connect(ward.url(3000, "ws") + "/ws/ward") as socket:
            await socket.send(json.dumps({"type": "auth", "token": token}))
            snapshot = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
            assert snapshot["type"] == "snapshot" and snapshot["patients"][0]["id"] == "P001"
            await asyncio.to_thread(client.post, "/api/ingest/vitals", json=reading(heartRate=150))
            while True:
                frame = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
                if frame["type"] == "changes" and frame["patients"][0]["alertSeverity"] == "critical":
                    return snapshot, frame

    snapshot, frame = asyncio.run(scenario())
    assert frame["seq"] > snapshot["seq"]
    resumed = asyncio.run(ward_frames(ward, token, 1, f"?seq={frame['seq']}&epoch={frame['epoch']}"))
    assert resumed[0]["type"] == "heartbeat"
    again = asyncio.run(ward_frames(ward, token, 1, "?seq=1&epoch=other"))
    assert again[0]["type"] == "snapshot"


def close_code(url, **arguments):
    async def scenario():
        async with websockets.connect(url, **arguments) as socket:
            try:
                while True:
                    await asyncio.wait_for(socket.recv(), 8)
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code

    return asyncio.run(scenario())


def test_sockets_ask_for_a_token_and_a_known_patient(shared_ward):
    ward, token = shared_ward, shared_ward.login()
    shared_ward.client(token).post("/api/ingest/vitals", json=reading(heartRate=80))
    assert close_code(ward.url(8001, "ws") + "/ws/vitals/P001?token=wrong") == 4401
    assert close_code(ward.url(8001, "ws") + "/ws/vitals/P999",
                      additional_headers={"Authorization": f"Bearer {token}"}) == 4004
    with pytest.raises(websockets.InvalidStatus) as refused:
        close_code(ward.url(8001, "ws") + "/ws/ward", origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_the_patient_socket_speaks_about_once_a_second(shared_ward):
    ward, token = shared_ward, shared_ward.login()
    ward.client(token).post("/api/ingest/vitals", json=reading("S1", heartRate=80))

    async def scenario():
        async with websockets.connect(ward.url(8001, "ws") + "/ws/vitals/S1?token=" + token) as socket:
            return [json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S)) for _ in range(3)], time.time()

    started = time.time()
    messages, ended = asyncio.run(scenario())
    assert set(messages[0]) >= {"heartRate", "spO2", "systolic", "diastolic", "temperature", "respiratory",
                                "alertSeverity", "timestamp"}
    assert 1.5 < ended - started < 3.5


def test_an_unauthenticated_body_is_not_read(shared_ward):
    reply = httpx.post(shared_ward.url(8001) + "/api/ingest/vitals", content=b"x" * (6 << 20))
    assert reply.status_code == 401
    big = shared_ward.client().post("/api/ingest/vitals", content=b"x" * (9 << 20))
    assert big.status_code == 413


def test_health_names_the_version_of_the_store(shared_ward):
    health = httpx.get(shared_ward.url() + "/health").json()
    assert health["status"] == "healthy" and health["store"].startswith("ok (SQLite 3.")


def test_a_second_process_on_the_same_data_is_refused(ward, tmp_path):
    import subprocess
    from conftest import BINARY
    result = subprocess.run([BINARY, "serve", "--data-dir", ward.directory / "data", "--source", "none",
                             "--port-offset", "100"],
                            capture_output=True, text=True, timeout=20)
    assert result.returncode == 78 and "in use by another Wardscribe" in result.stderr


def test_a_set_that_lacks_something_says_what(tmp_path):
    import subprocess
    from conftest import BINARY
    result = subprocess.run([BINARY, "serve", "--target=alert-engine", "--data-dir", tmp_path / "d"],
                            capture_output=True, text=True, timeout=20)
    assert result.returncode == 78 and "vitals-generator" in result.stderr


def test_two_servers_never_share_a_port(ward, tmp_path):
    import subprocess
    from conftest import BINARY
    second = subprocess.run([BINARY, "serve", "--data-dir", tmp_path / "second", "--source", "none", "--port-offset",
                             str(ward.offset)],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode == 78 and "--port-offset N moves all ports" in second.stderr
    ward.kill()
    ward.start()  # at once, on the same ports
