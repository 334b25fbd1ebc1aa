#!/usr/bin/env python3
"""T5 at Flan-T5-small's size: this program against CTranslate2, ONNX Runtime and PyTorch, in turns.

One JSON line per question: requests per second at 32 requests, seconds for one request, resident memory.
Every system runs on the same two cores with the same token ids and writes exactly 64 tokens for each; the
systems take turns (A B C A B C ...), and a ratio is the median over the rounds of ours to the peer's in the
same round.  CPU seconds of the whole process are told beside: other work on the machine disturbs them less.
Loading is not counted.  The peers are installed into a virtual environment outside the repository.

    run.py                               everything, about 15 minutes
    run.py --peers ct2-int8 ct2-float32  some peers; --rounds 5; --questions latency
    run.py --prepare                     only installs, makes the model and converts it
    run.py --output FILE                 also appends the lines to FILE
"""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from peers import BINARY, CACHE, ROOT, environment, install, say

VENV = environment("venv")
PYTHON = VENV / "bin" / "python"
MODELS = CACHE / "t5"
REQUESTS, INPUT, OUTPUT, BEAMS, THREADS = 32, 180, 64, 4, 2

# Each peer in the ways in which it can be set up for these two cores: the fastest of them counts, found by one run.
PEERS = {
    "ct2-int8": ("ctranslate2", "ct2-int8", "int8", [{"batch": 32}, {"batch": 8}, {"workers": 2, "batch": 16},
                                                     {"workers": 2, "batch": 4}]),
    "ct2-float32": ("ctranslate2", "ct2-float32", "float32",
                    [{"batch": 32}, {"batch": 8}, {"workers": 2, "batch": 16}]),
    "ort-float32": ("onnxruntime", "ort", "float32", [{"batch": 32}, {"batch": 8}]),
    "torch-bf16": ("pytorch", "model", "bf16", [{"batch": 32}, {"batch": 8}]),
    "torch-fp32": ("pytorch", "model", "fp32", [{"batch": 32}, {"batch": 8}]),
}
SLOW = {"torch-fp32", "torch-bf16", "ort-float32"}


# ---- preparing ----

def step(folder, *command):
    """Runs a command that makes `folder`, once."""
    if (MODELS / folder / "done").exists():
        return
    say(f"making {folder}")
    subprocess.run([str(c) for c in command], check=True, stdout=sys.stderr,
                   env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"})
    (MODELS / folder / "done").write_text("")


def prepare(peers):
    install(VENV, HERE / "requirements.txt")
    MODELS.mkdir(parents=True, exist_ok=True)
    step("model", PYTHON, HERE / "make_model.py", MODELS / "model")
    for precision in ("int8", "float32"):
        if f"ct2-{precision}" in peers:
            step(f"ct2-{precision}", PYTHON, "-c",
                 "import ctranslate2, sys; ctranslate2.converters.TransformersConverter(sys.argv[1])"
                 ".convert(sys.argv[2], quantization=sys.argv[3], force=True)",
                 MODELS / "model", MODELS / f"ct2-{precision}", precision)
    if "ort-float32" in peers:
        step("ort", PYTHON, HERE / "export_onnx.py", MODELS / "model", MODELS / "ort")


# ---- one peer ----

class Peer:
    def __init__(self, name, requests):
        self.name = name
        system, folder, precision, self.ways = PEERS[name]
        self.command = [PYTHON, HERE / "worker.py", system, MODELS / folder, "--precision", precision, "--threads",
                        THREADS, "--beams", BEAMS, "--input-tokens", INPUT, "--output-tokens", OUTPUT]
        self.way, self.process = self.ways[0], None
        if requests > 1 and len(self.ways) > 1:
            self.way = min(self.ways, key=lambda way: self.once(way, requests))

    def start(self, way):
        flags = [item for key, value in way.items() for item in ("--" + key, value)]
        self.process = subprocess.Popen([str(c) for c in [*self.command, *flags]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error",
                                             "OMP_NUM_THREADS": str(THREADS)})
        self.version = json.loads(self.process.stdout.readline())["version"]
        self.ask(1)   # warm

    def once(self, way, requests):
        self.start(way)
        seconds = self.ask(requests)["seconds"]
        self.stop()
        say(f"  {self.name} {way}: {requests / seconds:.2f} requests/s")
        return seconds

    def ask(self, requests):
        self.process.stdin.write(json.dumps({"requests": requests}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["tokens"] == requests * OUTPUT and "wrong_length" not in answer, answer
        return answer

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


# ---- ours ----

def ours(precision, requests):
    """One process: opens the model, warms up, measures; the median of three, since a peer's memory is warm from the
    round before."""
    reply = subprocess.run([BINARY, "model", "bench", MODELS / "model", "--input-tokens", str(INPUT), "--output-tokens",
                            str(OUTPUT), "--beams", str(BEAMS), "--requests", str(requests), "--threads", str(THREADS),
                            "--precision", precision, "--repeat", "3", "--no-roofline", "--json"],
                           check=True, capture_output=True, text=True)
    told = json.loads(reply.stdout)
    told["seconds"] = told["latency_s"] if requests == 1 else requests / told["requests_per_s"]
    return told


# ---- questions ----

def cpu():
    rows = dict(line.split(":", 1) for line in open("/proc/cpuinfo").read().split("\n\n")[0].splitlines()
                if ":" in line)
    rows = {k.strip(): v.strip() for k, v in rows.items()}
    flags = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
             if f in rows.get("flags", "").split()]
    return (f"{rows.get('model name', platform.machine())} (family {rows.get('cpu family')} model {rows.get('model')}; "
            f"{' '.join(flags)})")


def spread(values):
    return [round(min(values), 4), round(statistics.median(values), 4), round(max(values), 4)]


def take_turns(names, requests, rounds, precision, keep):
    """Rounds of ours, then each peer; seconds per system and round."""
    peers = [Peer(name, requests) for name in names]
    for peer in peers:
        peer.start(peer.way)
    times, memory, told = {name: [] for name in ["ours", *names]}, {}, None
    cpu = {name: [] for name in times}
    for i in range(rounds):
        told = ours(precision, requests)
        times["ours"].append(told["seconds"])
        cpu["ours"].append(told["latency_cpu_s" if requests == 1 else "cpu_s"])
        memory["ours"] = told["rss_peak_mb"] if "rss_peak_mb" in told else told["rss_mb"]
        for peer in peers:
            if peer.name in SLOW and i >= keep:
                continue
            time.sleep(0.3)   # other systems' threads spin for a while after work
            answer = peer.ask(requests)
            times[peer.name].append(answer["seconds"])
            cpu[peer.name].append(answer["cpu_s"])
            memory[peer.name] = answer["peak_mb"]
        say(f"  round {i + 1}: " + ", ".join(f"{k} {v[i]:.3f} s" for k, v in times.items() if len(v) > i))
    facts = {peer.name: {"version": peer.version, "way": peer.way} for peer in peers}
    for peer in peers:
        peer.stop()
    return times, cpu, memory, told, facts


def question(name, requests, names, options):
    say(f"{name}: {requests} request(s) at once, {INPUT} tokens in, {OUTPUT} out, {BEAMS} beams, {THREADS} threads")
    times, cpu_times, memory, told, facts = take_turns(names, requests, options.rounds, options.precision,
                                                       options.slow_rounds)
    per = (lambda s: requests / s) if name == "throughput" else (lambda s: s)
    line = {"bench": "t5", "question": name, "cpu": cpu(), "unit": "requests/s" if name == "throughput" else "s",
            "ours": {"precision": told["precision"], "kernel": told["kernel"],
                     "min_median_max": spread([per(s) for s in times["ours"]]), "cpu_s": spread(cpu_times["ours"]),
                     "peak_rss_mb": round(memory["ours"], 1), "first_token_s": told["first_token_s"]}, "peers": {}}
    for peer in names:
        seconds = times[peer]
        ratios = [b / a for a, b in zip(times["ours"], seconds)]   # times faster than the peer
        line["peers"][peer] = {**facts[peer], "rounds": len(seconds),
                               "min_median_max": spread([per(s) for s in seconds]), "times_faster": spread(ratios),
                               "cpu_s": spread(cpu_times[peer]),
                               "cpu_times_less": spread([b / a for a, b in zip(cpu_times["ours"], cpu_times[peer])]),
                               "peak_rss_mb": round(memory[peer], 1),
                               "rss_share": round(memory["ours"] / memory[peer], 3)}
    line["times_faster_than_the_best"] = min(p["times_faster"][1] for p in line["peers"].values())
    line["best_peer"] = min(line["peers"], key=lambda p: line["peers"][p]["times_faster"][1])
    show(line, options)


def roofline(options):
    reply = subprocess.run([BINARY, "model", "bench", MODELS / "model", "--input-tokens", str(INPUT), "--output-tokens",
                            str(OUTPUT), "--beams", str(BEAMS), "--requests", str(REQUESTS), "--threads", str(THREADS),
                            "--precision", options.precision, "--json"], check=True, capture_output=True, text=True)
    show({"bench": "t5", "question": "roofline", **json.loads(reply.stdout)}, options)


def start_to_first_token(options):
    """From starting the process to its end, with one token written: an upper bound of the time to the first token."""
    folder = str(options.default_model)
    seconds, told = [], {}
    for _ in range(11):
        began = time.perf_counter()
        reply = subprocess.run([BINARY, "model", "run", folder, "--ids", "--json", "--max-length", "2", "--threads",
                                str(THREADS)],
                               input='{"input_ids": [5, 6, 7, 8, 9, 1]}\n', capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - began)
        told = json.loads(reply.stdout)
    show({"bench": "t5", "question": "start to first token", "cpu": cpu(), "model": folder,
          "process_s": spread(seconds), "start_to_first_token_ms": told["start_to_first_token_ms"]}, options)


def show(line, options):
    text = json.dumps(line)
    print(text, flush=True)
    if options.output:
        with open(options.output, "a") as out:
            out.write(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--questions", nargs="+", choices=["throughput", "latency", "roofline", "start"],
                        default=["throughput", "latency", "roofline", "start"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=5,
                        help="rounds of the peers that take long: " + ", ".join(sorted(SLOW)))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--default-model", default=ROOT / "models" / "wardscribe-small", help="folder for 'start'")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--output")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) > THREADS:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    prepare(options.peers)
    if options.prepare:
        return
    if "throughput" in options.questions:
        question("throughput", REQUESTS, options.peers, options)
    if "latency" in options.questions:
        question("latency", 1, options.peers, options)
    if "roofline" in options.questions:
        roofline(options)
    if "start" in options.questions:
        start_to_first_token(options)


if __name__ == "__main__":
    main()
