"""Starts the real binary; nothing here is a mock."""
import json, os, pathlib, signal, subprocess, time

import httpx
import pytest

from ports import claim_offset

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("WARDSCRIBE_BINARY", ROOT / "build" / "wardscribe"))
DATA = pathlib.Path(os.environ.get("WARDSCRIBE_DATA", ROOT.parent / "shared" / "data"))
PASSWORD = "correct-horse-battery"
LOOK_EVERY_S = 0.02
PATIENCE_S = 60  # for an answer that must come: only a test that fails waits so long


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds; runs in `make test-all`")


def eventually(look, seconds=20):
    """What look() gives, as soon as it is true.  The limit is a number of looks and not a time of day: while the
    machine stands still, or gives us no turn, nothing has run that could have made it true."""
    for _ in range(int(seconds / LOOK_EVERY_S)):
        if found := look():
            return found
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"did not happen within {seconds} s")


class Ward:
    def __init__(self, directory, *arguments, source="none"):
        self.directory = pathlib.Path(directory)
        self.arguments, self.source = arguments, source
        self.offset, self.claim = claim_offset()  # ours as long as this object lives, also between a stop and a start
        self.process = None
        (self.directory / "password").write_text(PASSWORD + "\n")

    def url(self, port=3000, scheme="http"):
        return f"{scheme}://127.0.0.1:{port + self.offset}"

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data-dir", self.directory / "data", "--admin-password-file",
             self.directory / "password", "--source", self.source, "--port-offset", str(self.offset), *self.arguments],
            stdout=log, stderr=log)
        try:
            eventually(self.is_ready)
        except AssertionError as error:
            raise AssertionError((self.directory / "log").read_text()) from error
        return self

    def is_ready(self):
        assert self.process.poll() is None, "the server has ended"
        try:
            return httpx.get(self.url() + "/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        eventually(lambda: self.process.poll() is not None)
        return self.process.returncode

    def login(self, username="admin", password=PASSWORD):
        reply = httpx.post(self.url(8002) + "/api/auth/login", json={"username": username, "password": password},
                           timeout=PATIENCE_S)
        reply.raise_for_status()
        return reply.json()["access_token"]

    def client(self, token=None, port=3000):
        token = token or self.login()
        return httpx.Client(base_url=self.url(port), headers={"Authorization": f"Bearer {token}"},
                            timeout=PATIENCE_S)


@pytest.fixture
def ward(tmp_path):
    ward = Ward(tmp_path).start()
    yield ward
    if ward.process.poll() is None:
        assert ward.stop() == 0


@pytest.fixture(scope="module")
def shared_ward(tmp_path_factory):
    ward = Ward(tmp_path_factory.mktemp("ward")).start()
    yield ward
    assert ward.stop() == 0


def reading(patient="P001", at=None, **vitals):
    at = time.time() if at is None else at
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
    return {"patient_id": patient, "timestamp": stamp, "source": "monitor-7", **vitals}


def ndjson(readings):
    return "".join(json.dumps(r) + "\n" for r in readings).encode()
