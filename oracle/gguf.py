"""Writes a Qwen3 as GGUF version 3, the file format of llama.cpp, in the dtypes that it has: bf16 matrices, f32 norms.

The format is published in ggml's docs/gguf.md: magic, version, counts, key-value pairs, tensor descriptions, padding, data.
"""

import struct

import torch

from oracle.checkpoint import byte_alphabet

ALIGNMENT = 32
UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5
GGML_F32, GGML_BF16 = 0, 30
NORMAL_TOKEN = 1
LAYER_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}
MODEL_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name):
    """What llama.cpp calls a tensor of a Hugging Face checkpoint."""
    stem = name.removesuffix(".weight")
    if stem in MODEL_NAMES:
        return f"{MODEL_NAMES[stem]}.weight"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[part]}.weight"


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def uint32(key, value):
    return entry(key, UINT32, struct.pack("<I", value))


def float32(key, value):
    return entry(key, FLOAT32, struct.pack("<f", value))


def array(key, kind, values):
    packed = b"".join(text(v) for v in values) if kind == STRING else struct.pack(f"<{len(values)}i", *values)
    return entry(key, ARRAY, struct.pack("<IQ", kind, len(values)) + packed)


def metadata(config):
    """Key-value pairs: the shape of the model, and a byte-level tokenizer with as many tokens as the vocabulary."""
    tokens = byte_alphabet()
    tokens += [f"[{i}]" for i in range(len(tokens), config.vocab_size)]
    return [
        entry("general.architecture", STRING, text("qwen3")),
        uint32("general.alignment", ALIGNMENT),
        uint32("qwen3.block_count", config.num_hidden_layers),
        uint32("qwen3.context_length", config.max_position_embeddings),
        uint32("qwen3.embedding_length", config.hidden_size),
        uint32("qwen3.feed_forward_length", config.intermediate_size),
        uint32("qwen3.attention.head_count", config.num_attention_heads),
        uint32("qwen3.attention.head_count_kv", config.num_key_value_heads),
        uint32("qwen3.attention.key_length", config.head_dim),
        uint32("qwen3.attention.value_length", config.head_dim),
        float32("qwen3.attention.layer_norm_rms_epsilon", config.rms_norm_eps),
        float32("qwen3.rope.freq_base", config.rope_parameters["rope_theta"]),
        entry("tokenizer.ggml.model", STRING, text("gpt2")),
        entry("tokenizer.ggml.pre", STRING, text("qwen2")),
        array("tokenizer.ggml.tokens", STRING, tokens),
        array("tokenizer.ggml.token_type", INT32, [NORMAL_TOKEN] * len(tokens)),
        array("tokenizer.ggml.merges", STRING, ["a b"]),
        uint32("tokenizer.ggml.eos_token_id", config.vocab_size - 1),
    ]


def padding(length):
    return b"\0" * (-length % ALIGNMENT)


def write_gguf(path, config, tensors):
    """`tensors`: name in a Hugging Face checkpoint -> bf16 tensor; a tied head has none."""
    pairs = metadata(config)
    described, chunks, offset = [], [], 0
    for name, tensor in tensors.items():
        kind = GGML_F32 if tensor.dim() == 1 else GGML_BF16  # llama.cpp wants norms in f32
        data = tensor.contiguous().to(torch.float32 if kind == GGML_F32 else torch.bfloat16)
        dims = struct.pack(f"<I{data.dim()}Q", data.dim(), *reversed(data.shape))
        described.append(text(gguf_name(name)) + dims + struct.pack("<IQ", kind, offset))
        chunks.append(data)
        size = data.numel() * data.element_size()
        offset += size + len(padding(size))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(described), len(pairs)) + b"".join(pairs + described)
    with open(path, "wb") as file:
        file.write(header + padding(len(header)))
        for data in chunks:
            raw = data.flatten().view(torch.uint8).numpy()
            file.write(raw.tobytes() + padding(raw.size))
