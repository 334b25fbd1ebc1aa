"""Starts the real server for a benchmark, in a directory of its own, and stops it."""
import json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
PASSWORD = "bench-only-password"

sys.path.append(str(ROOT / "tests"))  # a benchmark and a test run may share a machine
from ports import claim_offset


class Server:
    def __init__(self, *arguments):
        # On a real disk where there is one: /tmp may be memory, and fsync is part of the question.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="wardscribe-bench-",
                                                       dir=os.environ.get("BENCH_DIR", "/var/tmp")))
        (self.directory / "password").write_text(PASSWORD)
        self.offset, self.claim = claim_offset()
        log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen(
            [BUILD / "wardscribe", "serve", "--data-dir", self.directory / "data", "--admin-password-file",
             self.directory / "password", "--source", "none", "--port-offset", str(self.offset), *arguments],
            stdout=log, stderr=log)
        self.wait_ready()
        self.token = self.call(8002, "/api/auth/login", {"username": "admin", "password": PASSWORD})["access_token"]

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{8001 + self.offset}/ready", timeout=1)
                return
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text())
                time.sleep(0.02)
        raise RuntimeError("the server is not ready after 60 s")

    def port(self, port):
        return port + self.offset

    def call(self, port, path, body=None, kind="application/json"):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port + self.offset}{path}", data=data,
                                         headers={"Content-Type": kind})
        if hasattr(self, "token"):
            request.add_header("Authorization", f"Bearer {self.token}")
        return json.load(urllib.request.urlopen(request, timeout=60))

    def status_mb(self, name):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(name):
                return int(line.split()[1]) / 1024

    def rss_mb(self):
        return self.status_mb("VmRSS:")

    def peak_mb(self):
        return self.status_mb("VmHWM:")

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        if code == 0:
            shutil.rmtree(self.directory)
        else:
            raise RuntimeError(f"exit {code}: see {self.directory}/log")
