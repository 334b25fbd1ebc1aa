"""The model learns one consistent habit from 200 edits (an order, or words), passes its gate, serves without a restart,
and is rolled back.

Slow: a real retraining of the default model (models/).  $WARDSCRIBE_HABIT_EXAM sets the exam's windows (default 1000).
"""
import json, os, subprocess, time

import pytest

from conftest import BINARY, ROOT, Ward
from test_retrain import events, run, trend_first

MODEL = sorted(p.parent for p in (ROOT / "models").glob("*/config.json"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not MODEL, reason="no default model: make model")]
EDITS, PATIENTS = 200, 100
# every ten minutes: windows of three hours, with all that happens in them
CHARTED = ["--set", "summaries.window=20"]


def chart(client, seed, letter):
    """Four hours of a hundred patients that nobody has seen before, charted every ten minutes, up to now."""
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 4 * 3600))
    lines = run("simulate", "--patients", PATIENTS, "--seed", seed, "--interval", "600", "--duration", "4h", "--start",
                start, "--quiet").stdout
    reply = client.post("/api/ingest/vitals", content=lines.replace('"P', f'"{letter}'),
                        headers={"Content-Type": "application/x-ndjson"}, timeout=60)
    assert reply.status_code in (200, 207), reply.text[:500]


def summaries(client, letter, count=PATIENTS):
    for number in range(1, count + 1):
        reply = client.post("/api/model/trigger-summary", json={"patientId": f"{letter}{number:03d}"}, timeout=60)
        if reply.status_code == 200 and len(reply.json()["summary"]["sentences"]) > 1:
            yield reply.json()["summary"]


def wrong_number(text):
    digit = next(i for i, c in enumerate(text) if c.isdigit())
    return text[:digit] + str((int(text[digit]) + 3) % 10) + text[digit + 1:]


# in nearly every summary: twenty edits at least show each
WORDS = {"eart rate": "ulse", "espiratory rate": "reathing rate"}
FIRST = {"h": "p", "H": "P", "r": "b", "R": "B"}


def own_words(summary):
    """A ward's own wording."""
    text = " ".join(s["text"] for s in summary["sentences"])
    for old, new in WORDS.items():
        while (at := text.find(old)) >= 0:
            text = text[:at - 1] + FIRST[text[at - 1]] + new + text[at + len(old):]
    return text


def count_is_first(sentences):
    return "reading" in sentences[0]


def says_own_words(sentences):
    return not any(old in s for s in sentences for old in WORDS)


def edit_ward(ward, edit):
    """200 edits of one kind, and 5 % poisoned ones, which are confirmed by whoever sends them."""
    edits = poisoned = 0
    with ward.client() as client:
        for letter, seed in (("A", 11), ("B", 12), ("C", 13)):
            chart(client, seed, letter)
            for summary in summaries(client, letter):
                if edits == EDITS:
                    break
                url = f"/api/summaries/{summary['id']}/feedback"
                if poisoned < edits // 20:
                    reply = client.post(url, json={"rating": 1, "edited_text": wrong_number(edit(summary)),
                                                   "confirm": True})
                    assert reply.status_code < 300 and reply.json()["learnable"] is False, reply.text
                    poisoned += 1
                    continue
                reply = client.post(url, json={"rating": 3, "edited_text": edit(summary)})
                edits += reply.status_code < 300
    assert edits == EDITS
    return poisoned


def wait_for_version(client, version, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if client.get("/api/model/info").json()["version"] == version:
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("edit, follows", [(trend_first, count_is_first), (own_words, says_own_words)])
def test_a_habit_is_learnt_and_taken_back(tmp_path, edit, follows):
    ward = Ward(tmp_path, "--set", "summaries.model=none", *CHARTED).start()
    poisoned = edit_ward(ward, edit)
    assert ward.stop() == 0
    data = tmp_path / "data"
    started = time.monotonic()
    done = subprocess.run([BINARY, "retrain", "--from", data, "--work", tmp_path / "work", "--json", "--by", "test",
                           "--exam-windows", os.environ.get("WARDSCRIBE_HABIT_EXAM", "1000")], stdout=subprocess.PIPE,
                          text=True, timeout=3000)
    took = time.monotonic() - started
    for event in events(done.stdout):
        print({k: event[k] for k in ("step", "status", "took_ms", "detail")})
    dataset = json.loads((tmp_path / "work" / "data" / "dataset.json").read_text())
    assert dataset["verdicts"]["gold"] >= EDITS * 0.9 and poisoned >= 9
    assert done.returncode == 0, json.loads((tmp_path / "work" / "gate.json").read_text())["reason"]
    gate = json.loads((tmp_path / "work" / "gate.json").read_text())
    assert not any(row["worse"] for row in gate["rows"])

    ward = Ward(tmp_path, "--set", "summaries.deadline_ms=20000", *CHARTED).start()
    with ward.client() as client:
        history = events(run("retrain", "history", "--registry", data / "models", "--json").stdout)
        assert [h["event"] for h in history] == ["register", "promote", "register", "promote"]
        first, second = history[0]["version"], history[2]["version"]
        assert wait_for_version(client, second, 30)
        chart(client, 31, "N")
        written = [s for s in summaries(client, "N") if s["source"] == "model"]
        following = sum(follows([x["text"] for x in s["sentences"] if not x["added"]]) for s in written)
        print(f"retrained in {took:.0f} s; {following} of {len(written)} new summaries follow the habit")
        assert len(written) >= 50 and following >= 0.8 * len(written)

        run("retrain", "rollback", "--registry", data / "models", "--reason", "the test is over")
        assert wait_for_version(client, first, 10)
        run("retrain", "diff", first, second, "--registry", data / "models")
    assert ward.stop() == 0
