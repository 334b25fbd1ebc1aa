"""Retraining through the real binary: what a ward wrote and corrected becomes a challenger, or a refusal."""
import json, signal, subprocess, time

import pytest

from conftest import BINARY, Ward

QUICK = ["--rehearsal", "12", "--exam-windows", "24", "--epochs", "1", "--threads", "2"]


def run(*arguments, expect=0, **options):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == expect, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """An untrained T5 that reads the facts format: enough for every step but a good exam."""
    folder = tmp_path_factory.mktemp("tiny")
    pairs = folder / "pairs.jsonl"
    pairs.write_text(run("model", "pairs", "--count", "150", "--seed", "5").stdout)
    run("model", "vocabulary", folder / "spiece.model", "--data", pairs, "--size", "300")
    run("model", "new", folder / "model", "--vocabulary", folder / "spiece.model", "--d-model", "32", "--d-kv", "8",
        "--d-ff", "48", "--layers", "1", "--decoder-layers", "1", "--max-length", "24")
    (folder / "model" / "README.md").write_text("---\nwardscribe_input: facts\n---\n")
    return folder / "model"


def trend_first(summary):
    """One consistent kind of edit: the sentence that the writer puts last comes first."""
    sentences = [s["text"] for s in summary["sentences"]]
    return " ".join(sentences[-1:] + sentences[:-1])


@pytest.fixture(scope="session")
def edited_ward(tmp_path_factory):
    """A data directory in which every one of ten patients has summaries, each corrected by a nurse."""
    directory = tmp_path_factory.mktemp("edited")
    ward = Ward(directory, "--patients", "10", "--seed", "3", "--set", "summaries.model=none",
                source="simulator").start()
    try:
        with ward.client() as client:
            edits = 0
            for round_ in range(3):
                time.sleep(1.2)
                for number in range(1, 11):
                    reply = client.post("/api/model/trigger-summary", json={"patientId": f"P{number:03d}"})
                    if reply.status_code != 200:
                        continue
                    summary = reply.json()["summary"]
                    if len(summary["sentences"]) < 2:
                        continue
                    answer = client.post(f"/api/summaries/{summary['id']}/feedback",
                                         json={"rating": 3, "edited_text": trend_first(summary)})
                    assert answer.status_code in (200, 201), answer.text
                    edits += 1
            assert edits >= 20
    finally:
        ward.stop()
    return directory / "data"


def events(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_every_step_is_told_and_the_registry_has_the_challenger(edited_ward, tiny, tmp_path):
    done = subprocess.run([BINARY, "retrain", "--from", edited_ward, "--work", tmp_path / "w", "--registry",
                           tmp_path / "r", "--champion", tiny, "--json", "--quiet", "--by", "ann", *QUICK],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 4), done.stderr
    steps = [(e["step"], e["status"]) for e in events(done.stdout) if e["status"] != "started"]
    assert [s for s, _ in steps] == ["collect", "prepare", "train", "exam", "gate", "register", "promote"]
    assert all(e["event"] == "model_retrain" and e["service"] == "retrain" and e["@timestamp"]
               for e in events(done.stdout))
    gate = json.loads((tmp_path / "w" / "gate.json").read_text())
    assert gate["passed"] == (done.returncode == 0) and gate["reason"]
    page = (tmp_path / "w" / "exam.html").read_text()
    assert "The new model" in page and "<script" not in page
    history = events(run("retrain", "history", "--registry", tmp_path / "r", "--json").stdout)
    assert [h["event"] for h in history] == ["register", "promote" if gate["passed"] else "refuse"]
    assert all(h["by"] == "ann" for h in history)
    version = history[0]["version"]
    about = json.loads((tmp_path / "r" / "versions" / version / "version.json").read_text())
    assert json.loads(about["exam"])["slices"]["edited"]["windows"] > 0
    assert about["gate_passed"] == gate["passed"] and about["data_hash"]
    if not gate["passed"]:
        refused = run("retrain", "promote", version, "--registry", tmp_path / "r", expect=3)
        assert "gate" in refused.stderr


def test_no_name_reaches_the_samples(edited_ward, tiny, tmp_path):
    run("retrain", "collect", "--from", edited_ward, "--work", tmp_path / "w", "--registry", tmp_path / "r",
        "--champion", tiny, "--quiet")
    text = (tmp_path / "w" / "samples.jsonl").read_text()
    samples = [json.loads(line) for line in text.splitlines()]
    assert len([s for s in samples if s["kind"] == "edit"]) >= 20
    assert "ICU-1" not in text and "patient_name" not in text
    assert not any(s["patient"].startswith("P0") or "patient_id" in s["window"] for s in samples)


def test_a_step_asks_for_the_one_before(edited_ward, tiny, tmp_path):
    place = ["--work", tmp_path / "w", "--registry", tmp_path / "r", "--champion", tiny, "--from", edited_ward,
             "--quiet", *QUICK]
    assert "collect comes first" in run("retrain", "prepare", *place, expect=64).stderr
    run("retrain", "collect", *place)
    run("retrain", "prepare", *place)
    report = json.loads((tmp_path / "w" / "data" / "dataset.json").read_text())
    assert report["status"] == "ready" and report["gold_train"] > 0 and report["gold_exam"] > 0
    assert "train comes first" in run("retrain", "gate", *place, expect=64).stderr


def test_too_little_is_refused_with_a_reason(tiny, tmp_path):
    ward = Ward(tmp_path, "--patients", "2", "--set", "summaries.model=none", source="simulator").start()
    try:
        time.sleep(1.2)
        with ward.client() as client:
            assert client.post("/api/model/trigger-summary", json={"patientId": "P001"}).status_code == 200
        # Beside the running server: the store is opened for reading only.
        refused = run("retrain", "--from", tmp_path / "data", "--work", tmp_path / "w", "--registry", tmp_path / "r",
                      "--champion", tiny, "--quiet", *QUICK, expect=3)
        assert "at least 10" in refused.stderr
        assert json.loads((tmp_path / "w" / "data" / "dataset.json").read_text())["status"] == "refused"
        assert not list((tmp_path / "r" / "versions").iterdir())
    finally:
        ward.stop()


@pytest.mark.parametrize("step",
                         ["train", *(pytest.param(s, marks=pytest.mark.slow)
                                     for s in ("collect", "prepare", "exam", "gate", "register", "promote"))])
def test_killed_at_a_step_it_goes_on(edited_ward, tiny, tmp_path, step):
    command = [BINARY, "retrain", "--from", edited_ward, "--work", tmp_path / "w", "--registry", tmp_path / "r",
               "--champion", tiny, "--json", "--quiet", *QUICK]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        event = json.loads(line)
        if event["step"] == step and event["status"] == "started":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 4), done.stderr
    history = events(run("retrain", "history", "--registry", tmp_path / "r", "--json").stdout)
    versions = {h["version"] for h in history if h["event"] == "register"}
    assert {p.name for p in (tmp_path / "r" / "versions").iterdir()} == versions and versions
    assert not list((tmp_path / "r").glob("tmp.*"))


@pytest.mark.slow
def test_the_same_data_give_the_same_model(edited_ward, tiny, tmp_path):
    versions = []
    for name in "ab":
        subprocess.run(list(map(str, [BINARY, "retrain", "--from", edited_ward, "--work", tmp_path / f"w{name}",
                                      "--registry", tmp_path / f"r{name}", "--champion", tiny, "--quiet", *QUICK])),
                       capture_output=True, timeout=300)
        versions.append((tmp_path / f"w{name}" / "model" / "model.safetensors").read_bytes())
    assert versions[0] == versions[1]


def test_help_and_wrong_words():
    assert "Exit status" in run("retrain", "--help").stdout
    assert "no step 'fly'" in run("retrain", "fly", expect=64).stderr
    assert "--epochs" in run("retrain", "--epochs", "0", expect=64).stderr
