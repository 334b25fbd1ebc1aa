#!/usr/bin/env python3
"""Fine-tuning at Flan-T5-small's size: this program against PyTorch on the CPU, in turns.

Batch 4, inputs of docs/api's length (about 180 tokens), targets of at most 60, AdamW, clipping at 1, two threads,
dropout 0.1.  Prints one JSON line per question: samples per second (median over rounds of ours to the best of PyTorch's
fp32 and bf16 in the same round), peak resident memory, and how far the fp32 loss curves are apart (dropout 0).
The first steps of a run are not counted.  The peers go into a virtual environment outside the repository.

    run.py                  everything, about five minutes
    run.py --rounds 3       fewer rounds;  --questions speed loss
"""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from peers import BINARY, CACHE, environment, install, say

VENV = environment("train-venv")
PYTHON = VENV / "bin" / "python"
FOLDER = CACHE / "train"
STEPS, SKIPPED, TARGET, SEED = 9, 3, 60, 1


def make():
    """Pairs in the published format, a vocabulary of theirs, and an untrained model of Flan-T5-small's shape."""
    if (FOLDER / "model" / "model.safetensors").exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    pairs = subprocess.run([BINARY, "model", "pairs", "--format", "published", "--seed", "1", "--count", "6000"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines(True)
    # about 180 tokens
    whole = [line for line in pairs if line.count("BP=") == line.count("Temp=") == line.count("SpO2=") == 5]
    (FOLDER / "pairs.jsonl").write_text("".join(whole[:400]))
    subprocess.run([BINARY, "model", "vocabulary", FOLDER / "spiece.model", "--data", FOLDER / "pairs.jsonl", "--size",
                    "900"], check=True)
    subprocess.run([BINARY, "model", "new", FOLDER / "model", "--vocabulary", FOLDER / "spiece.model", "--vocab-size",
                    "32128", "--d-model", "512", "--d-kv", "64", "--d-ff", "1024", "--layers", "8", "--decoder-layers",
                    "8", "--heads", "6", "--dropout-percent", "10", "--untied", "--seed", "1"], check=True)


def run(command):
    """The lines it printed, and its peak resident memory in MB."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "TRANSFORMERS_VERBOSITY": "error", "OMP_NUM_THREADS": "2"})
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed")
    return [json.loads(line) for line in output.splitlines()], usage.ru_maxrss / 1024


def ours(precision, dropout, steps=STEPS):
    lines, memory = run([BINARY, "model", "train", FOLDER / "model", "--data", FOLDER / "pairs.jsonl", "--out",
                         FOLDER / "out", "--steps", steps, "--schedule", "constant", "--precision", precision,
                         "--dropout", dropout, "--seed", SEED, "--max-target", TARGET, "--threads", 2, "--json",
                         "--quiet"])
    steps = [line for line in lines if line["event"] == "step"]
    return [{"loss": s["loss"], "seconds": s["tokens"] / s["tokens_per_s"], "tokens": s["tokens"]}
            for s in steps], memory


def torch(precision, dropout, steps=STEPS):
    return run([PYTHON, HERE / "peer.py", FOLDER / "model", FOLDER / "pairs.jsonl", "--precision", precision,
                "--dropout", dropout, "--steps", steps, "--seed", SEED, "--target-max", TARGET])


def speed(steps):
    return 4 / statistics.median(step["seconds"] for step in steps[SKIPPED:])


def measure_speed(rounds):
    figures = {"ours_bf16": [], "ours_fp32": [], "torch_bf16": [], "torch_fp32": []}
    memory = dict.fromkeys(figures, 0)
    for _ in range(rounds):
        for name, function, precision in (("ours_bf16", ours, "bf16"), ("torch_bf16", torch, "bf16"),
                                          ("ours_fp32", ours, "fp32"), ("torch_fp32", torch, "fp32")):
            steps, peak = function(precision, 0.1)
            figures[name].append(speed(steps))
            memory[name] = max(memory[name], peak)
            say(f"{name}: {figures[name][-1]:.2f} samples/s, {peak:.0f} MB")
    best = max(("torch_bf16", "torch_fp32"), key=lambda name: statistics.median(figures[name]))
    ratios = [a / max(b, c) for a, b, c in zip(figures["ours_bf16"], figures["torch_bf16"], figures["torch_fp32"])]
    fp32 = [a / b for a, b in zip(figures["ours_fp32"], figures["torch_fp32"])]
    return {"question": "samples per second", "ratio": round(statistics.median(ratios), 3), "bar": 2,
            "ratio_fp32": round(statistics.median(fp32), 3),
            **{name: round(statistics.median(values), 2) for name, values in figures.items()},
            "memory_mb": {name: round(value) for name, value in memory.items()},
            "memory_ratio": round(memory["ours_bf16"] / memory[best], 3), "memory_bar": 0.5, "peer_best": best,
            "rounds": rounds}


def measure_loss():
    mine, theirs = ours("fp32", 0, 20)[0], torch("fp32", 0, 20)[0]
    assert [s["tokens"] for s in mine] == [s["tokens"] for s in theirs], "not the same batches"
    apart = [abs(a["loss"] - b["loss"]) / b["loss"] for a, b in zip(mine, theirs)]
    return {"question": "fp32 loss curves", "steps": len(apart), "relative_difference_max": max(apart),
            "ours": [round(s["loss"], 4) for s in mine], "torch": [round(s["loss"], 4) for s in theirs]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--questions", nargs="+", default=["speed", "loss"], choices=["speed", "loss"])
    options = parser.parse_args()
    install(VENV, HERE / "requirements.txt")
    make()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.machine())
    for question in options.questions:
        result = measure_speed(options.rounds) if question == "speed" else measure_loss()
        print(json.dumps({"bench": "train", "cpu": cpu, **result}), flush=True)


if __name__ == "__main__":
    main()
