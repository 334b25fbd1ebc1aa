"""Recordings of real patients through the real server: the same alerts at any speed, after a kill -9, and without a
server."""
import datetime, http.server, json, random, signal, subprocess, threading, time

import httpx
import pytest

from conftest import BINARY, DATA, Ward

VITALS = DATA / "vitals"
SETS = {"bidmc": "bidmc", "challenge2019": "challenge2019", "challenge2012": "challenge2012", "mimic": "mimic3-demo"}


def folder(name):
    path = VITALS / SETS[name]
    if not path.exists():
        pytest.skip(f"{path} is not there (WARDSCRIBE_DATA)")
    return path


def command(*arguments, **more):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=300, **more)


def token_file(ward):
    path = ward.directory / "token"
    path.write_text(ward.login() + "\n")
    return path


def replay_arguments(ward, name, speed):
    return ["replay", "--format", name, "--speed", speed, "--to", ward.url(8001), "--token-file", token_file(ward),
            folder(name)]


def replay(ward, name="bidmc", speed="max"):
    done = command(*replay_arguments(ward, name, speed))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def export_alerts(ward, path):
    """An acknowledged reading is on disk; its alert is processed and written right behind it."""
    before, after, deadline = None, b"", time.monotonic() + 20
    while before != after and time.monotonic() < deadline:
        time.sleep(0.3)
        done = command("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "alerts",
                       "--out", path)
        assert done.returncode == 0, done.stderr
        before, after = after, path.read_bytes()
    return after


def offline_alerts(name, path):
    done = command("replay", "--format", name, "--offline", "--alerts-out", path, folder(name))
    assert done.returncode == 0, done.stderr
    return path.read_bytes(), json.loads(done.stdout)


@pytest.fixture(scope="module")
def bidmc(tmp_path_factory):
    """The alerts of the 33 patients as fast as possible, and the report."""
    directory = tmp_path_factory.mktemp("max")
    ward = Ward(directory).start()
    report = replay(ward)
    alerts = export_alerts(ward, directory / "alerts.jsonl")
    yield alerts, report
    assert ward.stop() == 0


def test_every_reading_arrives_and_the_alerts_are_those_without_a_server(bidmc, tmp_path):
    alerts, report = bidmc
    offline, offline_report = offline_alerts("bidmc", tmp_path / "offline.jsonl")
    assert report["accepted"] == report["readings"] == offline_report["readings"] > 0
    assert report["rejected"] == 0 and report["admitted"] == report["patients"]
    assert len(alerts) > 1000 and alerts.count(b"\n") == sum(offline_report["alerts"].values())
    assert alerts == offline


def test_sixty_times_gives_the_same_alerts(bidmc, tmp_path):
    ward = Ward(tmp_path).start()
    started = time.monotonic()
    report = replay(ward, speed="60")
    assert 6 < time.monotonic() - started < 30  # 8 minutes at 60 times
    assert report["accepted"] == report["readings"]
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == bidmc[0]
    assert ward.stop() == 0


def test_a_kill_9_in_the_middle_changes_nothing(bidmc, tmp_path):
    ward = Ward(tmp_path).start()
    process = subprocess.Popen([BINARY, *map(str, replay_arguments(ward, "bidmc", "120"))], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for pause in (1.0, 1.3):  # of 4 s
        time.sleep(pause)
        assert process.poll() is None
        ward.kill()
        ward.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["retries"] > 0 and report["accepted"] == report["readings"]
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == bidmc[0]
    assert ward.stop() == 0


def test_the_same_again_changes_nothing(tmp_path, bidmc):
    ward = Ward(tmp_path).start()
    replay(ward)
    assert replay(ward)["admitted"] == 0
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == bidmc[0]
    assert ward.stop() == 0


@pytest.mark.parametrize("name", ["challenge2019", "mimic"])
def test_whole_sets(name, tmp_path):
    whole_set(name, tmp_path)


@pytest.mark.slow
def test_the_largest_set(tmp_path):
    whole_set("challenge2012", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_random_moments_as_fast_as_possible(seed, tmp_path):
    """2,000 patients, killed again and again until the replay is through."""
    chance, ward = random.Random(seed), Ward(tmp_path).start()
    process = subprocess.Popen([BINARY, *map(str, replay_arguments(ward, "challenge2012", "max"))],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kills = 0
    while process.poll() is None and kills < 6:
        time.sleep(chance.uniform(0.1, 1.0))
        if process.poll() is None:
            ward.kill()
            ward.start()
            kills += 1
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert kills and json.loads(out)["accepted"] == json.loads(out)["readings"]
    offline, _ = offline_alerts("challenge2012", tmp_path / "offline.jsonl")
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == offline
    assert ward.stop() == 0


def whole_set(name, tmp_path):
    ward = Ward(tmp_path).start()
    report = replay(ward, name)
    assert report["accepted"] == report["readings"] and report["rejected"] == 0 and report["rows_refused"] == 0
    offline, _ = offline_alerts(name, tmp_path / "offline.jsonl")
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == offline
    assert ward.stop() == 0


# ---- a server that is busy, and other starts ----

class Busy(http.server.BaseHTTPRequestHandler):
    """In front of the real server: says 429 or 503 to every second batch, and once breaks the connection."""
    protocol_version = "HTTP/1.1"
    target, batches, log = "", 0, []

    def do_POST(self):
        cls = type(self)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/ingest/vitals":
            cls.batches += 1
            if cls.batches == 3:
                self.close_connection = True
                self.connection.shutdown(2)
                return
            if cls.batches % 2:
                cls.log.append(time.monotonic())
                self.answer(429 if cls.batches == 1 else 503, b'{"detail":"later"}', {"Retry-After": "1"})
                return
        kept = {k: self.headers[k] for k in ("Authorization", "Content-Type", "Content-Encoding") if self.headers[k]}
        reply = httpx.post(cls.target + self.path, content=body, headers=kept)
        if cls.log and self.path == "/api/ingest/vitals":
            cls.log.append(time.monotonic())
        self.answer(reply.status_code, reply.content, {})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_busy_server_is_waited_for(bidmc, tmp_path):
    ward = Ward(tmp_path).start()
    kind = type("OneBusy", (Busy,), {"target": ward.url(8001), "log": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = command("replay", "--format", "bidmc", "--speed", "max", "--to", f"http://127.0.0.1:{server.server_port}",
                   "--token-file", token_file(ward), folder("bidmc"))
    server.shutdown()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["retries"] >= 3 and report["accepted"] == report["readings"] and "429: later" in done.stderr
    assert kind.log[1] - kind.log[0] >= 1  # as Retry-After says
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == bidmc[0]
    assert ward.stop() == 0


def test_a_server_that_stays_away_is_given_up(tmp_path):
    (tmp_path / "token").write_text("x")
    started = time.monotonic()
    done = command("replay", "--format", "bidmc", "--speed", "max", "--to", "http://127.0.0.1:1", "--token-file",
                   tmp_path / "token", "--patience", "1", folder("bidmc"))
    assert done.returncode == 69 and "waiting: http://127.0.0.1:1" in done.stderr and time.monotonic() - started < 20


def test_control_c_stops_and_the_same_again_goes_on(bidmc, tmp_path):
    ward = Ward(tmp_path).start()
    process = subprocess.Popen([BINARY, *map(str, replay_arguments(ward, "bidmc", "30"))], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 3 and "the same command again sends the rest" in err
    replay(ward)
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == bidmc[0]
    assert ward.stop() == 0


def test_start_now_ends_now_and_is_in_the_last_hour(tmp_path):
    ward = Ward(tmp_path).start()
    done = command(*replay_arguments(ward, "bidmc", "max"), "--start", "now")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["accepted"] == report["readings"] and abs(time.time() - parse(report["last"])) < 60
    client = ward.client()
    patient = client.get("/api/patients").json()[0]
    url = f"/api/patients/{patient['id']}/vitals/history?hours=1&raw=true&limit=10000"
    history = client.get(url).json()["readings"]
    assert len(history) == 481
    assert patient["age"] and patient["gender"] in ("male", "female") and patient["bedNumber"] in ("MICU", "CCU")
    assert ward.stop() == 0


def parse(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def test_starts_of_a_recording(tmp_path):
    firsts = {}
    for start in ("recorded", "2026-01-02T03:04:05Z", None):
        arguments = ["--start", start] if start else []
        done = command("replay", "--format", "mimic", "--offline", *arguments, folder("mimic"))
        assert done.returncode == 0, done.stderr
        firsts[start] = json.loads(done.stdout)["first"]
    assert firsts["2026-01-02T03:04:05Z"] == "2026-01-02T03:04:05.000Z" and firsts[None] == "2020-01-01T00:00:00.000Z"
    assert "2100" < firsts["recorded"] < "2203"
