"""Exports a T5 folder for ONNX Runtime: its own converter, which puts the whole beam search into the graph.

The converter's fusions are left out: the operators they make (RelativePositionBias) exist on GPUs only; what
ONNX Runtime optimizes when it loads a graph is on.  usage: export_onnx.py MODEL FOLDER
"""
import pathlib, sys


def speak_tuples():
    """The converter hands caches over as tuples, which transformers no longer takes: translate both ways."""
    from transformers import EncoderDecoderCache
    from transformers.models.t5.modeling_t5 import T5Stack
    forward = T5Stack.forward

    def translated(self, *arguments, past_key_values=None, **rest):
        if isinstance(past_key_values, (tuple, list)):
            past_key_values = EncoderDecoderCache.from_legacy_cache(tuple(past_key_values))
        out = forward(self, *arguments, past_key_values=past_key_values, **rest)
        if getattr(out, "past_key_values", None) is not None:
            out.past_key_values = out.past_key_values.to_legacy_cache()
        return out

    T5Stack.forward = translated


def main(model, folder):
    import onnxruntime.transformers
    tools = pathlib.Path(onnxruntime.transformers.__file__).parent
    sys.path[:0] = [str(tools), str(tools / "models" / "t5")]
    import convert_generation
    speak_tuples()
    export = convert_generation.export_t5_onnx_models
    convert_generation.export_t5_onnx_models = lambda **options: export(**{**options, "optimize_onnx": False})
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    convert_generation.convert_generation_model(convert_generation.parse_arguments(["-m", model, "--model_type", "t5",
                                                                                    "--output", f"{folder}/beam.onnx",
                                                                                    "--num_beams", "4",
                             "--no_repeat_ngram_size", "3", "--max_length", "65", "--repetition_penalty", "2.5"]))


if __name__ == "__main__":
    main(*sys.argv[1:3])
