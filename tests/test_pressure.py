"""Too much at once (429) and what cannot be served now (503): every path of openapi.yaml that may answer so does, with
Retry-After, and nothing that was acknowledged is lost.  The disk is made slow or broken by tests/slow_disk.c."""
import concurrent.futures, json, os, pathlib, re, select, shutil, signal, socket, subprocess, time

import httpx
import pytest

from conftest import ROOT, Ward, ndjson, reading
from test_access import HTTP, filled

CC = os.environ.get("CC", "cc")


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory):
    if not shutil.which(CC):
        pytest.skip(f"no {CC}")
    library = tmp_path_factory.mktemp("slow-disk") / "slow_disk.so"
    subprocess.run([CC, "-shared", "-fPIC", "-o", library, ROOT / "tests/slow_disk.c", "-ldl"], check=True)
    return library


class Disk:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def set(self, what):
        if what:
            (self.path.parent / "disk.new").write_text(what)
            (self.path.parent / "disk.new").rename(self.path)
        else:
            self.path.unlink(missing_ok=True)


@pytest.fixture
def make_ward(slow_disk, tmp_path):
    wards = []

    def make(*arguments):
        environment = {"LD_PRELOAD": str(slow_disk), "SLOW_DISK": str(tmp_path / "disk")}
        os.environ.update(environment)
        try:
            ward = Ward(tmp_path, "--set", "summaries.model=none", *arguments).start()
        finally:
            for name in environment:
                del os.environ[name]
        ward.disk = Disk(tmp_path / "disk")
        wards.append(ward)
        return ward

    yield make
    for ward in wards:
        ward.disk.set(None)
        if ward.process.poll() is None:
            assert ward.stop() == 0


def request_bytes(ward, token, method, path, body=b"", kind="application/json"):
    head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def read_answer(connection, seconds):
    """(status, headers, body), or None when there is none in time."""
    connection.settimeout(seconds)
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            data += (piece := connection.recv(65536))
            if not piece:
                return None
        head, body = data.split(b"\r\n\r\n", 1)
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
    except TimeoutError:
        return None
    return int(head.split()[1]), headers, body


def problem_of(reply, status):
    assert reply.status_code == status, (reply.status_code, reply.text)
    assert reply.headers["content-type"] == "application/problem+json" and int(reply.headers["retry-after"]) >= 1
    problem = reply.json()
    assert problem["status"] == status and problem["detail"]
    return problem["detail"]


def probe_all(ward, token, seconds=1.0, methods=("GET", "POST", "PUT", "PATCH", "DELETE")):
    """Every operation once, on port 3000: {(method, path): reply, or None when it waits}."""
    answers = {}
    with httpx.Client(base_url=ward.url(), headers={"Authorization": f"Bearer {token}"}) as client:
        for method, path, operation in [o for o in HTTP if o[0] in methods]:
            try:
                answers[method, path] = client.request(method, filled(path, operation),
                                                       content=None if method == "GET" else b"{}", timeout=seconds)
            except httpx.TimeoutException:
                answers[method, path] = None
    return answers


def listed(status):
    return {(method, path) for method, path, operation in HTTP if str(status) in operation["responses"]}


def routes_flagged(flag):
    found = set()
    for source in (ROOT / "backend").rglob("*.c"):
        found |= set(re.findall(r'\{ HTTP_([A-Z]+), +"([^"]+)", +\w+, +' + flag, source.read_text()))
    return found


def test_what_is_read_is_answered_while_every_writer_waits_for_a_disk_that_stalls(make_ward):
    ward = make_ward()
    token = ward.login()
    with ward.client(token) as client:
        client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
        ward.disk.set("wait")
        writes = [("POST", "/api/patients", lambda i: {"id": f"B{i}", "name": f"Bed {i}"}),
                  ("POST", "/api/patients/R1/pause", lambda i: {"minutes": 1}),
                  ("PUT", "/api/patients/R1/limits", lambda i: {"heart_rate": {"warning_high": 120}}),
                  ("PATCH", "/api/patients/R1", lambda i: {"bedNumber": f"7-{i}"}),
                  ("POST", "/api/patients/R1/resume", lambda i: {}),
                  ("POST", "/api/model/trigger-summary", lambda i: {"patientId": "R1"}),
                  ("POST", "/api/auth/users", lambda i: {"username": f"new-{i}", "password": "long-enough-secret",
                                                         "role": "nurse"})]
        waiting = []
        for i in range(8 * len(writes)):  # eight of each: more than the 4 threads of either pool
            method, path, body = writes[i % len(writes)]
            waiting.append(socket.create_connection(("127.0.0.1", 3000 + ward.offset)))
            waiting[-1].sendall(request_bytes(ward, token, method, path, json.dumps(body(i)).encode()))
        critical = socket.create_connection(("127.0.0.1", 8001 + ward.offset))
        critical.sendall(request_bytes(ward, token, "POST", "/api/ingest/vitals",
                                       json.dumps(reading("R1", heartRate=150)).encode()))
        time.sleep(1)
        answers = probe_all(ward, token, seconds=3, methods=("GET",))
        assert [path for (_, path), reply in answers.items() if reply is None] == []
        assert {reply.status_code for reply in answers.values()} <= {200, 404}, answers
        assert [a["type"] for a in client.get("/api/patients/R1").json()["activeAlerts"]] == ["Tachycardia Alert"]
        early = [(writes[i % len(writes)][:2], read_answer(c, 1)) for i, c in enumerate(waiting)
                 if select.select([c], [], [], 0)[0]]
        assert not early and not select.select([critical], [], [], 0)[0], "answered before it was on disk"
        ward.disk.set(None)
        for i, connection in enumerate(waiting):
            assert read_answer(connection, 20)[0] in (200, 201), writes[i % len(writes)][:2]
        assert read_answer(critical, 20)[0] == 200


def test_when_the_pool_is_full_every_path_that_writes_says_429_and_the_others_answer(make_ward):
    ward = make_ward("--set", "http.pool_threads=1")
    token = ward.login()
    with ward.client(token) as client:
        client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    ward.disk.set("wait")
    waiting = []
    for i in range(600):  # one waits for the disk, 512 wait for the one
        connection = socket.create_connection(("127.0.0.1", 8001 + ward.offset))
        connection.sendall(request_bytes(ward, token, "POST", "/api/patients",
                                         json.dumps({"id": f"B{i}", "name": f"Bed {i}"}).encode()))
        waiting.append(connection)
    refused = set()
    deadline = time.monotonic() + 10
    while len(refused) < 600 - 513 and time.monotonic() < deadline:
        for connection in select.select([c for i, c in enumerate(waiting) if i not in refused], [], [], 1)[0]:
            status, headers, _ = read_answer(connection, 5)
            assert status == 429 and int(headers["retry-after"]) >= 1
            refused.add(waiting.index(connection))
    assert len(refused) == 600 - 513
    answers = probe_all(ward, token)
    busy = {key for key, reply in answers.items() if reply is not None and reply.status_code == 429}
    for key in busy:
        assert "slow requests" in problem_of(answers[key], 429)
    writing = routes_flagged("ROUTE_WRITES")
    assert busy == writing and len(writing) > 10
    assert busy - listed(429) == set(), "not in openapi.yaml"
    assert (reading_slowly := routes_flagged("ROUTE_SLOW")) and reading_slowly - listed(429) == set()
    for path in ("/health", "/ready", "/metrics", "/api/auth/me", "/api/patients", "/api/patients/{id}",
                 "/api/patients/{id}/vitals", "/api/alerts/{patient_id}/history", "/api/summaries", "/api/audit"):
        assert answers["GET", path].status_code == 200, path
    ward.disk.set(None)
    for i, connection in enumerate(waiting):
        if i not in refused:
            assert read_answer(connection, 20)[0] == 201, i
        connection.close()
    with ward.client(token) as client:
        assert {p["id"] for p in client.get("/api/patients").json()} == {"R1"} | {f"B{i}" for i in range(600)
                                                                                  if i not in refused}


def test_a_disk_that_stalls_pushes_back_on_the_ingest_and_loses_nothing(make_ward):
    ward = make_ward()
    token, now = ward.login(), time.time() - 100000
    count, batches = 40000, 18  # the store's queue holds 524,288 readings, the alarms' 262,144
    bodies = [ndjson(reading(f"T{b}", at=now + i, heartRate=70 + i % 9) for i in range(count)) for b in range(batches)]
    client = ward.client(token)
    client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    ward.disk.set("wait")
    post = lambda body: client.post("/api/ingest/vitals", content=body,
                                    headers={"Content-Type": "application/x-ndjson"}, timeout=60)
    with concurrent.futures.ThreadPoolExecutor(batches) as pool:
        sent = [pool.submit(post, body) for body in bodies]
        deadline = time.monotonic() + 30
        while not any(f.done() for f in sent) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        pushed_back = [i for i, f in enumerate(sent) if f.done()]
        assert pushed_back, "nothing was refused"
        for i in pushed_back:
            assert "queue is full" in problem_of(sent[i].result(), 429)
        # What is watched goes on: a command that needs the disk is refused or waits, what shows does not.
        assert httpx.get(ward.url() + "/health", timeout=2).status_code == 200
        assert client.get("/api/patients/T0", timeout=2).status_code == 200
        ward.disk.set(None)
        for i, f in enumerate(sent):
            if i not in pushed_back:
                assert f.result().json() == {"accepted": count, "rejected": []}
    for i in pushed_back:
        deadline = time.monotonic() + 60
        while (reply := post(bodies[i])).status_code == 429 and time.monotonic() < deadline:
            time.sleep(int(reply.headers["retry-after"]))
        assert reply.json()["accepted"] == count
    for b in range(batches):
        stored = client.get(f"/api/patients/T{b}/vitals/history",
                            params={"raw": "true", "limit": 10000, "from": reading(at=now + count - 5000)["timestamp"],
                                                                           "to": reading(at=now + count)["timestamp"]},
                            timeout=60).json()["readings"]
        assert len(stored) == 5000, b


def test_a_disk_that_fails_is_503_while_alarms_go_on_and_it_comes_back_by_itself(make_ward):
    ward = make_ward()
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    ward.disk.set("fail")
    writes = [("POST", "/api/ingest/vitals", reading("R1", heartRate=150)),
              ("POST", "/api/patients", {"id": "N1", "name": "New"}),
              ("POST", "/api/patients/R1/pause", {"minutes": 1}),
              ("POST", "/api/model/trigger-summary", {"patientId": "R1"}),
              ("PUT", "/api/patients/R1/limits", {"heart_rate": {"warning_high": 120}})]
    for method, path, body in writes:
        reply = client.request(method, path, json=body)
        if reply.status_code == 400:
            raise AssertionError(f"{path}: {reply.text}")
        assert "SQLite" in problem_of(reply, 503), path
        assert (method, re.sub("R1", "{id}", path)) in listed(503)
    ward_now = client.get("/api/patients/R1").json()
    assert [a["type"] for a in ward_now["activeAlerts"]] == ["Tachycardia Alert"]  # an alarm does not wait for the disk
    assert client.get("/health").json()["status"] == "degraded" and client.get("/ready").status_code == 503
    ward.disk.set(None)
    began = time.monotonic()
    while (reply := client.post("/api/ingest/vitals", json=reading("R1", heartRate=151))).status_code == 503:
        assert time.monotonic() - began < 5
        time.sleep(0.2)
    assert reply.json()["accepted"] == 1 and client.get("/health").json()["status"] == "healthy"
    assert client.post("/api/patients", json={"id": "N1", "name": "New"}).status_code == 201
    assert client.post("/api/patients", json={"id": "N1", "name": "New"}).status_code == 409
    assert client.post("/api/patients", json={"id": "N2", "age": 500}).status_code == 400
    assert client.get("/api/patients/N2").status_code == 404


@pytest.mark.slow
def test_alarms_and_screens_do_not_wait_for_a_disk_that_stalls(make_ward):
    """Longer than the 30 s after which the states of the alarms are saved."""
    ward = make_ward()
    client = ward.client()
    client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    ward.disk.set("wait")
    began, late = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = []
        for i in range(40):
            patient = f"W{i}"
            answers.append(pool.submit(client.post, "/api/ingest/vitals", json=reading(patient, heartRate=150),
                                       timeout=60))
            sent = time.monotonic()
            while not (shown := client.get(f"/api/patients/{patient}",
                                           timeout=2)).is_success or not shown.json()["activeAlerts"]:
                assert time.monotonic() - sent < 2, f"no alarm {time.monotonic() - began:.0f} s into the stall"
                time.sleep(0.005)
            late = max(late, time.monotonic() - sent)
            assert client.get("/ready").status_code == 200
            time.sleep(1)
        ward.disk.set(None)
        assert all(answer.result().json()["accepted"] == 1 for answer in answers)
    print(f"slowest alarm of 40 while the disk stood still: {late * 1000:.0f} ms")


def test_a_server_that_stops_answers_503_and_still_gives_the_answers_it_owes(make_ward):
    ward = make_ward()
    token = ward.login()
    with ward.client(token) as client:
        client.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    ward.disk.set("wait")
    owed = socket.create_connection(("127.0.0.1", 8001 + ward.offset))
    owed.sendall(request_bytes(ward, token, "POST", "/api/ingest/vitals",
                               json.dumps(reading("R1", heartRate=90)).encode()))
    time.sleep(0.3)
    ward.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 3
    while httpx.get(ward.url() + "/health").status_code != 503 and time.monotonic() < deadline:
        time.sleep(0.01)
    answers = probe_all(ward, token)
    assert set(answers) - listed(503) == set(), "not in openapi.yaml"
    for key, reply in answers.items():
        assert "stopping" in problem_of(reply, 503), key
    ward.disk.set(None)
    assert read_answer(owed, 5)[0] == 200
    owed.close()
    assert ward.process.wait(timeout=20) == 0


def test_more_logins_than_can_be_hashed_and_more_guesses_than_are_allowed(ward):
    attempt = lambda i: httpx.post(ward.url(8002) + "/api/auth/login",
                                   json={"username": f"nobody-{i}", "password": "wrong-horse-battery"}, timeout=60)
    with concurrent.futures.ThreadPoolExecutor(120) as pool:
        replies = list(pool.map(attempt, range(120)))
    refused = [r for r in replies if r.status_code != 401]
    assert refused and len(refused) < 100
    for reply in refused:
        assert "Too many logins" in problem_of(reply, 429)
    for _ in range(6):
        reply = attempt("same")
    assert "Too many failed logins" in problem_of(reply, 429)
    assert ward.login()  # somebody else is not kept out


def test_keys_are_not_rotated_faster_than_tokens_end(ward):
    client = ward.client()
    replies = [client.post("/api/auth/keys/rotate") for _ in range(17)]
    assert replies[0].status_code == 200
    assert "keys are alive" in problem_of(replies[-1], 429)
    assert client.get("/api/auth/me").status_code == 200
