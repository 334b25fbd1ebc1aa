"""Mistakes known from systems like this one, each over the real binary."""
import asyncio, json, pathlib, re, socket, subprocess, time

import httpx
import pytest
import websockets

from conftest import BINARY, PASSWORD, PATIENCE_S, ROOT, Ward, eventually, ndjson, reading

INGEST = "/api/ingest/vitals"


def ingest(client, *readings):
    reply = client.post(INGEST, content=ndjson(readings), headers={"Content-Type": "application/x-ndjson"})
    assert reply.status_code == 200, reply.text


def alerts_of(client, patient="P001"):
    return {a["type"]: a for a in client.get(f"/api/alerts/{patient}").json()}


def test_flat_blood_pressure_is_read_everywhere(ward):
    """It reached the model as BP=0/0."""
    client = ward.client()
    now = time.time()
    ingest(client, reading("P001", at=now, systolic=148, diastolic=92, heartRate=80),
           reading("P002", at=now, systolic_bp=148, diastolic_bp=92, heart_rate=80),
           reading("P003", at=now, bloodPressure={"systolic": 148, "diastolic": 92}, heartRate=80))
    # What is answered is on disk; the ward shows it a moment later.
    for patient in ("P001", "P002", "P003"):
        eventually(lambda: client.get(f"/api/patients/{patient}/vitals").json()["bloodPressure"] ==
                   {"systolic": 148, "diastolic": 92})
        crisis = eventually(lambda: alerts_of(client, patient).get("Hypertensive Crisis"))
        assert "148/92" in crisis["message"]
        text = client.post("/api/model/trigger-summary", json={"patientId": patient}).json()["summary"]["text"]
        assert "148" in text and "0/0" not in text, text


def test_a_zero_is_a_sensor_that_is_off(ward):
    """spO2: 0 fell back to 100; here it is no value, and when it lasts the sensor is called disconnected."""
    client = ward.client()
    start = time.time()
    for i in range(5):
        ingest(client, reading(heartRate=80, spO2=97))
        time.sleep(max(0, start + i + 1 - time.time()))
    for i in range(5, 9):
        ingest(client, reading(heartRate=80, spO2=0))
        time.sleep(max(0, start + i + 1 - time.time()))
    patient = client.get("/api/patients/P001").json()
    assert patient["vitals"]["spO2"] is None and patient["vitals"]["heartRate"] == 80
    assert "spO2" in patient["stale"] and patient["news2"]["low"] < patient["news2"]["high"]
    alert = alerts_of(client)["Sensor Disconnection"]
    assert "Oxygen saturation" in alert["message"] and "Heart rate" not in alert["message"]
    assert 100 not in [p["value"] for p in client.get("/api/patients/P001/vitals/history?hours=1").json()["spO2"]]


def test_acknowledge_takes_the_id_that_every_list_and_socket_shows(ward):
    """It looked for the wrong kind of id, and did nothing."""
    client, token = ward.client(), ward.login()
    ingest(client, reading(heartRate=150))
    # The ward and the history hear of an alert on ways of their own, and neither is waited for.
    eventually(lambda: client.get("/api/patients/P001").json()["activeAlerts"])
    eventually(lambda: client.get("/api/alerts/P001/history").json())

    async def from_socket():
        async with websockets.connect(ward.url(3000, "ws") + "/ws/ward",
                                      additional_headers={"Authorization": f"Bearer {token}"}) as ws:
            return json.loads(await asyncio.wait_for(ws.recv(), PATIENCE_S))["patients"][0]["activeAlerts"][0]["id"]

    ids = {asyncio.run(from_socket()), client.get("/api/alerts").json()[0]["id"],
           client.get("/api/alerts/P001").json()[0]["id"], client.get("/api/alerts/P001/history").json()[0]["id"],
           client.get("/api/alerts/P001/recent").json()[0]["id"]}
    assert len(ids) == 1
    assert client.post(f"/api/alerts/{ids.pop()}/acknowledge").status_code == 200
    assert client.get("/api/alerts").json()[0]["acknowledged"] is True
    eventually(lambda: client.get("/api/alerts/P001/history").json()[0]["acknowledged"] is True)


@pytest.mark.parametrize("vital, value, kind, severity", [
    ("heartRate", 59, "Bradycardia Alert", "warning"), ("heartRate", 40, "Bradycardia Alert", "critical"),
    ("spO2", 92, "Hypoxia Alert", "warning"), ("spO2", 89, "Hypoxia Alert", "critical"),
    ("systolic", 90, "Hypotension Alert", "warning"), ("systolic", 80, "Hypotension Alert", "critical"),
    ("temperature", 35.5, "Hypothermia Alert", "warning"), ("temperature", 35, "Hypothermia Alert", "critical"),
    ("respiratory", 10, "Bradypnea Alert", "warning"), ("respiratory", 8, "Bradypnea Alert", "critical")])
def test_low_sides_alarm(shared_ward, vital, value, kind, severity):
    """They were configured and never used."""
    client, patient = shared_ward.client(), f"LOW-{vital}-{str(value).replace('.', '_')}"
    ingest(client, reading(patient, **{vital: value}))
    assert alerts_of(client, patient)[kind]["severity"] == severity
    assert client.get(f"/api/alerts/{patient}?limit=1").json()[0]["vital_value"] == value


def test_every_limit_that_can_be_set_has_an_effect(ward):
    client = ward.client()
    limits = {"heart_rate": {"warning_low": 50, "hysteresis_low": 10}}
    ingest(client, reading(at=time.time() - 3, heartRate=55))
    assert "Bradycardia Alert" in alerts_of(client)
    assert client.put("/api/patients/P001/limits", json=limits).status_code == 200
    assert "Bradycardia Alert" in alerts_of(client)  # 55 is inside 50, but not by 10
    ingest(client, reading(at=time.time() - 2, heartRate=60))
    assert "Bradycardia Alert" not in alerts_of(client)
    client.put("/api/patients/P001/limits", json={"heart_rate": {"warning_low": 65}})
    assert alerts_of(client)["Bradycardia Alert"]["vital_value"] == 60  # at once, without another reading
    assert client.get("/api/audit?limit=5").json()[0]["action"] == "limits.change"


def test_no_setting_is_without_effect():
    """A setting that nothing reads is a promise that is not kept."""
    keys = re.findall(r'^    (?:TEXT|INT|BOOL|CHOICE|SECRET)\("([a-z_.]+)"',
                      (ROOT / "backend/base/config_table.c").read_text(), re.M)
    source = "".join(p.read_text() for p in (ROOT / "backend").rglob("*.c") if not p.name.startswith("config"))
    assert len(keys) > 15
    for key in keys:
        assert re.search(r"config(->|\.)" + key.replace(".", r"\."), source), f"{key} is never read"


def test_a_temperature_beyond_the_monitor_is_charted(ward):
    """It was dropped, so a fever was never charted."""
    client = ward.client()
    ingest(client, reading(at=time.time() - 2, temperature=42.6), reading(at=time.time() - 1, temperature=46))
    assert [p["value"] for p in client.get("/api/patients/P001/vitals/history").json()["temperature"]] == [42.6]
    assert alerts_of(client)["Fever Alert"]["severity"] == "critical"
    rows = client.get("/api/patients/P001/vitals/history?raw=true").json()["readings"]
    assert [r["temperature"] for r in rows] == [42.6, 46]  # what is not believed is kept all the same, with its reason
    assert rows[1]["implausible"] == {"temperature": "too high"}


def test_a_cuff_pressure_has_its_own_age(ward):
    """The last one was sent again with every message, with no age."""
    client, token = ward.client(), ward.login()
    now = time.time()
    ingest(client, reading(at=now - 50, heartRate=80, bloodPressure={"systolic": 120, "diastolic": 70}))
    ingest(client, *[reading(at=now - 40 + i, heartRate=81) for i in range(40)])
    vitals = eventually(lambda: (v := client.get("/api/patients/P001/vitals").json())["heartRate"] == 81 and v)
    assert vitals["vitalTimes"]["bloodPressure"] < vitals["vitalTimes"]["heartRate"] == vitals["timestamp"]

    async def from_socket():
        async with websockets.connect(ward.url(8001, "ws") + f"/ws/vitals/P001?token={token}") as ws:
            return json.loads(await asyncio.wait_for(ws.recv(), PATIENCE_S))
    live = asyncio.run(from_socket())
    assert live["systolic"] == 120 and live["vitalTimes"]["bloodPressure"] == vitals["vitalTimes"]["bloodPressure"]
    assert all(r["systolic"] is None
               for r in client.get("/api/patients/P001/vitals/history?raw=true&limit=50").json()["readings"][1:])


def test_a_device_that_comes_behind_is_not_called_silent(ward):
    """Stamps five seconds old, and six readings at once: on time all the same."""
    client = ward.client()
    for i in range(4):
        now = time.time()
        ingest(client, *[reading("SLOW", at=now - 5 - 0.3 * (5 - k), heartRate=80) for k in range(6)])
        ingest(client, reading("TRUE", at=now, heartRate=80))
        time.sleep(max(0, now + 1.8 - time.time()))
    assert client.get("/api/alerts/SLOW/history").json() == []


def test_a_restart_raises_no_flood_and_still_finds_who_is_gone(ward):
    """A time-out of 600 s fired after 19,123 s; one never cleared; a restart raised a flood of false ones."""
    client, token = ward.client(), ward.login()
    start = time.time()
    for i in range(5):
        ingest(client, *[reading(f"P{n:03d}", heartRate=80) for n in range(40)])
        time.sleep(max(0, start + i + 1 - time.time()))
    ward.kill()
    time.sleep(3)
    ward.start()
    client = ward.client(token)
    back = [f"P{n:03d}" for n in range(39)]  # the last one never comes back
    for _ in range(9):
        ingest(client, *[reading(p, heartRate=80) for p in back])
        time.sleep(1)
    lost = [a["patient_id"] for a in client.get("/api/alerts").json() if a["type"] == "Sensor Disconnection"]
    assert lost == ["P039"]
    assert all(a["patient_id"] == "P039" for p in back[:5] for a in client.get(f"/api/alerts/{p}/history").json())
    ingest(client, reading("P039", heartRate=80))
    assert client.get("/api/alerts/P039").json() == []


def test_a_discharged_patient_never_alarms_unseen(ward):
    client = ward.client()
    ingest(client, reading(heartRate=150))
    assert client.post("/api/patients/P001/discharge").status_code == 200
    assert client.get("/api/patients/P001").json()["status"] == "discharged" and client.get("/api/alerts").json() == []
    time.sleep(0.01)
    ingest(client, reading(heartRate=151))
    assert client.get("/api/patients/P001").json()["status"] == "monitored"
    assert client.get("/api/alerts").json()[0]["vital_value"] == 151
    assert ward.stop() == 0
    client = ward.start().client()
    assert client.get("/api/patients/P001").json()["status"] != "discharged"


def test_no_password_and_no_key_ships(tmp_path):
    """admin123 and a signing key were in the code."""
    keys, passwords = set(), set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ward = Ward(tmp_path / name)
        ward.process = subprocess.Popen([BINARY, "serve", "--data-dir", ward.directory / "data", "--source", "none",
                                         "--port-offset", str(ward.offset)], stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        for line in ward.process.stdout:
            found = re.match(r"  password  (\S+)", line)
            if found:
                passwords.add(found.group(1))
            if line.startswith("  stop"):
                break
        assert len(passwords) == len(keys) + 1
        eventually(lambda: httpx.get(ward.url(8002) + "/ready").status_code == 200)
        for guess in ("admin123", "admin", "password", PASSWORD, "wardscribe"):
            reply = httpx.post(ward.url(8002) + "/api/auth/login", json={"username": "admin", "password": guess})
            assert reply.status_code in (401, 429)
        keys.add(httpx.get(ward.url(8002) + "/api/auth/jwks").json()["keys"][0]["x"])
        assert ward.stop() == 0
        assert not any(p in (ward.directory / "data").joinpath("wardscribe.db").read_bytes().decode("latin1")
                       for p in passwords)
    assert len(keys) == 2 and all(len(p) >= 20 for p in passwords)


def test_a_password_is_shown_even_when_the_start_fails(tmp_path):
    result = subprocess.run([BINARY, "serve", "--data-dir", tmp_path / "d", "--bind", "192.0.2.1"], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 78 and "192.0.2.1" in result.stderr
    assert re.search(r"password  \S{20,}", result.stdout)


def test_a_slow_screen_gets_the_newest_values_and_costs_no_memory(ward):
    client, token = ward.client(), ward.login()

    def rss_mb():
        return int(re.search(r"VmRSS:\s+(\d+)",
                             pathlib.Path(f"/proc/{ward.process.pid}/status").read_text()).group(1)) / 1024

    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", 8001 + ward.offset))
    slow.sendall(f"GET /ws/ward?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
    before = None
    for i in range(120):
        ingest(client, *[reading(f"P{n:03d}", heartRate=61 + i % 30, spO2=97) for n in range(400)])
        before = before or rss_mb()
    assert rss_mb() - before < 40, "a screen that reads nothing must not make a queue"
    slow.settimeout(5)
    data, newest = b"", b'"heartRate":%d' % (61 + 119 % 30)
    while newest not in data[-2_000_000:]:
        piece = slow.recv(1 << 20)
        assert piece
        data += piece
    assert len(data) < 16 << 20  # 120 rounds of 400 patients would be 45 MB
    slow.close()


def test_screens_of_a_large_ward_all_see_every_change(ward):
    """Frames follow each other until a screen has caught up, and are shared by those that stand at the same place."""
    client, token = ward.client(), ward.login()
    patients = [f"B{n:04d}" for n in range(1500)]
    ingest(client, *[reading(p, heartRate=61) for p in patients])

    async def watch(screens):
        async def one():
            seen = {}
            async with websockets.connect(ward.url(8001, "ws") + f"/ws/ward?token={token}", max_size=None) as ws:
                first = json.loads(await asyncio.wait_for(ws.recv(), PATIENCE_S))
                assert first["type"] == "snapshot"
                seen.update((p["id"], p["vitals"]["heartRate"]) for p in first["patients"])
                last = first["seq"]
                while len(seen) < len(patients) or set(seen.values()) != {95}:
                    frame = json.loads(await asyncio.wait_for(ws.recv(), PATIENCE_S))
                    assert frame["seq"] >= last and frame["type"] != "snapshot"
                    last = frame["seq"]
                    seen.update((p["id"], p["vitals"]["heartRate"]) for p in frame.get("patients", []))
                    if len(seen) == len(patients):
                        ready.set()
            return len(seen)
        ready = asyncio.Event()
        tasks = [asyncio.create_task(one()) for _ in range(screens)]
        await asyncio.wait_for(ready.wait(), 20)
        await asyncio.to_thread(ingest, client, *[reading(p, heartRate=95) for p in patients])
        return await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert asyncio.run(watch(3)) == [1500] * 3


def test_a_body_that_is_too_large_is_answered(ward):
    client = ward.client()
    reply = client.post(INGEST, content=b" " * (9 << 20))
    assert reply.status_code == 413 and "8388608" in reply.json()["detail"]
    reply = client.post("/api/auth/users", content=b'{"username":"' + b"x" * 100_000 + b'"}')
    assert reply.status_code == 413


def test_a_dry_run_takes_what_the_vitals_path_gives(ward):
    client = ward.client()
    ingest(client, reading(heartRate=150))
    before = eventually(lambda: client.get("/api/alerts/P001/history").json())
    vitals = eventually(lambda: (v := client.get("/api/patients/P001/vitals").json())["heartRate"] and v)
    assert [a["type"] for a in client.post("/api/analyze?patient_id=P001",
                                           json=vitals).json()["alerts"]] == ["Tachycardia Alert"]
    assert client.post("/api/analyze?patient_id=P001",
                       json=reading(spO2=80)).json()["alerts"][0]["severity"] == "critical"
    assert client.post("/api/analyze?patient_id=P001", json=reading("P002", spO2=80)).status_code == 400
    assert client.post("/api/analyze", json=vitals).status_code == 400
    assert client.get("/api/alerts/P001/history").json() == before


def test_a_set_of_services_names_all_that_it_lacks(tmp_path):
    result = subprocess.run([BINARY, "serve", "--target=summarizer-service", "--data-dir", tmp_path / "d"],
                            capture_output=True, text=True, timeout=20)
    assert result.returncode == 78
    suggested = re.search(r"use (--target=\S+),", result.stderr).group(1)
    assert set(suggested[len("--target="):].split(",")) == {"vitals-generator", "summarizer-service", "alert-engine"}
