"""Fine-tunes a T5 folder with PyTorch and transformers, as their users do, and prints a JSON line per step.

usage: peer.py FOLDER PAIRS --precision fp32|bf16 --steps N --seed S --target-max T --dropout X --threads N
"""
import argparse, json, time


def mix64(x):
    mask = (1 << 64) - 1
    x = (x + 0x9e3779b97f4a7c15) & mask
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & mask
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & mask
    return x ^ (x >> 31)


def order(count, seed):
    """The permutation of `wardscribe model train`'s first epoch (backend/t5/train/pairs.c): both see the same."""
    state, rows = mix64(seed ^ mix64(0)), list(range(count))
    for i in range(count, 1, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        j = (state >> 32) * i >> 32
        rows[i - 1], rows[j] = rows[j], rows[i - 1]
    return rows


def main(o):
    import torch, transformers
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    tokenizer = transformers.T5Tokenizer.from_pretrained(o.folder, legacy=True)
    model = transformers.T5ForConditionalGeneration.from_pretrained(o.folder)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = o.dropout
    for layer in [m for m in model.modules() if type(m).__name__ == "T5Attention"]:
        layer.dropout = o.dropout
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01)
    rows = [json.loads(line) for line in open(o.pairs)]
    rows = [rows[i] for i in order(len(rows), o.seed)]
    for step in range(o.steps):
        batch = rows[4 * step:4 * step + 4]
        start = time.perf_counter()
        # padded to the longest of the four only: the best that transformers offers here
        inputs = tokenizer([r["input"] for r in batch], padding=True, truncation=True, max_length=512,
                           return_tensors="pt")
        labels = tokenizer([r["summary"] for r in batch], padding=True, truncation=True, max_length=o.target_max,
                           return_tensors="pt").input_ids
        labels[labels == tokenizer.pad_token_id] = -100
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16"):
            loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds = time.perf_counter() - start
        print(json.dumps({"step": step + 1, "loss": loss.item(), "seconds": seconds, "version": torch.__version__,
                          "tokens": int(inputs.attention_mask.sum() + (labels >= 0).sum())}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("pairs")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    for name, kind, value in (("steps", int, 10), ("seed", int, 1), ("target-max", int, 60), ("dropout", float, 0.1),
                              ("threads", int, 2)):
        parser.add_argument(f"--{name}", type=kind, default=value)
    main(parser.parse_args())
