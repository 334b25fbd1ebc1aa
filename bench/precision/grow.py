#!/usr/bin/env python3
"""Grows the default model to another's size: it then writes the same texts with more weights.

    bench/precision/grow.py MODEL START GROWN [--wake X] [--seed N]

START is an untrained folder of the wished size with a head of its own (`wardscribe model new --untied`), with as many
heads as MODEL.  GROWN is START with MODEL inside, as in Net2Net (Chen, Goodfellow, Shlens 2016):

- A channel of the residual stream becomes two or three, scaled so that RMS norms see the same mean square; who reads
  them takes a share of each, with noise that cancels.
- More units of a feed-forward and more values of a head are START's, and what reads them has X times START's weights;
  so have more layers.  With 0, the default, they say nothing; with more the texts hold as long as MODEL is sure.
- Ids that MODEL lacks get the logit of one that it never writes.

Needs nothing but Python."""
import argparse, array, json, math, pathlib, random, shutil, struct


class Weights:
    """The tensors of one safetensors file, as rows of floats."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.bytes = bytearray((folder / "model.safetensors").read_bytes())
        size = struct.unpack_from("<Q", self.bytes)[0]
        self.data = 8 + size
        self.tensors = {name: t for name, t in json.loads(self.bytes[8:self.data]).items() if name != "__metadata__"}

    def read(self, name):
        tensor = self.tensors[name]
        begin, end = (self.data + at for at in tensor["data_offsets"])
        if tensor["dtype"] == "BF16":
            wide = bytearray(2 * (end - begin))
            wide[2::4], wide[3::4] = self.bytes[begin:end:2], self.bytes[begin + 1:end:2]
        else:
            wide = self.bytes[begin:end]
        flat, width = array.array("f", bytes(wide)), tensor["shape"][-1]
        return [flat[i:i + width] for i in range(0, len(flat), width)]

    def write(self, name, rows):
        begin, end = (self.data + at for at in self.tensors[name]["data_offsets"])
        flat = b"".join(array.array("f", row).tobytes() for row in rows)
        assert self.tensors[name]["dtype"] == "F32" and len(flat) == end - begin, name
        self.bytes[begin:end] = flat


class Grower:
    def __init__(self, model, start, wake, seed):
        self.model, self.start, self.wake, self.chance = model, start, wake, random.Random(seed)
        self.width, self.wide = model.config["d_model"], start.config["d_model"]
        self.kv, self.wide_kv = model.config["d_kv"], start.config["d_kv"]
        self.copies = [[] for _ in range(self.width)]        # of each channel: (channel, scale)
        for channel in range(self.wide):
            self.copies[channel % self.width].append((channel, self.chance.uniform(0.7, 1.3)))
        share = self.wide / self.width                       # what the squares of the scales add up to
        for i, copies in enumerate(self.copies):
            factor = math.sqrt(share / sum(scale * scale for _, scale in copies))
            self.copies[i] = [(channel, scale * factor) for channel, scale in copies]
        self.share = share

    def writer(self, rows):
        """Rows by output become rows by the wider stream's channels."""
        out = [None] * self.wide
        for row, copies in zip(rows, self.copies):
            for channel, scale in copies:
                out[channel] = [scale * x for x in row]
        return out

    def reader_row(self, row, factor=1.0):
        """What reads the stream: weights whose products with the scales add up to the old weight."""
        spread = 0.3 * math.sqrt(sum(x * x for x in row) / len(row))
        out = [0.0] * self.wide
        for x, copies in zip(row, self.copies):
            noise = [self.chance.uniform(-spread, spread) for _ in copies]
            back = sum(n * scale for n, (_, scale) in zip(noise, copies)) / self.share
            for n, (channel, scale) in zip(noise, copies):
                out[channel] = factor * (x * scale / self.share + n - back * scale)
        return out

    def embedding(self, rows):
        scales = [self.copies[i % self.width][i // self.width][1] for i in range(self.wide)]
        return [[row[i % self.width] * scales[i] for i in range(self.wide)] for row in rows]

    def norm(self, name, source):
        row = self.model.read(source)[0]
        self.start.write(name, [[row[i % self.width] for i in range(self.wide)]])

    def place(self, unit):
        """Where a value of a head goes."""
        return unit // self.kv * self.wide_kv + unit % self.kv

    def faint(self, name):
        return [[self.wake * x for x in row] for row in self.start.read(name)]

    def read_stream(self, name, source, place=lambda unit: unit, faint=False):
        """q, k, v and wi: the other outputs stay START's."""
        rows = self.faint(name) if faint else self.start.read(name)
        for unit, row in enumerate(self.model.read(source)):
            rows[place(unit)] = self.reader_row(row)
        self.start.write(name, rows)

    def write_stream(self, name, source, place=lambda unit: unit):
        """o and wo."""
        rows = self.faint(name)
        for wide, row in zip(rows, self.writer(self.model.read(source))):
            for unit, x in enumerate(row):
                wide[place(unit)] = x
        self.start.write(name, rows)

    def layer(self, at, source):
        """One attention or feed-forward and its norm; without `source` a new one."""
        for name in [n for n in self.start.tensors if n.startswith(at + ".") and "relative" not in n]:
            end, old = name.split(".")[-2], source and name.replace(at, source, 1)
            if end in ("o", "wo") and not source:
                self.start.write(name, self.faint(name))
            elif end == "layer_norm" and source:
                self.norm(name, old)
            elif end == "o":
                self.write_stream(name, old, self.place)
            elif end == "wo":
                self.write_stream(name, old)
            elif end.startswith("wi") and source:
                self.read_stream(name, old)
            elif end in ("q", "k", "v") and source:
                self.read_stream(name, old, self.place, faint=end == "k")

    def stack(self, side, count, old_count, parts):
        for i in range(count):
            source = next((o for o in range(old_count) if o * count // old_count == i), None)
            for part in range(parts):
                old = None if source is None else f"{side}.block.{source}.layer.{part}"
                self.layer(f"{side}.block.{i}.layer.{part}", old)
        bias = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        self.start.write(bias, self.model.read(bias))
        self.norm(f"{side}.final_layer_norm.weight", f"{side}.final_layer_norm.weight")

    def head(self, unused):
        """A tied head reads the stream by 1 / sqrt(d_model)."""
        old = self.model.read("shared.weight")
        factor = 1 / math.sqrt(self.width)
        rows = [self.reader_row(row, factor) for row in old]
        rows += [rows[unused + i % (len(old) - unused)] for i in range(self.start.config["vocab_size"] - len(old))]
        self.start.write("lm_head.weight", rows)
        embeddings = self.start.read("shared.weight")
        embeddings[:len(old)] = self.embedding(old)
        self.start.write("shared.weight", embeddings)


def piece_count(path):
    """Pieces are field 1 of a SentencePiece model, and come first."""
    data, at, count = path.read_bytes(), 0, 0
    while data[at] == 0x0a:
        length, shift, at = 0, 0, at + 1
        while True:
            byte = data[at]
            length, shift, at = length | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                break
        at, count = at + length, count + 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("start", type=pathlib.Path)
    parser.add_argument("grown", type=pathlib.Path)
    parser.add_argument("--wake", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model, start = Weights(options.model), Weights(options.start)
    tied, heads = ([w.config[key] for w in (model, start)] for key in ("tie_word_embeddings", "num_heads"))
    if tied != [True, False] or heads[0] != heads[1]:
        parser.error("MODEL's head must be tied, START's not, and both must have as many heads")
    grower = Grower(model, start, options.wake, options.seed)
    grower.stack("encoder", start.config["num_layers"], model.config["num_layers"], 2)
    grower.stack("decoder", start.config["num_decoder_layers"], model.config["num_decoder_layers"], 3)
    grower.head(piece_count(options.model / "spiece.model"))
    shutil.copytree(options.start, options.grown, dirs_exist_ok=True)
    (options.grown / "model.safetensors").write_bytes(start.bytes)


main()
