"""data get, simulate, export, and what comes in over HTTP as it comes (trust.md D5, D8), on the real binary."""
import csv, http.server, io, json, re, subprocess, threading, time

import pytest

from conftest import BINARY, DATA, Ward, ndjson, reading

VITALS = DATA / "vitals"


def command(*arguments, timeout=120, **more):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **more)


def good(*arguments, **more):
    done = command(*arguments, **more)
    assert done.returncode == 0, done.stderr
    return done


def token_file(ward):
    path = ward.directory / "token"
    path.write_text(ward.login() + "\n")
    return path


# ---- help ----

@pytest.mark.parametrize("name,teaches", [("replay", "--offline"), ("simulate", "--truth"), ("export", "--what"),
                                          ("data", "get NAME")])
def test_help_teaches(name, teaches):
    text = good(name, "--help").stdout
    assert teaches in text and "Examples:" in text and f"wardscribe {name}" in text
    assert f"  {name} " in good("--help").stdout
    assert command(name, "--no-such-option").returncode == 64


@pytest.mark.parametrize("arguments,status,says", [
    (["replay", "x"], 64, "--format is needed"), (["replay", "--format", "bidmc"], 64, "which files"),
    (["replay", "--format", "vcd", "x", "--offline"], 65, "bidmc, challenge2019"),
    (["replay", "--format", "bidmc", "--offline", "/nowhere"], 66, "/nowhere"),
    (["replay", "--format", "bidmc", "--speed", "0", "x"], 64, "--speed"),
    (["replay", "--format", "bidmc", "--offline", "--start", "yesterday", "x"], 64, "--start"),
    (["replay", "--format", "bidmc", "--offline", "--to", "http://x", "x"], 64, "--offline needs no server"),
    (["simulate", "--patients", "0"], 64, "between 1 and"), (["simulate", "--duration", "soon"], 64, "--duration"),
    (["export"], 64, "--what is needed"), (["export", "--what", "alerts", "--data-dir", "/nowhere"], 66, "no database"),
    (["export", "--what", "alerts", "--from", "http://127.0.0.1:1"], 64, "--token-file"),
    (["export", "--what", "alerts", "--patient", "a/b"], 64, "not a patient id"),
    (["data", "get"], 64, "which set"), (["data", "get", "vcd"], 64, "no set vcd"),
    (["data", "frob"], 64, "list, get NAME"),
])
def test_what_is_wrong_is_said(arguments, status, says):
    done = command(*arguments)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr


# ---- data get ----

class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves files with ranges; may cut the connection after some bytes, or change a byte."""
    files, requests, cut_after, flip, protocol_version = {}, [], None, None, "HTTP/1.1"

    def do_GET(self):
        cls = type(self)
        data = cls.files.get(self.path)
        cls.requests.append((self.path, self.headers.get("Range")))
        if data is None:
            self.send_error(404)
            return
        if cls.flip == self.path:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if cls.cut_after is not None and len(body) > cls.cut_after:
            self.wfile.write(body[:cls.cut_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror():
    kind = type("OneMirror", (Mirror,), {"files": {}, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kind.url = f"http://127.0.0.1:{server.server_port}"
    yield kind
    server.shutdown()


def shared(*parts):
    path = VITALS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there (WARDSCRIBE_DATA)")
    return path


def serve_bidmc(mirror, prefix):
    for path in shared("bidmc").glob("bidmc_*"):
        mirror.files[prefix + path.name] = path.read_bytes()


def test_a_set_is_fetched_once_and_proven(mirror, tmp_path):
    serve_bidmc(mirror, "/files/bidmc/1.0.0/bidmc_csv/")  # the publisher's own path
    done = good("data", "get", "bidmc", "--from", mirror.url, "--dir", tmp_path / "a" / "b")
    assert "66 files" in done.stdout and "66 fetched now" in done.stdout and "Pimentel" in done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["done"] == lines[-1]["total"]
    for path in shared("bidmc").glob("bidmc_*"):
        assert (tmp_path / "a" / "b" / path.name).read_bytes() == path.read_bytes()
    mirror.requests.clear()
    assert "0 fetched now" in good("data", "get", "bidmc", "--from", mirror.url, "--dir", tmp_path / "a" / "b").stdout
    assert mirror.requests == []
    assert command("data", "verify", "bidmc", "--dir", tmp_path / "a" / "b").returncode == 0
    (tmp_path / "a" / "b" / "bidmc_01_Numerics.csv").write_text("changed")
    wrong = command("data", "verify", "bidmc", "--dir", tmp_path / "a" / "b")
    assert wrong.returncode == 73 and "bidmc_01_Numerics.csv" in wrong.stdout


def test_a_connection_that_breaks_loses_nothing(mirror, tmp_path):
    table = shared("mimic3-demo", "vitals.csv").read_bytes()
    mirror.files["/mimic3-demo/vitals.csv"] = table
    mirror.cut_after = 100_000
    good("data", "get", "mimic", "--from", mirror.url + "/", "--dir", tmp_path)
    assert (tmp_path / "vitals.csv").read_bytes() == table and not (tmp_path / "vitals.csv.part").exists()
    ranges = [r for path, r in mirror.requests if path == "/mimic3-demo/vitals.csv"]
    assert ranges[0] is None and len(ranges) == len(table) // 100_000 + 1
    assert all(r == f"bytes={i * 100_000}-" for i, r in enumerate(ranges) if i)  # no byte twice


def test_a_part_of_an_earlier_run_is_gone_on_with(mirror, tmp_path):
    table = shared("mimic3-demo", "vitals.csv").read_bytes()
    mirror.files["/vitals.csv"] = table
    (tmp_path / "vitals.csv.part").write_bytes(table[:12345])
    good("data", "get", "mimic", "--from", mirror.url, "--dir", tmp_path)
    assert ("/vitals.csv", "bytes=12345-") in mirror.requests
    assert (tmp_path / "vitals.csv").read_bytes() == table
    (tmp_path / "vitals.csv").unlink()  # a part that is wrong: noticed, and fetched anew
    (tmp_path / "vitals.csv.part").write_bytes(b"x" * 5000)
    good("data", "get", "mimic", "--from", mirror.url, "--dir", tmp_path)
    assert (tmp_path / "vitals.csv").read_bytes() == table


def test_a_changed_file_is_refused(mirror, tmp_path):
    serve_bidmc(mirror, "/bidmc/")
    mirror.flip = "/bidmc/bidmc_05_Numerics.csv"
    done = command("data", "get", "bidmc", "--from", mirror.url, "--dir", tmp_path)
    assert done.returncode == 73 and "bidmc_05_Numerics.csv: SHA-256 is" in done.stderr and "must be" in done.stderr
    assert not (tmp_path / "bidmc_05_Numerics.csv").exists() and not (tmp_path / "bidmc_05_Numerics.csv.part").exists()
    mirror.flip = None
    good("data", "get", "bidmc", "--from", mirror.url, "--dir", tmp_path)


def test_a_mirror_without_it_says_so(mirror, tmp_path):
    done = command("data", "get", "bidmc", "--from", mirror.url, "--dir", tmp_path)
    assert done.returncode == 66 and "404" in done.stderr
    unnamed = command("data", "get", "challenge2012", "--dir", tmp_path)
    assert unnamed.returncode == 64 and "--from URL" in unnamed.stderr


# ---- simulate ----

def test_the_same_seed_gives_the_same_bytes(tmp_path):
    runs = [good("simulate", "--patients", 5, "--seed", seed, "--duration", "20m", "--truth", tmp_path / f"truth{i}",
                 "-q").stdout
            for i, seed in enumerate((7, 7, 8))]
    assert runs[0] == runs[1] != runs[2] and runs[0].count("\n") == 5 * 1200
    assert (tmp_path / "truth0").read_bytes() == (tmp_path / "truth1").read_bytes()
    readings = [json.loads(line) for line in runs[0].splitlines()]
    truth = [json.loads(line) for line in (tmp_path / "truth0").read_text().splitlines()]
    assert [(r["patient_id"], r["timestamp"]) for r in readings] == [(t["patient_id"], t["timestamp"]) for t in truth]
    assert all(r["simulated"] for r in readings) and {t["condition"] for t in truth} > {"stable", "moderate"}
    for r, t in zip(readings, truth):
        assert ("systolic" in r) == (("cuff" in t["marks"]) or ("line_flush" in t["marks"]))
        if not t["marks"] or t["marks"] == ["cuff"]:
            assert abs(r["heartRate"] - t["heartRate"]) <= 0.5 and abs(r["spO2"] - t["spO2"]) <= 0.5
    assert {m for t in truth for m in t["marks"]} >= {"motion", "cuff", "cuff_failed"}


def test_a_simulation_feeds_a_server(ward):
    done = good("simulate", "--patients", 3, "--duration", "5m", "--interval", 5, "--speed", "max", "--to",
                ward.url(8001), "--token-file", token_file(ward))
    report = json.loads(done.stdout)
    assert report == {"patients": 3, "readings": 180, "accepted": 180, "rejected": 0, "retries": 0}
    client = ward.client()
    patients = client.get("/api/patients").json()
    assert [p["id"] for p in patients] == ["P001", "P002", "P003"] and patients[0]["age"] > 0
    stored = client.get("/api/patients/P002/vitals/history?raw=true").json()["readings"]
    assert len(stored) == 60 and all(r["simulated"] for r in stored)


def test_a_device_may_feed_but_not_edit(ward):
    ward.client().post("/api/auth/users", json={"username": "monitor", "password": "long-enough-secret",
                                                "role": "device"}).raise_for_status()
    path = ward.directory / "device-token"
    path.write_text(ward.login("monitor", "long-enough-secret"))
    done = good("simulate", "--patients", 2, "--duration", "1m", "--speed", "max", "--to", ward.url(8001),
                "--token-file", path)
    assert json.loads(done.stdout)["accepted"] == 120
    path.write_text("not-a-token")
    refused = command("simulate", "--patients", 2, "--duration", "1m", "--speed", "max", "--to", ward.url(8001),
                      "--token-file", path)
    assert refused.returncode == 77


# ---- export ----

HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "plain, with \"quotes\"", "semi;colon", "＝1+1", "  =1",
           "Zoë 李"]


def test_an_export_is_whole_and_comes_back(ward, tmp_path):
    client, now = ward.client(), time.time() - 3600
    sent = [reading(f"E{i % 3}", at=now + i // 3, heartRate=60 + i % 90, spO2=0 if i == 7 else 97,
                    temperature=36.5 + i / 1000) for i in range(600)]
    sent.append({**reading("E0", at=now + 5), "heartRate": None, "source": "other"})
    assert client.post("/api/ingest/vitals", content=ndjson(sent)).json()["accepted"] == 601
    server, folder = tmp_path / "server.jsonl", tmp_path / "folder.jsonl"
    good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "readings", "--out", server)
    lines = server.read_text().splitlines()
    assert len(lines) == 601 and [json.loads(l)["patient_id"] for l in lines] == sorted(json.loads(l)["patient_id"]
                                                                                        for l in lines)
    one = good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "readings", "--patient",
               "E1").stdout
    assert one.splitlines() == [l for l in lines if '"E1"' in l]
    # the server has it
    assert command("export", "--data-dir", ward.directory / "data", "--what", "readings").returncode == 78
    assert ward.stop() == 0
    good("export", "--data-dir", ward.directory / "data", "--what", "readings", "--out", folder)
    assert folder.read_bytes() == server.read_bytes()

    (tmp_path / "second").mkdir()
    second = Ward(tmp_path / "second").start()
    assert second.client().post("/api/ingest/vitals", content=server.read_bytes()).json() == {"accepted": 601,
                                                                                              "rejected": []}
    assert second.stop() == 0
    again = good("export", "--data-dir", second.directory / "data", "--what", "readings").stdout
    assert again == server.read_text()


def test_a_page_boundary_loses_and_doubles_nothing(ward, tmp_path):
    client, now = ward.client(), int(time.time()) - 20000
    # three sources an instant
    sent = [{**reading("B1", at=now + i // 3, heartRate=80), "source": f"s{i % 3}"} for i in range(25_000)]
    for at in range(0, len(sent), 5000):
        assert client.post("/api/ingest/vitals", content=ndjson(sent[at:at + 5000])).json()["accepted"] == 5000
    lines = good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "readings",
                 "-q").stdout.splitlines()
    keys = [(json.loads(l)["timestamp"], json.loads(l)["source"]) for l in lines]
    assert len(keys) == len(set(keys)) == 25_000 and keys == sorted(keys)


def test_csv_is_safe_in_a_spreadsheet(ward, tmp_path):
    client = ward.client()
    for i, name in enumerate(HOSTILE):
        client.post("/api/patients", json={"id": f"H{i:02}", "name": name, "age": 50}).raise_for_status()
        client.post("/api/ingest/vitals", json=reading(f"H{i:02}", heartRate=150, temperature=38.2)).raise_for_status()
    client.post(f"/api/alerts/{client.get('/api/alerts').json()[0]['id']}/acknowledge").raise_for_status()
    token = token_file(ward)
    time.sleep(0.5)
    rows = {}
    for what in ("alerts", "readings", "audit", "summaries"):
        if what == "summaries":
            client.post("/api/model/trigger-summary", json={"patientId": "H00"}).raise_for_status()
        path = tmp_path / f"{what}.csv"
        good("export", "--from", ward.url(3000), "--token-file", token, "--what", what, "--format", "csv", "--out",
             path)
        raw = path.read_bytes().decode()
        assert "\r\n" in raw and not re.search(r'(^|,|\n)"?[=+@\t＝]', raw), raw
        rows[what] = list(csv.DictReader(io.StringIO(raw)))
    names = {row["patient_name"] for row in rows["alerts"]}
    for name in HOSTILE:
        assert any(name in (n, n.removeprefix("'")) for n in names), (name, names)
    assert {"'=cmd|' /C calc'!A0", "'-2+3"} <= names
    assert any(row["acknowledged"] == "true" and row["acknowledged_by"] == "admin" for row in rows["alerts"])
    assert rows["readings"][0]["heartRate"] == "150" and rows["readings"][0]["spO2"] == ""
    assert [int(row["seq"]) for row in rows["audit"]] == list(range(len(rows["audit"]), 0, -1))
    assert any(row["action"] == "alert.acknowledge" for row in rows["audit"])
    assert rows["summaries"][0]["patient_id"] == "H00" and rows["summaries"][0]["text"]


def test_more_summaries_than_one_page_are_exported_by_the_server(tmp_path):
    ward = Ward(tmp_path, "--set", "summaries.model=none", "--set", "store.engine=memory").start()
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading("S1", heartRate=90)).raise_for_status()
    ids = []
    for _ in range(1100):
        ids.append(client.post("/api/model/trigger-summary", json={"patientId": "S1"}).json()["summary"]["id"])
        time.sleep(0.001)  # one a millisecond
    assert len(set(ids)) == len(ids)
    good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "summaries", "--out",
         tmp_path / "all")
    exported = [json.loads(line)["id"] for line in (tmp_path / "all").read_text().splitlines()]
    assert exported == ids[::-1]
    page = client.get("/api/summaries/S1?limit=1000").json()
    assert [s["id"] for s in page] == ids[:99:-1]
    middle = client.get("/api/summaries/S1", params={"from": page[500]["timestamp"],
                                                     "to": page[400]["timestamp"]}).json()
    assert [s["id"] for s in middle] == [s["id"] for s in page[401:451]]  # the newest 50 of the hundred
    assert client.get("/api/summaries?limit=1001").status_code == 400
    assert client.get("/api/summaries?from=yesterday").status_code == 400
    assert ward.stop() == 0


def test_alerts_from_the_folder_are_those_from_the_server(ward, tmp_path):
    client, now = ward.client(), time.time() - 1000
    client.post("/api/ingest/vitals", content=ndjson(reading("A1", at=now + i, heartRate=150 if i % 20 < 10 else 70)
                                                     for i in range(400))).raise_for_status()
    client.post(f"/api/alerts/{client.get('/api/alerts').json()[0]['id']}/acknowledge").raise_for_status()
    time.sleep(0.5)
    for what in ("alerts", "audit"):
        good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", what, "--out",
             tmp_path / f"{what}.server")
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 60))
    early = good("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "alerts", "--until",
                 until).stdout
    assert ward.stop() == 0
    for what in ("alerts", "audit"):
        good("export", "--data-dir", ward.directory / "data", "--what", what, "--out", tmp_path / f"{what}.folder")
    alerts = (tmp_path / "alerts.server").read_text()
    assert alerts == (tmp_path / "alerts.folder").read_text() and alerts
    assert early.splitlines() == [l for l in alerts.splitlines() if json.loads(l)["onset"] < until]
    audit = (tmp_path / "audit.server").read_text().splitlines()
    assert (tmp_path / "audit.folder").read_text().splitlines()[-len(audit):] == audit  # the last logins are newer


def test_a_failed_export_leaves_no_file(ward, tmp_path):
    out = tmp_path / "x.jsonl"
    done = command("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "alerts",
                   "--patient", "nobody", "--out", out)
    assert done.returncode == 66 and "Patient nobody not found" in done.stderr
    assert list(tmp_path.glob("x.jsonl*")) == []


# ---- D5: numbers as they come ----

TAKEN = [("0", None), ("-0", None), ("112", 112), ("112.0", 112), ("1.12e2", 112), ("112.0004", 112),
         ("112.0006", 112.001), ("null", None), ("0.5", None), ("299.9", 299.9)]
REFUSED = ["NaN", "Infinity", "-Infinity", "1e999", "9007199254740993", "\"112\"", "112,5", "-100", "-0.001", "400.001",
           "true", "[]", "{}", "0x70", "+112", ".5", "1.", "01", "1e", "--1", "１１２"]


@pytest.mark.parametrize("text,value", TAKEN)
def test_numbers_are_stored_as_given(shared_ward, text, value):
    client, patient = shared_ward.client(), "D5-" + "".join(c if c.isalnum() else "-" for c in text)
    body = json.dumps(reading(patient, spO2=97))[:-1] + ', "heartRate": ' + text + "}"
    reply = client.post("/api/ingest/vitals", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text
    vitals = client.get(f"/api/patients/{patient}/vitals").json()
    assert vitals["heartRate"] == value and vitals["spO2"] == 97  # implausible or absent is null: never a default


@pytest.mark.parametrize("text", REFUSED)
def test_numbers_that_are_none_are_refused_by_name(shared_ward, text):
    client = shared_ward.client()
    refused, kept = json.dumps(reading("D5-refused", spO2=97)), json.dumps(reading("D5-kept", spO2=97))
    body = f'{refused[:-1]}, "heartRate": {text}}}\n{kept}\n'
    reply = client.post("/api/ingest/vitals", content=body.encode(), headers={"Content-Type": "application/x-ndjson"})
    assert reply.status_code == 207 and reply.json()["accepted"] == 1
    rejected = reply.json()["rejected"][0]
    assert rejected["line"] == 1 and ("heartRate" in rejected["detail"] or rejected["field"] in ("", "heartRate"))
    assert client.get("/api/patients/D5-refused").status_code == 404


# ---- D8: time as it comes ----

def alerts_of(client, patient):
    return client.get(f"/api/alerts/{patient}/history?limit=1000").json()


def stored(client, patient):
    return client.get(f"/api/patients/{patient}/vitals/history?raw=true&limit=10000&hours=24").json()["readings"]


def test_out_of_order_doubled_and_late_readings_give_one_history(shared_ward):
    client, now = shared_ward.client(), int(time.time()) - 7200
    rows = [(i, 150 if 100 <= i < 200 else 80) for i in range(300)]
    orders = {"D8-straight": rows, "D8-doubled": [r for row in rows for r in (row, row)], "D8-reversed": rows[::-1],
              "D8-blocks": [r for at in range(0, 300, 50) for r in rows[at:at + 50][::-1]]}
    for patient, order in orders.items():
        reply = client.post("/api/ingest/vitals", content=ndjson(reading(patient, at=now + i, heartRate=hr)
                                                                 for i, hr in order))
        assert reply.status_code == 200 and reply.json()["accepted"] == len(order)
    histories = {p: [(r["timestamp"], r["heartRate"]) for r in stored(client, p)] for p in orders}
    assert len(histories["D8-straight"]) == 300 and all(h == histories["D8-straight"] for h in histories.values())
    time.sleep(0.3)
    straight, doubled = alerts_of(client, "D8-straight"), alerts_of(client, "D8-doubled")
    assert [a["type"] for a in straight] == ["Tachycardia Alert"]
    assert [{**a, "id": 0, "patient_id": 0, "patient_name": 0}
            for a in doubled] == [{**a, "id": 0, "patient_id": 0, "patient_name": 0} for a in straight]


def test_the_future_is_refused_by_name(shared_ward):
    client = shared_ward.client()
    reply = client.post("/api/ingest/vitals", content=ndjson([reading("D8-future", at=time.time() + 3600, heartRate=80),
                                                              reading("D8-now", heartRate=80)]))
    assert reply.status_code == 207 and reply.json()["rejected"][0]["field"] == "timestamp"
    assert client.get("/api/patients/D8-future").status_code == 404


def test_one_stamp_with_two_values_keeps_the_first(tmp_path):
    ward = Ward(tmp_path).start()
    client, now = ward.client(), int(time.time()) - 600
    first, second = reading("D8-c", at=now, heartRate=80), reading("D8-c", at=now, heartRate=90)
    for body in (first, second, first, second):
        assert client.post("/api/ingest/vitals", json=body).json()["accepted"] == 1
    assert [r["heartRate"] for r in stored(client, "D8-c")] == [80]
    assert ward.stop() == 0  # folds: the conflict is written down
    ward.start()
    client = ward.client()
    assert [r["heartRate"] for r in stored(client, "D8-c")] == [80]
    conflicts = [r for r in client.get("/api/audit?limit=100").json() if r["action"] == "reading.conflict"]
    assert len(conflicts) == 1 and conflicts[0]["detail"]["kept"] == "first"
    assert ward.stop() == 0
