"""What transformers runs, or tries to, and this project refuses by name."""

import torch

from sizes_and_files import with_header, with_tensors
from variant import Variant, save_weights


def config(key, value, names=None):
    return Variant(f"refused/{key} {str(value)[:40]}", {key: value}, refused=names or key)


def without(name):
    def write(folder, state):
        save_weights(folder, {key: t for key, t in state.items() if key != name})

    return write


def variants():
    windowed = dict(is_causal=False, use_sliding_window=True, sliding_window=5, max_window_layers=0)
    yield Variant("refused/is_causal False with a window", windowed, refused="is_causal")
    yield config("is_encoder_decoder", True)
    yield config("hidden_act", "mish")
    yield config("layer_types", ["chunked_attention"] * 2)
    yield config("layer_types", ["full_attention"])
    yield config("layer_types", ["sliding_attention"] * 2)
    yield config("quantization_config", dict(quant_method="gptq", bits=4))
    yield config("quantization_config", dict(quant_method="bitsandbytes", load_in_4bit=True))
    yield config("partial_rotary_factor", 0.5)
    yield config("rope_scaling", dict(type="su", factor=4.0), "rope_type")
    yield config("rope_scaling", dict(type="mrope", mrope_section=[2, 3, 3]), "rope_type")
    yield config("rope_scaling", dict(type="linear"), "factor")
    yield config("rope_parameters", dict(full_attention=dict(rope_type="default")), "full_attention")
    yield config("num_hidden_layers", 3, "layers.2")
    yield config("num_hidden_layers", 1, "layers.1")
    yield config("num_hidden_layers", 100_000)
    yield config("num_hidden_layers", 2**53 - 1)
    yield config("hidden_size", 2**30, "embed_tokens")
    yield config("vocab_size", 2**40, "embed_tokens")
    yield config("intermediate_size", 2**40, "gate_proj")
    yield config("num_attention_heads", 2**30, "q_proj")
    yield config("torch_dtype", "int8")
    yield config("per_layer_config", {"0": {"head_dim": 8}})
    yield config("transformers_weights", "other.safetensors")
    yield Variant("refused/no head", write=without("lm_head.weight"), refused="lm_head.weight")
    yield Variant("refused/a norm that is missing", write=without("model.norm.weight"), refused="model.norm.weight")
    extra = {"model.layers.0.mlp.extra.weight": torch.zeros(3)}
    yield Variant("refused/a tensor that is left over", write=with_tensors(extra), refused="mlp.extra.weight")
    many = lambda h: {**h, **{f"t{i}": dict(dtype="F32", shape=[0], data_offsets=[0, 0]) for i in range(300_000)}}
    yield Variant("refused/300,000 empty tensors", write=with_header(many), refused="150000 tensors")
