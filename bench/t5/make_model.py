"""Makes a T5 folder with random weights: Flan-T5-small's shape unless told otherwise.

Random weights cost the same time as trained ones.  The vocabulary is made up too: converters want one.
usage: make_model.py FOLDER [--seed N]
"""
import argparse, json, pathlib

SMALL = dict(vocab_size=32128, d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_decoder_layers=8, num_heads=6,
             feed_forward_proj="gated-gelu", tie_word_embeddings=False, relative_attention_num_buckets=32,
             relative_attention_max_distance=128, dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0,
             eos_token_id=1)


def make_vocabulary(folder, size):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [(f"▁w{i}", -1.0 - i / size) for i in range(3, size)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}))


def make(folder, seed=0, **config):
    import torch, transformers
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**{**SMALL, **config}))
    model.save_pretrained(folder, safe_serialization=True)
    make_vocabulary(folder, model.config.vocab_size)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make(arguments.folder, arguments.seed)
