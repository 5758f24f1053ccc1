"""What transformers makes of tokenizer folders whose tokens or post-processor stand in other files than tokenizer.json.

    python oracle/tokenizer_folders.py packages/models/src/text/golden/tokenizer-folders.golden.json
"""

import json
import sys
import tempfile
from pathlib import Path

import tokenizers
import transformers
from tokenizer_kinds import added, bpe
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

TEXTS = ["abc a b", "<s>ab<|im_end|>", "a<think>b</think> c", "<extra>a <extra> b", "<|endoftext|>abab", ""]
N = 26  # tokens of the vocabulary


def template(*special):
    text = {"Sequence": {"id": "A", "type_id": 0}}
    single = [{"SpecialToken": {"id": t, "type_id": 0}} if t else text for t in special]
    ids = {"<s>": 1, "</s>": 2}
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in ids.items()}}


def file(**parts):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None, "model": bpe(unk_token="<unk>")} | parts


def flags(content, **more):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} | more


def folders():
    bos = file(post_processor=template("<s>", None))
    yield "a begin-of-text token from the post-processor", {"tokenizer.json": bos, "tokenizer_config.json": {}}
    yield "add_bos_token beside tokenizer.json, which has the last word", {"tokenizer.json": bos, "tokenizer_config.json": {"add_bos_token": False, "bos_token": "<s>"}}
    yield "add_bos_token and add_eos_token beside a tokenizer.json without a post-processor", {"tokenizer.json": file(), "tokenizer_config.json": {"add_bos_token": True, "add_eos_token": True, "bos_token": "<s>", "eos_token": "</s>"}}
    yield "a named token that tokenizer.json does not call special", {"tokenizer.json": file(added_tokens=[added("<extra>", N, lstrip=True, normalized=True)]), "tokenizer_config.json": {"eos_token": "<extra>"}}
    yield "a named token with flags that tokenizer.json has without", {"tokenizer.json": file(added_tokens=[added("<extra>", N)]), "tokenizer_config.json": {"eos_token": flags("<extra>", lstrip=True, rstrip=True) | {"__type": "AddedToken"}}}
    yield "tokens that stand only in added_tokens_decoder", {"tokenizer.json": file(), "tokenizer_config.json": {"added_tokens_decoder": {str(N): flags("<|im_end|>"), str(N + 1): flags("<think>", special=False), str(N + 2): flags("</think>", special=False)}}}
    yield "flags that added_tokens_decoder changes", {"tokenizer.json": file(added_tokens=[added("<extra>", N)]), "tokenizer_config.json": {"added_tokens_decoder": {str(N): flags("<extra>", lstrip=True, rstrip=True)}}}
    yield "special tokens that stand only in tokenizer_config.json", {"tokenizer.json": file(), "tokenizer_config.json": {"bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": flags("<|endoftext|>") | {"__type": "AddedToken"}}}
    yield "extra special tokens", {"tokenizer.json": file(), "tokenizer_config.json": {"extra_special_tokens": ["<extra>", "<think>"]}}
    yield "additional special tokens", {"tokenizer.json": file(), "tokenizer_config.json": {"additional_special_tokens": ["<extra>", "<think>"]}}
    yield "special_tokens_map.json", {"tokenizer.json": file(), "tokenizer_config.json": {}, "special_tokens_map.json": {"eos_token": flags("<|im_end|>"), "bos_token": "<s>"}}
    yield "added_tokens.json", {"tokenizer.json": file(), "tokenizer_config.json": {}, "added_tokens.json": {"<think>": N + 1, "<|im_end|>": N}, "special_tokens_map.json": {"eos_token": "<|im_end|>"}}
    yield "an unknown token that stands only in tokenizer_config.json", {"tokenizer.json": file(model=bpe()), "tokenizer_config.json": {"unk_token": "<extra>"}}
    letters = bpe(more=["Ġ", "Ġa"], merges=[("a", "b"), ("Ġ", "a")])
    qwen = {"vocab.json": letters["vocab"], "merges.txt": "#version: 0.2\n" + "\n".join(" ".join(m) for m in letters["merges"]) + "\n"}
    yield "vocab.json and merges.txt", qwen | {"tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "added_tokens_decoder": {str(N + 2): flags("<|endoftext|>"), str(N + 3): flags("<|im_end|>")}}}
    ends = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": "a", "eos_token": "<|endoftext|>"}
    yield "vocab.json and merges.txt with add_bos_token", qwen | {"tokenizer_config.json": ends | {"add_bos_token": True, "add_eos_token": True}}
    yield "vocab.json and merges.txt with add_bos_token and no bos_token", qwen | {"tokenizer_config.json": {"add_bos_token": True, "add_prefix_space": True}}
    yield "vocab.json and merges.txt with added_tokens.json", qwen | {"tokenizer_config.json": {}, "added_tokens.json": {"<|endoftext|>": N + 2, "<think>": N + 3}}


def main():
    golden = {"versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}, "texts": TEXTS, "folders": []}
    for name, files in folders():
        with tempfile.TemporaryDirectory() as folder:
            for file_name, content in files.items():
                text = content if isinstance(content, str) else json.dumps(content)
                Path(folder, file_name).write_text(text, encoding="utf-8")
            kind = PreTrainedTokenizerFast if "tokenizer.json" in files else Qwen2Tokenizer
            tok = kind.from_pretrained(folder)
            golden["folders"].append({
                "name": name,
                "files": files,
                "ids": [tok(t)["input_ids"] for t in TEXTS],
                "plain": [tok(t, add_special_tokens=False)["input_ids"] for t in TEXTS],
                "skipped": [tok.decode(tok(t)["input_ids"], skip_special_tokens=True) for t in TEXTS],
                "named": {k: v for k, v in tok.special_tokens_map.items() if isinstance(v, str)},
            })
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(golden, out, ensure_ascii=True, separators=(",", ":"))
        out.write("\n")


main()
