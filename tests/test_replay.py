"""Recordings of real patients through the real server: the same alerts at any speed, after a kill -9, and without a server."""
import json, os, subprocess, time

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
    return ["replay", "--format", name, "--speed", speed, "--to", ward.url(8001), "--token-file", token_file(ward), folder(name)]


def replay(ward, name="bidmc", speed="max"):
    done = command(*replay_arguments(ward, name, speed))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def export_alerts(ward, path):
    """An acknowledged reading is on disk; its alert is processed and written right behind it."""
    before, after, deadline = None, b"", time.monotonic() + 20
    while before != after and time.monotonic() < deadline:
        time.sleep(0.3)
        done = command("export", "--from", ward.url(3000), "--token-file", token_file(ward), "--what", "alerts", "--out", path)
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


def whole_set(name, tmp_path):
    ward = Ward(tmp_path).start()
    report = replay(ward, name)
    assert report["accepted"] == report["readings"] and report["rejected"] == 0 and report["rows_refused"] == 0
    offline, _ = offline_alerts(name, tmp_path / "offline.jsonl")
    assert export_alerts(ward, tmp_path / "alerts.jsonl") == offline
    assert ward.stop() == 0
