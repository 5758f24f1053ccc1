"""What the Rust tokenizers make of every kind of normalizer, pre-tokenizer, model, added token, post-processor and decoder.

    python oracle/tokenizer_kinds.py packages/models/src/text/golden/tokenizer-kinds.golden.json
    python oracle/tokenizer_kinds.py FILE --random 400 --seed 7      # more texts, not for committing
"""

import argparse
import itertools
import json
import random
import sys

import tokenizers
from tokenizers import Tokenizer

POOL = (
    list("aAbBzZ019 .,!?'\"-_/\\|()[]{}<>#@$%^&*+=~`\t\n\r")
    + "  éÉñßİıΣςσΆ ßſ ﬁ ½ Ⅷ ² ٣ ३ 你好 日本 가 क्षि ก็ าั שָׁ ع 👩‍👩‍👧 😀 🇩🇪 ﷺ ▁ Ġ ― ¿ « € ∑ ￥".split(" ")
    + ["\u0301", "\u0308", "\u200b", "\u200d", "\u2028", "\u0085", "\u00a0", "\u3000", "\ufeff", "\ufffd", "\x00", "\x07", "\x7f", "\xad"]
    + ["ab", "the", "don't", " ab", "  ", "<s>", "<x>", "x", "don", "'s", "'LL"]
)
TEXTS = [
    "", " ", "a", "  two  spaces ", "Don't stop, it's 12.5 % off!", "Café naïve Ålesund", "x_y-z/w a1b22 c", "日本語 テスト 你好",
    "tab\tnew\nline\r\nend", "½ Ⅷ ² ٣٤ 10\u00a0000", "ΣΑΣ Straße İstanbul ﬁn", "e\u0301a\u0308 क्षि", "👩‍👩‍👧 😀😀 🇩🇪", "ab abab b a", "<x>ab <x> a<x>b",
    " ▁a▁ b ", "zero\u200bwidth\u0085nel\ufeffbom\x00nul", "aaaa  ab\n\n\nab   ",
]


def texts(args):
    rng = random.Random(args.seed)
    return TEXTS + ["".join(rng.choices(POOL, k=rng.randint(1, 24))) for _ in range(args.random)]


def seq(kind, key, *steps):
    return {"type": "Sequence", key: list(steps)}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def normalizers():
    yield from ({"type": t} for t in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"])
    for left, right in itertools.product([True, False], repeat=2):
        yield {"type": "Strip", "strip_left": left, "strip_right": right}
    yield {"type": "Prepend", "prepend": "▁"}
    for clean, chinese, accents, lower in itertools.product([True, False], [True, False], [True, False, None], [True, False]):
        yield {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": accents, "lowercase": lower}
    yield replace({"String": " "}, "▁")
    yield replace({"String": "a"}, "$&$1\\1")
    yield replace({"String": "."}, "")
    yield replace({"Regex": "\\s+"}, " ")
    yield replace({"Regex": " {2,}"}, "▁")
    yield replace({"Regex": "(?i)AB"}, "<>")
    yield replace({"Regex": "\\d*"}, "#")
    yield replace({"Regex": "^\\s+|\\s+$"}, "")
    yield seq("n", "normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"})
    yield seq("n", "normalizers", {"type": "Prepend", "prepend": "▁"}, replace({"String": " "}, "▁"))


RULES = {
    "qwen": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek digits": r"\p{N}{1,3}",
    "deepseek cjk": "[一-龥\u3040-ゟ゠-ヿ]+",
    "deepseek words": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "han": r"\p{Han}+|\p{Hiragana}|[^\p{Han}\s]+",
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "words": r"\w+|[^\w\s]+",
    "boundaries": r"\b",
    "empty": r"a*",
    "possessive": r"a++b|(?>ab|a)c",
    "posix": r"[[:alpha:]]+|[[:digit:]]|[[:punct:]]",
    "intersection": r"[\w&&[^\d]]+",
    "anchors": r"^a|b$",
    "lookbehind": r"(?<=a)b|(?<!a)z",
    "hex": r"\h+|\x{4f60}",
}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def pre_tokenizers():
    for behavior, invert in itertools.product(BEHAVIORS, [False, True]):
        yield split({"String": " "}, behavior, invert)
        yield split({"String": "ab"}, behavior, invert)
        yield split({"Regex": "a|\\s+"}, behavior, invert)
        yield split({"Regex": "a*"}, behavior, invert)
    for rule in RULES.values():
        yield split({"Regex": rule}, "Isolated")
    for rule in ["qwen", "bloom"]:
        yield split({"Regex": RULES[rule]}, "Removed", True)
    for behavior in BEHAVIORS:
        yield {"type": "Punctuation", "behavior": behavior}
    for prefix, regex in itertools.product([True, False], repeat=2):
        yield {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    yield from ({"type": t} for t in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"])
    yield from ({"type": "Digits", "individual_digits": d} for d in [True, False])
    yield {"type": "CharDelimiterSplit", "delimiter": "a"}
    yield from ({"type": "FixedLength", "length": n} for n in [1, 3])
    for scheme, cut in itertools.product(["always", "first", "never"], [True, False]):
        yield {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}
    yield seq("p", "pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True})
    yield seq("p", "pretokenizers", {"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True})
    yield seq("p", "pretokenizers", {"type": "Whitespace"}, {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Digits", "individual_digits": False})


VOCAB = ["<unk>", "<s>", "</s>", "a", "b", "c", "ab", "abc", "bc", " ", "▁", "▁a", "1", "##a", "##b", "##ab", "b</w>", "ab</w>", "a</w>", "é", "t", "h", "e", "th", "the", "don"]
MERGES = [("a", "b"), ("b", "c"), ("ab", "c"), ("t", "h"), ("th", "e"), ("▁", "a")]


def bpe(**options):
    base = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False}
    merges = options.pop("merges", MERGES)
    vocab = VOCAB + options.pop("more", [])
    return base | options | {"vocab": {t: i for i, t in enumerate(vocab)}, "merges": [list(m) for m in merges]}


def models():
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    words = {"type": "WhitespaceSplit"}
    for fuse, unk, ignore in itertools.product([False, True], [None, "<unk>"], [False, True]):
        yield bpe(fuse_unk=fuse, unk_token=unk, ignore_merges=ignore), None
    for fuse in [False, True]:
        yield bpe(byte_fallback=True, unk_token="<unk>", fuse_unk=fuse, more=bytes_), None
        yield bpe(byte_fallback=True, unk_token="<unk>", fuse_unk=fuse, more=bytes_[:200]), None
    yield bpe(end_of_word_suffix="</w>", unk_token="<unk>", merges=[("a", "b</w>")]), words
    yield bpe(continuing_subword_prefix="##", unk_token="<unk>", merges=[("a", "##b"), ("##a", "##b")]), words
    yield bpe(merges=[]), None
    vocab = {t: i for i, t in enumerate(VOCAB)}
    for longest in [100, 3]:
        yield {"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": longest, "vocab": vocab}, words
    yield {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}, words
    scores = [[t, -1.0 - 0.37 * (i * 7 % 11)] for i, t in enumerate(VOCAB)]
    yield {"type": "Unigram", "unk_id": 0, "vocab": scores, "byte_fallback": False}, None
    yield {"type": "Unigram", "unk_id": 0, "vocab": scores + [[b, -9.0] for b in bytes_], "byte_fallback": True}, None


def added(content, id, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} | flags


def added_tokens():
    """Added tokens, a normalizer and a pre-tokenizer."""
    n = len(VOCAB)
    for flag in ["single_word", "lstrip", "rstrip", "normalized", "special"]:
        yield [added("<x>", n, **{flag: True})], None, None
        yield [added("ab", 6, **{flag: True})], None, None
    yield [added("<x>", n, lstrip=True, rstrip=True), added("ab", 6, single_word=True)], None, None
    yield [added("a", 3), added("ab", 6), added("abab", n)], None, None
    yield [added("AB", n, normalized=True), added("é", 19, normalized=False)], {"type": "Lowercase"}, None
    yield [added("É", n, normalized=True), added("ab", 6, normalized=True, lstrip=True)], seq("n", "normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}), None
    for scheme in ["always", "first", "never"]:
        space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}
        yield [added("<x>", n, rstrip=True, special=True)], None, space
        yield [added("<x>", n, normalized=True)], {"type": "Strip", "strip_left": True, "strip_right": False}, space
    yield [added("<x>", n)], None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def post_processors():
    token = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = {t: {"id": t, "ids": [i], "tokens": [t]} for i, t in enumerate(VOCAB[:3])}
    for single in [[token("<s>"), text], [text, token("</s>")], [token("<s>"), text, token("</s>")], [text], [text, token("</s>"), text]]:
        yield {"type": "TemplateProcessing", "single": single, "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}
    yield {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}
    yield {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True, "add_prefix_space": False}
    yield {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    bos = {"type": "TemplateProcessing", "single": [token("<s>"), text], "pair": [text], "special_tokens": special}
    yield {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, bos]}


TOKEN_LISTS = [
    ["▁Hello", "▁world", "!"], ["▁", "▁", "a"], ["a", "▁b", "c▁d"], ["<0xE4>", "<0xBD>", "<0xA0>", "x"], ["<0xE4>", "<0xBD>", "x", "<0xA0>"],
    ["<0x41>", "<0xFF>", "<0x42>"], ["<0xzz>", "<0x4>", "<0x410>"], ["Ġthe", "ĊĠ", "Ã©"], ["Ã", "a", "é", "Ġ"], ["un", "##aff", "##able", "n't", ".", "##", "do not"],
    ["low", "er</w>", "x</w>"], [" a", "  b ", " "], ["a b", "b a"], [".", " ?", " 's"], ["你", "好"],
]


def decoders():
    yield from ({"type": t} for t in ["ByteFallback", "Fuse"])
    yield {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    yield {"type": "BPEDecoder", "suffix": "</w>"}
    for clean, prefix in itertools.product([True, False], ["##", "▁"]):
        yield {"type": "WordPiece", "prefix": prefix, "cleanup": clean}
    for scheme in ["always", "first", "never"]:
        yield {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}
    for content, start, stop in [(" ", 1, 0), (" ", 0, 1), (" ", 2, 2), ("a", 1, 1)]:
        yield {"type": "Strip", "content": content, "start": start, "stop": stop}
    yield replace({"String": "▁"}, " ")
    yield replace({"Regex": "[ab]+"}, "$0")
    yield seq("d", "decoders", replace({"String": "▁"}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    yield None


def tokenizer(**parts):
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": bpe(unk_token="<unk>")}
    file |= parts
    return file, Tokenizer.from_str(json.dumps(file))


def decoded(part, tokens):
    """None where the library itself panics: a Strip longer than its token."""
    try:
        return tokenizer(decoder=part)[1].decoder.decode(tokens) if part else " ".join(tokens)
    except BaseException:
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--random", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    given = texts(args)

    def encoded(file, tok, special=False):
        keep = {k: v for k, v in file.items() if v and k != "version"}
        return {"file": keep, "ids": [tok.encode(t, add_special_tokens=special).ids for t in given]}

    golden = {
        "versions": {"tokenizers": tokenizers.__version__},
        "texts": given,
        "tokenLists": TOKEN_LISTS,
        "normalizers": [{"part": p, "out": [tokenizer(normalizer=p)[1].normalizer.normalize_str(t) for t in given]} for p in normalizers()],
        "preTokenizers": [{"part": p, "out": [[s for s, _ in tokenizer(pre_tokenizer=p)[1].pre_tokenizer.pre_tokenize_str(t)] for t in given]} for p in pre_tokenizers()],
        "models": [encoded(*tokenizer(model=m, pre_tokenizer=p)) for m, p in models()],
        "addedTokens": [encoded(*tokenizer(added_tokens=a, normalizer=n, pre_tokenizer=p)) for a, n, p in added_tokens()],
        "postProcessors": [encoded(*tokenizer(post_processor=p), special=True) for p in post_processors()],
        "decoders": [{"part": p, "out": [decoded(p, t) for t in TOKEN_LISTS]} for p in decoders()],
    }
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")
    print({key: len(value) for key, value in golden.items()}, file=sys.stderr)


if __name__ == "__main__":
    main()
