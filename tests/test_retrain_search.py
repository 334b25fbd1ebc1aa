"""Samples from a real search server are those of the data directory.

Starts OpenSearch by the script that $WARDSCRIBE_OPENSEARCH names (default ../shared/recipes/opensearch.sh; it takes
PORT and a data folder) and skips where there is none.
"""
import json, os, pathlib, socket, sqlite3, subprocess, time

import httpx
import pytest

from conftest import ROOT
from test_retrain import edited_ward, run, tiny  # noqa: F401 (fixtures)

SCRIPT = pathlib.Path(os.environ.get("WARDSCRIBE_OPENSEARCH", ROOT.parent / "shared" / "recipes" / "opensearch.sh"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SCRIPT.exists(), reason=f"no OpenSearch: {SCRIPT}")]


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = open(tmp_path_factory.mktemp("search") / "log", "wb")
    process = subprocess.Popen(["bash", SCRIPT, tmp_path_factory.mktemp("os")], env={**os.environ, "PORT": str(port)},
                               stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(url + "/_cluster/health", timeout=2).json()["status"] in ("green", "yellow"):
                    break
            except (httpx.HTTPError, KeyError, ValueError):
                assert process.poll() is None, "OpenSearch ended"
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def index(url, documents):
    """documents: (index, id, body)"""
    lines = []
    for name, id_, body in documents:
        lines += [json.dumps({"index": {"_index": name, "_id": id_}}), json.dumps(body)]
    reply = httpx.post(url + "/_bulk?refresh=true", content="\n".join(lines) + "\n",
                       headers={"Content-Type": "application/x-ndjson"}, timeout=120)
    assert reply.status_code == 200 and not reply.json()["errors"], reply.text[:500]


def day(stamp):
    return stamp[:10].replace("-", ".")


def documents(data_dir):
    """What the ward holds, as docs/api.md's indices hold it."""
    with sqlite3.connect(f"file:{data_dir}/wardscribe.db?mode=ro", uri=True) as database:
        for (text,) in database.execute("SELECT document FROM summary"):
            body = json.loads(text)
            yield f"medical-summaries-{day(body['timestamp'])}", body["id"], {
                **{k: v for k, v in body.items() if k not in ("id", "text", "ml_summary", "sentences")},
                "summary_id": body["id"], "summary_text": body["ml_summary"], "@timestamp": body["timestamp"],
                "service": "summarizer-service"}
        for (text,) in database.execute("SELECT document FROM feedback"):
            body = json.loads(text)
            yield f"medical-feedback-{day(body['timestamp'])}", body["id"], {**body, "@timestamp": body["timestamp"]}
    flat = {"heartRate": "heart_rate", "spO2": "spo2", "systolic": "systolic_bp", "diastolic": "diastolic_bp",
            "temperature": "temperature", "respiratory": "respiratory_rate"}
    for line in run("export", "--data-dir", data_dir, "--what", "readings", "--quiet").stdout.splitlines():
        reading = json.loads(line)
        reading.update(reading.pop("bloodPressure", None) or {})
        body = {"@timestamp": reading["timestamp"], "patient_id": reading["patient_id"], "source": reading["source"],
                "service": "vitals-generator"}
        body.update({document: reading[name] for name, document in flat.items() if reading.get(name) is not None})
        name = f"{reading['patient_id']}.{reading['source']}.{reading['timestamp']}"
        yield f"medical-vitals-{day(reading['timestamp'])}", name, body


def samples(path):
    def plain(sample):
        for reading in sample["window"]["readings"]:
            del reading["source"]
        return sample
    return sorted((plain(json.loads(line)) for line in path.read_text().splitlines()),
                  key=lambda s: (s["summary_id"], s["kind"], s["text"]))


def test_an_empty_server_is_refused_with_a_reason(search, tiny, tmp_path):  # noqa: F811
    refused = run("retrain", "--from", search + "/", "--work", tmp_path / "w", "--registry", tmp_path / "r",
                  "--champion", tiny, "--quiet", expect=3)
    assert "no samples" in refused.stderr


def test_the_same_samples(edited_ward, tiny, search, tmp_path):  # noqa: F811
    index(search, documents(edited_ward))
    place = ["--registry", tmp_path / "r", "--champion", tiny, "--quiet"]
    run("retrain", "collect", "--from", edited_ward, "--work", tmp_path / "sqlite", *place)
    run("retrain", "collect", "--from", search, "--work", tmp_path / "search", *place)
    ours, theirs = samples(tmp_path / "sqlite" / "samples.jsonl"), samples(tmp_path / "search" / "samples.jsonl")
    assert len(ours) == len(theirs) >= 40
    assert ours == theirs


def test_events_become_deployment_documents(edited_ward, tiny, search, tmp_path):  # noqa: F811
    run("retrain", "collect", "--from", edited_ward, "--work", tmp_path / "w", "--registry", tmp_path / "r",
        "--champion", tiny, "--quiet", "--events", search)
    httpx.post(search + "/system-deployment-*/_refresh")
    hits = httpx.post(search + "/system-deployment-*/_search",
                      json={"query": {"match": {"step": "collect"}}}).json()["hits"]["hits"]
    assert hits and hits[0]["_source"]["event"] == "model_retrain" and hits[0]["_source"]["status"] == "done"


def test_a_server_that_is_not_there_is_said(tiny, tmp_path):  # noqa: F811
    failed = run("retrain", "collect", "--from", "http://127.0.0.1:1", "--work", tmp_path / "w", "--registry",
                 tmp_path / "r", "--champion", tiny, "--quiet",
                 expect=69)
    assert "127.0.0.1:1" in failed.stderr
