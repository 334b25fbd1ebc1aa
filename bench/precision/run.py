#!/usr/bin/env python3
"""Does a model write the same in bf16 and int8 as in fp32?

    bench/precision/run.py [MODEL_FOLDER] [--windows 1000] [--beams 1 4] [--binary FILE]
    bench/precision/run.py --real-size [--wake 0] [--steps 0] …

Simulated windows that no model was trained on (seeds 777 and 778; three tenths with vitals of their own ways) go
through `wardscribe model run` in each precision.  One JSON line per precision and number of beams: how many texts have
the same tokens as fp32's, and the largest difference of the sequence score where they have not, and where they have.
Greedy search has a score too: the sum of the tokens' log-probabilities.

--real-size measures a model of Flan-T5-small's size (77 million parameters) that writes sensible texts: the shipped one
grown to it by grow.py, and with --steps trained on for some steps of 8 pairs (about 2 CPU seconds each).  It is made
once, in ~/.cache/wardscribe-bench.  Needs nothing but Python."""
import argparse, hashlib, json, os, pathlib, platform, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "wardscribe-bench"
SMALL = ("--vocab-size 32128 --d-model 512 --d-kv 64 --d-ff 1024 --heads 6 --layers 8 --decoder-layers 8 --untied "
         "--seed 1 --max-length 360")
TRAINING = "--batch 8 --lr 3e-4 --warmup 30 --schedule cosine --max-target 360 --seed 2 --save-every 50 --resume"


def cpu():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")] if os.path.exists("/proc/cpuinfo") else []
    return names[0] if names else platform.machine()


def grown(binary, model, folder, wake):
    """`model` in Flan-T5-small's size."""
    out = folder / f"grown-{wake:g}"
    if not (out / "model.safetensors").exists():
        vocabulary = ["--vocabulary", model / "spiece.model"]
        subprocess.run([binary, "model", "new", folder / "start", *vocabulary, *SMALL.split()], check=True,
                       stdout=sys.stderr)
        subprocess.run([sys.executable, pathlib.Path(__file__).with_name("grow.py"), model, folder / "start", out,
                        "--wake", str(wake)], check=True)
    return out


def trained(binary, start, folder, steps):
    """Taught with pairs of the kinds and seeds that tools/make-model.sh ends with."""
    pairs, out = folder / "pairs.jsonl", folder / f"{start.name}-trained-{steps}"
    if (out / "model.safetensors").exists():
        return out
    with pairs.open("w") as file:
        for options in ("--seed 2 --count 20000 --varied", "--seed 5 --count 10000"):
            subprocess.run([binary, "model", "pairs", "--house", "--format", "slots", *options.split()], check=True,
                           stdout=file)
    subprocess.run([binary, "model", "train", start, "--data", pairs, "--out", out, "--steps", str(steps),
                    *TRAINING.split()], check=True, stdout=sys.stderr)
    return out


def real_size(binary, model, wake, steps):
    folder = CACHE / "real-size" / hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    start = grown(binary, model, folder, wake)
    return trained(binary, start, folder, steps) if steps else start


def windows(binary, count):
    varied = count * 3 // 10
    out = ""
    for options in (["--seed", "777", "--count", str(count - varied)],
                    ["--seed", "778", "--count", str(varied), "--varied"]):
        out += subprocess.run([binary, "model", "pairs", "--house", "--format", "slots", *options], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line)["input"] for line in out.splitlines()]


def write(binary, model, inputs, precision, beams):
    command = [binary, "model", "run", model, "--json", "--precision", precision, "--beams", str(beams)]
    done = subprocess.run(command, input="\n".join(inputs) + "\n", check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(inputs) or any("error" in a for a in answers):
        wrong = next((a["error"] for a in answers if "error" in a), "lines are missing")
        sys.exit(f"{' '.join(map(str, command))}: {wrong}")
    return answers


def main():
    shipped = sorted(ROOT.glob("models/*/config.json"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=shipped[0].parent if shipped else None, type=pathlib.Path,
                        help="a T5 folder whose input is slots")
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--real-size", action="store_true", help="MODEL_FOLDER grown to Flan-T5-small's size")
    parser.add_argument("--wake", type=float, default=0, help="how loud its new weights are, beside untrained ones")
    parser.add_argument("--steps", type=int, default=0, help="that it is then trained for")
    parser.add_argument("--binary", default=ROOT / os.environ.get("BUILD", "build") / "wardscribe")
    options = parser.parse_args()
    if not options.model:
        parser.error("no model: neither MODEL_FOLDER nor models/")
    if options.real_size:
        options.model = real_size(options.binary, options.model, options.wake, options.steps)
    inputs = windows(options.binary, options.windows)
    for beams in options.beams:
        expected = write(options.binary, options.model, inputs, "fp32", beams)
        for precision in ("bf16", "int8"):
            got = write(options.binary, options.model, inputs, precision, beams)
            gap = {True: 0.0, False: 0.0}
            equal = 0
            for a, b in zip(expected, got):
                same = a["output_ids"] == b["output_ids"]
                equal += same
                gap[same] = max(gap[same], abs(a["score"] - b["score"]))
            print(json.dumps({"bench": "precision", "model": options.model.name, "precision": precision, "beams": beams,
                              "windows": len(inputs), "equal": equal, "score_gap_where_different": round(gap[False], 5),
                              "score_gap_where_equal": round(gap[True], 5), "cpu": cpu()}), flush=True)


main()
