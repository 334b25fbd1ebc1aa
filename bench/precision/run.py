#!/usr/bin/env python3
"""Does a model write the same in bf16 and int8 as in fp32?

    bench/precision/run.py [MODEL_FOLDER] [--windows 1000] [--beams 1 4] [--binary FILE]

Simulated windows that no model was trained on (seeds 777 and 778; three tenths with vitals of their own ways) go
through `wardscribe model run` in each precision.  One JSON line per precision and number of beams: how many texts have
the same tokens as fp32's, and the largest difference of the sequence score where they have not, and where they have.
Greedy search has a score too: the sum of the tokens' log-probabilities.  Needs nothing but Python."""
import argparse, json, os, pathlib, platform, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpu():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")] if os.path.exists("/proc/cpuinfo") else []
    return names[0] if names else platform.machine()


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
    parser.add_argument("--binary", default=ROOT / os.environ.get("BUILD", "build") / "wardscribe")
    options = parser.parse_args()
    if not options.model:
        parser.error("no model: neither MODEL_FOLDER nor models/")
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
