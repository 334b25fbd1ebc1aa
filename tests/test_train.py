"""A model from nothing through the real binary: pairs, vocabulary, training, evaluation."""
import hashlib, json, pathlib, signal, subprocess

import pytest

from conftest import BINARY

TRAIN = ["--batch", "4", "--lr", "2e-3", "--seed", "7", "--max-target", "200", "--json", "--quiet", "--threads", "2"]


def model(*arguments, **more):
    return subprocess.run([BINARY, "model", *map(str, arguments)], capture_output=True, text=True, timeout=300, **more)


def lines(output):
    return [json.loads(line) for line in output.splitlines()]


def weights(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with pairs.jsonl, spiece.model and start/: a T5 of two narrow layers."""
    folder = tmp_path_factory.mktemp("train")
    pairs = model("pairs", "--seed", 3, "--count", 60, "--format", "facts")
    assert pairs.returncode == 0, pairs.stderr
    (folder / "pairs.jsonl").write_text(pairs.stdout)
    vocabulary = model("vocabulary", folder / "spiece.model", "--data", folder / "pairs.jsonl", "--size", 700)
    assert vocabulary.returncode == 0, vocabulary.stderr
    new = model("new", folder / "start", "--vocabulary", folder / "spiece.model", "--d-model", 32, "--d-kv", 8,
                "--d-ff", 48, "--layers", 1, "--decoder-layers", 1, "--heads", 2, "--dropout-percent", 10)
    assert new.returncode == 0, new.stderr
    return folder


def train(made, out, *more):
    return model("train", made / "start", "--data", made / "pairs.jsonl", "--out", out, *TRAIN, *more)


def test_same_seed_gives_the_same_bytes_for_any_number_of_threads(made, tmp_path):
    runs = [train(made, tmp_path / "a", "--steps", 6), train(made, tmp_path / "b", "--steps", 6, "--threads", 1),
            train(made, tmp_path / "c", "--steps", 6, "--seed", 8)]
    assert [run.returncode for run in runs] == [0, 0, 0], runs[0].stderr
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")
    start, *steps, done = lines(runs[0].stdout)
    assert start["event"] == "start" and start["pairs"] == 60 and all(start["bytes"].values())
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5, 6]
    assert done["event"] == "done" and done["loss_first"] == steps[0]["loss"] > steps[-1]["loss"]


def test_recomputing_changes_no_bit(made, tmp_path):
    assert train(made, tmp_path / "a", "--steps", 3).returncode == 0
    assert train(made, tmp_path / "b", "--steps", 3, "--recompute").returncode == 0
    if "bf16" not in train(made, tmp_path / "c", "--steps", 1).stdout:   # there the kept activations are rounded
        assert weights(tmp_path / "a") == weights(tmp_path / "b")
    for out in "de":
        assert train(made, tmp_path / out, "--steps", 3, "--precision", "fp32",
                     *["--recompute"][:out == "e"]).returncode == 0
    assert weights(tmp_path / "d") == weights(tmp_path / "e")


def test_stopped_and_resumed_is_as_if_never_stopped(made, tmp_path):
    assert train(made, tmp_path / "whole", "--steps", 400).returncode == 0
    command = [BINARY, "model", "train", made / "start", "--data", made / "pairs.jsonl", "--out", tmp_path / "parts",
               *TRAIN, "--steps", "400", "--resume"]
    run = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    for line in run.stdout:
        if json.loads(line).get("step") == 20:
            run.send_signal(signal.SIGINT)
            break
    last = lines(run.stdout.read())[-1]
    assert run.wait(60) == 0 and last["event"] == "stopped"
    assert (tmp_path / "parts/training-state.safetensors").exists()
    assert not (tmp_path / "parts/model.safetensors").exists()
    other = train(made, tmp_path / "parts", "--steps", 300, "--resume")
    assert other.returncode == 73 and "another run" in other.stderr
    assert train(made, tmp_path / "parts", "--steps", 400, "--resume").returncode == 0
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert not (tmp_path / "parts/training-state.safetensors").exists()


def test_killed_run_resumes_from_its_last_state(made, tmp_path):
    assert train(made, tmp_path / "whole", "--steps", 300).returncode == 0
    command = [BINARY, "model", "train", made / "start", "--data", made / "pairs.jsonl", "--out", tmp_path / "parts",
               *TRAIN, "--steps", "300", "--resume", "--save-every", "10"]
    run = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    for line in run.stdout:
        if json.loads(line).get("step") == 25:
            run.kill()
            break
    run.wait(60)
    assert train(made, tmp_path / "parts", "--steps", 300, "--resume").returncode == 0
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")


def test_accumulated_batches_are_one_large_batch(made, tmp_path):
    one = lines(train(made, tmp_path / "a", "--steps", 4, "--batch", 8, "--precision", "fp32", "--dropout", 0).stdout)
    two = lines(train(made, tmp_path / "b", "--steps", 4, "--batch", 4, "--accumulate", 2, "--precision", "fp32",
                      "--dropout", 0).stdout)
    for a, b in zip(one[1:-1], two[1:-1]):
        assert abs(a["loss"] - b["loss"]) < 1e-5 and abs(a["grad_norm"] - b["grad_norm"]) < 1e-3 * a["grad_norm"]


def test_what_cannot_be_learned_from_is_refused(made, tmp_path):
    few = tmp_path / "few.jsonl"
    few.write_text("".join((made / "pairs.jsonl").read_text().splitlines(True)[:9]))
    refused = model("train", made / "start", "--data", few, "--out", tmp_path / "x", "--steps", 1)
    assert refused.returncode == 3 and "at least 10" in refused.stderr
    bad = tmp_path / "bad.jsonl"
    bad.write_text((made / "pairs.jsonl").read_text() + '{"input": "x"}\n')
    refused = model("train", made / "start", "--data", bad, "--out", tmp_path / "x", "--steps", 1)
    assert refused.returncode == 65 and "line 61" in refused.stderr and "summary" in refused.stderr
    assert model("train", made / "start", "--data", bad, "--out", tmp_path / "x").returncode == 64
    assert model("train", made / "start", "--data", tmp_path / "none", "--out", tmp_path / "x", "--steps",
                 1).returncode == 66


def test_optimizers_and_schedules_learn(made, tmp_path):
    for name, more in {"factored": ["--optimizer", "adafactor", "--lr", 0],
                       "cosine": ["--schedule", "cosine", "--warmup", 5]}.items():
        run = lines(train(made, tmp_path / name, "--steps", 40, *more).stdout)
        assert run[-2]["loss"] < 0.9 * run[1]["loss"], name
    rates = [step["lr"] for step in run[1:-1]]
    assert rates[0] == 0 and max(rates) == rates[5] == 2e-3 and rates[-1] < 1e-4


def test_adafactor_and_adamw_step_as_transformers_and_torch(made, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from transformers.optimization import Adafactor
    pairs = tmp_path / "pairs.jsonl"
    rows = [json.loads(line) for line in (made / "pairs.jsonl").read_text().splitlines()[:10]]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = transformers.T5Tokenizer.from_pretrained(made / "start", legacy=True)
    steps = 5
    for name, lr in {"adafactor": 1e-3, "adamw": 1e-3}.items():
        run = model("train", made / "start", "--data", pairs, "--out", tmp_path / name, "--steps", steps, "--batch", 10,
                    "--lr", lr, "--optimizer", name, "--schedule", "constant", "--precision", "fp32", "--dropout", 0,
                    "--clip", 0.5, "--weight-decay", 0, "--max-target", 400, "--json", "--quiet")
        assert run.returncode == 0, run.stderr
        peer = transformers.T5ForConditionalGeneration.from_pretrained(made / "start").eval()
        optimizer = (Adafactor(peer.parameters(), lr=lr, scale_parameter=True, relative_step=False, warmup_init=False)
                     if name == "adafactor"
                     else torch.optim.AdamW(peer.parameters(), lr=lr, weight_decay=0.0))
        batch = tokenizer([row["input"] for row in rows], padding=True, return_tensors="pt")
        labels = tokenizer([row["summary"] for row in rows], padding=True, return_tensors="pt").input_ids
        labels[labels == 0] = -100
        for mine in lines(run.stdout)[1:-1]:
            loss = peer(**batch, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(peer.parameters(), 0.5)
            optimizer.step()
            assert abs(loss.item() - mine["loss"]) < 2e-5 * loss.item(), (name, mine)


def test_transformers_loads_what_was_trained(made, tmp_path):
    transformers = pytest.importorskip("transformers")
    assert train(made, tmp_path / "a", "--steps", 2, "--save-as", "bf16").returncode == 0
    loaded, info = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path / "a", output_loading_info=True)
    assert not any(info.values())
    assert transformers.T5Tokenizer.from_pretrained(tmp_path / "a", legacy=True)("stable").input_ids[-1] == 1


def test_eval_measures(made, tmp_path):
    assert train(made, tmp_path / "a", "--steps", 30).returncode == 0
    small = tmp_path / "small.jsonl"
    small.write_text("".join((made / "pairs.jsonl").read_text().splitlines(True)[:4]))
    run = model("eval", tmp_path / "a", "--data", small, "--json", "--texts", tmp_path / "texts.jsonl")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["pairs"] == 4 and 0 < result["loss"] < 10
    assert 0 <= result["rouge_l"] <= 1 and result["exact_match"] == 0
    texts = lines((tmp_path / "texts.jsonl").read_text())
    assert len(texts) == 4 and all({"input", "summary", "written"} <= set(text) for text in texts)


def test_a_vocabulary_is_the_same_twice(made, tmp_path):
    for name in "ab":
        assert model("vocabulary", tmp_path / name, "--data", made / "pairs.jsonl", "--size", 1024,
                     "--slots").returncode == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_exam_says_what_is_proven(made, tmp_path):
    assert train(made, tmp_path / "a", "--steps", 2).returncode == 0
    (tmp_path / "a/README.md").write_text("---\nwardscribe_input: facts\n---\n")
    run = model("exam", tmp_path / "a", "--windows", 3, "--json", "--quiet", "--texts", tmp_path / "texts.jsonl")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["windows"] == 3 and 0 <= result["proven"] <= 1
    assert len(lines((tmp_path / "texts.jsonl").read_text())) == 3


def test_default_model_is_proven_on_simulated_patients():
    folder = pathlib.Path(__file__).resolve().parent.parent / "models" / "wardscribe-small"
    run = model("exam", folder, "--windows", 40, "--json", "--quiet")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["proven"] >= 0.98 and result["critical_told"] >= 0.98 * result["critical"]
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 15e6
