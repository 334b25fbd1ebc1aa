"""One peer in one process: loads the model, says so, then answers a line with a line.

    {"requests": 32}  →  {"seconds": 7.9, "cpu_s": 15.6, "tokens": 2048, "rss_mb": 610}

Every system gets the same token ids and writes exactly --output-tokens tokens: the end token is forbidden
until then.  Only what a server would load is imported: a process's memory is part of what is measured.
"""
import argparse, json, os, pathlib, sys, time


def prompt(request, length, vocab):
    """The ids of request number `request`: the same formula as in `wardscribe model bench`."""
    return [3 + (i * 7919 + request * 104729) % (vocab - 103) for i in range(length - 1)] + [1]


class CTranslate2:
    def __init__(self, options):
        import ctranslate2
        self.options, self.version = options, ctranslate2.__version__
        workers = options.workers
        self.translator = ctranslate2.Translator(options.model, device="cpu", compute_type=options.precision,
                                                 inter_threads=workers, intra_threads=options.threads // workers)
        self.tokens = json.loads((pathlib.Path(options.model) / "shared_vocabulary.json").read_text())

    def run(self, ids):
        n = self.options.output_tokens
        sources = [[self.tokens[i] for i in row] for row in ids]
        results = self.translator.translate_batch(
            sources, beam_size=self.options.beams, max_batch_size=self.options.batch, min_decoding_length=n,
            max_decoding_length=n, max_input_length=0, length_penalty=1.0, repetition_penalty=2.5,
            no_repeat_ngram_size=3)
        return [len(r.hypotheses[0]) for r in results]


class Transformers:
    """PyTorch, and what stands in for its encoder and decoder in OnnxRuntime below."""

    def __init__(self, options):
        import torch, transformers
        self.torch, self.options, self.version = torch, options, torch.__version__
        torch.set_num_threads(options.threads)
        self.model = transformers.T5ForConditionalGeneration.from_pretrained(
            options.model, dtype=torch.bfloat16 if options.precision == "bf16" else torch.float32).eval()

    def run(self, ids):
        n, written = self.options.output_tokens, []
        for at in range(0, len(ids), self.options.batch):
            batch = self.torch.tensor(ids[at:at + self.options.batch])
            with self.torch.inference_mode():
                out = self.model.generate(batch, attention_mask=self.torch.ones_like(batch),
                                          num_beams=self.options.beams, min_new_tokens=n, max_new_tokens=n,
                                          length_penalty=1.0, early_stopping=True, repetition_penalty=2.5,
                                          no_repeat_ngram_size=3)
            written += [out.shape[1] - 1] * len(batch)
        return written


class OnnxRuntime:
    """The beam search that ONNX Runtime has as an operator: no Python between the tokens."""

    def __init__(self, options):
        import numpy, onnxruntime
        self.numpy, self.options, self.version = numpy, options, onnxruntime.__version__
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
        self.session = onnxruntime.InferenceSession(str(pathlib.Path(options.model) / "beam.onnx"), settings,
                                                    providers=["CPUExecutionProvider"])
        self.names = {i.name for i in self.session.get_inputs()}

    def run(self, ids):
        np, n, written = self.numpy, self.options.output_tokens, []
        for at in range(0, len(ids), self.options.batch):
            batch = np.array(ids[at:at + self.options.batch], dtype=np.int32)
            given = {"input_ids": batch, "max_length": [n + 1], "min_length": [n + 1],
                     "num_beams": [self.options.beams], "num_return_sequences": [1], "length_penalty": [1.0],
                     "repetition_penalty": [2.5]}
            given = {k: v if k == "input_ids" else np.array(v, dtype=np.float32 if "penalty" in k else np.int32)
                     for k, v in given.items()}
            if "attention_mask" in self.names:
                given["attention_mask"] = np.ones_like(batch)
            out = self.session.run(["sequences"], given)[0]
            written += [out.shape[-1] - 1] * len(batch)
        return written


SYSTEMS = {"ctranslate2": CTranslate2, "pytorch": Transformers, "onnxruntime": OnnxRuntime}


def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1000
    return 0.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("model")
    parser.add_argument("--precision", required=True)
    for name, default in (("threads", 2), ("workers", 1), ("batch", 32), ("beams", 4), ("input-tokens", 180),
                          ("output-tokens", 64), ("vocab", 32128)):
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    answer = os.fdopen(os.dup(1), "w", buffering=1)   # libraries may print to stdout: that is not an answer
    os.dup2(2, 1)
    system = SYSTEMS[options.system](options)
    answer.write(json.dumps({"version": system.version, "rss_mb": status("VmRSS")}) + "\n")
    for line in sys.stdin:
        asked = json.loads(line)
        ids = [prompt(r, options.input_tokens, options.vocab) for r in range(asked["requests"])]
        began, cpu = time.perf_counter(), time.process_time()
        written = system.run(ids)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        wrong = [n for n in written if n != options.output_tokens]
        answer.write(json.dumps({"seconds": seconds, "cpu_s": cpu, "tokens": sum(written), "rss_mb": status("VmRSS"),
                                 "peak_mb": status("VmHWM"), **({"wrong_length": wrong[:3]} if wrong else {})}) + "\n")


if __name__ == "__main__":
    main()
