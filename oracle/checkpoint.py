"""A checkpoint folder laid out like the published Qwen3 ones: config, tokenizer, defaults, weights."""

import json
import platform
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

END_OF_TEXT, IM_START, IM_END = 256, 257, 258
SPECIAL = {"<|endoftext|>": END_OF_TEXT, "<|im_start|>": IM_START, "<|im_end|>": IM_END}


def qwen3_config(**changes):
    """The keys, and the order, of the config.json that Qwen3-0.6B is published with.

    `rope_theta` is at the top level there; transformers 5 reads it and would itself write `rope_parameters`.
    """
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": END_OF_TEXT,
        "eos_token_id": END_OF_TEXT,
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 192,
        "initializer_range": 0.02,
        "intermediate_size": 512,
        "max_position_embeddings": 256,
        "max_window_layers": 6,
        "model_type": "qwen3",
        "num_attention_heads": 4,
        "num_hidden_layers": 6,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 100000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": transformers.__version__,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 264,
    }
    assert changes.keys() <= config.keys(), changes.keys() - config.keys()
    config = {**config, **changes}
    config["max_window_layers"] = config["num_hidden_layers"]
    return config


def write_json(path, value):
    Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_record(path, record):
    """JSON with one line for each top-level key, so that long lists stay short to read and to diff."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items())
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def write_config(folder, **changes):
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_json(Path(folder, "config.json"), qwen3_config(**changes))


def build_model(folder, dtype=torch.float32):
    """A fresh Qwen3ForCausalLM for the config.json in `folder`, initialised from torch's current seed."""
    config = transformers.AutoConfig.from_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)


def byte_alphabet():
    """GPT-2's printable stand-in for each of the 256 bytes, in byte order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def write_tokenizer(folder):
    """A byte-level BPE without merges: a token's id is its byte, the special tokens follow from 256."""
    special = [
        {
            "id": i,
            "content": text,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for text, i in SPECIAL.items()
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {character: byte for byte, character in enumerate(byte_alphabet())},
            "merges": [],
        },
    }
    decoder = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in special}
    settings = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": decoder,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "errors": "replace",
        "model_max_length": 256,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    write_json(Path(folder, "tokenizer.json"), tokenizer)
    write_json(Path(folder, "tokenizer_config.json"), settings)


def write_generation_config(folder):
    write_json(
        Path(folder, "generation_config.json"),
        {
            "bos_token_id": END_OF_TEXT,
            "do_sample": False,
            "eos_token_id": [END_OF_TEXT, IM_END],
            "pad_token_id": END_OF_TEXT,
            "transformers_version": transformers.__version__,
        },
    )


def write_weights(folder, tensors, file="model.safetensors"):
    save_file(tensors, Path(folder, file), metadata={"format": "pt"})
    Path(folder, file).chmod(0o644)  # save_file makes it the owner's alone


def versions():
    """What an outcome depends on, for the metadata beside every file the oracle makes."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
