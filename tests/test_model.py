"""wardscribe model over the real binary: info, run, bench, quantize, against transformers' own outputs.

The reference folders are those under $WARDSCRIBE_T5_REFERENCE (default: t5/reference of the data folder); each
holds a model and generate.json, cases that transformers wrote.
"""
import hashlib, json, os, pathlib, random, shutil, struct, subprocess

import pytest

from conftest import BINARY, DATA

REFERENCE = pathlib.Path(os.environ.get("WARDSCRIBE_T5_REFERENCE", DATA / "t5" / "reference"))
FOLDERS = sorted(p.parent for p in REFERENCE.glob("*/model.safetensors"))
SPIECE = DATA / "t5" / "tokenizer" / "spiece.model"

needs_reference = pytest.mark.skipif(not FOLDERS, reason=f"no reference models under {REFERENCE}")


def model(*arguments, stdin=None, timeout=240):
    return subprocess.run([BINARY, "model", *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          input=stdin)


def run_ids(folder, lines, *arguments):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    reply = model("run", folder, "--ids", "--json", *arguments, stdin=text)
    return reply, [json.loads(line) for line in reply.stdout.splitlines()]


def make_tiny(folder, vocab=128, gated=True, seed=1):
    """A T5 v1.1 folder of this file's own making: safetensors is 8 bytes, JSON, data."""
    d, kv, heads, ff, layers = 32, 8, 4, 64, 2
    shapes = {"shared.weight": (vocab, d), "lm_head.weight": (vocab, d)}
    for side, extra in (("encoder", 0), ("decoder", 1)):
        shapes[f"{side}.final_layer_norm.weight"] = (d,)
        for i in range(layers):
            at = f"{side}.block.{i}.layer"
            for layer, name in [(0, "SelfAttention")] + ([(1, "EncDecAttention")] if extra else []):
                shapes.update({f"{at}.{layer}.{name}.{w}.weight": (heads * kv, d) for w in "qkv"})
                shapes[f"{at}.{layer}.{name}.o.weight"] = (d, heads * kv)
                shapes[f"{at}.{layer}.layer_norm.weight"] = (d,)
            last = 1 + extra
            for w in ("wi_0", "wi_1") if gated else ("wi",):
                shapes[f"{at}.{last}.DenseReluDense.{w}.weight"] = (ff, d)
            shapes[f"{at}.{last}.DenseReluDense.wo.weight"] = (d, ff)
            shapes[f"{at}.{last}.layer_norm.weight"] = (d,)
        shapes[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, heads)
    rng, header, data = random.Random(seed), {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(shapes):
        count = 1
        for n in shapes[name]:
            count *= n
        values = [1.0] * count if "norm" in name else [rng.gauss(0, 0.3) for _ in range(count)]
        header[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [len(data), len(data) + 4 * count]}
        data += struct.pack(f"<{count}f", *values)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "t5", "vocab_size": vocab, "d_model": d, "d_kv": kv, "d_ff": ff, "num_layers": layers,
        "num_decoder_layers": layers, "num_heads": heads, "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6,
        "dropout_rate": 0.1, "feed_forward_proj": "gated-gelu" if gated else "relu", "tie_word_embeddings": False,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("model") / "tiny")


# ---- help and mistakes on the command line ----

def test_help_teaches():
    text = model("--help").stdout
    for name in ("info", "run", "bench", "quantize", "pull", "push", "train"):
        assert f"  {name} " in text
        one = model(name, "--help")
        assert one.returncode == 0 and "wardscribe model " + name in one.stdout and "Examples:" in one.stdout


@pytest.mark.parametrize("arguments, said", [
    ([], "Usage"), (["fly"], "no subcommand 'fly'"), (["run"], "folder is needed"),
    (["run", "a", "b"], "one argument too many"),
    (["run", "a", "--beams", "many"], "--beams: must be a whole number"),
    (["run", "a", "--length-penalty", "nan"], "--length-penalty: must be a number"),
    (["run", "a", "--early-stopping", "often"], "true, false or never"),
    (["run", "a", "--precision", "fp8"], "--precision: must be"),
    (["bench", "a", "--requests", "0"], "--requests: must be a whole number between 1"),
    (["bench", "a", "--input-tokens", "5000"], "--input-tokens"),
])
def test_wrong_command_lines(arguments, said):
    reply = model(*arguments)
    assert reply.returncode == 64 and said in reply.stderr


@pytest.mark.parametrize("command", ["info", "run", "bench"])
def test_no_such_folder(command, tmp_path):
    reply = model(command, tmp_path / "absent", stdin="")
    assert reply.returncode == 66 and "absent" in reply.stderr


# ---- info ----

def test_info(tiny):
    told = json.loads(model("info", tiny, "--json").stdout)
    files = {f["name"]: f for f in told["files"]}
    for name in ("config.json", "model.safetensors"):
        data = (tiny / name).read_bytes()
        assert files[name]["sha256"] == hashlib.sha256(data).hexdigest() and files[name]["size"] == len(data)
    config = told["config"]
    assert config["d_model"] == 32 and config["activation"] == "gated-gelu" and config["tied"] is False
    header = struct.unpack("<Q", (tiny / "model.safetensors").read_bytes()[:8])[0]
    assert told["parameters"] == (files["model.safetensors"]["size"] - 8 - header) // 4
    assert told["dtypes"] == {"F32": told["parameters"]}
    assert told["tokenizer"] is None and told["kernel"] and told["precision"] in ("fp32", "bf16", "int8")
    text = model("info", tiny).stdout
    assert "d_model 32" in text and "model.safetensors" in text


def test_info_names_what_is_wrong(tiny, tmp_path):
    folder = make_tiny(tmp_path / "broken")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    reply = model("info", folder)
    assert reply.returncode == 65 and "model.safetensors" in reply.stderr
    (folder / "model.safetensors").write_bytes(data.replace(b"lm_head.weight", b"lm_heat.weight"))
    assert "lm_head.weight" in model("info", folder).stderr


# ---- run ----

@needs_reference
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_ids_are_transformers(folder):
    cases = json.loads((folder / "generate.json").read_text())
    reply, answers = run_ids(folder, [{"input_ids": c["input_ids"], "params": c["params"]} for c in cases],
                             "--precision", "fp32")
    assert reply.returncode == 0 and len(answers) == len(cases)
    for case, answer in zip(cases, answers):
        assert answer["output_ids"] == case["output_ids"], case["params"]
        if case["sequence_score"] is not None:
            assert answer["score"] == pytest.approx(case["sequence_score"], abs=1e-4)


def test_a_wrong_line_leaves_the_others(tiny):
    good = {"input_ids": [5, 6, 1], "params": {"num_beams": 2, "max_length": 8}}
    lines = [good, "not json", {"input_ids": [5, 128]}, {"params": {}}, {"input_ids": []}, {"input_ids": ["5"]},
             {"input_ids": [5], "params": {"num_beams": 0}}, {"input_ids": [5], "params": {"top_p": 0.5}},
             {"input_ids": [5], "params": {"do_sample": True}}, {"input_ids": [5], "color": 1}, "[1, 2]",
             {"input_ids": [5] * 5000}, {"input_ids": [5], "params": {"early_stopping": "often"}},
             {"input_ids": [5], "params": {"max_length": 10 ** 9}}, '{"input_ids": [5], "input_ids": [6]}',
             '{"input_ids": [-1]}', '{"input_ids": [1e99]}', '{"input_ids": [5.5]}', "", good]
    wanted = [None, "JSON", "input_ids[1]", "input_ids", "input_ids", "input_ids[0]", "num_beams", "top_p", "do_sample",
              "color", "object", "input_ids", "early_stopping", "max_length", "", "input_ids[0]", "", "input_ids[0]",
              None]
    reply, answers = run_ids(tiny, lines)
    assert reply.returncode == 65 and len(answers) == len(wanted)
    numbers = [i + 1 for i, line in enumerate(lines) if line != ""]
    for answer, want, number in zip(answers, wanted, numbers):
        if want is None:
            assert answer["output_ids"][0] == 0
        else:
            assert answer["line"] == number and want in answer["error"], answer
            assert f"line {number}: " in reply.stderr
    assert answers[0]["output_ids"] == answers[-1]["output_ids"]


def test_a_very_long_line_is_one_error(tiny):
    reply, answers = run_ids(tiny, ['{"input_ids": [' + "5," * 2_000_000 + "5]}", {"input_ids": [5, 1]}])
    assert "more than" in answers[0]["error"] and "output_ids" in answers[1]


def test_order_is_kept_and_company_changes_nothing(tiny):
    rng = random.Random(3)
    lines = [{"input_ids": [rng.randrange(3, 128) for _ in range(rng.randrange(1, 60))],
              "params": {"num_beams": rng.choice([1, 2, 4]), "max_length": rng.randrange(2, 40)}}
             for _ in range(700)]
    _, together = run_ids(tiny, lines, "--precision", "fp32")
    assert [a["input_tokens"] for a in together] == [len(line["input_ids"]) for line in lines]
    for at in (0, 333, 699):
        _, alone = run_ids(tiny, [lines[at]], "--precision", "fp32", "--threads", "1")
        assert (alone[0]["output_ids"], alone[0]["score"]) == (together[at]["output_ids"], together[at]["score"])


def test_flags_are_the_defaults_of_every_line(tiny):
    _, by_flag = run_ids(tiny, [{"input_ids": [7, 8, 9, 1]}], "--beams", "3", "--max-length", "12", "--min-length",
                         "12", "--length-penalty", "0.5", "--repetition-penalty", "1.3", "--no-repeat-ngram", "2",
                         "--early-stopping", "true")
    _, by_params = run_ids(tiny, [{"input_ids": [7, 8, 9, 1],
                                   "params": {"num_beams": 3, "max_length": 12, "min_length": 12, "length_penalty": 0.5,
                           "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "early_stopping": True}}])
    assert by_flag[0]["output_ids"] == by_params[0]["output_ids"] and len(by_flag[0]["output_ids"]) == 12
    _, over = run_ids(tiny, [{"input_ids": [7, 1], "params": {"max_new_tokens": 4, "min_new_tokens": 4}}],
                      "--max-length", "30")
    assert len(over[0]["output_ids"]) == 5


def test_times_are_told(tiny):
    _, answers = run_ids(tiny, [{"input_ids": [5, 1]}, {"input_ids": [6, 1]}])
    assert answers[0]["start_to_first_token_ms"] > answers[0]["first_token_ms"] > 0
    assert "start_to_first_token_ms" not in answers[1]
    for key in ("queued_ms", "encode_ms", "decode_ms"):
        assert answers[0][key] >= 0


def test_a_line_is_answered_before_the_next_is_typed(tiny):
    process = subprocess.Popen([BINARY, "model", "run", tiny, "--ids"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    for _ in range(3):
        process.stdin.write('{"input_ids": [5, 1], "params": {"max_length": 4}}\n')
        process.stdin.flush()
        assert process.stdout.readline().startswith("0 ")
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_text_needs_a_vocabulary(tiny):
    reply = model("run", tiny, stdin="hello\n")
    assert reply.returncode == 65 and "spiece.model" in reply.stderr and "--ids" in reply.stderr


@pytest.mark.skipif(not SPIECE.exists(), reason=f"no vocabulary at {SPIECE}")
def test_text(tmp_path):
    folder = make_tiny(tmp_path / "text", vocab=32128)
    (folder / "spiece.model").symlink_to(SPIECE)
    (tmp_path / "lines.txt").write_text("A quick test.\nline two\r\n\nlast")
    plain = model("run", folder, "--file", tmp_path / "lines.txt", "--max-length", "6")
    assert plain.returncode == 0, plain.stderr
    assert len(plain.stdout.splitlines()) == 4
    answers = [json.loads(line) for line in model("run", folder, "--file", tmp_path / "lines.txt", "--max-length", "6",
                                                  "--json").stdout.splitlines()]
    assert [a["text"] for a in answers] == plain.stdout.split("\n")[:4]
    prefixed = json.loads(model("run", folder, "--json", "--prefix", "summarize: ", "--max-length", "4",
                                stdin="x\n").stdout)
    assert prefixed["input_tokens"] > answers[3]["input_tokens"]
    cut = json.loads(model("run", folder, "--json", "--input-tokens", "8", "--max-length", "4",
                           stdin="word " * 500 + "\n").stdout)
    assert cut["input_tokens"] == 8
    assert json.loads(model("info", folder, "--json").stdout)["tokenizer"]["pieces"] == 32000


# ---- bench ----

@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "auto"])
def test_bench(tiny, precision):
    reply = model("bench", tiny, "--input-tokens", "20", "--output-tokens", "8", "--beams", "4", "--requests", "4",
                  "--threads", "2", "--precision", precision, "--json")
    assert reply.returncode == 0, reply.stderr
    told = json.loads(reply.stdout)
    assert told["requests_per_s"] > 0 and 0 < told["first_token_s"] <= told["latency_s"]
    assert told["rss_mb"] > 1 and told["rss_peak_mb"] >= told["rss_mb"] - 1
    assert told["precision"] == precision or (precision == "auto" and told["precision"] in ("fp32", "bf16", "int8"))
    assert told["kernel"] and told["cpu"]
    assert (told["threads"], told["input_tokens"], told["output_tokens"], told["beams"], told["requests"]) == (2, 20, 8,
                                                                                                               4, 4)
    roof = told["roofline"]
    assert roof["memory_gb_per_s"] > 0 and roof["request_gmac"] > 0


def test_the_work_of_flan_t5_small_is_what_the_paper_gives():
    """docs/performance: the decoder 38.5 M multiply-adds per token and beam, the encoder 3.4 G; attention on top."""
    d, inner, ff, vocab, layers, t, n = 512, 384, 1024, 32128, 8, 180, 64
    encoder = layers * t * (4 * d * inner + 3 * d * ff + 2 * t * inner)
    decoder = n * 4 * (layers * (6 * d * inner + 3 * d * ff + 2 * (t + n / 2) * inner) + d * vocab)
    assert (encoder + decoder + layers * t * 2 * d * inner) / 1e9 == pytest.approx(14.344, abs=0.001)


# ---- quantize ----

def read_safetensors(path):
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + n]), data[8 + n:]


@pytest.mark.parametrize("precision, dtype, torch", [("bf16", "BF16", "bfloat16"), ("fp16", "F16", "float16")])
def test_quantize(tiny, tmp_path, precision, dtype, torch):
    out = tmp_path / "half"
    (tiny / "README.md").write_text("# tiny")
    reply = model("quantize", tiny, "--out", out, "--precision", precision)
    assert reply.returncode == 0 and "farthest" in reply.stdout, reply.stderr
    before, _ = read_safetensors(tiny / "model.safetensors")
    after, data = read_safetensors(out / "model.safetensors")
    assert {k: v["shape"] for k, v in after.items() if k != "__metadata__"} == {k: v["shape"]
                                                                                for k, v in before.items()
                                                                                if k != "__metadata__"}
    assert {v["dtype"] for k, v in after.items() if k != "__metadata__"} == {dtype}
    assert json.loads((out / "config.json").read_text())["torch_dtype"] == torch
    assert (out / "README.md").read_text() == "# tiny"
    original, whole = read_safetensors(tiny / "model.safetensors")
    for name in ("shared.weight", "decoder.block.1.layer.2.DenseReluDense.wo.weight"):
        a, b = original[name]["data_offsets"]
        old = struct.unpack(f"<{(b - a) // 4}f", whole[a:b])
        a, b = after[name]["data_offsets"]
        if precision == "fp16":
            assert struct.unpack(f"<{(b - a) // 2}e", data[a:b]) == struct.unpack(f"<{len(old)}e",
                                                                                  struct.pack(f"<{len(old)}e", *old))
        else:
            halves = struct.unpack(f"<{(b - a) // 2}H", data[a:b])
            assert all(abs(struct.unpack("<f", struct.pack("<I", h << 16))[0] - x) <= abs(x) * 2 ** -8
                       for h, x in zip(halves, old))
    _, answers = run_ids(out, [{"input_ids": [5, 6, 7, 1], "params": {"max_length": 8}}])
    assert answers[0]["output_ids"][0] == 0
    assert model("quantize", tiny, "--out", out, "--precision", precision).returncode == 73, "it is there already"


def test_quantize_refuses(tiny, tmp_path):
    assert "when a model is opened" in model("quantize", tiny, "--out", tmp_path / "x", "--precision", "int8").stderr
    folder = make_tiny(tmp_path / "large")
    header, data = read_safetensors(folder / "model.safetensors")
    at = header["lm_head.weight"]["data_offsets"][0]
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[:at] + struct.pack("<f", 1e6)
                                               + data[at + 4:])
    reply = model("quantize", folder, "--out", tmp_path / "y", "--precision", "fp16")
    assert reply.returncode == 65 and "lm_head.weight: item 0 is 1e+06" in reply.stderr
    assert not (tmp_path / "y").exists()
    assert model("quantize", folder, "--out", tmp_path / "y", "--precision", "bf16").returncode == 0


# ---- the library, for other programs ----

@pytest.mark.skipif(not SPIECE.exists(), reason=f"no vocabulary at {SPIECE}")
def test_the_documented_example(tmp_path):
    """docs/t5.md word for word: install, compile with pkg-config, ask."""
    if not shutil.which("meson") or not shutil.which("cc") or not (BINARY.parent / "build.ninja").exists():
        pytest.skip("needs meson, a compiler and the build folder")
    root = pathlib.Path(__file__).resolve().parent.parent
    source = root / "docs" / "t5-example.c"
    assert len(source.read_text().splitlines()) < 60
    subprocess.run(["meson", "install", "-C", BINARY.parent, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)}, capture_output=True)
    config = next(tmp_path.rglob("wardscribe-t5.pc"))
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "wardscribe-t5"], check=True, capture_output=True,
                           text=True, env={**os.environ, "PKG_CONFIG_PATH": str(config.parent),
                                           "PKG_CONFIG_SYSROOT_DIR": str(tmp_path)}).stdout.split()
    subprocess.run(["cc", "-std=gnu17", "-Wall", "-Werror", source, *flags, "-o", tmp_path / "t5-example"], check=True)
    folder = make_tiny(tmp_path / "model", vocab=32128)
    (folder / "spiece.model").symlink_to(SPIECE)
    library = next(tmp_path.rglob("libwardscribe-t5.so")).parent
    reply = subprocess.run([tmp_path / "t5-example", folder], input="Good morning.\nAgain.\n", capture_output=True,
                           text=True, timeout=60, env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    assert reply.returncode == 0 and len(reply.stdout.splitlines()) == 2, reply.stderr
    assert reply.stderr.count("tokens, score") == 2, reply.stderr
    missing = subprocess.run([tmp_path / "t5-example", tmp_path / "absent"], capture_output=True, text=True,
                             env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    assert missing.returncode == 1 and "absent" in missing.stderr
